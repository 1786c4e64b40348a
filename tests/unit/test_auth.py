# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import secrets
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from ansible_collections.atlas.x509.plugins.module_utils._auth import Bearer, Digest
from ansible_collections.atlas.x509.plugins.module_utils._errors import NotIssued, ServiceError
from ansible_collections.atlas.x509.plugins.module_utils._issue import issue
from connections import ACCOUNT, API_KEY, READ_ONLY, client
from fake_atlas import (
    DEMO_CLIENT_ID,
    DEMO_PROJECT,
)

RFC_7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={0}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
ATLAS = 'Digest realm="MMS Public API", domain="", nonce="{0}", algorithm=MD5, qop="auth", stale={1}'


def read(one):
    return one.certificates(DEMO_PROJECT, "app")


def unsigned(method="GET", path_url="/dir/index.html"):
    return SimpleNamespace(method=method, path_url=path_url, headers={})


def fields(request):
    return {name: quoted or bare for name, quoted, bare in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', request.headers["Authorization"])}


@pytest.fixture
def fips(monkeypatch):
    """A host where MD5 exists only for what is not security."""

    def guarded(function):
        def call(*args, usedforsecurity=True, **more):
            if usedforsecurity is not False:
                raise ValueError("[digital envelope routines] unsupported")
            return function(*args, usedforsecurity=False, **more)

        return call

    monkeypatch.setattr(hashlib, "new", guarded(hashlib.new))
    monkeypatch.setattr(hashlib, "md5", guarded(hashlib.md5))


class TestDigestByItself:
    @pytest.mark.parametrize(
        ("algorithm", "response"),
        [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ],
    )
    def test_the_example_of_rfc_7616_comes_out_as_printed_there(self, monkeypatch, algorithm, response):
        monkeypatch.setattr(secrets, "token_hex", lambda *_: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")
        digest = Digest("Mufasa", "Circle of Life")
        assert digest.take_up(RFC_7616.format(algorithm), "")
        answered = fields(digest(unsigned()))
        assert answered.pop("nonce") == "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
        assert answered == {
            "username": "Mufasa",
            "realm": "http-auth@example.org",
            "uri": "/dir/index.html",
            "algorithm": algorithm,
            "qop": "auth",
            "nc": "00000001",
            "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            "response": response,
        }

    def test_without_an_algorithm_it_is_md5(self, monkeypatch):
        monkeypatch.setattr(secrets, "token_hex", lambda *_: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")
        digest = Digest("Mufasa", "Circle of Life")
        assert digest.take_up(RFC_7616.format("").replace("algorithm=, ", ""), "")
        assert fields(digest(unsigned()))["response"] == "8ca523f5e9506fed4657c9700eebdbec"

    def test_before_the_first_challenge_a_request_goes_out_unsigned(self):
        assert Digest("public", "private")(unsigned()).headers == {}

    @pytest.mark.parametrize(
        "header",
        [
            None,
            "",
            "Basic",
            'Basic realm="Digest", nonce="one"',
            'Bearer error="invalid_token"',
            "Digest",
            'Digest realm="without a nonce", qop="auth"',
            'Digest nonce=""',
            'Digest nonce="one", algorithm=MD5-sess',
            'Digest nonce="one", algorithm=SHA-512-256',
            "\x00\xff" * 50,
        ],
    )
    def test_a_challenge_that_cannot_be_answered_is_left_alone(self, header):
        digest = Digest("public", "private")
        assert not digest.take_up(header, "")
        assert digest(unsigned()).headers == {}

    def test_the_count_increases_with_every_use_of_a_nonce_and_begins_again_with_the_next_nonce(self):
        digest = Digest("public", "private")
        digest.take_up(ATLAS.format("one", "false"), "")
        assert [fields(digest(unsigned()))["nc"] for dummy in range(17)][-1] == "00000011"
        digest.take_up(ATLAS.format("two", "true"), "one")
        assert [(fields(one)["nonce"], fields(one)["nc"]) for one in (digest(unsigned()), digest(unsigned()))] == [
            ("two", "00000001"),
            ("two", "00000002"),
        ]

    def test_the_client_nonce_is_never_the_same_twice(self):
        digest = Digest("public", "private")
        digest.take_up(ATLAS.format("one", "false"), "")
        assert len({fields(digest(unsigned()))["cnonce"] for dummy in range(200)}) == 200

    def test_a_challenge_that_came_late_does_not_displace_the_newer_one_of_another_thread(self):
        digest = Digest("public", "private")
        digest.take_up(ATLAS.format("one", "false"), "")
        digest(unsigned())
        assert digest.take_up(ATLAS.format("late", "false"), ""), "it can be answered, with the newer one"
        assert (fields(digest(unsigned()))["nonce"], fields(digest(unsigned()))["nc"]) == ("one", "00000003")

    def test_threads_at_once_never_use_a_count_twice(self):
        digest = Digest("public", "private")
        digest.take_up(ATLAS.format("one", "false"), "")
        together = threading.Barrier(16)

        def sign(dummy):
            together.wait()
            return [fields(digest(unsigned()))["nc"] for dummy in range(200)]

        with ThreadPoolExecutor(16) as pool:
            counts = [count for some in pool.map(sign, range(16)) for count in some]
        assert sorted(counts) == [f"{number:08x}" for number in range(1, 16 * 200 + 1)]

    @pytest.mark.parametrize(
        ("header", "stale"),
        [
            (ATLAS.format("n", "true"), True),
            (ATLAS.format("n", "TRUE"), True),
            (ATLAS.format("n", '"true"'), True),
            (ATLAS.format("n", "false"), False),
            ("", False),
            (None, False),
        ],
    )
    def test_only_a_challenge_that_says_so_is_stale(self, header, stale):
        assert Digest.is_stale(header) is stale


class TestDigestAgainstTheService:
    def test_only_the_first_request_of_a_run_travels_twice(self, atlas):
        with client(atlas.url) as one:
            for dummy in range(5):
                read(one)
            issue(one, DEMO_PROJECT, "app", 3, [].append)
        assert (atlas.state.counters.requests, atlas.state.counters.challenges) == (7, 1)
        assert [entry.credential for entry in atlas.state.journal] == ["api_key"] * 6

    def test_a_stale_nonce_is_answered_and_the_write_behind_it_is_done_once(self, atlas):
        with client(atlas.url) as one:
            read(one)
            for nonce in atlas.state.nonces.values():
                nonce.made_at -= 1000
            issue(one, DEMO_PROJECT, "app", 3, [].append)
        assert atlas.state.counters.issued == 1
        assert atlas.state.counters.challenges == 2

    def test_a_nonce_that_the_service_has_forgotten_is_answered(self, atlas):
        with client(atlas.url) as one:
            read(one)
            atlas.call(atlas.state.nonces.clear)
            assert read(one) == []

    def test_threads_at_once_are_challenged_once_and_all_are_answered(self, atlas):
        with client(atlas.url) as one, ThreadPoolExecutor(8) as pool:
            read(one)
            assert list(pool.map(lambda _: read(one), range(80))) == [[]] * 80
        assert (atlas.state.counters.challenges, atlas.state.counters.lists) == (1, 81)

    def test_threads_at_once_all_get_past_a_nonce_that_grows_stale_under_them(self, atlas):
        with client(atlas.url) as one, ThreadPoolExecutor(8) as pool:
            read(one)

            def ask(number):
                if number == 20:
                    atlas.call(atlas.state.nonces.clear)
                return read(one)

            assert list(pool.map(ask, range(60))) == [[]] * 60

    def test_a_wrong_key_is_two_requests_and_one_sentence(self, atlas):
        wrong = dict(API_KEY, private_api_key="a-wrong-key-of-good-length")
        naps = []
        with client(atlas.url, wrong, naps) as one, pytest.raises(ServiceError) as caught:
            read(one)
        assert atlas.state.counters.requests == 2
        assert naps == []
        assert (caught.value.failure.status, caught.value.failure.code) == (401, "UNEXPECTED_ERROR")
        assert "does not accept the credentials" in caught.value.message
        assert "from the options" in caught.value.message
        assert "a-wrong-key-of-good-length" not in caught.value.message

    def test_a_missing_role_is_not_asked_for_again_with_another_signature(self, atlas):
        with client(atlas.url, READ_ONLY) as one:
            read(one)
            with pytest.raises(NotIssued) as caught:
                issue(one, DEMO_PROJECT, "app", 3, [].append)
        assert caught.value.failure.code == "USER_UNAUTHORIZED"
        assert atlas.state.counters.requests == 3

    def test_a_missing_role_with_a_challenge_beside_it_is_not_signed_again_either(self, wire, say):
        refusal = json.dumps({"error": 401, "errorCode": "NOT_IN_GROUP", "detail": "no"}).encode()
        server = wire(lambda _: say(401, refusal, {"WWW-Authenticate": ATLAS.format("n", "false")}))
        with client(server.url) as one, pytest.raises(ServiceError):
            read(one)
        assert len(server.requests) == 1

    def test_a_service_whose_nonces_are_always_stale_is_given_up(self, wire, say):
        def reply(dummy):
            if len(server.requests) > 40:  # for ever, but a test must end
                return say(200, b'{"results": []}')
            return say(401, b"{}", {"WWW-Authenticate": ATLAS.format(f"n{len(server.requests)}", "true")})

        server = wire(reply)
        with client(server.url, retries=0) as one, pytest.raises(ServiceError) as caught:
            read(one)
        assert caught.value.failure.status == 401
        assert len(server.requests) <= 10

    def test_it_works_on_a_fips_host(self, atlas, fips):
        with pytest.raises(ValueError):
            hashlib.md5(b"")
        with pytest.raises(ValueError):
            hashlib.new("md5", b"")
        with client(atlas.url) as one:
            assert read(one) == []

    def test_the_name_in_the_path_is_signed_as_it_is_sent(self, atlas):
        name = "a/b@c d+e$f,g%2Fh;i?j#k'l\"m\\n.ö.日本"
        atlas.call(atlas.state.add_user, DEMO_PROJECT, name)
        with client(atlas.url) as one:
            assert one.certificates(DEMO_PROJECT, name) == []
        assert atlas.state.journal[-1].username == name


class TestServiceAccount:
    def test_one_token_serves_the_run_and_is_revoked_when_it_ends(self, atlas):
        with client(atlas.url, ACCOUNT) as one:
            read(one)
            issue(one, DEMO_PROJECT, "app", 3, [].append)
            read(one)
            assert (atlas.state.counters.tokens_made, atlas.state.counters.tokens_revoked) == (1, 0)
        assert (atlas.state.counters.tokens_made, atlas.state.counters.tokens_revoked) == (1, 1)
        assert not atlas.state.tokens
        assert {entry.credential for entry in atlas.state.journal} == {"service_account"}

    def test_a_run_that_fails_revokes_its_token_too(self, atlas):
        with contextlib.suppress(ServiceError), client(atlas.url, ACCOUNT) as one:
            one.certificates(DEMO_PROJECT, "nobody")
        assert (atlas.state.counters.tokens_made, atlas.state.counters.tokens_revoked) == (1, 1)

    def test_a_run_that_asks_nothing_makes_no_token(self, atlas):
        with client(atlas.url, ACCOUNT):
            pass
        assert atlas.state.counters.requests == 0

    def test_threads_at_once_make_one_token(self, atlas):
        with client(atlas.url, ACCOUNT) as one, ThreadPoolExecutor(8) as pool:
            assert list(pool.map(lambda _: read(one), range(16))) == [[]] * 16
        assert (atlas.state.counters.tokens_made, atlas.state.counters.tokens_revoked) == (1, 1)

    def test_a_token_that_is_no_longer_taken_is_renewed_and_the_write_behind_it_is_done_once(self, atlas):
        received = []
        with client(atlas.url, ACCOUNT) as one:
            read(one)
            atlas.call(atlas.state.tokens.clear)
            issue(one, DEMO_PROJECT, "app", 3, received.append)
        assert b"".join(received).startswith(b"-----BEGIN CERTIFICATE-----")
        assert atlas.state.counters.issued == 1
        assert atlas.state.counters.tokens_made == 2
        assert not atlas.state.tokens

    def test_threads_at_once_renew_it_once(self, atlas):
        with client(atlas.url, ACCOUNT) as one, ThreadPoolExecutor(8) as pool:
            read(one)
            atlas.call(atlas.state.tokens.clear)
            assert list(pool.map(lambda _: read(one), range(16))) == [[]] * 16
        assert atlas.state.counters.tokens_made == 2

    def test_a_token_that_is_refused_again_is_not_renewed_for_ever(self, wire, say):
        refusal = json.dumps({"error": 401, "errorCode": "UNEXPECTED_ERROR"}).encode()

        def reply(request):
            if request.target.endswith("/token"):
                return say(200, json.dumps({"access_token": f"token-{len(server.requests)}", "expires_in": 3600}).encode())
            return say(200) if request.target.endswith("/revoke") else say(401, refusal)

        server = wire(reply)
        with client(server.url, ACCOUNT) as one, pytest.raises(ServiceError, match="does not accept the credentials"):
            read(one)
        asked = [request.target.rpartition("/")[2].partition("?")[0] for request in server.requests]
        assert asked == ["token", "certs", "token", "certs", "revoke"]

    def test_a_write_whose_token_could_not_be_renewed_was_certainly_not_done(self, atlas):
        with client(atlas.url, ACCOUNT, retries=0) as one:
            read(one)
            atlas.call(atlas.state.tokens.clear)
            atlas.fault("status", status=503, match={"path_contains": "/oauth/token"}, times=None)
            with pytest.raises(NotIssued, match="nothing was issued"):
                issue(one, DEMO_PROJECT, "app", 3, [].append)
        assert atlas.state.counters.issued == 0

    def test_wrong_credentials_are_one_request_and_a_sentence_that_names_the_options(self, atlas):
        wrong = dict(ACCOUNT, client_secret="mdb_sa_sk_wrong-secret-0123456789")
        naps = []
        with client(atlas.url, wrong, naps) as one, pytest.raises(ServiceError) as caught:
            read(one)
        assert (atlas.state.counters.requests, naps) == (1, [])
        assert (caught.value.failure.status, caught.value.failure.code) == (401, "invalid_client")
        assert caught.value.failure.detail == "Client authentication failed."
        assert "client_id and client_secret" in caught.value.message
        assert "mdb_sa_sk" not in caught.value.message

    def test_the_login_waits_as_long_as_it_is_told(self, atlas):
        atlas.fault("status", status=429, errorCode="too_many_requests", retry_after=37, match={"path_contains": "/oauth/token"})
        naps = []
        with client(atlas.url, ACCOUNT, naps) as one:
            read(one)
        assert naps == [37.0]

    def test_an_account_with_too_many_tokens_reads_so(self, atlas):
        atlas.call(atlas.state.change_settings, active_tokens=0)
        with client(atlas.url, ACCOUNT) as one, pytest.raises(ServiceError, match="active tokens"):
            read(one)

    @pytest.mark.parametrize(
        "body",
        [b"", b"<html>", b"[]", b"3", b"null", b'"token"', b"{}", b'{"access_token": 3}', b'{"access_token": null}', b"\xff", b"[" * 100000],
        ids=lambda body: repr(body[:30]),
    )
    def test_a_login_answered_with_something_else_is_an_error(self, wire, say, body):
        server = wire(lambda _: say(200, body))
        with client(server.url, ACCOUNT) as one, pytest.raises(ServiceError, match="not a token"):
            read(one)

    @pytest.mark.parametrize("token", ["", "two\r\nX-Injected: lines", "t\u00f6ken-\u20ac"], ids=["empty", "lines", "letters"])
    def test_a_login_answered_with_a_token_that_no_header_can_carry_is_an_error_that_does_not_quote_it(self, wire, say, token):
        server = wire(lambda _: say(200, json.dumps({"access_token": token, "results": []}).encode()))
        with pytest.raises(ServiceError) as caught, client(server.url, ACCOUNT, retries=0) as one:
            read(one)
        assert not token or token not in "".join(traceback.format_exception(caught.value))
        assert all("x-injected" not in request.headers for request in server.requests)

    @pytest.mark.parametrize(
        "fault",
        [{"action": "drop_before"}, {"action": "status", "status": 500}, {"action": "html"}, {"action": "redirect", "location": "http://127.0.0.1:9/"}],
        ids=lambda fault: fault["action"],
    )
    def test_a_revocation_that_fails_does_not_spoil_the_run(self, atlas, fault):
        with client(atlas.url, ACCOUNT) as one:
            assert read(one) == []
            atlas.fault(match={"path_contains": "/oauth/revoke"}, **fault)
        assert atlas.state.counters.tokens_revoked == 0

    def test_the_secret_is_sent_to_the_two_token_endpoints_only(self, wire, say):
        def reply(request):
            return say(200, b'{"access_token": "the-token"}' if request.target.endswith("/token") else b'{"results": []}')

        server = wire(reply)
        with client(server.url, ACCOUNT) as one:
            read(one)
        kinds = [(request.target.partition("?")[0].rpartition("/")[2], request.headers["authorization"].split()[0]) for request in server.requests]
        assert kinds == [("token", "Basic"), ("certs", "Bearer"), ("revoke", "Basic")]
        assert [request.body for request in server.requests] == [
            b"grant_type=client_credentials",
            b"",
            b"token=the-token&token_type_hint=access_token",
        ]


class TestReadyMadeToken:
    def test_it_is_used_as_it_is_and_lives_on(self, atlas):
        account = atlas.state.credential(DEMO_CLIENT_ID, "service_account")
        token = atlas.call(atlas.state.add_token, account, ready_made=True)
        with client(atlas.url, {"access_token": token.value}) as one:
            read(one)
        assert token.value in atlas.state.tokens
        assert [entry.credential for entry in atlas.state.journal] == ["access_token"]
        assert atlas.state.counters.requests == 1

    def test_when_it_is_refused_nothing_is_made_in_its_place(self, atlas):
        with client(atlas.url, {"access_token": "an-expired-token"}) as one, pytest.raises(ServiceError) as caught:
            read(one)
        assert atlas.state.counters.requests == 1
        assert atlas.state.counters.tokens_made == 0
        assert "access_token from the options" in caught.value.message
        assert "an-expired-token" not in caught.value.message


class TestBearerByItself:
    def test_of_two_that_were_refused_with_the_same_token_only_one_makes_another(self):
        made = iter(["one", "two", "three"])
        bearer = Bearer(make=lambda: next(made))
        bearer.renew("")
        bearer.renew("one")
        bearer.renew("one")
        assert bearer.token == "two"

    def test_a_given_token_cannot_be_renewed(self):
        bearer = Bearer("given")
        bearer.renew("given")
        assert (bearer.token, bearer.can_renew) == ("given", False)


@pytest.mark.parametrize("credentials", [API_KEY, ACCOUNT], ids=["key", "account"])
def test_a_netrc_file_does_not_override_what_was_given_over_http(atlas, tmp_path, monkeypatch, credentials):
    _write_netrc(tmp_path, monkeypatch)
    with client(atlas.url, credentials) as one:
        assert read(one) == []


@pytest.mark.parametrize("credentials", [API_KEY, ACCOUNT, {"access_token": "given-token"}], ids=["key", "account", "token"])
def test_a_netrc_file_does_not_override_what_was_given_over_https(wire, say, authority, tmp_path, monkeypatch, credentials):
    _write_netrc(tmp_path, monkeypatch)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def reply(request):
        if request.target.endswith("/token"):
            return say(200, b'{"access_token": "given-token"}')
        if "private_api_key" in credentials and "authorization" not in request.headers:
            return say(401, b"{}", {"WWW-Authenticate": ATLAS.format("n", "false")})
        return say(200, b'{"results": []}')

    server = wire(reply, tls=authority.server)
    with client(server.url, credentials, ca_path=authority.path) as one:
        assert read(one) == []
    sent = [request.headers.get("authorization", "") for request in server.requests if "certs" in request.target]
    assert sent[-1].startswith("Digest username" if "private_api_key" in credentials else "Bearer given-token")
    assert "bmV0cmM" not in " ".join(request.headers.get("authorization", "") for request in server.requests), "base64 of netrc"


def _write_netrc(tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login netrc password netrc-password\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
