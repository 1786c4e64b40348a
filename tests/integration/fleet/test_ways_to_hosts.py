# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts of one play that are reached in different ways, and what is said when the controller is treated like one of them."""

from __future__ import annotations

import shutil
import sys

import pytest
from ssh_hosts.disguise import Disguise

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(shutil.which("sudo") is None, reason="hosts with unprivileged logins need sudo (Debian: apt install sudo)"),
]


def test_hosts_that_are_reached_in_different_ways_give_the_certificate_to_each_other(fleet_of):
    """As root, as somebody who becomes root, and on this machine; each with an interpreter that no other host has."""
    fleet = fleet_of("web1", "web2", disguise=Disguise(accounts=("deploy",)))
    fleet.hosts["web2"].update(ansible_user="deploy", ansible_become=True, ansible_remote_tmp="~/.ansible/tmp")
    here = fleet.file("here")
    here.parent.mkdir(parents=True)
    fleet.hosts["here"] = {"ansible_connection": "local", "user_cert_path": str(here)}
    for host, variables in fleet.hosts.items():
        interpreter = fleet.file(host, f"python-{host}")
        interpreter.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        interpreter.chmod(0o755)
        variables["ansible_python_interpreter"] = str(interpreter if host == "here" else fleet.path.with_name(interpreter.name))

    assert fleet.run() == dict.fromkeys(fleet.hosts, "changed")
    (serial,) = fleet.issued()

    for holder in fleet.hosts:
        others = [host for host in fleet.hosts if host != holder]
        for host in others:
            fleet.file(host).unlink()
        assert fleet.run() == {**dict.fromkeys(others, "changed"), holder: "ok"}
        assert fleet.serials() == dict.fromkeys(fleet.hosts, serial)
    assert fleet.issued() == [serial]
    assert fleet.parked() == []


def test_an_extra_variable_that_makes_the_controller_become_root_too_is_refused_before_anything_is_sent(fleet_of, without_sudo):
    """Every host says so; nothing beats it, and what root keeps on the controller could not be placed."""
    fleet = fleet_of(2)

    assert fleet.run("-e", "ansible_become=true", environment=without_sudo, fails=True) == dict.fromkeys(fleet.hosts, "failed")

    assert "'-e ansible_become=true' makes the tasks on the controller become another user too" in fleet.output
    assert fleet.atlas.state.counters.requests == 0
    assert fleet.parked() is None
