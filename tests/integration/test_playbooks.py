# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the playbooks refuse before they ask anybody. What they do is in test_awx_jobs.py and test_awx_vault.py."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

TOKEN = "hvs.a-token-that-nobody-may-hear"
STORE = {"VAULT_ADDR": "https://127.0.0.1:1", "VAULT_TOKEN": TOKEN}
WHAT = ["-e", "user_cert_username=app", "-e", "vault_path=mongodb/app"]
PLAINLY = "VAULT_ADDR: must begin with https://"


@pytest.mark.parametrize("address", ["http://192.0.2.1:8200", "http://127.0.0.1.example:8200", "http://127.0.0.1@192.0.2.1/"])
def test_neither_a_token_nor_a_key_goes_to_a_store_in_the_clear(ansible, address):
    output = ansible("ansible-playbook", "atlas.x509.vault_kv", *WHAT, fails=True, **{**STORE, "VAULT_ADDR": address})
    assert PLAINLY in output
    assert "Read what the store holds" not in output
    assert TOKEN not in output


@pytest.mark.parametrize("address", ["https://127.0.0.1:1", "http://[::1]:1/"])
def test_a_store_that_is_here_or_behind_tls_is_asked(ansible, address):
    output = ansible("ansible-playbook", "atlas.x509.vault_kv", *WHAT, fails=True, **{**STORE, "VAULT_ADDR": address})
    assert "secret/data/mongodb/app cannot be read" in output


def test_the_token_does_not_follow_where_a_store_sends_it(ansible):
    """A node that is not the active one may answer with an address of another, in the clear."""
    heard = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self):
            heard.append(self.path)
            self.send_response(307)
            self.send_header("Location", f"http://127.0.0.1:{server.server_port}/elsewhere")
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        output = ansible("ansible-playbook", "atlas.x509.vault_kv", *WHAT, fails=True, **{**STORE, "VAULT_ADDR": address})
        server.shutdown()

    assert "secret/data/mongodb/app cannot be read (HTTP 307" in output
    assert heard == ["/v1/secret/data/mongodb/app"]


def test_what_is_missing_is_named_at_once(ansible):
    output = ansible("ansible-playbook", "atlas.x509.vault_kv", fails=True)
    assert "VAULT_ADDR, VAULT_TOKEN, vault_path, user_cert_username: missing. Nothing was sent" in output


@pytest.mark.parametrize("days", ["30d", "-3"])
def test_a_number_of_days_that_is_none_does_not_turn_the_alarm_off(ansible, days):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = "http://127.0.0.1:{0}".format(nobody.getsockname()[1])
        output = ansible("ansible-playbook", "atlas.x509.report_expiry", "-e", f"report_days={days}", fails=True, MONGODB_ATLAS_BASE_URL=url)
    assert f"report_days: '{days}' is not a number of days; write 30" in output
    assert "Ask Atlas" not in output
