# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The recipe that hands the PEM to a secret store, run as AWX runs it, against a real OpenBao (the open fork of HashiCorp Vault) in development mode."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

import pytest
import requests

pytest.importorskip("ansible_runner", reason="needs ansible-runner")
pytest.importorskip("awx_plugins.interfaces", reason="needs AWX's injector, which needs Python 3.11 or newer")

from awx_jobs.fleet import fleet
from fake_atlas import DEMO_PROJECT
from faults.relay import Relay
from plays import held, until

ROOT = Path(__file__).resolve().parents[2]
BAO = Path(os.environ.get("BAO", ROOT / ".build" / "awx" / "bin" / "bao"))
ROOT_TOKEN = "root-token-of-a-development-server"
SECRET = "secret/data/mongodb/app"
ANSWERS = {"user_cert_username": "app", "vault_path": "mongodb/app", "user_cert_renew_before": "", "user_cert_on_orphan": ""}

pytestmark = [pytest.mark.heavy, pytest.mark.skipif(not BAO.exists(), reason="needs OpenBao: make awx")]


class Store:
    """A development server, and what its root asks of it."""

    def __init__(self, url):
        self.url = url

    def ask(self, method, path, **body):
        answer = requests.request(method, f"{self.url}/v1/{path}", headers={"X-Vault-Token": ROOT_TOKEN}, json=body or None, timeout=60)
        return answer.json() if answer.content else {}

    def token(self, name, *capabilities, **more):
        """A token that may do this with the secrets of the recipe, and nothing else."""
        rule = f'path "secret/data/mongodb/*" {{ capabilities = [{", ".join(chr(34) + one + chr(34) for one in capabilities)}] }}'
        self.ask("PUT", f"sys/policies/acl/{name}", policy=rule)
        return self.ask("POST", "auth/token/create", policies=[name], ttl="1h", **more)["auth"]["client_token"]

    def holds(self):
        """(version, data) of the secret."""
        data = self.ask("GET", SECRET)["data"]
        return data["metadata"]["version"], data["data"]


@pytest.fixture
def store(tmp_path):
    command = [BAO, "server", "-dev", "-dev-no-store-token", f"-dev-root-token-id={ROOT_TOKEN}", "-dev-listen-address=127.0.0.1:0"]
    said = tmp_path / "bao.log"
    with open(said, "wb") as log:
        process = subprocess.Popen(command, env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]}, stdout=log, stderr=log, start_new_session=True)
    try:
        port = until(lambda: process.poll() is not None or _port(process.pid), "the secret store listens")
        assert process.poll() is None, said.read_text()
        started = Store(f"http://127.0.0.1:{port}")
        until(lambda: process.poll() is not None or _is_ready(started), "the secret store is ready")
        assert process.poll() is None, said.read_text()
        yield started
    finally:
        process.kill()
        process.wait(30)


def _port(pid):
    """Where this process listens, which it chooses by itself and does not say; None while it does not."""
    with contextlib.suppress(OSError):
        sockets = {os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()}
        entries = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
        return next((int(entry[1].rpartition(":")[2], 16) for entry in entries if entry[3] == "0A" and f"socket:[{entry[9]}]" in sockets), None)
    return None


def _is_ready(store):
    try:
        return "secret/" in store.ask("GET", "sys/mounts")
    except requests.ConnectionError:
        return False


@pytest.fixture
def awx():
    with fleet() as started:
        yield started.with_account()


def as_pair(tmp_path, data):
    """The serial number of the PEM in a secret, or what else it is."""
    (tmp_path / "stored.pem").write_text(data["pem"])
    return held(tmp_path / "stored.pem")


def test_the_store_gets_the_pem_and_is_the_holder_from_then_on(awx, store, tmp_path):
    awx.credential("vault_token", address=store.url, token=store.token("writer", "create", "update", "read"))

    check = awx.run("vault_kv", ANSWERS, "--check --diff -vvvvv")
    assert check.hosts == {"localhost": "changed"}, check.output
    assert awx.issued() == [] and "errors" in store.ask("GET", SECRET)

    first = awx.run("vault_kv", ANSWERS, "--diff -vvvvv")
    assert first.hosts == {"localhost": "changed"}, first.output
    version, data = store.holds()
    assert (version, data["serial_number"], as_pair(tmp_path, data)) == (1, *awx.issued() * 2)

    awx.atlas.call(awx.atlas.state.change_settings, clock_shift=40 * 86400)
    second = awx.run("vault_kv", ANSWERS, "--diff -vvvvv")
    assert second.hosts == {"localhost": "ok"}, second.output
    rehearsal = awx.run("vault_kv", {**ANSWERS, "user_cert_renew_before": "60d"}, "--check")
    assert rehearsal.hosts == {"localhost": "changed"}, rehearsal.output
    assert store.holds()[0] == 1 and len(awx.issued()) == 1

    awx.atlas.call(awx.atlas.state.change_settings, clock_shift=80 * 86400)
    third = awx.run("vault_kv", {**ANSWERS, "user_cert_renew_before": "30d"}, "-vvvvv")
    assert third.hosts == {"localhost": "changed"}, third.output
    version, data = store.holds()
    assert (version, as_pair(tmp_path, data)) == (2, awx.issued()[1])
    awx.assert_nothing_leaked(check, first, second, third)


