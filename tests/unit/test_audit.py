# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The certificates of one user, of several, of all: asked of a service that is strict, and sometimes fails."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.atlas.x509.plugins.module_utils import _audit, _lists, _options, _sweep, _time
from ansible_collections.atlas.x509.plugins.module_utils._certificate import Certificate
from ansible_collections.atlas.x509.plugins.module_utils._client import Client
from ansible_collections.atlas.x509.plugins.module_utils._errors import OptionError, ServiceError
from ansible_collections.atlas.x509.plugins.module_utils._http import Transport
from connections import ACCOUNT, READ_ONLY
from fake_atlas import DEMO_PROJECT, READ_ONLY_PRIVATE_KEY, READ_ONLY_PUBLIC_KEY, FakeAtlas

DAY = timedelta(days=1)
ONE, EMPTY, FOREIGN = (f"{number:024x}" for number in (1, 2, 3))


@pytest.fixture
def atlas(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FakeAtlas() as running:
        yield running


@pytest.fixture
def fleet(atlas):
    """Four managed users with three, one, none and two certificates, and one user who is not managed."""
    for name in ("bob", "a/b, c", "new"):
        atlas.call(atlas.state.add_user, DEMO_PROJECT, name)
    for name, days in (("app", 10), ("app", 50), ("app", 80), ("bob", 20), ("a/b, c", 5), ("a/b, c", 60)):
        atlas.call(atlas.state.add_certificate, DEMO_PROJECT, name, days_left=days)
    return atlas


def options(**given):
    validated = ArgumentSpecValidator({**_options.SPEC, **_audit.SPEC}).validate({"project_id": DEMO_PROJECT, **given})
    assert validated.error_messages == []
    return validated.validated_parameters


def report(atlas, waits=None, credentials=None, **given):
    """What the module returns. Waits between tries of one list are noted and not waited, but for those that the rate limit asks for."""
    asked = options(base_url=atlas.url, **{**(READ_ONLY if credentials is None else credentials), **given})
    question = _audit.question(asked, {})
    with Client(_options.connection(asked, {}), connections=question.concurrency) as client:
        pause = client.pause

        def noted(setback, attempt):
            waited = pause(setback, attempt)
            if waited is not None and waits is not None:
                waits.append(waited)
            limited = setback.failure and setback.failure.status == 429
            return waited if waited is None or limited else 0.0

        client.pause = noted
        return _audit.report(_audit.ask(client, question))


def certificates(shown):
    return [(one["username"], one["days_left"]) for one in shown["certificates"]]


def failed(shown):
    return [(one["project_id"], one["username"], one["failure"]["code"]) for one in shown["failed_lists"]]


def users(shown):
    return [(one["username"], one["count"], one["days_left"]) for one in shown["users"]]


def test_the_certificates_of_one_user_in_the_order_of_issue(fleet):
    shown = report(fleet, username="app")
    assert certificates(shown) == [("app", 9), ("app", 49), ("app", 79)]
    assert users(shown) == [("app", 3, 79)]
    assert shown["total_count"] == 3
    assert {one["project_id"] for one in [*shown["certificates"], *shown["users"]]} == {DEMO_PROJECT}


@pytest.mark.parametrize(
    ("who", "sentence"),
    [
        ({"username": "app"}, "app: 3 unexpired certificates; the newest expires at … (79 days left)"),
        ({"username": "bob"}, "bob: 1 unexpired certificate; the newest expires at … (19 days left)"),
        ({"username": "new"}, "new: no unexpired certificates"),
        ({}, "4 users: 6 unexpired certificates; none for new; bob first: its newest expires at … (19 days left)"),
    ],
    ids=str,
)
def test_one_sentence_says_how_it_stands(fleet, who, sentence):
    assert re.sub(r"at \S+Z", "at …", report(fleet, **who)["msg"]) == sentence


def test_the_sentence_names_three_of_those_who_have_none_and_how_many_more(atlas):
    for number in range(5):
        atlas.call(atlas.state.add_user, DEMO_PROJECT, f"user{number}")
    names = [f"user{number}" for number in range(5)]
    assert report(atlas, usernames=names)["msg"] == "5 users: no unexpired certificates; none for user0, user1, user2 and 2 more"
    assert report(atlas, usernames=[])["msg"] == "0 users: no unexpired certificates"


def test_what_is_shown_is_what_atlas_has(fleet):
    known = fleet.state.projects[DEMO_PROJECT].certificates["bob"][0]
    (shown,) = report(fleet, username="bob")["certificates"]
    assert shown["serial_number"] == str(known.serial)
    assert shown["not_before"] == known.listed()["createdAt"]
    assert shown["not_after"] == known.listed()["notAfter"]
    assert (shown["subject"], shown["common_name"]) == ("CN=bob", "bob")


def test_several_users_come_in_the_order_in_which_they_were_asked_for(fleet):
    shown = report(fleet, usernames=["bob", "app", "a/b, c", "bob"])
    assert users(shown) == [("bob", 1, 19), ("app", 3, 79), ("a/b, c", 2, 59)]
    assert shown["total_count"] == 6


def test_all_means_all_users_whose_certificates_atlas_manages(fleet):
    shown = report(fleet)
    assert users(shown) == [("a/b, c", 2, 59), ("app", 3, 79), ("bob", 1, 19), ("new", 0, None)]
    assert shown["users"][-1]["newest_not_after"] is None


def test_the_newest_is_the_one_issued_last_and_not_the_one_that_lives_longest(atlas):
    now = atlas.state.now()
    atlas.call(atlas.state.add_certificate, DEMO_PROJECT, "app", days_left=600, issued_at=now - 20 * DAY)
    atlas.call(atlas.state.add_certificate, DEMO_PROJECT, "app", days_left=20, issued_at=now - 10 * DAY)
    assert users(report(atlas, username="app")) == [("app", 2, 19)]


def test_an_empty_list_of_users_is_not_all_users(fleet):
    shown = report(fleet, usernames=[])
    assert (shown["certificates"], shown["users"], shown["failed_lists"], shown["total_count"]) == ([], [], [], 0)
    assert fleet.state.journal == []


def test_a_user_without_a_certificate_is_reported(atlas):
    shown = report(atlas, username="app")
    assert (users(shown), shown["total_count"]) == ([("app", 0, None)], 0)


@pytest.mark.parametrize(
    ("within", "expected"),
    [
        ("9d", []),
        ("11d", [("app", 9)]),
        ("50d", [("app", 9), ("app", 49)]),
        ("1w", []),
        ("2w", [("app", 9)]),
        ("0", []),
        ("", [("app", 9), ("app", 49), ("app", 79)]),
    ],
)
def test_only_what_expires_within_the_time_is_listed_and_all_is_counted(fleet, within, expected):
    shown = report(fleet, username="app", expires_within=within)
    assert certificates(shown) == expected
    assert users(shown) == [("app", 3, 79)]
    assert shown["total_count"] == len(expected)


def test_a_share_of_the_lifetime_is_of_each_ones_own(atlas):
    now = atlas.state.now()
    atlas.call(atlas.state.add_certificate, DEMO_PROJECT, "app", days_left=40, issued_at=now - 10 * DAY)
    atlas.call(atlas.state.add_certificate, DEMO_PROJECT, "app", days_left=45, issued_at=now - 300 * DAY)
    assert certificates(report(atlas, username="app", expires_within="50%")) == [("app", 44)]


def test_days_are_counted_by_the_clock_of_the_service(fleet):
    fleet.call(fleet.state.change_settings, clock_shift=15 * 86400)
    shown = report(fleet, username="app", expires_within="40d")
    assert certificates(shown) == [("app", 34)]
    assert users(shown) == [("app", 2, 64)]


def test_both_versions_of_the_api_tell_the_same(fleet):
    first, second = report(fleet, api_version="v1.0"), report(fleet)
    assert {**first, "checked_at": None} == {**second, "checked_at": None}


def test_a_service_account_logs_in_once_and_out_again(fleet):
    assert users(report(fleet, credentials=ACCOUNT)) == users(report(fleet))
    counters = fleet.state.counters
    assert (counters.tokens_made, counters.tokens_revoked, counters.challenges) == (1, 1, 1)


def test_many_users_are_read_over_few_connections_after_one_challenge(atlas):
    names = [f"user-{number}" for number in range(60)]
    for name in names:
        atlas.call(atlas.state.add_user, DEMO_PROJECT, name)
        atlas.call(atlas.state.add_certificate, DEMO_PROJECT, name, days_left=30)
    shown = report(atlas)
    assert [one["username"] for one in shown["users"]] == sorted([*names, "app"])
    assert shown["total_count"] == 60
    assert atlas.state.counters.challenges == 1
    assert atlas.state.counters.connections <= 8


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_requests_are_under_way_than_were_allowed(atlas, monkeypatch, concurrency):
    for number in range(20):
        atlas.call(atlas.state.add_user, DEMO_PROJECT, f"user-{number}")
    under_way, most, lock = 0, 0, threading.Lock()
    exchange = Transport.exchange

    def counted(*arguments, **named):
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        try:
            return exchange(*arguments, **named)
        finally:
            with lock:
                under_way -= 1

    monkeypatch.setattr(Transport, "exchange", counted)
    atlas.fault("delay", seconds=0.02, times=None)
    report(atlas, concurrency=concurrency)
    assert most == concurrency
    assert atlas.state.counters.connections == concurrency


def test_what_was_read_and_is_not_returned_is_forgotten(atlas, monkeypatch):
    """Memory grows with what is returned, and with the lists under way."""
    lists, each = 20, 100
    for number in range(lists):
        atlas.call(atlas.state.add_user, DEMO_PROJECT, f"user-{number}")
        for dummy in range(each):
            atlas.call(atlas.state.add_certificate, DEMO_PROJECT, f"user-{number}", days_left=30)
    known = []
    found = _audit._found

    def held():
        return sum(issubclass(type(one), Certificate) for one in gc.get_objects())

    def counted(*arguments):
        known.append(held() - before)
        return found(*arguments)

    gc.collect()
    before = held()  # by tests that ran in this process

    monkeypatch.setattr(_audit, "_found", counted)
    shown = report(atlas, expires_within="1d", concurrency=2)
    assert [one["count"] for one in shown["users"]] == [0, *[each] * lists]
    assert shown["certificates"] == []
    assert len(known) == lists + 1
    assert max(known) < lists * each / 2, "two lists are under way, and of each that was read the newest certificate is kept"


NEEDED = """
import sys
from ansible_collections.atlas.x509.plugins.module_utils import _audit, _options
from ansible_collections.atlas.x509.plugins.module_utils._client import Client
url, public, private, project, *names = sys.argv[1:]
options = {name: field.get("default") for name, field in {**_options.SPEC, **_audit.SPEC}.items()}
options.update(base_url=url, public_api_key=public, private_api_key=private, project_id=project, usernames=names)
with Client(_options.connection(options, {})) as client:
    print(len(_audit.report(_audit.ask(client, _audit.question(options, {})))["users"]))
print(*sorted(name.rpartition(".")[2] for name in sys.modules if ".x509.plugins.module_utils._" in name or name in ("cryptography", "pymongo")))
"""


def test_one_list_loads_nothing_of_what_only_many_or_a_login_or_a_failure_or_a_pem_needs(fleet):
    """Ansible ships source: whatever a module imports is compiled at each of its runs."""
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, sys.path)))

    def loaded(*names):
        command = [sys.executable, "-c", NEEDED, fleet.url, READ_ONLY_PUBLIC_KEY, READ_ONLY_PRIVATE_KEY, DEMO_PROJECT, *names]
        count, modules = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
        assert int(count) == len(names)
        return set(modules.split())

    one = loaded("app")
    assert one == set("_audit _auth _certificate _client _deadline _deps _errors _failure _http _options _shown _time".split())
    assert loaded("app", "bob") == one | {"_lists", "_sweep", "_pace"}


