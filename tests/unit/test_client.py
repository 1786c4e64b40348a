# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import threading
import traceback
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from ansible_collections.atlas.x509.plugins.module_utils import _client, _issue, _options, _results, _shown
from ansible_collections.atlas.x509.plugins.module_utils._errors import Failure, NotAdmitted, NotIssued, OutcomeUnknown, ServiceError
from ansible_collections.atlas.x509.plugins.module_utils._failure import is_shut_out
from ansible_collections.atlas.x509.plugins.module_utils._pem import MAX_SIZE
from connections import ACCOUNT, API_KEY, client
from effort import examples
from fake_atlas import (
    DEMO_CLIENT_ID,
    DEMO_CLIENT_SECRET,
    DEMO_PRIVATE_KEY,
    DEMO_PROJECT,
    DEMO_PUBLIC_KEY,
    DEMO_UNMANAGED_USER,
    certificates,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TOKEN = {"access_token": "a-ready-made-token"}
MISSING_PROJECT = "0123456789abcdef01234567"
GET, POST = {"method": "GET"}, {"method": "POST", "path_contains": "/certs"}


def listed(one, project=DEMO_PROJECT, username="app"):
    return one.certificates(project, username)


def issue(one, received=None, project=DEMO_PROJECT, username="app", months=3):
    _issue.issue(one, project, username, months, (received if received is not None else []).append)


def refused(error, ask, *arguments, **more):
    """The error, which is of exactly this class, when it is asked; a read that nobody is admitted to says so."""
    with pytest.raises(ServiceError) as caught:
        ask(*arguments, **more)
    shut_out = error is ServiceError and is_shut_out(caught.value.failure or Failure())
    assert caught.value.__class__ is (NotAdmitted if shut_out else error), caught.value
    return caught.value


def page(*items, links=(), **more):
    return json.dumps({"links": list(links), "results": list(items), "totalCount": len(items), **more}).encode()


ITEM = {
    "_id": 5433027191242719574,
    "createdAt": "2026-10-01T10:00:00Z",
    "groupId": DEMO_PROJECT,
    "notAfter": "2027-01-01T11:00:00Z",
    "subject": "CN=app",
}


class TestTheList:
    @pytest.mark.parametrize("version", ["v2", "v1.0"])
    @pytest.mark.parametrize("credentials", [API_KEY, ACCOUNT], ids=["key", "account"])
    def test_both_versions_answer_the_same_to_both_kinds_of_credentials(self, atlas, version, credentials):
        known = [atlas.call(atlas.state.add_certificate, DEMO_PROJECT, "app", days_left=days) for days in (80, 10)]
        with client(atlas.url, credentials, api_version=version) as one:
            found = listed(one)
        assert [one.serial for one in found] == [one.serial for one in sorted(known)]
        assert {entry.api_version for entry in atlas.state.journal} == {version}
        newest = max(known)
        assert found[-1].not_before == newest.created_at
        assert found[-1].not_after == newest.not_after
        assert found[-1].issued_at == newest.created_at + timedelta(hours=1)
        assert (found[-1].subject, found[-1].common_name) == ("CN=app", "app")

    def test_one_page_of_500_is_one_request_for_a_normal_user(self, atlas):
        with client(atlas.url) as one:
            listed(one)
        assert [entry.query["itemsPerPage"] for entry in atlas.state.journal] == ["500"]

    def test_no_certificate_is_an_empty_list(self, atlas):
        with client(atlas.url) as one:
            assert listed(one) == []

    def test_the_one_issued_last_is_at_the_end_however_they_come(self, wire, say):
        newest = dict(ITEM, _id=7, createdAt="2026-11-01T10:00:00Z")
        server = wire(lambda _: say(200, page(newest, dict(ITEM, _id=9), dict(ITEM, _id=8))))
        with client(server.url, TOKEN) as one:
            assert [one.serial for one in listed(one)] == [8, 9, 7]

    @pytest.mark.parametrize("count", [499, 500, 501, 1000, 1203])
    def test_every_page_is_read(self, atlas, count):
        serials = atlas.call(many, atlas, count)
        with client(atlas.url) as one:
            assert {one.serial for one in listed(one)} == serials

    @pytest.mark.parametrize(
        "fault",
        [
            {"action": "status", "status": 500},
            {"action": "status", "status": 404, "errorCode": "USERNAME_NOT_FOUND"},
            {"action": "html", "status": 200},
            {"action": "drop_before"},
            {"action": "cut", "after": 300},
            {"action": "body", "variant": "truncated_json"},
            {"action": "redirect", "location": "http://127.0.0.1:9/"},
        ],
        ids=lambda fault: f"{fault['action']} {fault.get('status', '')}",
    )
    def test_a_second_page_that_fails_is_an_error_and_not_a_short_list(self, atlas, fault):
        atlas.call(many, atlas, 600)
        atlas.fault(match={"page": 2}, times=None, **fault)
        with client(atlas.url) as one:
            refused(ServiceError, listed, one)

    def test_a_second_page_that_fails_once_is_asked_for_again_without_the_first(self, atlas):
        serials = atlas.call(many, atlas, 600)
        atlas.fault("status", status=503, match={"page": 2})
        with client(atlas.url) as one:
            assert {one.serial for one in listed(one)} == serials
        assert [entry.query["pageNum"] for entry in atlas.state.journal] == ["1", "2", "2"]

    def test_a_page_that_comes_twice_counts_once(self, atlas):
        atlas.call(many, atlas, 1400)
        atlas.fault("body", variant="duplicate_page", match={"page": 2})
        with client(atlas.url) as one:
            serials = [one.serial for one in listed(one)]
        assert len(serials) == len(set(serials)) == 900

    def test_a_full_page_without_a_link_to_the_next_is_not_the_last(self, wire, say):
        items = [dict(ITEM, _id=number) for number in range(1, 521)]

        def reply(request):
            start = (int(re.search(r"pageNum=(\d+)", request.target).group(1)) - 1) * 500
            return say(200, page(*items[start : start + 500]))

        with client(wire(reply).url, TOKEN) as one:
            assert len(listed(one)) == 520

    def test_a_short_page_with_a_link_to_the_next_is_not_the_last(self, wire, say):
        def reply(request):
            number = int(re.search(r"pageNum=(\d+)", request.target).group(1))
            following = [{"rel": "next", "href": "http://elsewhere.invalid/"}] if number < 3 else []
            return say(200, page(dict(ITEM, _id=number), links=following))

        with client(wire(reply).url, TOKEN) as one:
            assert [one.serial for one in listed(one)] == [1, 2, 3]

    def test_pages_without_end_are_an_error(self, wire, say, monkeypatch):
        monkeypatch.setattr(_client, "MAX_PAGES", 7)
        server = wire(lambda _: say(200, page(ITEM, links=[{"rel": "next", "href": "x"}])))
        with client(server.url, TOKEN) as one:
            refused(ServiceError, listed, one)
        assert len(server.requests) == 7

    def test_the_managed_users_are_all_of_them_and_no_others(self, atlas):
        for number in range(700):
            atlas.call(atlas.state.add_user, DEMO_PROJECT, f"user-{number}", x509_type="MANAGED" if number % 2 else "CUSTOMER")
        with client(atlas.url) as one:
            pages = [one.managed_users_page(DEMO_PROJECT, number) for number in (1, 2)]
        assert [one.is_last for one in pages] == [False, True]
        assert sorted(name for one in pages for name in one.items) == sorted(["app"] + [f"user-{number}" for number in range(1, 700, 2)])

    def test_users_that_cannot_be_read_are_an_error(self, wire, say):
        server = wire(lambda _: say(200, page({"x509Type": "MANAGED", "username": 3})))
        with client(server.url, TOKEN) as one:
            refused(ServiceError, one.managed_users_page, DEMO_PROJECT, 1)


def many(atlas, count):
    return {atlas.state.add_certificate(DEMO_PROJECT, "app", days_left=1 + number % 80).serial for number in range(count)}


NAMES = [
    "a/b",
    "a@example.org",
    "first.last",
    "with a space",
    "a+b",
    "$external",
    "CN=app,OU=x",
    "100%",
    "%2F",
    "%252e%252e",
    "..a",
    "a/..",
    "../../x",
    "...",
    "?pageNum=2",
    "#fragment",
    "a;b=c",
    "b\\c",
    'quo"te',
    "'",
    "~_-.!*()",
    "ünïcödé",
    "日本語",
    "🦊",
    "e\u0301",
    "\u202emirror",
    "x" * 1024,
    "\U0001f98a" * 1024,
]


class TestNames:
    @pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:20].encode("unicode_escape").decode())
    def test_a_name_arrives_as_it_was_given(self, atlas, name):
        self.round_trip(atlas, name)

    @settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
    @given(
        st.text(
            st.one_of(st.sampled_from("/@.%+ ,$?#&=;:\\\"'~"), st.characters(exclude_categories=("Cs", "Cc"))),
            min_size=1,
            max_size=60,
        ).filter(lambda name: name.strip() and name not in (".", ".."))
    )
    def test_any_name_arrives_as_it_was_given(self, atlas, name):
        self.round_trip(atlas, name)

    @staticmethod
    def round_trip(atlas, name):
        if name not in atlas.state.projects[DEMO_PROJECT].users:
            atlas.call(atlas.state.add_user, DEMO_PROJECT, name)
        atlas.call(atlas.state.clear_journal)
        issued = []
        with client(atlas.url) as one:
            before = listed(one, username=_options.username(name))
            issue(one, issued, username=name)
            assert len(listed(one, username=name)) == len(before) + 1
        assert [entry.username for entry in atlas.state.journal] == [name] * 3
        assert b"".join(issued).startswith(b"-----BEGIN CERTIFICATE-----")


