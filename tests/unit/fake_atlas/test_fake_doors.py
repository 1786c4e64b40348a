# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The three doors: thread, process, steering; and what the journal tells."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import fake_atlas
import pytest
import requests
from fake_atlas import DEMO_PRIVATE_KEY, DEMO_PROJECT, FakeAtlas
from patience import LONGEST, wait_for

TESTS = Path(fake_atlas.__file__).parents[1]


def test_a_fake_ends_at_once_though_requests_are_under_way(client_class):
    others = set(threading.enumerate())  # one that all tests of a file share may run in this process
    with FakeAtlas() as atlas:
        client = client_class(atlas.url)
        client.list()
        atlas.fault("delay", seconds=60, times=None)
        # Not requests.Timeout, which would be the victim's own patience.
        ended = []
        victim = threading.Thread(target=lambda: ended.append(pytest.raises(requests.RequestException, client.list).type))
        victim.start()
        wait_for(lambda: atlas.state.faults.rules[0].fired)
    victim.join(30)
    assert not victim.is_alive()
    assert ended == [requests.ConnectionError]
    assert "fake-atlas" not in {thread.name for thread in set(threading.enumerate()) - others}
    with pytest.raises(requests.ConnectionError):
        requests.get(atlas.url, timeout=1)


def test_a_fake_leaves_no_socket_open_though_an_answer_was_not_taken(client_class):
    with FakeAtlas() as atlas:
        client = client_class(atlas.url)
        atlas.fault("body", variant="huge")
        untaken = client.create(stream=True)
    gc.collect()
    with pytest.raises(requests.RequestException):
        assert untaken.content


def test_fakes_do_not_know_each_other(client_class):
    with FakeAtlas() as one, FakeAtlas() as two:
        client_class(one.url).create()
        assert (one.state.counters.issued, two.state.counters.issued) == (1, 0)


def test_a_call_happens_in_the_thread_of_the_state(atlas):
    assert atlas.call(lambda: threading.current_thread().name) == "fake-atlas"
    with pytest.raises(LookupError, match="no project"):
        atlas.call(atlas.state.project, "x")


def test_a_bad_seed_is_an_error_where_the_fake_is_made():
    with pytest.raises(ValueError, match="no 'user'"):
        FakeAtlas({"user": []})


def test_a_reset_goes_back_to_the_seed(client_class):
    with FakeAtlas({"users": [{"username": "bob"}], "settings": {"certificates_per_user": 1}}) as atlas:
        client = client_class(atlas.url)
        client.create("bob")
        client.steer("DELETE", "users", {"username": "bob"})
        atlas.fault("status", status=503, times=None)
        client.steer("POST", "reset")
        assert client.list("bob").json()["totalCount"] == 0
        assert atlas.state.counters.issued == 0 and len(atlas.state.journal) == 1
        assert atlas.state.settings.certificates_per_user == 1


def test_a_seed_can_hold_everything(client_class):
    seed = {
        "projects": [{"project_id": "a" * 24}],
        "users": [{"project_id": "a" * 24, "username": "bob"}],
        "certificates": [{"project_id": "a" * 24, "username": "bob", "days_left": 5}],
        "credentials": [{"kind": "api_key", "identity": "k", "secret": "s"}],
        "faults": [{"action": "status", "status": 503}],
    }
    with FakeAtlas(seed) as atlas:
        client = client_class(atlas.url, "k", "s")
        assert client.list("bob", "a" * 24).status_code == 503
        assert client.list("bob", "a" * 24).json()["totalCount"] == 1


def test_the_journal_holds_authenticated_requests_in_order(client, atlas):
    client.list(params={"pageNum": 1})
    serial = client.create(months=1).headers and atlas.state.journal[-1].issued
    client.list("nobody")
    client.steer("GET", "state")
    journal = client.steer("GET", "journal")
    assert [(entry["method"], entry["status"]) for entry in journal] == [
        ("GET", 200),
        ("POST", 201),
        ("GET", 404),
    ]
    assert journal[0]["query"] == {"pageNum": "1"} and journal[0]["project_id"] == DEMO_PROJECT
    assert journal[1]["issued"] == serial == str(client.list().json()["results"][0]["_id"])
    assert (journal[1]["credential"], journal[1]["api_version"]) == ("api_key", "v2")
    assert journal[2]["error_code"] == "USERNAME_NOT_FOUND" and journal[2]["username"] == "nobody"
    assert len({entry["connection"] for entry in journal}) == 1