def test_nothing_is_ever_written(fleet):
    report(fleet)
    assert {entry.method for entry in fleet.state.journal} == {"GET"}
    assert fleet.state.counters.issued == 0


# Several projects


@pytest.fixture
def estate(fleet):
    """The fleet, a project with one user, an empty one, and one of another organization."""
    for number, name in enumerate(("one", "empty", "foreign"), start=1):
        organization = {"org_id": "e" * 24} if name == "foreign" else {}
        fleet.call(fleet.state.add_project, project_id=f"{number:024x}", name=name, **organization)
    fleet.call(fleet.state.add_user, ONE, "app")
    fleet.call(fleet.state.add_certificate, ONE, "app", days_left=5)
    return fleet


def test_several_projects_are_read_in_the_order_asked_for(estate):
    shown = report(estate, project_id=None, project_ids=[ONE, DEMO_PROJECT, ONE], usernames=["app"])
    assert [(one["project_id"], one["count"]) for one in shown["users"]] == [(ONE, 1), (DEMO_PROJECT, 3)]
    assert shown["projects"] == [{"id": ONE, "name": None}, {"id": DEMO_PROJECT, "name": None}]
    assert {one["project_name"] for one in shown["users"]} == {None}


def test_all_projects_are_those_that_the_credentials_see_and_they_have_names(estate):
    shown = report(estate, all_projects=True)
    assert shown["projects"] == [{"id": DEMO_PROJECT, "name": "demo"}, {"id": ONE, "name": "one"}, {"id": EMPTY, "name": "empty"}]
    assert [(one["project_name"], one["username"]) for one in shown["users"]] == [
        ("demo", "a/b, c"), ("demo", "app"), ("demo", "bob"), ("demo", "new"), ("one", "app"),
    ]  # fmt: skip
    assert shown["failed_lists"] == []


