# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts themselves: what the tests of the fleet and of leaks stand on."""

from __future__ import annotations

import json

import pytest
import ssh_hosts
from ssh_hosts import SshHosts

pytestmark = pytest.mark.skipif(ssh_hosts.missing() is not None, reason=str(ssh_hosts.missing()))


def test_two_fleets_at_once_do_not_meet(tmp_path, ansible):
    with SshHosts(tmp_path / "a", ["web1", "web2"]) as ours, SshHosts(tmp_path / "b", ["web1"]) as theirs:
        (ours.files("web1") / "mark").write_text("ours")
        (theirs.files("web1") / "mark").write_text("theirs")
        hosts = {"web1": ours.inventory["web1"], "web2": ours.inventory["web2"], "other": theirs.inventory["web1"]}
        (tmp_path / "inventory.yml").write_text(json.dumps({"all": {"hosts": hosts}}))

        question = f"hostname; cat {ours.path}/mark {theirs.path}/mark"
        said = ansible("ansible", "-i", tmp_path / "inventory.yml", "all", "-o", "-m", "ansible.builtin.raw", "-a", question, fails=True)

        lines = {line.split(" ")[0]: line for line in said.splitlines() if " | " in line}
        assert "web1" in lines["web1"] and "ours" in lines["web1"] and "theirs" not in lines["web1"]
        assert "web1" in lines["other"] and "theirs" in lines["other"] and "ours" not in lines["other"]
        assert "No such file" in lines["web2"]
