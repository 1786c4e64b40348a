# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole plays of the role, with a fake Atlas of their own: what tests on folders and tests on hosts over SSH share."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.atlas.x509.plugins.module_utils import _pem
from connections import API_KEY
from fake_atlas import DEMO_PROJECT

SECONDS = 900
"""How long a play may take on a machine that has other things to do too; nothing is measured by it."""
RECAP = re.compile(r"^(\S+)\s+: ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", re.MULTILINE)


class Plays:
    """Hosts, one play that applies the role to them, and the fake service that they share. Change ``hosts`` and ``play`` as you like."""

    def __init__(self, folder: Path, ansible: Any, atlas: Any) -> None:
        self.folder = folder
        self.ansible = ansible
        self.atlas = atlas
        self.hosts: dict[str, dict[str, Any]] = {}
        self.groups: dict[str, Any] = {}
        self.play: dict[str, Any] = {
            "hosts": "shop",
            "gather_facts": False,
            "module_defaults": {"group/atlas.x509.atlas": {"base_url": atlas.url, "project_id": DEMO_PROJECT, **API_KEY}},
            "tasks": [{"name": "Keep the certificate", "ansible.builtin.include_role": {"name": "atlas.x509.user_cert"}}],
            "vars": {"user_cert_username": "app", "user_cert_parking_dir": f"{folder}/parking"},
        }
        self.output = ""

    def run(self, *arguments: str, fails: bool = False, environment: dict[str, str] | None = None, seconds: int = SECONDS, **variables: Any) -> dict[str, str]:
        """Run the play; what each host came to: ok, changed, failed or unreachable."""
        self.output = self.ansible(*self.command(variables), *arguments, seconds=seconds, fails=fails, **environment or {})
        assert "PRIVATE KEY" not in self.output
        recap = RECAP.findall(self.output)
        assert recap, self.output
        return {host: outcome(*map(int, counts)) for host, *counts in recap}

    def command(self, variables: dict[str, Any]) -> list[Any]:
        """Write the play with these variables, and the inventory; returns the command that runs it."""
        play = dict(self.play, vars=dict(self.play["vars"], **variables))
        inventory = {"shop": {"hosts": self.hosts}, **self.groups}
        (self.folder / "inventory.yml").write_text(yaml.safe_dump(inventory))
        (self.folder / "play.yml").write_text(yaml.safe_dump([play]))
        return ["ansible-playbook", "-i", self.folder / "inventory.yml", self.folder / "play.yml"]

    def killed(self, when: Callable[[], Any], what: str, **variables: Any) -> None:
        """Run the play, and kill it with everything that it has started at that moment."""
        process = self.ansible.start(*self.command(variables))
        try:
            until(lambda: when() or process.poll() is not None, what)
            assert process.poll() is None, process.stdout.read()
        finally:
            kill(process.pid)
            process.communicate(timeout=30)

    def issued(self) -> list[str]:
        """The serial numbers that were issued over the wire."""
        return [entry.issued for entry in self.atlas.state.journal if entry.issued]

    def parked(self) -> list[str] | None:
        """What waits on the controller; None when there is no such directory."""
        parking = self.folder / "parking"
        return sorted(path.name for path in parking.iterdir()) if parking.exists() else None


def outcome(changed: int, unreachable: int, failed: int) -> str:
    """The one word for a line of the recap."""
    return "unreachable" if unreachable else "failed" if failed else "changed" if changed else "ok"


def held(path: str | Path) -> str:
    """What somebody holds there: the serial number of the PEM, or the state of the file when it is no pair."""
    look = _pem.look_at(str(path))
    return str(look.certificate.serial) if look.state == "pair" else look.state


def until(happened: Callable[[], Any], what: str) -> Any:
    """Wait until it has happened, with bounds; what it says then."""
    end = time.monotonic() + SECONDS
    while not (said := happened()):
        if time.monotonic() > end:
            raise AssertionError(f"it never happened: {what}")
        time.sleep(0.02)
    return said


def kill(pid: int) -> None:
    """Kill a process with everything that it has started."""
    for each in [*descendants(pid), pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    """Every process that this one has started, and those that they have: Ansible gives its workers sessions of their own, ansible-runner gives Ansible one."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(status.parent.name))
    found = list(children.get(pid, []))
    for process in found:
        found += children.get(process, [])
    return found
