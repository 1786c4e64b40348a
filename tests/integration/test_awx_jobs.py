# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs the way AWX runs them: ansible-runner, credentials from AWX's own injector, a survey's answers, a home that is gone in the next job."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import sys
from pathlib import Path

import pytest
from connections import API_KEY
from fake_atlas import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, DEMO_PRIVATE_KEY, DEMO_PROJECT

pytest.importorskip("ansible_runner", reason="needs ansible-runner")
pytest.importorskip("awx_plugins.interfaces", reason="needs AWX's injector, which needs Python 3.11 or newer")

from awx_jobs import ROOT, UID, as_another_user
from awx_jobs.fleet import fleet
from plays import SECONDS, until

# What a survey sends: every answer that was left out is an empty string, and numbers may be strings.
ANSWERS = {
    "user_cert_username": "app",
    "certificate_hosts": "app",
    "user_cert_renew_before": "",
    "user_cert_rotate_before": "",
    "user_cert_months_until_expiration": "3",
    "user_cert_on_orphan": "",
    "user_cert_on_foreign": "",
    "user_cert_max_unexpired": "",
    "user_cert_backup": "true",
}


WHAT_GOES_WRONG = re.findall(r"^\| (`.+) \| .+ \|$", (ROOT / "docs" / "awx.md").read_text(), re.MULTILINE)


def assert_is_in_the_guide(output, beginning):
    """What the job said is what docs/awx.md quotes: `…` there stands for what differs."""
    quoted = [message for row in WHAT_GOES_WRONG for message in re.findall(r"`([^`]+)`", row) if message.startswith(beginning)]
    assert quoted, f"docs/awx.md has no message that begins with {beginning!r}"
    pattern = "[^\n]*?".join(re.escape(piece.strip()) for piece in quoted[0].split("…"))
    assert re.search(pattern, output), f"{quoted[0]}\nis not what the job said:\n{output}"


@pytest.fixture
def awx():
    with fleet() as started:
        yield started


def test_jobs_with_a_home_of_their_own_issue_once_then_change_nothing_then_serve_a_new_host(awx):
    awx.with_account().add("web1", "web2")

    first = awx.run("keep_certificates", ANSWERS, "--become")
    assert first.hosts == {"web1": "changed", "web2": "changed"}, first.output
    (serial,) = awx.issued()
    assert awx.serials() == {"web1": serial, "web2": serial}
    assert not (first.private / "home").exists()

    second = awx.run("keep_certificates", ANSWERS, "--become")
    assert second.hosts == {"web1": "ok", "web2": "ok"}, second.output

    awx.add("web3")
    third = awx.run("keep_certificates", ANSWERS, "--become --limit web3")
    assert third.hosts == {"web3": "changed"}, third.output
    assert awx.serials() == dict.fromkeys(("web1", "web2", "web3"), serial)
    assert awx.issued() == [serial]

    awx.assert_nothing_leaked(first, second, third)
    if as_another_user():
        assert (awx.folder / "hosts" / "web1" / "mongodb.pem").stat().st_uid == UID != os.geteuid()
    results = [event["event_data"]["res"] for event in third.events if event["event"] == "runner_on_ok"]
    named = [value for result in results for value in _values(result, "serial_number")]
    assert named and set(named) == {serial}, "a serial number is a string"
    assert [number for job in (first, second, third) for number in _numbers(job.events) if abs(number) > 2**53] == [], "JavaScript rounds them"
    assert not awx.sudo_was_called()


def _numbers(document):
    """Every integer, at any depth."""
    if isinstance(document, (dict, list)):
        return [found for value in (document.values() if isinstance(document, dict) else document) for found in _numbers(value)]
    return [document] if isinstance(document, int) else []


def _values(document, key):
    """Whatever stands under this key, at any depth."""
    if isinstance(document, dict):
        return [value for name, value in document.items() if name == key] + [found for value in document.values() for found in _values(value, key)]
    return [found for value in document for found in _values(value, key)] if isinstance(document, list) else []