def test_a_project_that_may_not_be_read_does_not_stop_the_rest(estate):
    shown = report(estate, project_ids=[FOREIGN, ONE])
    assert failed(shown) == [(FOREIGN, None, "USER_CANNOT_ACCESS_GROUP")]
    assert "Project Read Only" in shown["failed_lists"][0]["msg"]
    assert [one["project_id"] for one in shown["users"]] == [ONE]
    with pytest.raises(ServiceError):
        report(estate, project_ids=[FOREIGN, ONE], strict=True)


def test_projects_that_cannot_be_listed_are_not_no_projects(estate):
    estate.fault("status", status=500, match={"path_contains": "/groups"}, times=None)
    with pytest.raises(ServiceError):
        report(estate, all_projects=True)


def test_more_projects_than_a_page_holds_are_all_listed(atlas):
    for dummy in range(501):
        atlas.call(atlas.state.add_project)
    assert len(report(atlas, all_projects=True, usernames=[])["projects"]) == 502


def test_no_projects_are_not_all_projects(estate):
    shown = report(estate, project_ids=[])
    assert (shown["projects"], shown["users"], estate.state.journal) == ([], [], [])


# What it means


def test_each_user_is_judged_by_the_newest_certificate(fleet):
    fleet.call(fleet.state.add_certificate, DEMO_PROJECT, "new", days_left=3)
    fleet.call(fleet.state.add_user, DEMO_PROJECT, "none")
    shown = report(fleet, expires_within="30d")
    judged = {one["username"]: (one["due"], one["orphan_risk"], one["missing"]) for one in shown["users"]}
    assert judged == {
        "a/b, c": (False, True, False),
        "app": (False, True, False),
        "bob": (True, False, False),
        "new": (True, False, False),
        "none": (False, False, True),
    }
    assert {one["due"] for one in report(fleet)["users"]} == {False}


