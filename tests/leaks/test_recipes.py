# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What surrounds issuing, searched like the rest: one login for a whole run, the report, the secret store, and credentials as people keep them."""

from __future__ import annotations

import json
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from documents import ROOT
from fake_atlas import DEMO_PROJECT

from leaks import stories

heavy = pytest.mark.heavy
LOUD = {"ANSIBLE_VERBOSITY": "5", "ANSIBLE_DISPLAY_TRACEBACK": "always", "ANSIBLE_DIFF_ALWAYS": "true"}


@heavy
def test_a_login_is_one_private_file_while_the_run_lasts_and_nowhere_afterwards(world):
    """The second login is never taken back: the file goes all the same, with the run's own directory."""
    record = world.playbook("one login", stories.login(world), **LOUD)
    assert record.findings == [], record.output[-3000:]
    for sign in ("logged in, for all tasks", "logged in already", "logged out", "placed certificate"):
        assert sign in record.output, record.output[-6000:]
    files = {path for path in record.private if "/atlas_login-" in path}
    assert files and all(path.startswith("home/.ansible/tmp/ansible-local-") for path in files), record.private
    assert not list(world.folder.rglob("atlas_login-*"))


@heavy
def test_the_report_holds_no_secret(world):
    record = world.playbook("report", stories.report(world), **LOUD)
    assert record.findings == [], record.output[-3000:]
    assert "it failed" in record.output, record.output[-6000:]
    for name in ("what.html", "what.prom", "what.md"):
        assert "reported" in (world.scratch / name).read_text()


@heavy
@pytest.mark.parametrize("silent", [False, True], ids=["told", "no_log"])
def test_a_vaulted_value_is_never_said(world, silent):
    """One value, encrypted in a file of variables that is otherwise plain; with the user's own no_log on top, the run says less, and stores no more."""
    plays = stories.modules(world, ("wrong_key",), full=False) if silent else stories.role(world, (stories.BRING,), by_variables=True)
    for play in plays if silent else ():
        play["no_log"] = True
    path, password = world.inputs / "secrets.yml", world.inputs / "password"
    password.write_text("a password\n")
    box = VaultLib([("default", VaultSecret(b"a password"))])
    values = {"the_key": world.api_key[1], "the_wrong_one": world.wrong}
    path.write_text("".join(f"{name}: !vault |\n  " + box.encrypt(value).decode().replace("\n", "\n  ") + "\n" for name, value in values.items()))
    record = world.playbook(f"a vaulted value{', no_log' if silent else ''}", plays, "--vault-password-file", str(password), **LOUD)
    assert record.findings == [], record.output[-3000:]
    assert ("censored" if silent else "placed certificate") in record.output, record.output[-6000:]
    assert world.atlas.state.counters.issued > 0


class Store(BaseHTTPRequestHandler):
    """The three questions that the recipe asks of a secret store. The real one is asked in tests/integration/test_awx_vault.py."""

    held = None

    def do_GET(self):
        self.answer({"data": {"data": Store.held, "metadata": {"version": 1}}} if Store.held else {"errors": []}, 200 if Store.held else 404)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "data" in body:
            Store.held = body["data"]
        self.answer({"capabilities": ["root"]}, 200)

    def answer(self, document, status):
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_arguments):
        """Nothing."""


@pytest.fixture
def store():
    Store.held = None
    server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(30)


@heavy
def test_the_recipe_for_a_secret_store_says_nothing(world, store):
    """Issued and stored; then brought back and kept."""
    world.others["store's token"] = "token-" + secrets.token_hex(20)
    answers = {"user_cert_username": "app", "vault_path": "mongodb/app", "user_cert_parking_dir": str(world.pems / "parking")}
    words = [str(ROOT / "playbooks" / "vault_kv.yml"), "-e", json.dumps(answers), "--diff"]
    given = {**world.environment, "VAULT_ADDR": store, "VAULT_TOKEN": world.others["store's token"], "ANSIBLE_VERBOSITY": "5"}
    for time in ("first", "second"):
        record = world.run(f"secret store, {time} run", "ansible-playbook", "-i", str(world.inventory()), *words, **given)
        assert record.code == 0, record.output[-6000:]
        assert record.findings == [], record.output[-3000:]
    (issued,) = world.atlas.state.project(DEMO_PROJECT).certificates["app"]
    assert Store.held["pem"] == world.atlas.state.pem(issued)
    assert list((world.pems / "parking").glob("*.pem")) == []