def test_awx_masks_the_secrets_of_both_credential_types_and_leaves_out_what_was_left_out(awx):
    awx.with_account().credential("api_key", **API_KEY)

    job = awx.job("report_expiry")
    environment = json.loads((job.private / "env" / "envvars").read_text())

    assert environment["MONGODB_ATLAS_CLIENT_SECRET"] == DEMO_CLIENT_SECRET
    assert environment["MONGODB_ATLAS_PRIVATE_API_KEY"] == DEMO_PRIVATE_KEY
    assert job.safe_environment["MONGODB_ATLAS_CLIENT_ID"] == DEMO_CLIENT_ID
    assert {DEMO_CLIENT_SECRET, DEMO_PRIVATE_KEY} & set(job.safe_environment.values()) == set()
    assert environment["MONGODB_ATLAS_PROJECT_ID"] == "", "the second credential left it out"


@pytest.mark.rare
def test_an_api_key_reports_what_expires_and_the_job_fails_so_that_somebody_is_told(awx):
    awx.credential("api_key", **API_KEY, project_id=DEMO_PROJECT, base_url=awx.atlas.url)
    awx.atlas.call(awx.atlas.state.add_certificate, DEMO_PROJECT, "app", days_left=10.5)
    awx.atlas.call(awx.atlas.state.add_user, DEMO_PROJECT, "late")

    due = awx.run("report_expiry", {"report_days": "14", "report_users": ""})
    assert due.status == "failed"
    assert "late: no unexpired certificate" in due.output, "what has expired is no reason to be quiet"
    assert "app: 10 days left" in due.output
    assert "expires within 14 days: late, app" in due.output
    assert_is_in_the_guide(due.output, "these users have no")
    awx.assert_nothing_leaked(due)

    unread = awx.run("report_expiry", {"report_days": "5", "report_users": "app, nobody-of-that-name"})
    assert unread.status == "failed"
    assert "Nothing is known of what could not be read: there is no database user 'nobody-of-that-name'" in unread.output

    quiet = awx.run("report_expiry", {"report_days": "5", "report_users": "app"})
    assert quiet.status == "successful", quiet.output


def test_a_job_that_means_no_host_is_not_a_success(awx):
    awx.with_account().add("web1")

    job = awx.run("keep_certificates", {**ANSWERS, "certificate_hosts": "webb"})

    assert job.status == "failed"
    assert_is_in_the_guide(job.output, "certificate_hosts")


@pytest.mark.heavy
def test_the_strings_of_a_survey_mean_what_they_say(awx):
    """None of them is what the role does by itself, so that one that was passed over would be noticed."""
    awx.with_account().add("web1")
    months = awx.run("keep_certificates", {**ANSWERS, "user_cert_months_until_expiration": "1"})
    assert months.hosts == {"web1": "changed"}, months.output
    (certificate,) = awx.certificates()
    assert certificate.not_after - certificate.created_at < dt.timedelta(days=32)

    awx.atlas.call(awx.atlas.state.change_settings, clock_shift=3600)
    rotate = {**ANSWERS, "user_cert_rotate_before": (certificate.created_at + dt.timedelta(minutes=90)).isoformat()}
    full = awx.run("keep_certificates", {**rotate, "user_cert_max_unexpired": "1"})
    assert full.hosts == {"web1": "failed"}
    assert "max_unexpired is 1" in full.output

    backup = awx.run("keep_certificates", {**rotate, "user_cert_backup": "true", "user_cert_renew_before": "36h"})
    assert backup.hosts == {"web1": "changed"}, backup.output
    assert len(list((awx.folder / "hosts" / "web1").iterdir())) == 2, "the certificate and the one before"