def test_nothing_is_issued_when_the_store_would_not_take_it(awx, store):
    for name, may in {"reader": ["read"], "beginner": ["read", "create"], "successor": ["read", "update"]}.items():
        awx.credential("vault_token", address=store.url, token=store.token(name, *may))
        reader = awx.run("vault_kv", ANSWERS)
        assert "the token may not write secret/data/mongodb/app" in reader.output

    awx.credential("vault_token", address=store.url, token=store.token("hermit", "create", "update", "read", no_default_policy=True))
    hermit = awx.run("vault_kv", ANSWERS)
    assert "what the token may do is not known: sys/capabilities-self says HTTP 403" in hermit.output

    awx.credential("vault_token", address=store.url, token="expired-or-never-was")
    stranger = awx.run("vault_kv", ANSWERS)
    assert "secret/data/mongodb/app cannot be read (HTTP 403" in stranger.output

    awx.credential("vault_token", address="http://127.0.0.1:1", token="expired-or-never-was")
    nobody = awx.run("vault_kv", ANSWERS)
    assert "secret/data/mongodb/app cannot be read (HTTP -1" in nobody.output

    night = awx.run("vault_kv", {**ANSWERS, "user_cert_on_orphan": "reissue", "awx_job_launch_type": "scheduled"})
    assert "a schedule may not say 'reissue'" in night.output

    assert [job.status for job in (reader, hermit, stranger, nobody, night)] == ["failed"] * 5
    assert awx.issued() == []
    awx.assert_nothing_leaked(reader, hermit, stranger, nobody)


def a_pem_that_could_not_be_stored(awx, store):
    """The answers of a job, its serial number, and the directory where it lies: somebody else wrote the secret between the reading and the storing."""
    awx.credential("vault_token", address=store.url, token=store.token("writer", "create", "update", "read"))
    parking = awx.folder / "mount"
    parking.mkdir(mode=0o700)
    awx.allow(parking)
    answers = {**ANSWERS, "user_cert_parking_dir": str(parking)}
    awx.atlas.fault("delay_answer", seconds=5, match={"method": "POST"})
    job = awx.job("vault_kv", answers)
    job.start("run", str(job.private), "-p", "vault_kv.yml", "--ident", job.name)
    until(lambda: awx.issued() or job.process.poll() is not None, "a certificate is issued")
    store.ask("POST", SECRET, data={"note": "of somebody else"})
    assert job.end().status == "failed"
    (serial,) = awx.issued()
    assert f"the certificate {serial} was not stored in secret/data/mongodb/app (HTTP 400: check-and-set" in job.output
    assert [path.suffix for path in parking.iterdir()] == [".pem"]
    awx.assert_nothing_leaked(job)
    return answers, serial, parking


def test_a_pem_that_could_not_be_stored_stays_and_the_next_run_stores_it(awx, store, tmp_path):
    answers, serial, parking = a_pem_that_could_not_be_stored(awx, store)
    again = awx.run("vault_kv", answers)
    assert again.hosts == {"localhost": "changed"}, again.output
    assert as_pair(tmp_path, store.holds()[1]) == serial
    assert awx.issued() == [serial]
    assert list(parking.iterdir()) == []
    awx.assert_nothing_leaked(again)


def test_a_parked_pem_replaces_neither_one_that_was_issued_later_nor_what_is_none(awx, store, tmp_path):
    answers, _serial, parking = a_pem_that_could_not_be_stored(awx, store)
    store.ask("POST", SECRET, data={"pem": "of somebody else"})
    stranger = awx.run("vault_kv", answers)
    assert stranger.status == "failed"
    assert "secret/data/mongodb/app holds" in stranger.output
    assert store.holds()[1] == {"pem": "of somebody else"}
    assert len(list(parking.iterdir())) == 1

    # Another controller, which stores what it issued an hour later.
    awx.atlas.call(awx.atlas.state.change_settings, clock_shift=3600)
    later = awx.atlas.call(awx.atlas.state.add_certificate, DEMO_PROJECT, "app", months=1)
    store.ask("POST", SECRET, data={"pem": awx.atlas.state.pem(later), "serial_number": str(later.serial)})
    version = store.holds()[0]
    again = awx.run("vault_kv", answers)
    assert again.hosts == {"localhost": "ok"}, again.output
    assert (store.holds()[0], as_pair(tmp_path, store.holds()[1])) == (version, str(later.serial))
    assert list(parking.iterdir()) == []
    assert len(awx.issued()) == 1
    awx.assert_nothing_leaked(stranger, again)


def test_a_pem_that_was_stored_though_nobody_heard_so_is_neither_stored_nor_issued_again_and_leaves_nothing(awx, store, tmp_path):
    relay = Relay(store.url, cuts=f"GET /v1/{SECRET}")
    awx.credential("vault_token", address=relay.url, token=store.token("writer", "create", "update", "read"))
    parking = awx.folder / "mount"
    parking.mkdir(mode=0o700)
    awx.allow(parking)
    answers = {**ANSWERS, "user_cert_parking_dir": str(parking)}
    try:
        unread = awx.run("vault_kv", answers)
        assert f"{SECRET} cannot be read (HTTP 404" in unread.output and awx.issued() == []
        relay.cuts = f"POST /v1/{SECRET}"
        lost = awx.run("vault_kv", answers)
        relay.cuts = ""
        (serial,) = awx.issued()
        assert f"the certificate {serial} was not stored in {SECRET} (HTTP -1" in lost.output
        assert as_pair(tmp_path, store.holds()[1]) == serial
        assert len(list(parking.iterdir())) == 1
        again = awx.run("vault_kv", answers)
    finally:
        relay.close()
    assert [job.status for job in (unread, lost)] == ["failed"] * 2
    assert again.hosts == {"localhost": "ok"}, again.output
    assert (store.holds()[0], awx.issued()) == (1, [serial])
    assert list(parking.iterdir()) == []
    awx.assert_nothing_leaked(unread, lost, again)