# As https://www.mongodb.com/docs/atlas/reference/api/ printed it, line numbers and all. The second serial number is no valid JSON.
URL = (
    "https://cloud.mongodb.com/api/atlas/v1.0/groups/ec13d5f09d521a5206e5d726/databaseUsers/myX509User/certs"
    "?pretty=true&pageNum=1&itemsPerPage=100"
)
PRINTED = """
    1| {
    |
    2|   "links" : [ {
    3|     "href" : "{URL}",
    4|     "rel" : "self"
    5|   } ],
    6|   "results" : [ {
    7|     "_id" : 5433027191242719574,
    8|     "createdAt" : "2019-12-03T21:00:42Z",
    9|     "groupId" : "ec13d5f09d521a5206e5d726",
    10|     "notAfter" : "2020-06-03T22:00:42Z",
    11|     "subject" : "CN=myX509User"
    12|   }, {
    13|     "_id" : 0946028664465903704,
    14|     "createdAt" : "2019-12-05T13:50:49Z",
    15|     "groupId" : "ec13d5f09d521a5206e5d726",
    16|     "notAfter" : "2020-03-05T14:50:49Z",
    17|     "subject" : "CN=myX509User"
    18|   } ],
    19|   "totalCount" : 2
    20| }
"""


class TestTheSampleOfTheDocumentation:
    BODY = re.sub(r"^ *\d*\| ?", "", PRINTED.replace("{URL}", URL), flags=re.MULTILINE).encode()

    def test_it_is_read_as_printed_with_the_leading_zero(self, wire, say):
        with client(wire(lambda _: say(200, self.BODY)).url, TOKEN, api_version="v1.0") as one:
            found = listed(one, "ec13d5f09d521a5206e5d726", "myX509User")
        utc = timezone.utc
        assert [(one.serial, one.subject, one.not_before, one.not_after) for one in found] == [
            (
                5433027191242719574,
                "CN=myX509User",
                datetime(2019, 12, 3, 21, 0, 42, tzinfo=utc),
                datetime(2020, 6, 3, 22, 0, 42, tzinfo=utc),
            ),
            (
                946028664465903704,
                "CN=myX509User",
                datetime(2019, 12, 5, 13, 50, 49, tzinfo=utc),
                datetime(2020, 3, 5, 14, 50, 49, tzinfo=utc),
            ),
        ]

    @settings(max_examples=examples(200))
    @given(
        st.lists(
            st.tuples(st.integers(0, 2**63), st.integers(0, 5), st.text(st.sampled_from('_id":0 17\\'), max_size=12) | st.text(max_size=8)), max_size=4
        ),
        st.sampled_from(["", " ", "\n", "\t "]),
    )
    def test_any_serial_with_any_leading_zeros_is_the_number_that_it_is_and_no_text_is_touched(self, items, blank):
        objects = [
            f'{{"_id"{blank}:{blank}{"0" * zeros}{serial}, "subject": {json.dumps(subject)}}}' for serial, zeros, subject in items
        ]
        body = '{"results": [' + ", ".join(objects) + '], "totalCount": 1}'
        read = _client.parse_page(body.encode())["results"]
        assert [(one["_id"], one["subject"]) for one in read] == [(serial, subject) for serial, dummy, subject in items]

    def test_no_digit_is_lost_on_the_way_to_the_user(self, wire, say):
        with client(wire(lambda _: say(200, self.BODY)).url, TOKEN) as one:
            found = listed(one, "ec13d5f09d521a5206e5d726", "myX509User")
        assert [_shown.certificate(one)["serial_number"] for one in found] == ["5433027191242719574", "946028664465903704"]

    def test_it_is_no_valid_json_and_its_gutter_was_removed(self):
        assert b"|" not in self.BODY
        with pytest.raises(ValueError):
            json.loads(self.BODY)

    @pytest.mark.parametrize("written", ["0", "00", "-1", "9223372036854775807", "0000000000000000000001"])
    def test_other_ways_to_write_a_number_are_read_as_that_number(self, wire, say, written):
        body = page(dict(ITEM, _id=777)).replace(b"777", written.encode())
        with client(wire(lambda _: say(200, body)).url, TOKEN) as one:
            assert [one.serial for one in listed(one)] == [int(written)]


