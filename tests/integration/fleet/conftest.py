# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import ssh_hosts
from fake_atlas import DEMO_PROJECT, FakeAtlas
from plays import Plays, held
from ssh_hosts import SshHosts


class SshFleet(Plays):
    """Hosts over SSH: ``down`` pulls the plug of one, ``up`` puts it back."""

    def __init__(self, folder, ansible, atlas, names, disguise=None):
        super().__init__(folder, ansible, atlas)
        self.machines = SshHosts(folder / "ssh", names, disguise=disguise)
        self.path = self.machines.path / "mongodb.pem"

    def __enter__(self):
        self.machines.__enter__()
        self.hosts = {name: dict(variables, user_cert_path=str(self.path)) for name, variables in self.machines.inventory.items()}
        return self

    def __exit__(self, *exception):
        self.machines.__exit__(*exception)

    def run(self, *arguments, environment=None, **more):
        """Pipelined: then a host runs one command for a module, and Ansible leaves no file of its own on the way."""
        return super().run(*arguments, environment={"ANSIBLE_PIPELINING": "1", **(environment or {})}, seconds=1200, **more)

    def down(self, *names):
        for name in names:
            self.machines.stop(name)

    def up(self, *names):
        for name in names:
            self.machines.start(name)

    def file(self, host, name="mongodb.pem"):
        return self.machines.files(host) / name

    def holds(self, host, name="mongodb.pem"):
        """The serial number that a host holds, or the state of the file when it is no pair."""
        return held(self.file(host, name))

    def serials(self):
        return {host: self.holds(host) for host in self.hosts}

    def give(self, *hosts, user="app", **age):
        """Let hosts hold a certificate that the service issued in the past, in days; returns its serial number."""
        if "age" in age:
            age = {"issued_at": datetime.now(timezone.utc) - timedelta(days=age.pop("age")), **age}
        certificate = self.atlas.call(self.atlas.state.add_certificate, DEMO_PROJECT, user, **age)
        pem = self.atlas.call(self.atlas.state.pem, certificate)
        for host in hosts:
            self.file(host).write_text(pem)
            self.file(host).chmod(0o600)
        return str(certificate.serial)

    def listed(self):
        return len([entry for entry in self.atlas.state.journal if entry.method == "GET"])

    def unexpired(self):
        """The serial numbers that Atlas lists: what it takes for a login."""
        state = self.atlas.state
        return [str(one.serial) for one in self.atlas.call(state.unexpired, state.project(DEMO_PROJECT), "app")]

    def traces(self):
        """Every file and directory of the hosts and of the controller, with the moments of its last change and its place on the disk.

        A file that came and went changes its directory. Ansible's own directory is left out.
        """
        roots = [self.machines.files(name) for name in self.machines.names] + [self.folder / "parking", self.folder / "home"]
        found = {}
        for root in roots:
            for folder, folders, files in os.walk(root):
                folders[:] = [name for name in folders if name != ".ansible"]
                for path in [folder, *(os.path.join(folder, name) for name in files)]:
                    status = os.lstat(path)
                    found[path] = (status.st_mtime_ns, status.st_ctime_ns, status.st_ino) if path != str(self.folder / "home") else None
        return found

    @contextmanager
    def meanwhile(self, method, deed):
        """Do something in the moment in which the service gets such a request: the answer waits for it."""
        self.atlas.fault("delay", seconds=2, match={"method": method})
        state, over = self.atlas.state, threading.Event()

        def watch():
            while not over.wait(0.02):
                if any(entry.method == method for entry in state.journal):
                    deed()
                    return

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()


@pytest.fixture
def fleet_of(tmp_path, ansible):
    """Make a fleet: ``fleet_of(3)`` or ``fleet_of("web1", "db1")``."""
    lacking = ssh_hosts.missing()
    if lacking:
        pytest.skip(lacking)
    with FakeAtlas() as atlas:
        fleets = []

        def make(*names, disguise=None):
            names = [f"web{number + 1}" for number in range(names[0])] if isinstance(names[0], int) else list(names)
            fleets.append(SshFleet(tmp_path, ansible, atlas, names, disguise).__enter__())
            return fleets[-1]

        yield make
        for fleet in fleets:
            fleet.__exit__()


@pytest.fixture
def without_sudo(tmp_path):
    """An environment whose PATH has everything but what makes somebody root, and in which root is no exception: otherwise Ansible needs no sudo for root."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for program in (path for where in ("/usr/bin", "/bin") for path in Path(where).iterdir()):
        if program.name not in ("sudo", "su", "doas", "pkexec", "runuser", "setpriv") and not (folder / program.name).exists():
            (folder / program.name).symlink_to(program)
    return {"PATH": str(folder), "ANSIBLE_BECOME_ALLOW_SAME_USER": "true"}