@pytest.mark.heavy
def test_what_is_wrong_with_a_survey_or_an_environment_is_said_as_the_guide_quotes_it(awx):
    awx.add("web1")
    nowhere = awx.run("keep_certificates", ANSWERS)
    assert_is_in_the_guide(nowhere.output, "project_id: missing")
    nobody = awx.run("keep_certificates", {**ANSWERS, "user_cert_project_id": DEMO_PROJECT})
    assert_is_in_the_guide(nobody.output, "no credentials")

    awx.with_account()
    span = awx.run("keep_certificates", {**ANSWERS, "user_cert_renew_before": "30 days"})
    assert_is_in_the_guide(span.output, "renew_before: '30 days'")
    mount = awx.folder / "mount"
    mount.mkdir(mode=0o555)  # not made for the user of the jobs
    if as_another_user() or os.geteuid():
        shut = awx.run("keep_certificates", {**ANSWERS, "user_cert_parking_dir": f"{mount}/atlas_x509"})
        assert_is_in_the_guide(shut.output, "path: the directory …")
    awx.atlas.fault("status", status=403, errorCode="IP_ADDRESS_NOT_ON_ACCESS_LIST", parameters=["203.0.113.7"], times=None)
    address = awx.run("keep_certificates", ANSWERS)
    assert_is_in_the_guide(address.output, "the address 203.0.113.7")
    awx.credentials.clear()
    awx.credential("service_account", client_id=DEMO_CLIENT_ID, client_secret="mdb_sa_sk_of-last-Year", project_id=DEMO_PROJECT, base_url=awx.atlas.url)
    stale = awx.run("keep_certificates", ANSWERS)
    assert_is_in_the_guide(stale.output, "Atlas does not know this service account")

    assert {job.hosts["web1"] for job in (nowhere, nobody, span, address, stale)} == {"failed"}
    assert awx.issued() == []


@pytest.mark.heavy
def test_a_schedule_may_not_reissue_and_somebody_may(awx):
    """AWX tells every job how it was launched."""
    awx.with_account().add("web1")
    awx.atlas.call(awx.atlas.state.add_certificate, DEMO_PROJECT, "app", days_left=80)
    answers = {**ANSWERS, "user_cert_on_orphan": "reissue"}

    for launched in ({"awx_job_launch_type": "scheduled"}, {"awx_job_launch_type": "workflow", "awx_workflow_job_launch_type": "scheduled"}):
        for limit in ("", "--limit web1"):
            night = awx.run("keep_certificates", {**answers, **launched}, limit)
            assert night.status == "failed"
            assert_is_in_the_guide(night.output, "user_cert_on_orphan: a schedule")
    assert awx.issued() == []
    assert awx.run("keep_certificates", {**answers, "awx_job_launch_type": "manual"}).status == "successful"
    assert len(awx.issued()) == 1
    kept = awx.run("keep_certificates", {**ANSWERS, "awx_job_launch_type": "scheduled"})
    assert kept.hosts == {"web1": "ok"}, kept.output


@pytest.mark.heavy
def test_a_slice_cannot_ask_the_hosts_of_the_others_and_refuses_rather_than_issue_a_second(awx):
    awx.with_account().add("web1", "web2")
    whole = awx.inventory
    awx.inventory = {"web1": whole["web1"]}  # AWX gives the inventory script of a slice its own hosts only
    assert awx.run("keep_certificates", ANSWERS).hosts == {"web1": "changed"}

    awx.inventory = {"web2": whole["web2"]}
    second = awx.run("keep_certificates", ANSWERS)
    assert second.hosts == {"web2": "failed"}, second.output
    assert_is_in_the_guide(second.output, "Atlas lists 1 unexpired certificate")

    awx.inventory = whole
    assert awx.run("keep_certificates", ANSWERS).hosts == {"web1": "ok", "web2": "changed"}
    assert len(awx.issued()) == 1


@pytest.mark.heavy
def test_a_job_on_another_node_is_a_stream_there_and_a_stream_back(awx):
    awx.with_account().add("web1", "web2")

    first = awx.run_on_a_node("keep_certificates", ANSWERS)
    assert first.hosts == {"web1": "changed", "web2": "changed"}, first.output
    second = awx.run_on_a_node("keep_certificates", ANSWERS)
    assert second.hosts == {"web1": "ok", "web2": "ok"}, second.output

    assert awx.serials() == dict.fromkeys(("web1", "web2"), *awx.issued())
    for job in (first, second):
        awx.assert_nothing_leaked(job)
        assert "PRIVATE KEY" not in (awx.folder / f"{job.name}.back").read_bytes().decode("utf-8", "replace")


