# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our types as return values, and what a host returned as our types again: by way of JSON, as Ansible sends it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.atlas.x509.plugins.module_utils import _results, _shown
from ansible_collections.atlas.x509.plugins.module_utils._certificate import Certificate
from ansible_collections.atlas.x509.plugins.module_utils._decision import Host, Seen, Wanted, decide
from ansible_collections.atlas.x509.plugins.module_utils._errors import Failure, KeyKept, OptionError, Refused, ServiceError
from ansible_collections.atlas.x509.plugins.module_utils._pem import Look
from ansible_collections.atlas.x509.plugins.module_utils._results import Report
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st

PROJECT = "64b7f0c2a1d3e4f5a6b7c8d9"
NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
BIG = 5433027191242719574  # JavaScript makes 5433027191242720000 of it
bounded = settings(derandomize=True, max_examples=examples(200), database=None)


def certificate(serial=BIG, ends=NOW + 80 * DAY, starts=NOW - 10 * DAY):
    return Certificate(serial, "CN=app", starts, ends, "app", f"CN={PROJECT},OU=Atlas,O=MongoDB Inc", PROJECT, "ab" * 32)


def by_way_of_json(value):
    return json.loads(json.dumps(value))


def whole_seconds(first, last):
    return st.datetimes(first, last, timezones=st.just(timezone.utc)).map(lambda moment: moment.replace(microsecond=0))


texts = st.none() | st.text(max_size=20)
certificates = st.builds(
    Certificate,
    serial=st.integers(0, 2**159),
    subject=st.text(max_size=20),
    not_before=whole_seconds(datetime(1970, 1, 1), datetime(2049, 1, 1)),
    not_after=whole_seconds(datetime(1970, 1, 1), datetime(9999, 12, 31)),
    common_name=texts,
    issuer=texts,
    issuer_common_name=texts,
    fingerprint_sha256=texts,
)
looks = st.builds(
    Look,
    st.sampled_from(["absent", "empty", "pair", "certificate_only", "broken", "key_only", "mismatched", "encrypted", "unreadable"]),
    texts,
    st.none() | certificates,
)


@bounded
@given(looks)
def test_a_look_survives_the_way_from_the_host(found):
    assert _results.report_from(by_way_of_json(_results.look(found)), "hosts: web1") == Report(found)


@bounded
@given(looks, st.text(min_size=1, max_size=20), st.lists(st.sampled_from(["mode", "owner", "group"]), unique=True))
def test_what_speaks_against_a_place_survives_it_too(found, reason, differing):
    returned = {**_results.look(found), "placeable": False, "placeable_reason": reason, "attributes_differ": differing}
    assert _results.report_from(by_way_of_json(returned), "hosts: web1") == Report(found, reason, tuple(differing))


def test_a_place_that_is_bad_without_a_reason_is_bad_all_the_same():
    assert _results.report_from({"state": "absent", "placeable": False, "placeable_reason": None}, "x").obstacle


@pytest.mark.parametrize(
    "value",
    [None, {}, "", [], "unreachable", {"unreachable": True}, {"failed": True, "msg": "no python"}, {"state": None}, {"state": ""}],
)
def test_a_host_that_could_not_be_asked_is_not_an_absent_file(value):
    assert _results.report_from(value, "hosts: web1") == Report()


@pytest.mark.parametrize("missing", ["serial_number", "subject", "not_before", "not_after"])
def test_a_host_that_returned_half_a_certificate_is_named(missing):
    returned = _results.look(Look("pair", None, certificate()))
    del returned["certificate"][missing]
    with pytest.raises(OptionError, match=r"^hosts: web1: not what atlas_pem_info returns"):
        _results.report_from(returned, "hosts: web1")


@pytest.mark.parametrize(
    ("state", "exists", "matches"),
    [("absent", False, None), ("empty", True, None), ("pair", True, True), ("mismatched", True, False), ("broken", True, False), ("key_only", True, None)],
)
def test_a_look_says_whether_there_is_a_file_and_whether_its_key_fits(state, exists, matches):
    shown = _results.look(Look(state))
    assert (shown["exists"], shown["key_matches"], shown["certificate"]) == (exists, matches, None)


@bounded
@given(certificates)
def test_a_serial_number_is_a_string_of_all_its_digits(one):
    shown = by_way_of_json(_shown.certificate(one))
    assert isinstance(shown["serial_number"], str) and isinstance(shown["serial_hex"], str)
    assert int(shown["serial_number"]) == one.serial == int(shown["serial_hex"], 16)


