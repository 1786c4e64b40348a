# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong does, as often as asked and no more."""

from __future__ import annotations

import concurrent.futures
import json
import logging
import types
from urllib.parse import urlsplit

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fake_atlas import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, DEMO_PROJECT, wire
from patience import wait_for

POST = {"method": "POST"}
BROKEN = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


def leaf(pem):
    return x509.load_pem_x509_certificate(pem)


def key(pem, password=None):
    return serialization.load_pem_private_key(pem[pem.index(b"-----BEGIN PR") :], password)


def issued(atlas):
    return atlas.state.counters.issued


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"status": 503}, 503, "SERVICE_UNAVAILABLE"),
        ({"status": 500}, 500, "UNEXPECTED_ERROR"),
        ({"status": 410}, 410, "VERSION_GONE"),
        ({"status": 429}, 429, "RATE_LIMITED"),
        (
            {"errorCode": "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES"},
            405,
            "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES",
        ),
        ({"errorCode": "USERNAME_NOT_FOUND", "parameters": ["x"]}, 404, "USERNAME_NOT_FOUND"),
        ({"status": 409, "errorCode": "MADE_UP"}, 409, "MADE_UP"),
    ],
)
def test_a_status_comes_in_the_services_form(client, atlas, fields, status, code):
    atlas.fault("status", **fields)
    answer = client.create()
    assert answer.status_code == status == answer.json()["error"]
    assert answer.headers["X-Error-Code"] == code == answer.json()["errorCode"]
    assert issued(atlas) == 0
    assert client.create().status_code == 201


# Status and errorCode, written down once more: what is in the fake's own table is not asked. None: Atlas gives no code.
KNOWN = [
    (400, "USER_NOT_MANAGED_X509"),
    (400, "CANNOT_GENERATE_CERT_IF_ADVANCED_X509"),
    (400, "CERT_EXPIRY_CANNOT_EXCEED_TWO_YEARS"),
    (400, "ATTRIBUTE_NEGATIVE_OR_ZERO"),
    (400, "INVALID_ATTRIBUTE"),
    (400, "VALIDATION_ERROR"),
    (400, "ATLAS_GENERATED_CERTS_LIMIT_EXCEEDED"),
    (401, "USER_UNAUTHORIZED"),
    (401, "NOT_IN_GROUP"),
    (401, "USER_CANNOT_ACCESS_GROUP"),
    (403, "IP_ADDRESS_NOT_ON_ACCESS_LIST"),
    (403, "ORG_REQUIRES_ACCESS_LIST"),
    (404, "GROUP_NOT_FOUND"),
    (404, "INVALID_GROUP_ID"),
    (404, "USERNAME_NOT_FOUND"),
    (404, "USER_NOT_FOUND"),
    (405, "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES"),
    (406, None),
    (410, "VERSION_GONE"),
    (429, "RATE_LIMITED"),
    (429, "RATE_LIMITED_TOKEN_BUCKET"),
    (500, "UNEXPECTED_ERROR"),
    (503, "SERVICE_UNAVAILABLE"),
]


@pytest.mark.parametrize("parameters", [None, ["certs", 7, 1200, 500, 60]])
@pytest.mark.parametrize(("status", "code"), KNOWN)
def test_every_known_error_has_its_status_its_code_and_its_body(client, atlas, status, code, parameters):
    named = {"errorCode": code} if code else {"status": status}
    atlas.fault("status", parameters=parameters, **named)
    answer = client.list()
    assert (answer.status_code, answer.headers.get("X-Error-Code")) == (status, code)
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    assert (body["error"], body.get("errorCode"), body.get("parameters")) == (status, code, parameters)
    assert body["reason"]
    assert body["detail"] or not (parameters and code)


def test_a_status_can_say_everything(client, atlas):
    atlas.fault("status", status=429, detail="slow down", parameters=["a", 7], retry_after=9)
    answer = client.list()
    assert answer.headers["Retry-After"] == "9"
    assert (answer.json()["detail"], answer.json()["parameters"]) == ("slow down", ["a", 7])


def test_a_rule_fires_so_many_times_after_so_many(client, atlas):
    atlas.fault("status", status=503, times=2, skip=1)
    assert [client.list().status_code for dummy in range(4)] == [200, 503, 503, 200]


def test_a_rule_can_fire_for_ever(client, atlas):
    atlas.fault("status", status=503, times=None)
    assert {client.list().status_code for dummy in range(5)} == {503}