def test_the_newest_is_named_by_its_serial_number(fleet):
    shown = report(fleet, username="app", expires_within="1d")
    assert shown["certificates"] == []
    assert shown["users"][0]["newest_serial_number"] == str(fleet.state.projects[DEMO_PROJECT].certificates["app"][-1].serial)


def test_the_moment_is_that_of_the_services_clock(fleet):
    fleet.call(fleet.state.change_settings, clock_shift=15 * 86400)
    shown = report(fleet, username="app")
    assert abs(_time.parse_moment(shown["checked_at"]) - fleet.state.now()) < timedelta(minutes=1)


# What fails

@pytest.mark.parametrize("name", ["a/b, c", "app", "new"])
def test_a_failed_list_is_not_an_empty_list(fleet, name):
    fleet.fault("status", status=500, match={"username": name}, times=None)
    shown = report(fleet)
    assert failed(shown) == [(DEMO_PROJECT, name, "UNEXPECTED_ERROR")]
    assert shown["failed_lists"][0]["failure"]["status"] == 500
    assert name not in {one["username"] for one in [*shown["users"], *shown["certificates"]]}
    assert len(shown["users"]) == 3
    with pytest.raises(ServiceError) as caught:
        report(fleet, strict=True)
    assert (caught.value.failure.status, caught.value.failure.code) == (500, "UNEXPECTED_ERROR")