class TestWhatIsNoList:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b" ",
            b"null",
            b"[]",
            b"0",
            b'""',
            b"true",
            b"{}",
            b"OK",
            b"\xff\xfe",
            b"{\x00}",
            b'{"results": null}',
            b'{"results": {}}',
            b'{"results": "none"}',
            b'{"results": 0}',
            b'{"results": [1]}',
            b'{"results": [null]}',
            b'{"results": [[]]}',
            b'{"result": []}',
            b'{"links": [], "totalCount": 0}',
            b'{"error": 500, "errorCode": "UNEXPECTED_ERROR"}',
            b'{"results": []',
            b'{"results": [], }',
            b'{"results": []} {"results": []}',
            b"<html><title>Welcome</title></html>",
            b"[" * 200000,
            b'{"results": ' + b"[" * 200000,
            b'{"results": [{"_id": ' + b"9" * 5000 + b"}]}",
        ],
        ids=lambda body: repr(body[:40]),
    )
    def test_it_is_an_error_and_never_an_empty_list(self, wire, say, body):
        with client(wire(lambda _: say(200, body)).url, TOKEN) as one:
            error = refused(ServiceError, listed, one)
        assert "base_url" in error.message

    @pytest.mark.parametrize("links", [None, 5, True, "next", {"rel": "next"}, [None], ["next"], [{"rel": None}], [{}]], ids=repr)
    def test_links_of_any_shape_do_not_break_the_list(self, wire, say, links):
        with client(wire(lambda _: say(200, json.dumps({"links": links, "results": [ITEM]}).encode())).url, TOKEN) as one:
            assert [one.serial for one in listed(one)] == [ITEM["_id"]]

    @pytest.mark.parametrize(
        "change",
        [
            {"_id": None},
            {"_id": "5433027191242719574"},
            {"_id": 5.433e18},
            {"_id": True},
            {"_id": [1]},
            {"createdAt": None},
            {"createdAt": 1700000000},
            {"createdAt": "yesterday"},
            {"createdAt": ""},
            {"notAfter": None},
            {"notAfter": "2026-13-01T00:00:00Z"},
            {"notAfter": "9999-12-31T23:59:59-01:00"},
            {"notAfter": {}},
            {"subject": None},
            {"subject": 3},
        ],
        ids=repr,
    )
    def test_a_certificate_that_cannot_be_read_is_an_error_and_not_left_out(self, wire, say, change):
        with client(wire(lambda _: say(200, page(dict(ITEM, _id=1), dict(ITEM, **change)))).url, TOKEN) as one:
            error = refused(ServiceError, listed, one)
        assert "cannot be read" in error.message

    @pytest.mark.parametrize("key", sorted(ITEM))
    def test_a_certificate_without_a_field_that_we_need_is_an_error(self, wire, say, key):
        item = {name: value for name, value in ITEM.items() if name != key}
        with client(wire(lambda _: say(200, page(item))).url, TOKEN) as one:
            if key == "groupId":
                assert len(listed(one)) == 1
            else:
                refused(ServiceError, listed, one)

    @pytest.mark.parametrize("status", [201, 202, 204, 206])
    def test_another_success_than_200_is_no_list(self, wire, say, status):
        with client(wire(lambda _: say(status, page())).url, TOKEN) as one:
            refused(ServiceError, listed, one)

    def test_truncated_json_is_an_error(self, atlas):
        atlas.call(atlas.state.add_certificate, DEMO_PROJECT, "app")
        atlas.fault("body", variant="truncated_json", times=None)
        with client(atlas.url) as one:
            refused(ServiceError, listed, one)

    @settings(max_examples=examples(150))
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["results", "links", "rel", "_id"]), inner, max_size=3),
            max_leaves=8,
        )
    )
    def test_any_json_is_a_list_of_objects_or_an_error(self, value):
        try:
            parsed = _client.parse_page(json.dumps(value).encode())
        except ServiceError:
            return
        assert all(isinstance(item, dict) for item in parsed["results"])

    @settings(max_examples=examples(150))
    @given(st.binary(max_size=60))
    def test_any_bytes_are_an_error(self, body):
        with pytest.raises(ServiceError):
            _client.parse_page(body)


class Case:
    """One way in which Atlas says no: how it comes about, and what the user reads."""

    def __init__(self, name, prepare, says, code, status, *fragments, ask=issue, error=None, **arguments):
        self.name = name
        self.prepare = prepare
        self.code = code
        self.status = status
        self.fragments = (says, *fragments)
        self.ask = ask
        self.error = error or (ServiceError if ask is listed else NotIssued)
        self.arguments = arguments


def injected(status, code, **more):
    return lambda atlas: atlas.fault("status", status=status, errorCode=code, times=None, **more)


def nothing(dummy):
    return None


def other_organization(atlas):
    atlas.call(atlas.state.add_project, MISSING_PROJECT, "theirs", org_id="f" * 24)


def restricted(role="owner", **more):
    def prepare(atlas):
        atlas.call(atlas.state.add_credential, "api_key", DEMO_PUBLIC_KEY, DEMO_PRIVATE_KEY, role=role, **more)

    return prepare


def with_project(**more):
    return lambda atlas: atlas.call(atlas.state.add_project, MISSING_PROJECT, "another", **more)