def test_a_rule_fires_only_where_it_matches(client, atlas):
    client.steer("POST", "users", {"username": "bob/ü"})
    atlas.fault("status", status=503, match={"username": "bob/ü"}, times=None)
    atlas.fault("status", status=502, match={"page": 2, "path_contains": "/app/"}, times=None)
    assert client.list("bob/ü").status_code == 503
    assert client.list().status_code == 200
    assert client.list(params={"pageNum": 2}).status_code == 502
    assert client.create().status_code == 201


def test_faults_spare_who_is_not_authenticated_unless_told(client, atlas):
    atlas.fault("status", status=503)
    assert requests.get(client.path(), timeout=60).status_code == 401
    assert client.list().status_code == 503
    atlas.fault("status", status=502, before_auth=True)
    assert requests.get(client.path(), timeout=60).status_code == 502


def test_the_token_endpoint_suffers_only_rules_that_name_it(client, atlas):
    def token():
        return requests.post(
            f"{client.url}/api/oauth/token",
            data={"grant_type": "client_credentials"},
            auth=(DEMO_CLIENT_ID, DEMO_CLIENT_SECRET),
            timeout=60,
        )

    atlas.fault("status", status=503, match=POST)
    assert token().status_code == 200
    atlas.fault("status", status=503, match={"path_contains": "/oauth/"})
    assert token().status_code == 503
    atlas.fault("drop_after", match={"path_contains": "/oauth/token"})
    with pytest.raises(BROKEN):
        token()


@pytest.mark.parametrize("status", [200, 502])
def test_a_proxy_speaks_html(client, atlas, status):
    atlas.fault("html", status=status)
    answer = client.create()
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html")
    assert answer.text.startswith("<html>") and issued(atlas) == 0


@pytest.mark.parametrize("reset", [False, True])
def test_dropped_before_means_nothing_was_issued(client, atlas, reset):
    client.list()
    atlas.fault("drop_before", reset=reset, match=POST)
    with pytest.raises(BROKEN, match="reset" if reset else "closed"):
        client.create()
    assert issued(atlas) == 0
    assert atlas.state.journal[-1].status is None


@pytest.mark.parametrize("reset", [False, True])
def test_dropped_after_means_one_was_issued(client, atlas, reset):
    client.list()
    atlas.fault("drop_after", reset=reset, match=POST)
    with pytest.raises(BROKEN, match="reset" if reset else "closed"):
        client.create()
    assert issued(atlas) == 1
    assert atlas.state.journal[-1].issued == str(client.list().json()["results"][0]["_id"])


@pytest.mark.parametrize("reset", [False, True])
def test_a_cut_body_is_shorter_than_it_says(client, atlas, reset):
    atlas.fault("cut", after=1000, reset=reset)
    answer = client.create(stream=True)
    assert int(answer.headers["Content-Length"]) > 4000
    received = b""
    with pytest.raises(BROKEN):
        for chunk in answer.iter_content(100):
            received += chunk
    assert received.startswith(b"-----BEGIN CERTIFICATE") and len(received) <= 1000
    assert issued(atlas) == 1


def test_a_delay_comes_before_the_work_and_the_work_is_done_for_one_who_has_left(client, atlas):
    token = client.steer("POST", "tokens", {})["access_token"]
    delay = atlas.fault("delay", seconds=60, match=POST)
    head = f"POST {urlsplit(client.path()).path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nAccept: {client.session.headers['Accept']}\r\n"
    with client.connect(head + "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"):
        wait_for(lambda: delay.fired)
    assert issued(atlas) == 0
    atlas.call(atlas.state.faults.clear)
    wait_for(lambda: issued(atlas))


def test_a_delayed_answer_comes_after_the_work(client, atlas):
    atlas.fault("delay_answer", seconds=60, match=POST)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.create)
        wait_for(lambda: issued(atlas))
        assert not answer.done()
        atlas.call(atlas.state.faults.clear)
        assert answer.result(60).status_code == 201


def test_a_delay_lets_the_next_rule_fire_too(client, atlas):
    delay = atlas.fault("delay", seconds=60)
    status = atlas.fault("status", status=503)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.list)
        wait_for(lambda: delay.fired)
        assert not answer.done()
        atlas.call(atlas.state.faults.clear)
        assert answer.result(60).status_code == 503
    assert (delay.fired, status.fired) == (1, 1)


