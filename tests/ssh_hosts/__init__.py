# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts to log in to over SSH, on loopback: each an sshd with a host key, a name and a directory of its own.

Each runs in namespaces of its own: of mounts, so that all of them see a different directory at the same path; of names; and of
processes, so that nothing of a host outlives it. Needs root and openssh-server; :func:`missing` says what is not there.

Several runs at once do not meet: each has a port of its own, which it claims by keeping a socket bound to it (``_claim``), and its
hosts differ by their addresses.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from .disguise import AUTHORIZED, Disguise

_CONFIG = """\
ListenAddress {address}:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {authorized}
LogLevel VERBOSE
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
MaxStartups 100:30:200
Subsystem sftp internal-sftp
"""


def missing() -> str | None:
    """What is not there to run such hosts; None when everything is."""
    if os.geteuid() != 0:
        return "hosts over SSH need root"
    lacking = [name for name in ("sshd", "ssh", "ssh-keygen", "unshare", "mount", "hostname") if not _program(name)]
    if lacking:
        return f"hosts over SSH need {', '.join(lacking)} (Debian: apt install openssh-server)"
    trial = subprocess.run([*_unshare(), "true"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
    return f"hosts over SSH need namespaces of their own ({trial.stderr.strip()})" if trial.returncode else None


class SshHosts:
    """``with SshHosts(folder, names) as hosts``: ``hosts.inventory`` is ready for Ansible, ``hosts.path`` is the directory that
    every host sees as its own, ``hosts.files(name)`` is where it lies on this machine.

    With ``disguise``, hosts have accounts of their own, see there; then ``hosts.path`` is below ``/srv``, where everybody may go.
    """

    def __init__(self, folder: Path, names: list[str], network: int = 1, disguise: Disguise | None = None) -> None:
        self.folder = folder
        self.names = list(names)
        self.path = Path("/srv") if disguise else folder / "host"
        self.disguise = disguise
        self.port = 0  # claimed on entry
        self._network = network
        self._claimed: socket.socket | None = None
        self._sockets = ""  # a short name: the path of a socket has at most 107 characters, and a test's folder alone may have 80
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> SshHosts:
        Path("/run/sshd").mkdir(exist_ok=True)  # where sshd separates its privileges
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path.mkdir(exist_ok=True)
        self._run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / "key"))
        self._sockets = tempfile.mkdtemp()
        self._claim()
        if self.disguise:
            self.disguise.prepare(self.folder / "etc", self.path, (self.folder / "key.pub").read_text())
        try:
            for name in self.names:
                self._prepare(name)
                self.start(name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: Any) -> None:
        for name in list(self._processes):
            self.stop(name)
        if self._claimed:
            self._claimed.close()
        shutil.rmtree(self._sockets, ignore_errors=True)

    def files(self, name: str) -> Path:
        """The directory that this host sees at ``path``."""
        return self.folder / name / "files"

    def address(self, name: str) -> str:
        """The loopback address of this host."""
        number = self.names.index(name) + 1
        return f"127.{self._network}.{number // 250}.{number % 250 + 1}"

    @property
    def inventory(self) -> dict[str, dict[str, Any]]:
        """Host variables by name."""
        options = f"-F none -o UserKnownHostsFile={self.folder}/known_hosts -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes"
        return {
            name: {
                "ansible_host": self.address(name),
                "ansible_port": self.port,
                "ansible_user": "root",
                "ansible_ssh_private_key_file": str(self.folder / "key"),
                "ansible_ssh_common_args": options,
                "ansible_ssh_timeout": 60,  # a busy machine is no host that is down
                "ansible_control_path_dir": self._sockets,  # of its own: a kept connection would lead to another fleet's host
                "ansible_remote_tmp": f"{self.path}/.ansible",
                "ansible_python_interpreter": sys.executable,
            }
            for name in self.names
        }

    def start(self, name: str) -> None:
        """Start this host, and return when it listens."""
        home = self.folder / name
        with open(home / "sshd.log", "ab") as log:
            self._processes[name] = subprocess.Popen(
                [*_unshare(), "sh", "-c", self._script(name)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._await(name)

    def stop(self, name: str) -> None:
        """End this host with every session on it, as if the plug was pulled; it is unreachable afterwards."""
        process = self._processes.pop(name)
        process.send_signal(signal.SIGKILL)  # and the kernel ends whatever lives in its namespace
        process.wait(timeout=10)

    def _claim(self) -> None:
        """Take a port that nobody has on the last address of the network, where no host is: who asks there gets another one."""
        self._claimed = socket.socket()
        self._claimed.bind((f"127.{self._network}.255.254", 0))
        self.port = self._claimed.getsockname()[1]

    def sessions(self, name: str) -> int:
        """How many commands this host was told to run so far: with pipelining, one for every module."""
        return (self.folder / name / "sshd.log").read_text().count("Starting session: command")

    def _script(self, name: str) -> str:
        """The mount points are the same everywhere; what lies behind them is the host's own, or that of its disguise."""
        mounts = {str(self.path): self.files(name), **(self.disguise.mounts if self.disguise else {})}
        steps = [["hostname", name], *(["mount", "--bind", str(source), target] for target, source in mounts.items())]
        steps.append(["exec", _program("sshd"), "-D", "-e", "-f", str(self.folder / name / "sshd_config")])
        return " && ".join(map(shlex.join, steps))

    def _prepare(self, name: str) -> None:
        home = self.folder / name
        (home / "files").mkdir(parents=True)
        if self.disguise:
            self.disguise.make_homes(home / "files")
        self._run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / "host_key"))
        authorized = AUTHORIZED if self.disguise else self.folder / "key.pub"
        config = _CONFIG.format(address=self.address(name), port=self.port, folder=home, authorized=authorized)
        (home / "sshd_config").write_text(config)
        public = " ".join((home / "host_key.pub").read_text().split()[:2])
        with open(self.folder / "known_hosts", "a", encoding="ascii") as known:
            known.write(f"[{self.address(name)}]:{self.port} {public}\n")

    def _await(self, name: str) -> None:
        """The banner of sshd is the sign that it listens; a refused connection is asked again, for ten seconds."""
        for _attempt in range(200):
            try:
                with socket.create_connection((self.address(name), self.port), timeout=5) as connection:
                    if connection.recv(4) == b"SSH-":
                        return
            except OSError:
                if self._processes[name].poll() is not None:
                    break
                _pause()
        raise RuntimeError(f"{name} does not listen: {(self.folder / name / 'sshd.log').read_text()}")

    @staticmethod
    def _run(*command: str) -> None:
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def _unshare() -> list[str]:
    return [_program("unshare"), "-m", "-u", "-p", "--fork", "--kill-child"]


def _pause() -> None:
    signal.sigtimedwait([], 0.05)


def _program(name: str) -> str:
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])) or ""
