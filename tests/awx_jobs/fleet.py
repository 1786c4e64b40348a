# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""AWX with hosts that are folders, and with the fake Atlas."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import surroundings
from fake_atlas import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, DEMO_PRIVATE_KEY, DEMO_PROJECT, FakeAtlas, UserCertificate
from plays import held

from . import Controller, Job


class Awx(Controller):
    """A controller whose hosts are folders, and whose service is a fake."""

    def __init__(self, folder: Path, environment: dict[str, str], atlas: FakeAtlas) -> None:
        super().__init__(folder, environment)
        self.atlas = atlas

    def with_account(self) -> Awx:
        """Give all jobs the demonstration's service account."""
        account = {"client_id": DEMO_CLIENT_ID, "client_secret": DEMO_CLIENT_SECRET}
        self.credential("service_account", **account, project_id=DEMO_PROJECT, base_url=self.atlas.url)
        return self

    def add(self, *names: str) -> None:
        """Add hosts."""
        for name in names:
            host = self.folder / "hosts" / name
            host.mkdir(parents=True)
            self.allow(self.folder / "hosts")
            self.inventory[name] = {
                "ansible_connection": "local",
                "ansible_become": False,  # the hosts need no sudo here; whoever delegates with the job's --become does
                "ansible_python_interpreter": sys.executable,
                "user_cert_path": str(host / "mongodb.pem"),
            }

    def sudo_was_called(self) -> bool:
        """Whether anything on this controller asked for more rights than a job has."""
        return (self.folder / "sudo" / "called").exists()

    def serials(self) -> dict[str, str]:
        """What each host holds: its serial number, or the state of the file when it is no pair."""
        return {name: held(variables["user_cert_path"]) for name, variables in self.inventory.items()}

    def certificates(self) -> list[UserCertificate]:
        """All that exist."""
        return [one for project in self.atlas.state.projects.values() for known in project.certificates.values() for one in known]

    def issued(self) -> list[str]:
        """The serial numbers that were issued, in order."""
        return [entry.issued for entry in self.atlas.state.journal if entry.issued]

    def secrets(self) -> set[str]:
        """Every credential, every token and every line of every key that anybody holds."""
        given = {value for _kind, inputs in self.credentials for name, value in inputs.items() if "secret" in name or "private" in name or name == "token"}
        keys = [self.atlas.state.pem(certificate).partition("-----BEGIN PRIVATE KEY")[2] for certificate in self.certificates()]
        return given | {DEMO_PRIVATE_KEY, *self.atlas.state.tokens} | {line for key in keys for line in key.splitlines() if len(line) > 20}

    def assert_nothing_leaked(self, *jobs: Job) -> None:
        """No event and no line of output of these jobs holds a secret."""
        for job in jobs:
            kept = job.everything()
            assert kept and [secret for secret in self.secrets() if secret in kept] == []
            assert "PRIVATE KEY" not in kept


def _without_sudo(folder: Path) -> Path:
    """The directory of a sudo that helps nobody, and remembers that it was asked."""
    place = folder / "sudo"
    place.mkdir(mode=0o777)
    place.chmod(0o777)
    (place / "sudo").write_text(f"#!/bin/sh\n: >{place}/called\nexit 1\n")
    (place / "sudo").chmod(0o755)
    return place


@contextlib.contextmanager
def fleet() -> Iterator[Awx]:
    """An AWX without hosts and credentials, and its service."""
    # Not pytest's directory: only its owner may enter that, and jobs are somebody else's.
    folder = Path(tempfile.mkdtemp(prefix="awx"))
    folder.chmod(0o755)
    (folder / "tmp").mkdir()
    (folder / "ansible.cfg").touch()
    environment = surroundings.clean(folder / "ansible.cfg", folder / "nowhere", folder / "tmp")
    environment["PATH"] = f"{_without_sudo(folder)}{os.pathsep}{environment['PATH']}"
    try:
        with FakeAtlas() as atlas:
            yield Awx(folder, environment, atlas)
    finally:
        shutil.rmtree(folder)