@pytest.mark.parametrize(
    ("serial", "text"), [(BIG, "4B65FD71ED0F8156"), (0x946028664465903, "0946028664465903"), (0xA, "0A"), (0x100, "0100"), (0, "00")]
)
def test_a_serial_number_in_hexadecimal_is_what_openssl_prints(serial, text):
    # openssl x509 -serial prints whole bytes; so that one can look for the one in the output of the other
    assert _shown.certificate(certificate(serial))["serial_hex"] == text


@pytest.mark.parametrize(
    ("ends", "days"),
    [(NOW + DAY, 1), (NOW + DAY - SECOND, 0), (NOW + 2 * DAY - SECOND, 1), (NOW + SECOND, 0), (NOW, 0), (NOW - SECOND, -1)],
)
def test_days_left_are_whole_days(ends, days):
    assert _shown.dated(certificate(ends=ends), NOW)["days_left"] == days
    assert _shown.listed(certificate(ends=ends), NOW)["days_left"] == days


def test_dates_are_iso_8601_in_utc():
    shown = _shown.dated(certificate(), NOW, NOW + 50 * DAY)
    assert (shown["not_before"], shown["not_after"], shown["renew_at"]) == ("2026-11-12T12:00:00Z", "2027-02-10T12:00:00Z", "2027-01-11T12:00:00Z")
    assert _shown.dated(certificate(), NOW)["renew_at"] is None


def test_a_list_shows_what_atlas_lists_and_no_more():
    assert sorted(_shown.listed(certificate(), NOW)) == [
        "common_name", "days_left", "not_after", "not_before", "serial_hex", "serial_number", "subject",
    ]  # fmt: skip


LISTED = (certificate(9), certificate(10))


def plan(hosts=None, listed=LISTED, **wishes):
    return decide(Wanted("app", PROJECT, "/x", **wishes), Seen(listed, hosts=hosts), NOW)


def test_a_decision_is_data_with_serials_as_strings():
    shown = by_way_of_json(_results.plan(plan(on_orphan="reissue")))
    assert (shown["decision"], shown["reason"]) == ("issue", "orphaned")
    assert shown["orphaned"] == ["9", "10"] == shown["superseded"]
    assert [one["serial_number"] for one in shown["unexpired"]] == ["9", "10"]


def test_without_hosts_there_is_no_plan_for_hosts():
    hosts_keys = {"converged", "place", "adjust", "holders", "source", "sources", "held_at", "foreign", "not_placeable", "unasked"}
    assert hosts_keys & set(_results.plan(plan())) == set()
    assert hosts_keys <= set(_results.plan(plan(hosts=())))


def test_with_hosts_there_is_a_source():
    holder = Look("pair", None, certificate(10))
    shown = by_way_of_json(_results.plan(plan((Host("a", Look("absent")), Host("b", holder), Host("c", holder), Host("d", None)))))
    assert (shown["source"], shown["holders"], shown["place"], shown["unasked"]) == ("b", ["b", "c"], ["a"], ["d"])
    assert _results.plan(plan((Host("a", Look("absent")),)))["source"] is None


def test_what_is_said_of_holders_is_what_elsewhere_takes():
    holder = Look("pair", None, certificate(10))
    (told,) = by_way_of_json(_results.plan(plan((Host("a", Look("absent")), Host("b", holder, location="/x/y.pem")))))["held_at"]
    assert list(told) == ["b"]
    report = _results.report_from(told["b"], "elsewhere: b")
    assert (report.location, report.look) == ("/x/y.pem", holder)


def test_a_refusal_carries_the_whole_decision():
    refusal = plan()
    shown = by_way_of_json(_results.failure(Refused("app: no", refusal)))
    assert shown == by_way_of_json(_results.plan(refusal))
    assert (shown["decision"], shown["reason"]) == ("refuse", "orphaned")


def test_what_the_service_said_is_data():
    shown = by_way_of_json(_results.failure(ServiceError("no", Failure(404, "USERNAME_NOT_FOUND", "No user", ["app"]))))
    assert shown == {"failure": {"status": 404, "code": "USERNAME_NOT_FOUND", "detail": "No user", "parameters": ["app"]}}


def test_an_error_without_data_adds_nothing():
    assert _results.failure(OptionError("path: no")) == {}


def test_where_a_key_is_kept_is_data():
    assert _results.failure(KeyKept("kept", facts={"parked": "/x"})) == {"parked": "/x"}