def killed_between_issuing_and_placing(awx, parking, answers):
    """The hosts' Python waits as soon as a PEM is parked, so that the job is caught before it has placed it."""
    slow = awx.folder / "slow_python"
    slow.write_text(f'#!/bin/sh\nwhile ls {parking}/*.pem >/dev/null 2>&1 && [ -e {awx.folder}/hold ]; do sleep 0.1; done\nexec {sys.executable} "$@"\n')
    slow.chmod(0o755)
    (awx.folder / "hold").touch()
    for variables in awx.inventory.values():
        variables["ansible_python_interpreter"] = str(slow)
    job = awx.job("keep_certificates", answers)
    resolved = Path(str(parking).replace("*", job.name))
    job.start("run", str(job.private), "-p", "keep_certificates.yml", "--ident", job.name)
    until(lambda: list(resolved.glob("*.pem")) or job.process.poll() is not None, "a PEM is parked")
    job.kill()
    (awx.folder / "hold").unlink()
    for variables in awx.inventory.values():
        variables["ansible_python_interpreter"] = sys.executable
    assert set(awx.serials().values()) == {"absent"}, job.output
    assert len(awx.issued()) == 1
    return job


@pytest.mark.heavy
def test_a_job_killed_between_issuing_and_placing_leaves_an_orphan_and_the_next_says_both_ways_out(awx):
    awx.with_account().add("web1", "web2")
    killed_between_issuing_and_placing(awx, f"{awx.folder}/*/home/.ansible/atlas_x509", ANSWERS)
    (lost,) = awx.issued()

    told = awx.run("keep_certificates", ANSWERS)
    assert told.hosts == {"web1": "failed", "web2": "failed"}
    assert lost in told.output and "on_orphan: reissue" in told.output and "PEM back" in told.output
    assert_is_in_the_guide(told.output, "Atlas lists 1 unexpired certificate")
    assert awx.issued() == [lost]

    again = awx.run("keep_certificates", {**ANSWERS, "user_cert_on_orphan": "reissue"})
    assert again.hosts == {"web1": "changed", "web2": "changed"}, again.output
    assert awx.serials() == dict.fromkeys(("web1", "web2"), awx.issued()[1])


@pytest.mark.heavy
def test_a_parking_directory_that_outlives_the_job_is_taken_up_by_the_next(awx):
    awx.with_account().add("web1", "web2")
    parking = awx.folder / "mount"
    parking.mkdir(mode=0o700)
    awx.allow(parking)
    answers = {**ANSWERS, "user_cert_parking_dir": str(parking)}
    killed_between_issuing_and_placing(awx, parking, answers)

    job = awx.run("keep_certificates", answers)

    assert job.hosts == {"web1": "changed", "web2": "changed"}, job.output
    assert awx.serials() == dict.fromkeys(("web1", "web2"), *awx.issued())
    assert list(parking.iterdir()) == []


@pytest.mark.heavy
def test_two_jobs_side_by_side_issue_two_certificates_at_worst_and_the_next_converges_on_the_later(awx):
    awx.with_account().add("web1", "web2")
    answers = {**ANSWERS, "user_cert_connection": {"timeout": 3600}}
    # The first has decided, and its request is held; meanwhile the second reads the same empty list, and issues.
    awx.atlas.fault("delay", seconds=SECONDS, match={"method": "POST", "path_contains": "certs"}, times=1)
    slow = awx.job("keep_certificates", answers)
    slow.start("run", str(slow.private), "-p", "keep_certificates.yml", "--ident", slow.name)
    until(lambda: any(entry.method == "POST" for entry in awx.atlas.state.journal), "the first job asks for a certificate")
    fast = awx.run("keep_certificates", answers)
    assert fast.status == "successful", fast.output
    awx.atlas.call(awx.atlas.state.faults.clear)
    assert slow.end().status == "successful", slow.output

    assert len(awx.issued()) == 2
    later = str(max(awx.certificates(), key=lambda certificate: (certificate.created_at, certificate.serial)).serial)
    assert "absent" not in awx.serials().values()

    awx.run("keep_certificates", answers)
    assert set(awx.serials().values()) == {later}
    assert awx.run("keep_certificates", answers).hosts == {"web1": "ok", "web2": "ok"}
    assert len(awx.issued()) == 2