CASES = [
    Case("not managed", nothing, "x509Type to MANAGED", "USER_NOT_MANAGED_X509", 400, "legacy", username=DEMO_UNMANAGED_USER),
    Case(
        "self-managed",
        lambda atlas: setattr(atlas.state.projects[DEMO_PROJECT], "self_managed_x509", True),
        "its own certificate authority",
        "CANNOT_GENERATE_CERT_IF_ADVANCED_X509",
        400,
        DEMO_PROJECT,
    ),
    Case("25 months", nothing, "give 1 to 24", "CERT_EXPIRY_CANNOT_EXCEED_TWO_YEARS", 400, "months_until_expiration", months=25),
    Case("0 months", nothing, "give 1 to 24", "ATTRIBUTE_NEGATIVE_OR_ZERO", 400, "months_until_expiration", months=0),
    Case("three months", nothing, "monthsUntilExpiration must be an integer", "VALIDATION_ERROR", 400, months="three"),
    Case(
        "an attribute",
        injected(400, "INVALID_ATTRIBUTE", detail="Invalid attribute x specified."),
        "Invalid attribute x",
        "INVALID_ATTRIBUTE",
        400,
    ),
    Case(
        "too many",
        lambda atlas: atlas.call(atlas.state.change_settings, certificates_per_user=0),
        "wait until some expire",
        "ATLAS_GENERATED_CERTS_LIMIT_EXCEEDED",
        400,
        "'app'",
    ),
    Case(
        "role",
        restricted("read_only"),
        "Project Owner",
        "USER_UNAUTHORIZED",
        401,
        DEMO_PROJECT,
        "private_api_key from the options",
    ),
    Case(
        "role to list",
        injected(401, "USER_UNAUTHORIZED"),
        "Project Read Only",
        "USER_UNAUTHORIZED",
        401,
        DEMO_PROJECT,
        ask=listed,
    ),
    Case(
        "another organization",
        other_organization,
        "belongs to their organization",
        "USER_CANNOT_ACCESS_GROUP",
        401,
        MISSING_PROJECT,
        ask=listed,
        project=MISSING_PROJECT,
    ),
    Case(
        "not in the project",
        lambda atlas: (with_project()(atlas), restricted(projects=[DEMO_PROJECT])(atlas)),
        "no role in project",
        "NOT_IN_GROUP",
        401,
        MISSING_PROJECT,
        "Project Read Only",
        ask=listed,
        project=MISSING_PROJECT,
    ),
    Case(
        "address",
        restricted(access_list=["192.0.2.0/24"]),
        "127.0.0.1 is not on the API access list",
        "IP_ADDRESS_NOT_ON_ACCESS_LIST",
        403,
        "add it in Atlas",
        ask=listed,
    ),
    Case(
        "no access list",
        with_project(requires_access_list=True),
        "requires an API access list",
        "ORG_REQUIRES_ACCESS_LIST",
        403,
        "create one in Atlas",
        ask=listed,
        project=MISSING_PROJECT,
    ),
    Case("no project", nothing, "check project_id", "GROUP_NOT_FOUND", 404, MISSING_PROJECT, ask=listed, project=MISSING_PROJECT),
    Case("no project to issue in", nothing, "check project_id", "GROUP_NOT_FOUND", 404, MISSING_PROJECT, project=MISSING_PROJECT),
    Case("bad project", nothing, "check project_id", "INVALID_GROUP_ID", 404, "nonsense", ask=listed, project="nonsense"),
    Case(
        "no user",
        nothing,
        "'nobody'",
        "USERNAME_NOT_FOUND",
        404,
        DEMO_PROJECT,
        "create it",
        "MANAGED",
        ask=listed,
        username="nobody",
    ),
    Case("no user to issue for", nothing, "'nobody'", "USERNAME_NOT_FOUND", 404, DEMO_PROJECT, "create it", username="nobody"),
    Case(
        "no user either", injected(404, "USER_NOT_FOUND"), "'app'", "USER_NOT_FOUND", 404, DEMO_PROJECT, "create it", ask=listed
    ),
    Case(
        "maintenance",
        injected(405, "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES"),
        "run again later",
        "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES",
        405,
        "maintenance",
    ),
    Case("no version", lambda atlas: atlas.fault("html", status=406, times=None), "check api_version", None, 406, ask=listed),
    Case(
        "old version", injected(410, "VERSION_GONE"), "set api_version", "VERSION_GONE", 410, "update the collection", ask=listed
    ),
    Case("conflict", injected(409, "CONFLICT", detail="Somebody else is at it."), "Somebody else is at it.", "CONFLICT", 409),
    Case("rate", injected(429, "RATE_LIMITED"), "run again later", "RATE_LIMITED", 429),
    Case("rate to list", injected(429, "RATE_LIMITED"), "run again later", "RATE_LIMITED", 429, "retries", ask=listed),
    Case(
        "bucket",
        lambda atlas: atlas.call(atlas.state.change_settings, rate_limit={"capacity": 0}),
        "run again later",
        "RATE_LIMITED_TOKEN_BUCKET",
        429,
        "retry after",
        ask=listed,
    ),
    Case("broken", injected(500, "UNEXPECTED_ERROR"), "run again later", "UNEXPECTED_ERROR", 500, ask=listed),
    Case("broken to issue", injected(500, "UNEXPECTED_ERROR"), "", "UNEXPECTED_ERROR", 500, error=OutcomeUnknown),
    Case("away", injected(503, "SERVICE_UNAVAILABLE"), "run again later", "SERVICE_UNAVAILABLE", 503, ask=listed),
    Case("away to issue", injected(503, "SERVICE_UNAVAILABLE"), "", "SERVICE_UNAVAILABLE", 503, error=OutcomeUnknown),
    Case("timeout on the way", injected(408, "TIMEOUT"), "", "TIMEOUT", 408, error=OutcomeUnknown),
    Case(
        "a proxy",
        lambda atlas: atlas.fault("html", status=502, times=None),
        "proxy",
        None,
        502,
        "502 Bad Gateway",
        "base_url",
        ask=listed,
    ),
    Case("a proxy to issue", lambda atlas: atlas.fault("html", status=502, times=None), "proxy", None, 502, error=OutcomeUnknown),
    Case("a proxy's no", lambda atlas: atlas.fault("html", status=403, times=None), "403", None, 403, error=OutcomeUnknown),
    Case(
        "moved",
        lambda atlas: atlas.fault("redirect", location="http://127.0.0.1:9/x", times=None),
        "base_url",
        None,
        307,
        "redirect",
        ask=listed,
    ),
    Case(
        "moved to issue",
        lambda atlas: atlas.fault("redirect", location="http://127.0.0.1:9/x", times=None),
        "base_url",
        None,
        307,
        "redirect",
    ),
]


