# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the credentials come from, on a host over SSH, with whatever ansible-core runs the tests."""

from __future__ import annotations

import pytest
from fake_atlas import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, DEMO_PROJECT

pytestmark = pytest.mark.heavy
NOTHING = {"client_id": "", "client_secret": None, "access_token": "", "public_api_key": "", "private_api_key": None, "base_url": ""}


def encrypted(ansible, folder, values):
    """A file of variables that only ansible-vault can read, and the arguments that let it."""
    (folder / "password").write_text("correct horse battery staple\n")
    (folder / "secrets.yml").write_text("".join(f"{name}: {value}\n" for name, value in values.items()))
    ansible("ansible-vault", "encrypt", "--vault-password-file", folder / "password", folder / "secrets.yml")
    assert "ANSIBLE_VAULT" in (folder / "secrets.yml").read_text()
    return ["--vault-password-file", str(folder / "password")]


@pytest.mark.parametrize("unset", [{}, {"user_cert_connection": NOTHING, "user_cert_project_id": ""}], ids=["", "beside unset variables"])
@pytest.mark.parametrize("way", ["role variables", "module_defaults", "environment", "vault in role variables", "vault in module_defaults"])
def test_credentials_come_from_wherever_they_are_and_an_unset_variable_hides_none(fleet_of, ansible, tmp_path, way, unset):
    fleet = fleet_of(1)
    account = {"client_id": DEMO_CLIENT_ID, "client_secret": DEMO_CLIENT_SECRET}
    base = {"base_url": fleet.atlas.url, "project_id": DEMO_PROJECT}
    arguments, environment, variables = [], {}, dict(unset)
    fleet.play["module_defaults"] = {"group/atlas.x509.atlas": base}
    if "vault" in way:
        arguments = encrypted(ansible, tmp_path, {f"vault_{name}": value for name, value in account.items()})
        fleet.play["vars_files"] = [str(tmp_path / "secrets.yml")]
        account = {name: f"{{{{ vault_{name} }}}}" for name in account}
    if way.endswith("role variables"):
        variables["user_cert_connection"] = {**unset.get("user_cert_connection", {}), **account, **base}
    elif way.endswith("module_defaults"):
        fleet.play["module_defaults"] = {"group/atlas.x509.atlas": {**base, **account}}
    else:
        environment = {f"MONGODB_ATLAS_{name.upper()}": value for name, value in {**base, **account}.items()}

    assert fleet.run("-v", *arguments, environment=environment, **variables) == {"web1": "changed"}

    assert DEMO_CLIENT_SECRET not in fleet.output
    assert {entry.credential for entry in fleet.atlas.state.journal} == {"service_account"}
    assert fleet.atlas.state.counters.tokens_made == fleet.atlas.state.counters.tokens_revoked > 0
