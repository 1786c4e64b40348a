# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible masks a secret wherever it occurs in a result. One that happens to occur in a PEM must not tear holes into what is written and brought on."""

from __future__ import annotations

import json
import re

import pytest
from ansible_collections.atlas.x509.plugins.module_utils import _pem
from fake_atlas import DEMO_PROJECT
from fake_atlas.certificates import key_pem, leaf_key

from leaks import stories


@pytest.mark.heavy
def test_an_api_key_that_occurs_in_the_pem_corrupts_neither_a_file_nor_a_result(world):
    """Eight characters of the key's own base64, the shortest that is taken: issued on the controller, placed on one host, brought from there to another."""
    body = key_pem(leaf_key(0)).splitlines()[5]
    secret = next(body[at : at + 8] for at in range(50) if re.search("[a-z].*[0-9]|[0-9].*[a-z]", body[at : at + 8]))
    world.atlas.call(world.atlas.state.add_credential, "api_key", "occurs", secret)
    world.api_key = ("occurs", secret)
    world.common.add("API key")

    record = world.playbook("a secret that occurs in the PEM", stories.role(world, (stories.ISSUE, stories.BRING), fault=""))

    assert record.code == 0 and record.findings == [], record.output
    (issued,) = world.atlas.state.project(DEMO_PROJECT).certificates["role-user"]
    pem = world.atlas.state.pem(issued)
    assert secret in pem
    for host in ("web1", "web2"):
        written = world.pems / host / "mongodb.pem"
        assert written.read_text() == pem
        assert str(_pem.look_at(str(written)).certificate.serial) == str(issued.serial)
    results = [json.loads(line) for line in (world.scratch / "events.jsonl").read_text().splitlines()]
    told = [result["certificate"] for result in results if result.get("certificate")]
    assert told and {str(one["serial_number"]) for one in told} == {str(issued.serial)}