class TestEveryNo:
    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
    def test_it_reaches_the_user_as_a_sentence_and_as_data(self, atlas, case):
        case.prepare(atlas)
        with client(atlas.url, retries=1) as one:
            error = refused(case.error, case.ask, one, **case.arguments)
        assert (error.failure.status, error.failure.code) == (case.status, case.code)
        for fragment in case.fragments:
            assert fragment in error.message
        assert f"HTTP {case.status}" in error.message
        assert atlas.state.counters.issued == 0
        if error.__class__ is NotIssued:
            assert error.message.startswith("nothing was issued")
        assert _results.failure(error)["failure"]["status"] == case.status

    def test_what_atlas_gives_beside_it_is_handed_on(self, atlas):
        restricted(access_list=["192.0.2.0/24"])(atlas)
        with client(atlas.url) as one:
            failure = refused(ServiceError, listed, one).failure
        assert failure.parameters == ["127.0.0.1"]
        assert failure.detail == "IP address 127.0.0.1 is not allowed to access this resource."

    def test_an_unknown_code_is_quoted(self, atlas):
        injected(400, "BRAND_NEW", detail="Read the news {0} {secret}.")(atlas)
        with client(atlas.url) as one:
            error = refused(ServiceError, listed, one)
        assert error.message == "Atlas refused: Read the news {0} {secret}. [HTTP 400 BRAND_NEW]"

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"[]",
            b"3",
            b"null",
            b"\xff",
            b"{",
            b'{"error": []}',
            b'{"errorCode": 3, "detail": {}, "parameters": "x"}',
            b"<title>",
            b"</title><title>",
            b"[" * 200000,
        ],
        ids=lambda body: repr(body[:40]),
    )
    @pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
    def test_an_error_of_any_shape_is_an_error(self, wire, say, status, body):
        with client(wire(lambda _: say(status, body)).url, TOKEN, retries=0) as one:
            error = refused(ServiceError, listed, one)
        assert error.failure.status == status
        assert f"HTTP {status}" in error.message

    @pytest.mark.parametrize("version", ["v2", "v1.0"])
    def test_a_code_in_the_header_counts_when_the_body_has_none(self, wire, say, version):
        server = wire(lambda _: say(404, b"", {"X-Error-Code": "GROUP_NOT_FOUND"}))
        with client(server.url, TOKEN, api_version=version) as one:
            assert "check project_id" in refused(ServiceError, listed, one).message


class TestReadsAgain:
    def test_until_it_works(self, atlas):
        atlas.call(atlas.state.add_certificate, DEMO_PROJECT, "app")
        atlas.fault("status", status=503, match=GET, times=4)
        naps = []
        with client(atlas.url, naps=naps) as one:
            assert len(listed(one)) == 1
        assert naps == [1.0, 2.0, 4.0, 8.0]

    @pytest.mark.parametrize("retries", [0, 1, 4, 7])
    @pytest.mark.parametrize(
        "fault",
        [
            {"action": "status", "status": 500},
            {"action": "drop_before"},
            {"action": "drop_before", "reset": True},
            {"action": "html"},
            {"action": "cut", "after": 5},
        ],
        ids=str,
    )
    def test_as_often_as_was_asked_for_and_no_more(self, atlas, retries, fault):
        atlas.fault(times=None, **fault)
        naps = []
        with client(atlas.url, naps=naps, retries=retries) as one:
            refused(ServiceError, listed, one)
        assert (len(atlas.state.journal), len(naps)) == (retries + 1, retries)

    def test_when_nobody_listens(self):
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            naps = []
            url = f"http://127.0.0.1:{held.getsockname()[1]}"
            with client(url, naps=naps, retries=3) as one:
                error = refused(ServiceError, listed, one)
        assert error.message == f"cannot reach {url}: Connection refused"
        assert error.failure is None
        assert naps == [1.0, 2.0, 4.0]

    def test_after_as_long_as_retry_after_says(self, atlas):
        atlas.fault("status", status=429, retry_after=17)
        naps = []
        with client(atlas.url, naps=naps) as one:
            listed(one)
        assert naps == [17.0]

    def test_when_the_date_of_retry_after_has_come_by_the_services_clock(self, wire, say):
        year = datetime(2031, 5, 1, 12, 0, 0, tzinfo=timezone.utc)
        answers = iter(
            [
                say(
                    429,
                    b"{}",
                    {
                        "Date": format_datetime(year, usegmt=True),
                        "Retry-After": format_datetime(year + timedelta(seconds=40), usegmt=True),
                    },
                ),
                say(200, page()),
            ]
        )
        naps = []
        with client(wire(lambda _: next(answers)).url, TOKEN, naps=naps) as one:
            assert listed(one) == []
        assert len(naps) == 1
        assert 37 < naps[0] <= 41

    def test_after_as_long_as_the_bucket_says(self, atlas):
        atlas.fault("status", errorCode="RATE_LIMITED_TOKEN_BUCKET", parameters=["x", 23, 1200, 500, 60])
        naps = []
        with client(atlas.url, naps=naps) as one:
            listed(one)
        assert naps == [23.0]

    @pytest.mark.parametrize("header", ["soon", "-3", "1e3", "", "\u00b2", "1.5", "12 s"])
    def test_a_retry_after_that_cannot_be_read_is_no_reason_to_fail(self, wire, say, header):
        answers = iter([say(429, b"{}", {"Retry-After": header}), say(200, page())])
        naps = []
        with client(wire(lambda _: next(answers)).url, TOKEN, naps=naps) as one:
            assert listed(one) == []
        assert naps == [1.0]

    @pytest.mark.parametrize("parameters", [None, [], ["x"], ["x", "soon"], ["x", None], ["x", []], [[], {}]], ids=repr)
    def test_a_bucket_without_a_number_is_no_reason_to_fail(self, wire, say, parameters):
        body = json.dumps({"error": 429, "errorCode": "RATE_LIMITED_TOKEN_BUCKET", "parameters": parameters}).encode()
        answers = iter([say(429, body), say(200, page())])
        naps = []
        with client(wire(lambda _: next(answers)).url, TOKEN, naps=naps) as one:
            assert listed(one) == []
        assert naps == [1.0]

    def test_not_when_that_would_be_longer_than_anybody_waits(self, atlas):
        atlas.fault("status", status=429, retry_after=3600, times=None)
        naps = []
        with client(atlas.url, naps=naps) as one:
            refused(ServiceError, listed, one)
        assert (naps, len(atlas.state.journal)) == ([], 1)

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 406, 409, 410])
    def test_not_when_that_cannot_help(self, atlas, status):
        atlas.fault("status", status=status, errorCode="BRAND_NEW", times=None)
        naps = []
        with client(atlas.url, naps=naps) as one:
            refused(ServiceError, listed, one)
        assert (naps, len(atlas.state.journal)) == ([], 1)

    def test_what_is_too_large_is_an_error(self, wire):
        def reply(dummy):
            yield b"HTTP/1.1 200 OK\r\n\r\n"
            for dummy in range(600):
                yield b" " * 65536

        server = wire(reply)
        with client(server.url, TOKEN, retries=0) as one:
            error = refused(ServiceError, listed, one)
        assert "larger than" in error.message

    def test_a_page_that_trickles_is_bounded_by_the_timeout(self, atlas):
        for dummy in range(3):
            atlas.call(atlas.state.add_certificate, DEMO_PROJECT, "app")
        atlas.fault("trickle", bytes_per_second=150, times=None)
        with client(atlas.url, timeout=1, retries=0) as one:
            error = refused(ServiceError, listed, one)
        assert "not complete after 1 s" in error.message  # at its end, it would have been a page