@pytest.mark.parametrize("given", [{"username": "bob"}, {"usernames": ["bob"]}, {"username": "bob", "project_ids": [DEMO_PROJECT]}])
def test_without_the_one_list_asked_for_there_is_no_answer(fleet, given):
    fleet.fault("status", status=500, match={"username": "bob"}, times=None)
    with pytest.raises(ServiceError, match="Atlas failed"):
        report(fleet, **given)


def test_when_nothing_could_be_read_there_is_no_answer(fleet):
    fleet.fault("status", status=500, match={"path_contains": "/certs"}, times=None)
    with pytest.raises(ServiceError, match="nothing could be read: Atlas failed") as caught:
        report(fleet)
    assert {one["username"] for one in caught.value.facts["failed_lists"]} == {"a/b, c", "app", "bob", "new"}


def test_half_a_list_is_not_a_list(fleet):
    fleet.fault("body", variant="truncated_json", match={"username": "bob", "method": "GET"}, times=None)
    shown = report(fleet)
    assert failed(shown) == [(DEMO_PROJECT, "bob", None)]
    assert [one["username"] for one in shown["users"]] == ["a/b, c", "app", "new"]


def test_a_proxys_page_is_not_a_list(fleet):
    fleet.fault("html", status=200, match={"username": "bob"}, times=None)
    (one,) = report(fleet)["failed_lists"]
    assert "proxy" in one["msg"]


def test_a_list_that_fails_for_a_moment_is_read_again(fleet):
    waits = []
    fleet.fault("status", status=503, match={"username": "bob"}, times=2)
    assert users(report(fleet, waits)) == [("a/b, c", 2, 59), ("app", 3, 79), ("bob", 1, 19), ("new", 0, None)]
    assert waits == [1, 2]


def test_a_connection_that_drops_for_a_moment_is_taken_up_again(fleet):
    fleet.fault("drop_before", match={"username": "app"}, times=1)
    assert report(fleet, username="app")["total_count"] == 3


def test_a_user_whom_nobody_knows_is_named(fleet):
    shown = report(fleet, usernames=["app", "nobody"])
    assert users(shown) == [("app", 3, 79)]
    assert failed(shown) == [(DEMO_PROJECT, "nobody", "USERNAME_NOT_FOUND")]
    assert "'nobody'" in shown["failed_lists"][0]["msg"]


def test_a_second_page_of_users_that_fails_is_not_a_short_list(atlas):
    made = atlas.call(atlas.state.add_project)
    for number in range(501):
        atlas.call(atlas.state.add_user, made.project_id, f"user-{number}")
    atlas.fault("status", status=404, errorCode="GROUP_NOT_FOUND", match={"page": 2}, times=None)
    with pytest.raises(ServiceError):
        report(atlas, project_id=made.project_id)
    assert atlas.state.counters.lists == 0


