# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A process without threads that has loaded the modules, and forks one child for every run of one.

A line of JSON in, one out. In: a list of runs that begin at the same moment, each

    {"module": "atlas_user_cert", "arguments": {...}, "umask": 0, "watched": ["/directory"],
     "event": {"at": 17, "what": "kill"}}

The module ``keep`` is none: it is what the action plugin ``atlas_pem_fetch`` does on the controller with a PEM that a host has sent.

Every call that changes a watched directory, and every one that sends or receives, is a *step*; the event happens before the step
of that number. Out: of each run its ``code`` (negative: the signal), the ``steps`` that it began, what it ``said`` and its ``errors``.
"""

from __future__ import annotations

import base64
import errno
import fcntl
import importlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile

from ansible.module_utils import basic
from ansible_collections.atlas.x509.plugins.module_utils import _fetch, _pem, _shown
from ansible_collections.atlas.x509.plugins.module_utils._errors import AtlasX509Error

LONGEST = 120  # seconds for one run
MODULES = ("atlas_user_cert", "atlas_user_cert_info", "atlas_pem", "atlas_pem_info")
CALLS = ("open", "pwrite", "fsync", "ftruncate", "rename", "unlink", "link", "fchmod", "fchown", "mkdir", "close")

# Loaded once, here; and _strptime, which Python loads late, from where a run as another user may not be able to.
for _name in ("_strptime", "cryptography.hazmat.primitives.serialization", "cryptography.x509", "requests"):
    importlib.import_module(_name)
_module = {name: importlib.import_module(f"ansible_collections.atlas.x509.plugins.modules.{name}") for name in MODULES}
_write, _pwrite, _kill, _open = os.write, os.pwrite, os.kill, os.open
_sendall, _receive = socket.socket.sendall, socket.socket.recv_into


def _die(*_arguments):
    _kill(os.getpid(), signal.SIGKILL)


def _tear(_run, name, arguments):
    """Die in the middle: half of what was to be written or sent is, and nothing more."""
    if name == "pwrite":
        descriptor, data, offset = arguments
        _pwrite(descriptor, bytes(data)[: len(data) // 2], offset)
    elif name == "send":
        _sendall(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
    _die()


def _fill(run, _name, _arguments):
    """Fill the disk to the last byte."""
    descriptor = _open(os.path.join(run["watched"][0], "filler"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for size in (65536, 4096, 512, 1):
            while _write(descriptor, b"x" * size):
                pass
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def _run_command(run, _name, _arguments):
    """Do something to the world from outside."""
    subprocess.run(run["event"]["command"], check=True, capture_output=True, timeout=30)


def _refuse(_run, _name, _arguments):
    """Let the call fail, as on a broken device."""
    raise OSError(errno.EIO, os.strerror(errno.EIO))


EVENTS = {"kill": _die, "tear": _tear, "fill": _fill, "command": _run_command, "refuse": _refuse}


class Steps:
    """Counts the steps of a run, notes each before it is done, and lets the event happen."""

    def __init__(self, run, notes):
        self._run = run
        self._notes = notes
        self._numbers = itertools.count()
        self._busy = False

    def install(self):
        for name in CALLS:
            self._wrap(os, name, self._on_disk)
        self._wrap(fcntl, "flock", self._on_disk)
        self._wrap(socket.socket, "sendall", self._on_wire)
        self._wrap(socket.socket, "recv_into", self._on_wire)

    def _wrap(self, owner, name, is_step):
        real = getattr(owner, name)

        def call(*arguments, **named):
            if not self._busy:
                note = is_step(name, arguments)
                if note:
                    self._take(note, arguments)
            return real(*arguments, **named)

        setattr(owner, name, call)

    def _take(self, note, arguments):
        self._busy = True
        number = next(self._numbers)
        _write(self._notes, (json.dumps(note) + "\n").encode())
        event = self._run.get("event") or {}
        try:
            if event.get("at") == number:
                EVENTS[event["what"]](self._run, note["call"], arguments)
        finally:
            self._busy = False

    def _on_disk(self, name, arguments):
        where = [self._path(one) for one in arguments[:2] if isinstance(one, (int, str))]
        inside = [one for one in where if any(one.startswith(place) for place in self._run["watched"])]
        if not inside:
            return None
        note = {"call": name, "file": os.path.basename(inside[-1])}
        if name == "pwrite":
            note["bytes"] = len(arguments[1])
        if name == "open":
            note["creates"] = bool(arguments[1] & os.O_CREAT)
        return note

    @staticmethod
    def _path(one):
        try:
            return one if isinstance(one, str) else os.readlink(f"/proc/self/fd/{one}")
        except OSError:
            return ""

    @staticmethod
    def _on_wire(name, arguments):
        if name == "recv_into":
            return {"call": "receive"}
        return {"call": "send", "begin": bytes(arguments[1][:30]).decode("latin-1")}


def _keep(dest, content_base64):
    pem = base64.b64decode(content_base64)
    expected = _shown.certificate(_pem.first_certificate(pem))
    try:
        said = {"changed": not _fetch.kept(dest, expected["serial_number"]) and _fetch.keep(dest, pem, expected)}
    except AtlasX509Error as error:
        said = {"failed": True, "msg": error.message}
    print(json.dumps(said))  # noqa: T201 - as a module speaks


def _child(run, files, gate):
    for number, file in enumerate(files[:2], 1):
        os.dup2(file.fileno(), number)
    os.read(gate, 1)  # until all are here
    signal.alarm(LONGEST)
    os.umask(run.get("umask", 0o077))
    if run.get("user"):
        os.setgroups([])
        os.setgid(run["user"])
        os.setuid(run["user"])
    tempfile.tempdir = run.get("tempdir")
    for name, value in run.get("environment", {}).items():
        os.environ[name] = value
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": run["arguments"]}).encode()
    basic._ANSIBLE_PROFILE = "legacy"
    Steps(run, files[2].fileno()).install()
    code = 99
    try:
        _keep(**run["arguments"]) if run["module"] == "keep" else _module[run["module"]].main()
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _start(run, gate, opener):
    files = [tempfile.TemporaryFile() for dummy in range(3)]
    pid = os.fork()
    if not pid:
        os.close(opener)
        _child(run, files, gate)
    return pid, files


def _result(pid, files):
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    texts = []
    for file in files:
        file.seek(0)
        texts.append(file.read().decode())
        file.close()
    said = json.loads(texts[0]) if texts[0].strip() else None
    return {"code": code, "said": said, "errors": texts[1], "steps": [json.loads(line) for line in texts[2].splitlines()]}


def main():
    for line in sys.stdin:
        gate, opener = os.pipe()
        started = [_start(run, gate, opener) for run in json.loads(line)]
        os.close(opener)
        results = [_result(*one) for one in started]
        os.close(gate)
        print(json.dumps(results), flush=True)  # noqa: T201 - that is its voice


if __name__ == "__main__":
    main()
