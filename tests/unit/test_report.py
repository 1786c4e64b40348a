# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sentence, the facts and the diff of a run, for decisions made for real."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

from ansible_collections.atlas.x509.plugins.module_utils import _report
from ansible_collections.atlas.x509.plugins.module_utils._certificate import Certificate
from ansible_collections.atlas.x509.plugins.module_utils._decision import Host, Seen, Wanted, decide
from ansible_collections.atlas.x509.plugins.module_utils._ensure import Outcome
from ansible_collections.atlas.x509.plugins.module_utils._pem import Look
from ansible_collections.atlas.x509.plugins.module_utils._request import Request
from ansible_collections.atlas.x509.plugins.module_utils._store import Attributes
from ansible_collections.atlas.x509.plugins.module_utils._time import Span

PROJECT = "64b7f0c2a1d3e4f5a6b7c8d9"
PATH = "/etc/app/mongodb.pem"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)


def certificate(serial, ends):
    return Certificate(serial, "CN=app", NOW - 10 * DAY - HOUR, ends, "app", f"CN={PROJECT},OU=Atlas,O=MongoDB Inc", PROJECT, "ab" * 32)


OLD, NEW = certificate(11, NOW + 80 * DAY), certificate(12, NOW + 90 * DAY)


def pair(one):
    return Look("pair", None, one)


def wish(**wishes):
    return Request(Wanted("app", PROJECT, PATH, **wishes), 3, Attributes())


def outcome(request, seen, certificate_to_use, foreseen=False, **more):
    plan = decide(request.wanted, seen, NOW)
    values = {"changed": True, "certificate": certificate_to_use, "path_is_current": True, "unexpired": plan.unexpired, **more}
    shown = _report.outcome(Outcome(plan=plan, **values), request, foreseen)
    assert json.loads(json.dumps(shown)) == shown
    return shown


def test_a_first_certificate_reads_as_one_sentence():
    shown = outcome(wish(), Seen(()), NEW, unexpired=(NEW,))
    assert shown["msg"] == (
        "app: issued certificate 12, because Atlas lists no unexpired certificate; it expires at 2027-02-20T12:00:00Z (90 days left)"
    )
    assert (shown["changed"], shown["decision"], shown["reason"]) == (True, "issue", "none_unexpired")
    assert (shown["path"], shown["path_is_current"]) == (PATH, True)
    assert [one["serial_number"] for one in shown["unexpired"]] == ["12"]
    assert "backup_file" not in shown


def test_check_mode_says_what_would_be_issued_and_why():
    shown = outcome(wish(), Seen(()), None, foreseen=True, path_is_current=False)
    assert shown["msg"] == "app: would issue a certificate, because Atlas lists no unexpired certificate"
    assert shown["certificate"] is None
    assert (shown["changed"], shown["decision"], shown["reason"]) == (True, "issue", "none_unexpired")


def test_check_mode_decides_in_the_same_words_as_the_run():
    request, seen = wish(renew_before=Span(85 * DAY)), Seen((OLD,), pair(OLD))
    foreseen = outcome(request, seen, None, foreseen=True, path_is_current=False)
    done = outcome(request, seen, NEW, unexpired=(OLD, NEW))
    why = "because the current certificate 11 expires at 2027-02-10T12:00:00Z and was due for renewal at 2026-11-17T12:00:00Z"
    assert why in foreseen["msg"] and why in done["msg"]
    for key in ("changed", "decision", "reason", "path", "superseded", "orphaned"):
        assert foreseen[key] == done[key]


def test_a_run_without_a_change_says_where_it_is_held_and_has_no_diff():
    shown = outcome(wish(renew_before=Span(percent=50)), Seen((OLD,), pair(OLD)), OLD, changed=False)
    assert shown["msg"] == f"app: certificate 11 is held at {PATH} and expires at 2027-02-10T12:00:00Z (80 days left)"
    assert "diff" not in shown
    assert shown["changed"] is False
    # half of the 90 days from the issue, not from the hour before
    assert shown["certificate"]["renew_at"] == "2026-12-27T12:00:00Z"
    assert shown["certificate"]["days_left"] == 80
    assert shown["certificate"]["fingerprint_sha256"] == "ab" * 32


def test_what_a_dead_run_left_was_or_would_be_put_in_place():
    seen = Seen((OLD,), leftover=pair(OLD))
    assert f"; it was put in place at {PATH} and expires at" in outcome(wish(), seen, OLD)["msg"]
    assert f"; it would be put in place at {PATH} and expires at" in outcome(wish(), seen, OLD, foreseen=True)["msg"]


def test_a_leftover_does_not_hide_that_another_one_was_issued():
    seen = Seen((OLD,), leftover=pair(OLD))
    assert outcome(wish(force=True), seen, NEW)["msg"].startswith("app: issued certificate 12, because force is set")


def test_a_backup_is_named():
    assert outcome(wish(), Seen((OLD,), pair(OLD)), NEW, backup_file=PATH + ".1~")["backup_file"] == PATH + ".1~"


def test_the_plan_for_the_hosts_is_there_where_hosts_were_given():
    hosts = (Host("a", pair(OLD)), Host("b", Look("absent")))
    shown = outcome(wish(), Seen((OLD,), hosts=hosts), OLD, changed=False, path_is_current=False)
    assert (shown["source"], shown["place"], shown["path_is_current"]) == ("a", ["b"], False)
    assert "on 1 of 2 hosts" in shown["msg"]
    assert "place" not in outcome(wish(), Seen((OLD,), pair(OLD)), OLD)


def test_a_diff_is_serial_expiry_and_reason_and_nothing_else():
    shown = outcome(wish(force=True), Seen((OLD,), pair(OLD)), NEW)["diff"]
    assert shown == {
        "before_header": PATH,
        "after_header": PATH,
        "before": "serial_number: 11\nnot_after: 2027-02-10T12:00:00Z\n",
        "after": "serial_number: 12\nnot_after: 2027-02-20T12:00:00Z\nreason: forced\n",
    }


def test_a_diff_begins_with_nothing_where_nothing_was():
    shown = outcome(wish(), Seen(()), NEW)["diff"]
    assert (shown["before"], shown["after"]) == ("", "serial_number: 12\nnot_after: 2027-02-20T12:00:00Z\nreason: none_unexpired\n")


def test_a_diff_begins_with_nothing_where_only_a_host_held_one():
    hosts = (Host("a", pair(OLD)),)
    assert outcome(wish(force=True), Seen((OLD,), hosts=hosts), NEW)["diff"]["before"] == ""


def test_a_diff_of_check_mode_says_that_the_number_is_not_known_yet():
    shown = outcome(wish(), Seen(()), None, foreseen=True)["diff"]
    assert shown["after"].startswith("serial_number: (") and shown["after"].endswith("reason: none_unexpired\n")


def test_a_diff_of_attributes_alone_differs():
    shown = outcome(wish(), Seen((OLD,), pair(OLD)), OLD)["diff"]
    assert shown["before"] != shown["after"]
    assert "serial_number: 11\n" in shown["before"] and "serial_number: 11\n" in shown["after"]
