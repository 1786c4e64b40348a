# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole plays of the role, with a fake Atlas of their own: what tests on folders and tests on hosts over SSH share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from fake_atlas import DEMO_PRIVATE_KEY, DEMO_PROJECT, DEMO_PUBLIC_KEY

API_KEY = {"public_api_key": DEMO_PUBLIC_KEY, "private_api_key": DEMO_PRIVATE_KEY}
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

    def run(self, *arguments: str, fails: bool = False, environment: dict[str, str] | None = None, seconds: int = 300, **variables: Any) -> dict[str, str]:
        """Run the play; what each host came to: ok, changed, failed or unreachable."""
        play = dict(self.play, vars=dict(self.play["vars"], **variables))
        inventory = {"shop": {"hosts": self.hosts}, **self.groups}
        (self.folder / "inventory.yml").write_text(yaml.safe_dump(inventory))
        (self.folder / "play.yml").write_text(yaml.safe_dump([play]))
        command = ["ansible-playbook", "-i", self.folder / "inventory.yml", self.folder / "play.yml", *arguments]
        self.output = self.ansible(*command, seconds=seconds, fails=fails, **environment or {})
        assert "PRIVATE KEY" not in self.output
        recap = RECAP.findall(self.output)
        assert recap, self.output
        return {host: outcome(*map(int, counts)) for host, *counts in recap}

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