class TestIssue:
    @pytest.mark.parametrize("version", ["v2", "v1.0"])
    @pytest.mark.parametrize("credentials", [API_KEY, ACCOUNT], ids=["key", "account"])
    def test_the_whole_answer_arrives(self, atlas, version, credentials):
        received = []
        with client(atlas.url, credentials, api_version=version) as one:
            issue(one, received)
        made = atlas.state.unexpired(atlas.state.projects[DEMO_PROJECT], "app")
        assert len(made) == atlas.state.counters.issued == 1
        assert b"".join(received).decode() == atlas.state.pem(made[0])

    @pytest.mark.parametrize("months", [1, 24])
    def test_it_lives_as_long_as_was_asked_for(self, atlas, months):
        with client(atlas.url) as one:
            issue(one, months=months)
            days = (listed(one)[0].not_after - one.now()).days
        assert 27 + 30 * (months - 1) <= days <= 31 * months

    def test_an_answer_as_large_as_may_be_is_received_whole(self, wire, say):
        received = []
        with client(wire(lambda _: say(201, b"x" * MAX_SIZE)).url, TOKEN) as one:
            issue(one, received)
        assert len(b"".join(received)) == MAX_SIZE

    def test_of_an_answer_that_is_larger_as_much_is_received_as_can_be_a_pem(self, wire, say):
        received = []
        with client(wire(lambda _: say(201, b"x" * (MAX_SIZE + 1))).url, TOKEN) as one:
            refused(OutcomeUnknown, issue, one, received)
        assert len(b"".join(received)) == MAX_SIZE

    def test_a_receiver_that_fails_is_heard(self, atlas):
        def broken(dummy):
            raise RuntimeError("the disk")

        with client(atlas.url) as one, pytest.raises(RuntimeError, match="the disk"):
            _issue.issue(one, DEMO_PROJECT, "app", 3, broken)


def cut(after, **more):
    return {"action": "cut", "after": after, **more}


# What happens to the answer, which error says so, and how many certificates there are then.
KNOWN_NOT_ISSUED = [
    {"action": "status", "status": 400, "errorCode": "USER_NOT_MANAGED_X509"},
    {"action": "status", "status": 401, "errorCode": "USER_UNAUTHORIZED"},
    {"action": "status", "status": 403, "errorCode": "IP_ADDRESS_NOT_ON_ACCESS_LIST", "parameters": ["192.0.2.1"]},
    {"action": "status", "status": 404, "errorCode": "USERNAME_NOT_FOUND"},
    {"action": "status", "status": 405, "errorCode": "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES"},
    {"action": "status", "status": 409},
    {"action": "status", "status": 429, "retry_after": 1},
    {"action": "status", "errorCode": "RATE_LIMITED_TOKEN_BUCKET", "parameters": ["x", 1, 2, 3, 4]},
    {"action": "redirect", "location": "http://127.0.0.1:9/x"},
]
UNKNOWN = [
    (0, {"action": "drop_before"}),
    (0, {"action": "drop_before", "reset": True}),
    (0, {"action": "status", "status": 500}),
    (0, {"action": "status", "status": 503}),
    (0, {"action": "status", "status": 503, "retry_after": 1}),
    (0, {"action": "status", "status": 504}),
    (0, {"action": "html"}),
    (1, {"action": "drop_after"}),
    (1, {"action": "drop_after", "reset": True}),
    (1, cut(0)),
    (1, cut(1)),
    (1, cut(1000, reset=True)),
    (1, cut(3000)),
    (1, {"action": "issue_then_status", "status": 500}),
    (1, {"action": "issue_then_status", "status": 503}),
    (0, {"action": "html", "status": 403}),
    (1, {"action": "issue_then_html"}),
    (1, {"action": "issue_then_html", "status": 403}),
    (1, {"action": "body", "variant": "huge", "size": 10 * 2**20}),
    (1, {"action": "delay_answer", "seconds": 60}),
    (1, {"action": "trickle", "bytes_per_second": 100}),
]


class TestTheAnswerToTheWrite:
    @pytest.mark.parametrize("credentials", [API_KEY, ACCOUNT], ids=["key", "account"])
    @pytest.mark.parametrize("fault", KNOWN_NOT_ISSUED, ids=lambda fault: f"{fault['action']} {fault.get('status', '')}")
    def test_known_not_issued_is_said_so_and_nothing_was(self, atlas, credentials, fault):
        atlas.fault(match=POST, **fault)
        naps = []
        with client(atlas.url, credentials, naps) as one:
            listed(one)
            error = refused(NotIssued, issue, one)
        assert atlas.state.counters.issued == 0
        assert (atlas.state.counters.posts, naps) == (1, [])
        assert error.message.startswith("nothing was issued")

    @pytest.mark.parametrize(
        ("issued", "fault"),
        UNKNOWN,
        ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else str(value),
    )
    def test_unknown_is_never_called_not_issued_and_never_sent_again(self, atlas, issued, fault):
        atlas.fault(match=POST, **fault)
        naps = []
        with client(atlas.url, naps=naps, timeout=1) as one:
            listed(one)
            error = refused(OutcomeUnknown, issue, one)
        assert atlas.state.counters.issued == issued
        assert (atlas.state.counters.posts, naps) == (1, [])
        assert "nothing was issued" not in error.message

    def test_refused_at_the_door_is_known_not_issued(self):
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            with client(f"http://127.0.0.1:{held.getsockname()[1]}", TOKEN) as one:
                error = refused(NotIssued, issue, one)
        assert "Connection refused" in error.message
        assert "nothing was issued" in error.message

    def test_a_kept_connection_that_the_service_has_closed_in_the_meantime_is_no_loss(self, atlas):
        with client(atlas.url) as one:
            listed(one)
            atlas.fault("drop_before", match=GET)
            listed(one)
            issue(one)
        assert atlas.state.counters.issued == 1

    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (300, NotIssued),
            (400, OutcomeUnknown),
            (401, NotIssued),
            (403, OutcomeUnknown),
            (407, NotIssued),
            (408, OutcomeUnknown),
            (418, OutcomeUnknown),
            (429, NotIssued),
            (499, OutcomeUnknown),
            (500, OutcomeUnknown),
            (502, OutcomeUnknown),
            (504, OutcomeUnknown),
            (599, OutcomeUnknown),
        ],
    )
    def test_every_page_but_a_success_is_one_or_the_other(self, wire, say, status, error):
        """A page with 4xx is no refusal of Atlas: it may stand in the place of an answer that something on the way did not let through."""
        server = wire(lambda _: say(status, b"<html>"))
        with client(server.url, TOKEN) as one:
            refused(error, issue, one)
        assert [request.method for request in server.requests] == ["POST"]

    def test_a_redirect_takes_neither_the_write_nor_a_credential_elsewhere(self, atlas, wire, say):
        other = wire(lambda _: say(201, b"gotcha"))
        for credentials in (API_KEY, ACCOUNT):
            atlas.fault("redirect", location=other.url + "/api", match=POST)
            with client(atlas.url, credentials) as one:
                error = refused(NotIssued, issue, one)
            assert "redirect" in error.message
        assert other.greetings == 0

    @pytest.mark.parametrize("left", [1, 2, 10, 26])
    def test_what_came_before_a_cut_was_received_to_the_last_byte(self, atlas, left):
        size = len(atlas.state.pem(atlas.call(atlas.state.add_certificate, DEMO_PROJECT, "app")))
        atlas.reset()
        atlas.fault("cut", after=size - left, match=POST)
        received = []
        with client(atlas.url) as one:
            refused(OutcomeUnknown, issue, one, received)
        made = atlas.state.unexpired(atlas.state.projects[DEMO_PROJECT], "app")[-1]
        whole = atlas.state.pem(made).encode()
        assert b"".join(received) == whole[: size - left]

    def test_an_answer_that_takes_long_to_come_but_comes_is_received(self, atlas):
        atlas.fault("delay_answer", seconds=0.5, match=POST)
        received = []
        with client(atlas.url, timeout=10) as one:
            issue(one, received)
        assert b"".join(received).endswith(b"-----END PRIVATE KEY-----\n")


