# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each integration target is a test of its own; `ansible-test integration --local TARGET` runs the same."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

TARGETS = Path(__file__).parent / "targets"
NAMES = sorted(path.parent.name for path in TARGETS.glob("*/aliases") if not path.parent.name.startswith("setup_"))

# What tests/unit tries as well: what Atlas answers that is no success, what is refused, and what other tests use all the time.
RARE = {"atlas_login", "atlas_user_cert_errors_read", "atlas_user_cert_errors_write", "atlas_user_cert_hosts", "atlas_user_cert_refuse"}


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.rare if name in RARE else ()) for name in NAMES])
def test_target(name, ansible, tmp_path):
    inventory = {"all": {"hosts": {"testhost": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}}}
    play = [{"hosts": "testhost", "gather_facts": False, "roles": [name]}]
    for filename, content in (("inventory.yml", inventory), ("play.yml", play)):
        (tmp_path / filename).write_text(yaml.safe_dump(content))

    ansible("ansible-playbook", "-i", "inventory.yml", "play.yml", ANSIBLE_ROLES_PATH=str(TARGETS))