@pytest.mark.parametrize("action", ["delay", "delay_answer"])
def test_a_delay_ends_when_the_faults_are_removed(client, atlas, action):
    rule = atlas.fault(action, seconds=3600)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.list)
        wait_for(lambda: rule.fired)
        atlas.call(atlas.state.faults.clear)
        assert answer.result(60).status_code == 200


def test_delays_run_side_by_side(client, atlas):
    token = client.steer("POST", "tokens", {})["access_token"]
    delay = atlas.fault("delay", seconds=60, times=None)
    headers = {"Authorization": f"Bearer {token}", **client.session.headers}

    def ask(dummy):
        return requests.get(client.path(), headers=headers, timeout=60).status_code

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        answers = pool.map(ask, range(10))
        wait_for(lambda: delay.fired == 10)
        atlas.call(atlas.state.faults.clear)
        assert set(answers) == {200}


def test_a_trickle_takes_its_time_and_ends_well(client, atlas, monkeypatch):
    naps = []

    async def sleep(seconds):
        naps.append(seconds)

    monkeypatch.setattr(wire, "asyncio", types.SimpleNamespace(sleep=sleep))
    atlas.fault("trickle", bytes_per_second=1000)
    answer = client.list()
    assert answer.json()["totalCount"] == 0
    assert sum(naps) >= len(answer.content) / 1000
    assert max(naps) < sum(naps) / 3, "in pieces"


def test_a_trickle_begins_long_before_it_ends(client, atlas):
    """At the end, nobody would be waiting any more."""
    atlas.fault("trickle", bytes_per_second=4)
    with client.session.get(client.path(), stream=True, timeout=15) as answer:
        assert int(answer.headers["Content-Length"]) > 2 * 4 * 15
        pieces = answer.iter_content(1)
        assert next(pieces) == b"{"


@pytest.mark.parametrize("status", [500, 503])
def test_an_error_can_hide_a_certificate(client, atlas, status):
    atlas.fault("issue_then_status", status=status)
    assert client.list().status_code == 200
    assert client.create().status_code == status
    assert issued(atlas) == 1 == client.list().json()["totalCount"]


def test_a_proxys_page_can_hide_a_certificate(client, atlas):
    atlas.fault("issue_then_html", status=200)
    assert client.create().text.startswith("<html>")
    assert issued(atlas) == 1


def test_a_late_rule_waits_for_a_request_that_succeeds(client, atlas):
    atlas.fault("body", variant="empty")
    assert client.create("nobody").status_code == 404
    assert client.create().content == b""


def test_a_redirect_leads_elsewhere(client, atlas):
    atlas.fault("redirect", location="http://127.0.0.1:9/elsewhere")
    answer = client.create()
    assert (answer.status_code, answer.headers["Location"]) == (307, "http://127.0.0.1:9/elsewhere")
    assert issued(atlas) == 0


def check_wrong_key(body, app):
    assert key(body).public_key() != leaf(body).public_key()


def check_other_user(body, app):
    assert leaf(body).subject.rfc4514_string() == "CN=somebody-else"
    assert key(body).public_key() == leaf(body).public_key()


def check_expired(body, app):
    assert leaf(body).not_valid_after_utc < app["now"]
    assert leaf(body).subject.rfc4514_string() == "CN=app"


def check_other_project(body, app):
    assert DEMO_PROJECT not in leaf(body).issuer.rfc4514_string()


def check_ec_key(body, app):
    assert isinstance(key(body), ec.EllipticCurvePrivateKey)
    assert key(body).public_key() == leaf(body).public_key()


def check_encrypted_key(body, app):
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in body
    with pytest.raises(TypeError):
        serialization.load_pem_private_key(body[body.index(b"-----BEGIN ENC") :], None)


def check_quoted(body, app):
    assert json.loads(body).startswith("-----BEGIN CERTIFICATE-----\n")


def check_envelope(body, app):
    assert json.loads(body)["status"] == 201 and "PRIVATE KEY" in json.loads(body)["content"]


def check_crlf(body, app):
    assert body.count(b"\r\n") == body.count(b"\n") > 50


def check_garbage(body, app):
    with pytest.raises(UnicodeDecodeError):
        body.decode()