class TestTheWriteOnTheWire:
    """What goes out and what is made of each answer, without a service that would forgive. `make mutation` judges the write by these alone."""

    @pytest.mark.parametrize(
        ("status", "body", "error", "says"),
        [
            (302, b"", NotIssued, "answers with a redirect (HTTP 302)"),
            (400, b"<html>", OutcomeUnknown, "did not come through"),
            (400, b'{"errorCode": "BRAND_NEW"}', NotIssued, "nothing was issued, trying again is safe: Atlas refused"),
            (401, b'{"errorCode": "USER_UNAUTHORIZED"}', NotIssued, "Project Owner"),
            (403, b"<html>", OutcomeUnknown, "did not come through"),
            (408, b'{"errorCode": "BRAND_NEW"}', OutcomeUnknown, "Atlas failed while it was asked for a certificate"),
            (500, b'{"errorCode": "UNEXPECTED_ERROR"}', OutcomeUnknown, "Atlas failed while it was asked for a certificate"),
        ],
    )
    def test_what_the_answer_said_reaches_the_user_as_data_and_in_words(self, wire, say, status, body, error, says):
        with client(wire(lambda _: say(status, body)).url, TOKEN) as one:
            caught = refused(error, issue, one)
        assert caught.failure.status == status
        assert caught.failure.code == (json.loads(body)["errorCode"] if body.startswith(b"{") else None)
        assert says in caught.message
        assert f"HTTP {status}" in caught.message

    @pytest.mark.parametrize("status", [200, 201, 299])
    def test_every_success_is_one(self, wire, say, status):
        received = []
        with client(wire(lambda _: say(status, b"a PEM")).url, TOKEN) as one:
            issue(one, received)
        assert b"".join(received) == b"a PEM"

    @pytest.mark.parametrize(("version", "accepts"), [("v2", "application/vnd.atlas."), ("v1.0", "application/json")])
    def test_what_is_sent_is_what_atlas_documents_and_asks_for_bytes_as_they_are(self, wire, say, version, accepts):
        server = wire(lambda _: say(201, b"a PEM"))
        with client(server.url, TOKEN, api_version=version) as one:
            issue(one, username="a/b", months=7)
        (sent,) = server.requests
        assert (sent.method, sent.target) == ("POST", f"/api/atlas/{version}/groups/{DEMO_PROJECT}/databaseUsers/a%2Fb/certs")
        assert json.loads(sent.body) == {"monthsUntilExpiration": 7}
        assert sent.headers["accept"] == sent.headers["content-type"]
        assert sent.headers["accept"].startswith(accepts)
        assert sent.headers["accept-encoding"] == "identity"
        assert sent.headers["authorization"] == "Bearer a-ready-made-token"

    def test_a_lost_answer_says_why(self, wire):
        with client(wire(lambda _: b"").url, TOKEN) as one:
            error = refused(OutcomeUnknown, issue, one)
        assert error.message == "the answer to the request for a certificate was lost: the connection was closed without an answer"

    def test_an_answer_that_is_too_large_says_how_large_it_may_be(self, wire, say):
        with client(wire(lambda _: say(201, b"x" * (MAX_SIZE + 1))).url, TOKEN) as one:
            error = refused(OutcomeUnknown, issue, one)
        assert f"larger than {MAX_SIZE} bytes" in error.message

    def test_a_login_that_is_refused_on_the_way_to_the_write_is_data_too(self, wire, say):
        server = wire(lambda _: say(401, b'{"errorCode": "UNEXPECTED_ERROR"}'))
        with client(server.url, ACCOUNT) as one:
            error = refused(NotIssued, issue, one)
        assert error.failure.status == 401
        assert error.message.startswith("nothing was issued, trying again is safe: ")
        assert "client_secret" in error.message
        assert [request.target for request in server.requests] == ["/api/oauth/token"]

    def test_where_nobody_listens_the_address_and_the_reason_are_named(self):
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{held.getsockname()[1]}"
            with client(url, TOKEN) as one:
                error = refused(NotIssued, issue, one)
        assert error.message == f"the request was not sent, nothing was issued, trying again is safe: cannot reach {url}: Connection refused"

    @pytest.mark.parametrize("size", [MAX_SIZE - 1, MAX_SIZE, MAX_SIZE + 1, 2 * MAX_SIZE])
    def test_what_is_received_is_at_most_what_can_be_a_pem(self, wire, say, size):
        received = []
        with client(wire(lambda _: say(201, b"x" * size)).url, TOKEN) as one:
            if size > MAX_SIZE:
                refused(OutcomeUnknown, issue, one, received)
            else:
                issue(one, received)
        assert len(b"".join(received)) == min(size, MAX_SIZE)

    def test_an_api_key_signs_with_digest_and_its_secret_does_not_travel(self, wire, say):
        challenge = {"WWW-Authenticate": 'Digest realm="MMS Public API", nonce="n0nce", algorithm=MD5, qop="auth", stale=false'}
        server = wire(lambda request: say(201, b"a PEM") if "authorization" in request.headers else say(401, b"{}", challenge))
        received = []
        with client(server.url, API_KEY) as one:
            issue(one, received)
        assert b"".join(received) == b"a PEM"
        assert [request.method for request in server.requests] == ["POST", "POST"]
        signed = dict(re.findall(r'(\w+)="?([^",]*)"?', server.requests[1].headers["authorization"]))

        def md5(text):
            return hashlib.md5(text.encode()).hexdigest()

        who = md5(f"{DEMO_PUBLIC_KEY}:MMS Public API:{DEMO_PRIVATE_KEY}")
        what = md5("POST:" + server.requests[1].target)
        assert signed["username"] == DEMO_PUBLIC_KEY
        assert signed["response"] == md5(f"{who}:n0nce:{signed['nc']}:{signed['cnonce']}:auth:{what}")
        assert not [request for request in server.requests if DEMO_PRIVATE_KEY in repr(request)]

    def test_a_service_account_logs_in_and_signs_with_the_token(self, wire, say):
        def reply(request):
            return say(200, b'{"access_token": "fresh"}') if "/oauth/" in request.target else say(201, b"a PEM")

        server = wire(reply)
        with client(server.url, ACCOUNT) as one:
            issue(one)
        write = next(request for request in server.requests if request.target.endswith("/certs"))
        assert write.headers["authorization"] == "Bearer fresh"

    def test_a_refusal_names_the_project_the_user_and_the_credentials(self, wire, say):
        server = wire(lambda _: say(404, b'{"errorCode": "USERNAME_NOT_FOUND"}'))
        with client(server.url, TOKEN) as one:
            error = refused(NotIssued, issue, one, username="somebody")
        assert DEMO_PROJECT in error.message
        assert "'somebody'" in error.message
        server = wire(lambda _: say(401, b'{"errorCode": "USER_UNAUTHORIZED"}'))
        with client(server.url, TOKEN) as one:
            error = refused(NotIssued, issue, one)
        assert DEMO_PROJECT in error.message
        assert "access_token from the options" in error.message

    def test_a_read_that_is_refused_asks_for_no_more_than_the_role_to_read(self, wire, say):
        server = wire(lambda _: say(401, b'{"errorCode": "USER_UNAUTHORIZED"}'))
        with client(server.url, TOKEN) as one:
            assert "Project Read Only" in refused(ServiceError, listed, one).message

    def test_a_redirect_names_the_address_that_answers_so(self, wire, say):
        for status in (300, 301, 399):
            server = wire(lambda _, status=status: say(status, b""))
            with client(server.url, TOKEN) as one:
                error = refused(NotIssued, issue, one)
            assert f"{server.url} answers with a redirect (HTTP {status})" in error.message