# What is refused before anything is sent

@pytest.mark.parametrize(
    ("given", "start"),
    [
        ({"username": ""}, "username: "),
        ({"username": "a\nb"}, "username: "),
        ({"usernames": ["app", ""]}, "usernames: "),
        ({"usernames": ["app", "x" * 1025]}, "usernames: "),
        ({"username": "app", "expires_within": "soon"}, "expires_within: "),
        ({"username": "app", "expires_within": "100%"}, "expires_within: "),
        ({"username": "app", "project_id": "demo"}, "project_id: "),
        ({"username": "app", "project_id": ""}, "project_id: "),
        ({"project_ids": [DEMO_PROJECT, "demo"]}, "project_ids: 'demo'"),
        ({"project_ids": [DEMO_PROJECT], "all_projects": True}, "project_ids, all_projects: "),
        ({"concurrency": 0}, "concurrency: "),
        ({"concurrency": 33}, "concurrency: "),
    ],
)
def test_a_question_that_cannot_be_asked_names_the_option(given, start):
    with pytest.raises(OptionError) as caught:
        _audit.question(options(**given), {})
    assert caught.value.message.startswith(start)


@pytest.mark.parametrize("within", ["999999d", "999999999d", "999999999w", "9999999999"])
def test_a_time_longer_than_the_calendar_is_refused_before_it_is_reckoned_with(fleet, within):
    with pytest.raises(OptionError, match=r"^expires_within: "):
        report(fleet, username="app", expires_within=within)
    assert fleet.state.journal == []


# The rate limit, and many lists


def refused(atlas):
    return sum(entry.status == 429 for entry in atlas.state.journal)


def test_a_bucket_is_never_asked_for_more_than_it_holds(atlas):
    """Forty at once and twenty a second: two are left for others, and with these the refill is found out."""
    atlas.call(atlas.state.change_settings, rate_limit={"capacity": 40, "refill": 20, "period": 1})
    for number in range(60):
        atlas.call(atlas.state.add_user, DEMO_PROJECT, f"user-{number}")
    shown = report(atlas)
    assert (len(shown["users"]), shown["failed_lists"], refused(atlas)) == (61, [], 0)


def test_a_project_that_has_to_wait_keeps_no_other_waiting(atlas):
    atlas.call(atlas.state.change_settings, rate_limit={"capacity": 5, "refill": 5, "period": 2})
    other = atlas.call(atlas.state.add_project).project_id
    for number in range(9):
        atlas.call(atlas.state.add_user, DEMO_PROJECT, f"user-{number}")
    for number in range(4):
        atlas.call(atlas.state.add_user, other, f"user-{number}")
    shown = report(atlas, project_ids=[DEMO_PROJECT, other], concurrency=1)
    assert len(shown["users"]) == 14
    assert shown["failed_lists"] == []
    lists = [entry.project_id for entry in atlas.state.journal if entry.username]
    assert lists.count(other) == 4
    assert lists[8:].count(other) == 0  # done before the other bucket was filled again


def test_who_is_sent_away_comes_back_when_told_and_nobody_follows_meanwhile(atlas):
    """Others have emptied the bucket: whoever is under way hears of it, and nobody else goes before the time named."""
    for number in range(30):
        atlas.call(atlas.state.add_user, DEMO_PROJECT, f"user-{number}")
    atlas.fault("status", status=429, retry_after=1, match={"path_contains": "/certs"}, skip=10, times=3)
    waits = []
    shown = report(atlas, waits, concurrency=3)
    assert (len(shown["users"]), shown["failed_lists"], refused(atlas)) == (31, [], len(waits))
    assert set(waits) == {1.0}
    assert shown["seconds_waited"] >= 0.9


def test_a_list_that_is_sent_away_for_ever_has_failed(fleet):
    fleet.fault("status", status=429, retry_after=0, match={"username": "bob"}, times=None)
    assert failed(report(fleet)) == [(DEMO_PROJECT, "bob", "RATE_LIMITED")]