@pytest.mark.parametrize(
    ("variant", "check"),
    [
        ("empty", lambda body, app: body == b"" or pytest.fail("not empty")),
        ("certificate_only", lambda body, app: leaf(body) and b"KEY" not in body or pytest.fail("a key")),
        ("key_only", lambda body, app: key(body) and b"CERT" not in body or pytest.fail("a certificate")),
        ("wrong_key", check_wrong_key),
        ("other_user", check_other_user),
        ("expired", check_expired),
        ("other_project", check_other_project),
        ("ec_key", check_ec_key),
        ("encrypted_key", check_encrypted_key),
        ("quoted", check_quoted),
        ("envelope", check_envelope),
        ("crlf", check_crlf),
        ("garbage_bytes", check_garbage),
    ],
)
def test_a_create_answer_can_hold_anything_and_one_was_issued(client, atlas, variant, check):
    atlas.fault("body", variant=variant)
    assert client.list().status_code == 200
    answer = client.create()
    assert answer.status_code == 201
    check(answer.content, {"now": atlas.state.now()})
    assert issued(atlas) == 1 == client.list().json()["totalCount"]


@pytest.mark.parametrize(
    ("position", "order"),
    [("after_leaf", ["app", DEMO_PROJECT, "key"]), ("after_key", ["app", "key", DEMO_PROJECT])],
)
def test_the_authority_can_stand_behind_leaf_or_key(client, atlas, position, order):
    atlas.fault("body", variant="chain", position=position)
    blocks = [block + "-----\n" for block in client.create().text.split("-----\n-----BEGIN")]
    names = []
    for block in blocks:
        if "PRIVATE" in block:
            names.append("key")
        else:
            text = block if block.startswith("-----") else "-----BEGIN" + block
            names.append(leaf(text.encode()).subject.rdns[0].rfc4514_string().removeprefix("CN="))
    assert names == order


def test_a_body_can_come_without_a_certificate_being_issued(client, atlas):
    atlas.fault("body", variant="quoted", issue=False)
    assert client.create().json().startswith("-----BEGIN")
    assert issued(atlas) == 0 == client.list().json()["totalCount"]
    assert atlas.state.journal[-2].issued is None


def test_a_huge_body_stops_when_the_client_leaves(client, atlas, caplog):
    caplog.set_level(logging.INFO, "fake_atlas")
    atlas.fault("body", variant="huge", size=2**40)
    with client.create(stream=True) as answer:
        assert next(answer.iter_content(26)) == b"-----BEGIN CERTIFICATE-----"[:26]
    wait_for(lambda: f"POST {urlsplit(client.path()).path} closed" in caplog.text)
    assert issued(atlas) == 1


def test_a_huge_body_has_the_size_asked_for(client, atlas):
    atlas.fault("body", variant="huge", size=3_000_000)
    assert 3_000_000 <= len(client.create().content) < 3_200_000


def test_a_list_can_end_in_the_middle(client, atlas):
    atlas.fault("body", variant="truncated_json")
    assert client.create().status_code == 201
    with pytest.raises(ValueError):
        client.list().json()
    assert client.list().json()["totalCount"] == 1


def test_a_page_can_come_twice(client, atlas):
    for days in (10, 20, 30):
        client.steer("POST", "certificates", {"days_left": days})
    atlas.fault("body", variant="duplicate_page", match={"page": 2})
    first, again, second = (
        client.list(params={"itemsPerPage": 2, "pageNum": number}).json()["results"] for number in (1, 2, 2)
    )
    assert first == again != second


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"action": "explode"},
        {"action": "status", "color": "red"},
        {"action": "status", "status": "503"},
        {"action": "status", "match": {"user": "x"}},
        {"action": "delay"},
        {"action": "delay", "seconds": -1},
        {"action": "drop_before", "reset": 1},
        {"action": "trickle", "bytes_per_second": 0},
        {"action": "body", "variant": "odd"},
        {"action": "drop_after", "before_auth": True},
        {"action": "status", "times": True},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(client, wish):
    assert "error" in client.steer("POST", "faults", wish, status=400)
    assert client.steer("GET", "faults") == []


def test_rules_can_be_read_and_cleared(client):
    client.steer("POST", "faults", {"action": "status", "status": 503, "times": None})
    client.list()
    (rule,) = client.steer("GET", "faults")
    assert (rule["action"], rule["status"], rule["fired"]) == ("status", 503, 1)
    client.steer("DELETE", "faults")
    assert client.list().status_code == 200
