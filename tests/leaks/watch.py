# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run one command, and keep what anybody could see of it while it runs: arguments, environments, files and their permissions.

    python watch.py REPORT SECONDS FOLDER PIDS -- COMMAND...

A process of its own, so that a busy test does not make it blind. It is the subreaper of the command: what leaves its parent (async, a kept
SSH connection) stays a descendant. PIDS (comma-separated, may be empty) are looked at too: the sshd of test hosts. The search comes later: a secret may be
made while the command runs. Linux only.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_LARGEST = 32 * 1024 * 1024
_OVERLAP = 64
_PAUSE = 0.008
_PATIENCE = 20.0  # for what the command leaves behind, a job in the background


class Watch:
    """What was seen so far."""

    def __init__(self, report: Path, folder: Path, others: list[int]) -> None:
        self.polls = 0
        self._report = report
        self._folder = folder
        self._roots = [os.getpid(), *others]
        self._processes: set[tuple[int, str]] = set()
        self._seen: dict[str, set[bytes]] = {"cmdline": set(), "environ": set()}
        self._versions: dict[str, tuple[int, ...]] = {}
        self._files: dict[tuple[str, bool], list[str]] = {}
        (report / "contents").mkdir(parents=True)

    def look(self) -> bool:
        """Look once at everything; whether any descendant of the command lives."""
        self.polls += 1
        living = list(self._descendants())
        for pid in living:
            self._look_at_process(pid)
        if self.polls % 3 == 0:
            self._walk(str(self._folder), is_open=True)
        return any(_lives(pid) for pid in living)

    def write(self, code: int) -> None:
        """Write the report."""
        for kind, values in self._seen.items():
            (self._report / kind).write_bytes(b"\n".join(sorted(values)))
        summary = {
            "code": code,
            "polls": self.polls,
            "processes": len(self._processes),
            "arguments": len(self._seen["cmdline"]),
            "files": [{"path": path, "open": is_open, "contents": names} for (path, is_open), names in self._files.items()],
        }
        (self._report / "summary.json").write_text(json.dumps(summary))

    def end(self) -> None:
        """End what the command has left behind."""
        for pid in self._descendants():
            if pid not in self._roots and _is_below(pid, os.getpid()):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass

    def _descendants(self) -> Iterator[int]:
        queue = list(self._roots)
        while queue:
            pid = queue.pop()
            if pid != os.getpid():
                yield pid
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    queue += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
            except OSError:
                continue

    def _look_at_process(self, pid: int) -> None:
        try:
            started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
            self._processes.add((pid, started))
            for kind, values in self._seen.items():
                values.add(Path(f"/proc/{pid}/{kind}").read_bytes().replace(b"\0", b" "))
        except (IndexError, OSError):
            pass

    def _walk(self, folder: str, is_open: bool) -> None:
        try:
            entries = list(os.scandir(folder))
        except OSError:
            return
        for entry in entries:
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISDIR(found.st_mode):
                if Path(entry.path) != self._report:
                    self._walk(entry.path, is_open and bool(found.st_mode & _readers(entry.path) >> 2))
            elif stat.S_ISREG(found.st_mode):
                version = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode)
                known = self._versions.get(entry.path, (0, 0))
                if known != version:
                    self._versions[entry.path] = version
                    grown = known[0] == found.st_ino and known[1] < found.st_size
                    self._keep(entry.path, is_open and bool(found.st_mode & _readers(entry.path)), max(0, known[1] - _OVERLAP) if grown else 0)

    def _keep(self, path: str, is_open: bool, start: int) -> None:
        """Keep what is in the file; of one that has grown, as a log does, what is new."""
        try:
            with open(path, "rb") as file:
                file.seek(start)
                data = file.read(_LARGEST)
        except OSError:
            return
        name = hashlib.sha256(data).hexdigest()
        kept = self._report / "contents" / name
        if not kept.exists():
            kept.write_bytes(data)
        names = self._files.setdefault((path, is_open), [])
        if name not in names:
            names.append(name)


def _readers(path: str) -> int:
    """The bits that let others read. Under an access list those of the group say what named users may: Ansible names the one that a task becomes."""
    try:
        os.getxattr(path, "system.posix_acl_access")
    except OSError:
        return 0o044
    return 0o004


def _lives(pid: int) -> bool:
    """Whether it is ours and lives: a zombie is over."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (IndexError, OSError):
        return False
    return state != "Z" and _is_below(pid, os.getpid())


def _is_below(pid: int, ancestor: int) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except (IndexError, OSError, ValueError):
            return False
    return False


def main() -> int:
    """Run and watch; the exit code is the command's, 124 when it took too long."""
    report, seconds, folder, pids, _dashes, *command = sys.argv[1:]
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    watch = Watch(Path(report), Path(folder), [int(pid) for pid in pids.split(",") if pid])
    deadline = time.monotonic() + float(seconds)
    with open(Path(report) / "output", "wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        while process.poll() is None and time.monotonic() < deadline:
            began = time.monotonic()
            watch.look()
            time.sleep(max(_PAUSE, 2 * (time.monotonic() - began)))  # at most a third of a processor
        deadline = min(deadline, time.monotonic() + _PATIENCE)
        while watch.look() and process.returncode is not None and time.monotonic() < deadline:
            time.sleep(_PAUSE)
        code = 124 if process.returncode is None else process.returncode
        watch.end()
        process.wait()
    watch.write(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