def test_a_service_that_is_gone_is_not_asked_for_every_list(atlas):
    for number in range(100):
        atlas.call(atlas.state.add_user, DEMO_PROJECT, f"user-{number:02}")
    atlas.fault("drop_before", match={"path_contains": "/certs"}, skip=5, times=None)
    with pytest.raises(ServiceError, match="gave up after 8 lists in a row") as caught:
        report(atlas, retries=1)
    assert 8 <= len(caught.value.facts["failed_lists"]) < 24
    assert len(atlas.state.journal) < 40


@pytest.mark.parametrize(("status", "code"), [(401, "UNEXPECTED_ERROR"), (403, "IP_ADDRESS_NOT_ON_ACCESS_LIST")])
def test_who_is_let_in_nowhere_does_not_ask_for_every_list(atlas, status, code):
    for number in range(50):
        atlas.call(atlas.state.add_user, DEMO_PROJECT, f"user-{number:02}")
    atlas.fault("status", status=status, errorCode=code, match={"path_contains": "/certs"}, skip=5, times=None)
    with pytest.raises(ServiceError) as caught:
        report(atlas, concurrency=2)
    assert caught.value.failure.code == code
    assert len(atlas.state.journal) < 20


def test_strictly_the_first_list_that_fails_ends_it(estate):
    estate.fault("status", status=404, errorCode="USER_NOT_FOUND", match={"username": "a/b, c"}, times=None)
    with pytest.raises(ServiceError, match="'a/b, c'") as caught:
        report(estate, strict=True, concurrency=1)
    assert [one["username"] for one in caught.value.facts["failed_lists"]] == ["a/b, c"]


def test_a_list_of_several_pages_is_read_whole_between_others(atlas):
    for name, count in (("big", 1001), ("small", 1)):
        atlas.call(atlas.state.add_user, DEMO_PROJECT, name)
        for number in range(count):
            atlas.call(atlas.state.add_certificate, DEMO_PROJECT, name, days_left=1 + number % 80)
    shown = report(atlas)
    assert users(shown) == [("app", 0, None), ("big", 1001, 79), ("small", 1, 0)]
    moments = [one["not_before"] for one in shown["certificates"] if one["username"] == "big"]
    assert moments == sorted(moments)


def test_a_mistake_of_ours_in_a_thread_is_not_lost(fleet, monkeypatch):
    monkeypatch.setattr(Client, "certificates_page", lambda *_arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        report(fleet)


def test_how_far_it_is_is_told_while_it_runs(atlas, tmp_path, monkeypatch):
    monkeypatch.setattr(_sweep, "REPORT_EVERY", 0.05)
    atlas.fault("delay", seconds=0.02, times=None)
    for number in range(50):
        atlas.call(atlas.state.add_user, DEMO_PROJECT, f"user-{number}")
    asked = options(base_url=atlas.url, **READ_ONLY)
    lines = tmp_path / "progress"
    lines.touch()
    with Client(_options.connection(asked, {}), connections=2) as client:
        _audit.ask(client, _audit.question({**asked, "concurrency": 2}, {}), str(lines))
    told = lines.read_text().splitlines()
    assert len(told) > 2
    assert all(re.fullmatch(r"\d+ of \d+ lists read(, .*)?", line) for line in told)
    assert "of 52 lists" in told[-1]


@pytest.mark.parametrize("path", [None, "none/here"])
def test_a_file_for_progress_that_cannot_be_written_stops_nothing_and_is_not_made(tmp_path, path):
    tell = _lists.teller(path and str(tmp_path / path))
    tell(_sweep.Progress(1, 0, 2, 3, 0.0))
    assert list(tmp_path.iterdir()) == []


def test_the_words_about_progress():
    assert _lists.words(_sweep.Progress(3, 0, 10, 4, 0.4)) == "3 of 10 lists read"
    assert _lists.words(_sweep.Progress(3, 2, 10, 9, 61.7)) == "3 of 10 lists read, 2 failed, 62 s waited for the service"