LEAKS = (
    [(issue, dict(fault, match=POST)) for fault in KNOWN_NOT_ISSUED]
    + [(issue, dict(fault, match=POST)) for dummy, fault in UNKNOWN]
    + [
        (listed, {"action": "status", "status": 401, "errorCode": "UNEXPECTED_ERROR"}),
        (listed, {"action": "status", "status": 403}),
        (listed, {"action": "html", "status": 200}),
        (listed, {"action": "html", "status": 407}),
        (listed, {"action": "drop_before"}),
        (listed, {"action": "drop_after", "reset": True}),
        (listed, cut(20)),
        (listed, {"action": "body", "variant": "truncated_json"}),
        (listed, {"action": "redirect", "location": "http://127.0.0.1:9/x"}),
        (listed, {"action": "delay_answer", "seconds": 60}),
        (listed, {"action": "status", "status": 500, "match": {"path_contains": "/oauth/token"}}),
        (listed, {"action": "drop_after", "match": {"path_contains": "/oauth/token"}}),
    ]
)


@pytest.fixture(scope="module")
def key_material():
    """Every 24 consecutive characters of every private key that the fake hands out."""
    lines = [
        line for index in range(16) for line in certificates.key_pem(certificates.leaf_key(index)).splitlines() if "-" not in line
    ]
    return {line[start : start + 24] for line in lines for start in range(len(line) - 23)}


@pytest.mark.parametrize(
    ("ask", "fault", "kind"),
    [
        (ask, fault, kind)
        for ask, fault in LEAKS
        for kind in (
            ["account"]
            if "oauth" in str(fault) or fault["action"] in ("trickle", "delay_answer")
            else ["key", "account", "token"]
        )
    ],
    ids=lambda value: (
        value.__name__ if callable(value) else value if isinstance(value, str) else " ".join(map(str, value.values()))
    ),
)
def test_no_error_holds_a_secret_wherever_one_looks(atlas, key_material, kind, ask, fault):
    token = atlas.call(atlas.state.add_token, atlas.state.credential(DEMO_CLIENT_ID, "service_account"), ready_made=True).value
    credentials = {"key": API_KEY, "account": ACCOUNT, "token": {"access_token": token}}[kind]
    atlas.fault(**{"times": None, **fault})
    made, make = [], atlas.state.add_token

    def remember(*some, **more):
        made.append(make(*some, **more))
        return made[-1]

    atlas.state.add_token = remember
    with pytest.raises(ServiceError) as caught, client(atlas.url, credentials, retries=0, timeout=1) as one:
        ask(one)
    text = everything(caught.value)
    secrets = [DEMO_PRIVATE_KEY, DEMO_CLIENT_SECRET, token] + [one.value for one in made]
    secrets += [
        base64.b64encode(f"{DEMO_CLIENT_ID}:{DEMO_CLIENT_SECRET}".encode()).decode(),
        "response=",
        "Bearer ",
        "Basic ",
        "cnonce",
        "PRIVATE KEY",
    ]
    assert [secret for secret in secrets if secret in text] == []
    assert not {text[start : start + 24] for start in range(len(text) - 23)} & key_material


def everything(error):
    """All that a careless handler could print: the error, its parts, the whole chain with its tracebacks."""
    parts = ["".join(traceback.format_exception(error)), json.dumps(_results.failure(error), default=repr)]
    seen, queue = set(), [error]
    while queue:
        current = queue.pop()
        if current is None or id(current) in seen or current.__class__.__module__.split(".")[0] != "ansible_collections":
            continue
        seen.add(id(current))
        parts += [str(current), repr(current), repr(current.args), repr(vars(current))]
        queue += [current.__cause__, current.__context__]
    return "\n".join(parts)


def test_threads_share_one_client(atlas):
    for number in range(30):
        atlas.call(atlas.state.add_user, DEMO_PROJECT, f"user-{number}")
        atlas.call(atlas.state.add_certificate, DEMO_PROJECT, f"user-{number}", days_left=5)
    counts = {}
    with client(atlas.url) as one:

        def ask(number):
            counts[number] = [len(listed(one, username=f"user-{number}")) for dummy in range(3)]

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert counts == {number: [1, 1, 1] for number in range(30)}
