# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what: an unprivileged login that becomes root on the hosts, and a controller that cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import ssh_hosts
from ssh_hosts.disguise import Disguise

needs_sudo = pytest.mark.skipif(shutil.which("sudo") is None, reason="hosts with unprivileged logins need sudo (Debian: apt install sudo)")


@needs_sudo
@pytest.mark.parametrize("where", [pytest.param("inventory", marks=pytest.mark.rare), pytest.param("play", marks=pytest.mark.heavy)])
def test_only_the_hosts_become_root_and_a_system_user_owns_what_another_group_reads(fleet_of, where, without_sudo):
    fleet = fleet_of(3, disguise=Disguise(accounts=("deploy", "appsvc", "readers")))
    for variables in fleet.hosts.values():
        variables.update(ansible_user="deploy", ansible_remote_tmp="~/.ansible/tmp")
        if where == "inventory":
            variables["ansible_become"] = True
    if where == "play":
        fleet.play["become"] = True
    wishes = {"user_cert_owner": "appsvc", "user_cert_group": "readers", "user_cert_mode": "0440"}
    fleet.down("web3")

    came = fleet.run(environment=without_sudo, fails=True, **wishes)
    assert came == {"web1": "changed", "web2": "changed", "web3": "unreachable"}, fleet.output
    fleet.up("web3")  # only root can read what the others hold: from one of them it comes all the same
    assert fleet.run(environment=without_sudo, **wishes) == {"web1": "ok", "web2": "ok", "web3": "changed"}

    (serial,) = fleet.issued()
    assert fleet.serials() == dict.fromkeys(fleet.hosts, serial)
    uids = fleet.machines.disguise.uids
    for host in fleet.hosts:
        status = os.stat(fleet.file(host))
        assert (status.st_uid, status.st_gid, oct(status.st_mode)) == (uids["appsvc"], uids["readers"], "0o100440")
    assert fleet.parked() == []


@pytest.mark.heavy
@pytest.mark.skipif(shutil.which("cc") is None, reason="a library in place of libselinux needs a C compiler (Debian: apt install gcc)")
def test_where_selinux_is_on_the_pem_has_the_default_context_of_its_path(fleet_of):
    """The real attribute of the real file, as Ansible writes it through libselinux; the kernel of a test need not have SELinux, so none enforces it."""
    fleet = fleet_of(2)
    source = Path(ssh_hosts.__file__).with_name("selinux.c")
    for host, variables in fleet.hosts.items():
        subprocess.run(["cc", "-shared", "-fPIC", "-o", fleet.file(host, "libselinux.so.1"), source], check=True, timeout=120)
        interpreter = fleet.file(host, "python")
        interpreter.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={fleet.path.parent} exec {sys.executable} "$@"\n')
        interpreter.chmod(0o755)
        variables["ansible_python_interpreter"] = str(fleet.path.with_name("python"))
    fleet.give("web2", days_left=10)
    os.setxattr(fleet.file("web2"), CONTEXT, b"unconfined_u:object_r:user_home_t:s0\0")

    assert fleet.run(user_cert_renew_before="30d") == dict.fromkeys(fleet.hosts, "changed")

    assert [context(fleet.file(host)) for host in fleet.hosts] == ["system_u:object_r:cert_t:s0"] * 2
    assert fleet.run(user_cert_renew_before="30d") == dict.fromkeys(fleet.hosts, "ok")


CONTEXT = "security.selinux"


def context(file):
    return os.getxattr(file, CONTEXT).decode().rstrip("\0")