def test_the_counters_count(client):
    client.list()
    client.create()
    requests.get(client.path(), timeout=60)
    assert client.steer("GET", "counters") == {
        "requests": 4,
        "authenticated": 2,
        "lists": 1,
        "posts": 1,
        "issued": 1,
        "challenges": 2,
        "tokens_made": 0,
        "tokens_revoked": 0,
        "connections": 2,
    }


def test_a_cleared_journal_leaves_what_was_done(client, atlas):
    client.create()
    client.steer("DELETE", "journal")
    assert client.steer("GET", "journal") == []
    assert client.list().json()["totalCount"] == 1
    counters = client.steer("GET", "counters")
    assert (counters["issued"], counters["lists"], counters["connections"]) == (0, 1, 1)


def test_connections_are_kept_alive(client, atlas):
    for dummy in range(5):
        client.list()
    assert atlas.state.counters.connections == 1


def test_the_summary_holds_no_secret(client):
    client.create()
    text = json.dumps(client.steer("GET", "state"))
    assert "demopubk" in text and DEMO_PRIVATE_KEY not in text and "PRIVATE KEY" not in text


@pytest.mark.parametrize(
    ("method", "name", "document", "status"),
    [
        ("POST", "nonsense", {}, 404),
        ("GET", "reset", None, 404),
        ("DELETE", "users", {"username": "nobody"}, 404),
        ("POST", "users", {"username": "app"}, 400),
        ("POST", "users", {"name": "x"}, 400),
        ("POST", "users", {"username": "x" * 1025}, 400),
        ("POST", "users", {"username": "x", "x509_type": "managed"}, 400),
        ("POST", "users", {"username": "x", "project_id": "0" * 24}, 404),
        ("POST", "projects", {"project_id": DEMO_PROJECT}, 400),
        ("POST", "settings", {"clock": 1}, 400),
        ("POST", "settings", {"clock_shift": "1"}, 400),
        ("POST", "settings", {"rate_limit": {"size": 1}}, 400),
        ("POST", "credentials", {"kind": "password", "identity": "a", "secret": "b"}, 400),
        ("POST", "tokens", {"client_id": "nobody"}, 404),
        ("POST", "certificates", {"issued_at": "2020-01-01T00:00:00Z", "days_left": -9999}, 400),
        ("POST", "certificates", {"issued_at": "yesterday"}, 400),
        ("POST", "populate", {"cats": 3}, 400),
    ],
)
def test_steering_says_what_is_wrong(client, method, name, document, status):
    assert client.steer(method, name, document, status)["error"]


def test_steering_is_steered_past_faults_and_journal(client, atlas):
    atlas.fault("status", status=503, times=None, before_auth=True)
    client.steer("GET", "state")
    assert atlas.state.counters.requests == 0 and atlas.state.journal == []


class Process:
    """The fake as a process, in a directory of the test's own."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.file = directory / "address.json"
        environment = {**os.environ, "PYTHONPATH": str(TESTS)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fake_atlas", "--address-file", str(self.file), *arguments],
            env=environment,
            stderr=subprocess.PIPE,
        )

    def __enter__(self) -> Process:
        try:
            wait_for(lambda: self.file.exists() or self.process.poll() is not None)
            with contextlib.suppress(FileNotFoundError):  # it has ended already
                self.address = json.loads(self.file.read_text())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_announces_itself_and_ends_by_a_signal(tmp_path, client_class, number):
    with Process(tmp_path) as running:
        assert running.address["pid"] == running.process.pid
        client = client_class(running.address["url"])
        assert client.list().status_code == 200
        running.process.send_signal(number)
        assert running.process.wait(LONGEST) == 0
        assert running.process.stderr.read() == b""
        assert list(tmp_path.iterdir()) == []


def test_a_process_ends_by_itself(tmp_path):
    with Process(tmp_path, "--lifetime", "0.2") as running:
        assert running.process.wait(LONGEST) == 0
        assert list(tmp_path.iterdir()) == []


def test_a_process_logs_no_secret(tmp_path, client_class):
    seed, log = tmp_path / "seed.json", tmp_path / "log"
    seed.write_text(json.dumps({"users": [{"username": "bob"}]}))
    with Process(tmp_path, "--seed", str(seed), "--log", str(log)) as running:
        client = client_class(running.address["url"])
        token = client.steer("POST", "tokens", {})["access_token"]
        key_line = client.create("bob").text.splitlines()[-5]
        requests.get(client.path(), headers={"Authorization": f"Bearer {token}"}, timeout=60)
    text = log.read_text()
    assert "/databaseUsers/bob/certs 201" in text
    for secret in (token, key_line, DEMO_PRIVATE_KEY, "Digest", "Bearer"):
        assert secret not in text
