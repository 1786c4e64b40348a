# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import gzip
import itertools
import re
import socket
import ssl
import threading
import time
import traceback
import types
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
import requests
from ansible_collections.atlas.x509.plugins.module_utils import _http, _options
from ansible_collections.atlas.x509.plugins.module_utils._auth import Bearer, Digest
from ansible_collections.atlas.x509.plugins.module_utils._errors import OptionError
from ansible_collections.atlas.x509.plugins.module_utils._http import MAX_BODY, NoAnswer, Transport
from connections import task_options

TOKEN = "the-secret-token-of-the-test"
CHUNKED = b"HTTP/1.1 200 So\r\nTransfer-Encoding: chunked\r\n\r\n"
CHALLENGE = 'Digest realm="MMS Public API", domain="", nonce="one", algorithm=MD5, qop="auth", stale=false'


@contextlib.contextmanager
def transport(url, **changes):
    one = Transport(_options.connection(task_options(**{"base_url": url, "access_token": TOKEN, "timeout": 60, **changes}), {}))
    try:
        yield one
    finally:
        one.close()


def get(one, path="/it", auth=None, **more):
    return one.exchange("GET", path, auth or Bearer(TOKEN), {"Accept": "application/json"}, **more)


def post(one, receive=None, auth=None):
    return one.exchange("POST", "/it", auth or Bearer(TOKEN), {"Accept-Encoding": "identity"}, b"{}", receive)


def no_answer(url, ask=get, **changes):
    with transport(url, **changes) as one, pytest.raises(NoAnswer) as caught:
        ask(one)
    assert TOKEN not in "".join(traceback.format_exception(caught.value))
    return caught.value


@pytest.fixture
def free_port():
    """A port on which nobody listens, and nobody else can."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


class Trickle:
    """A reply: a beginning, then byte after byte, ten times a second and 35 times. Whoever has a timeout of 1 hears no end of it."""

    def __init__(self, beginning, ended):
        self._beginning = beginning
        self._ended = ended
        self.all_said = False

    def __call__(self, dummy):
        yield self._beginning
        for dummy in range(35):
            if self._ended.wait(0.1):
                return
            yield b"x"
        self.all_said = True


@pytest.fixture
def trickle(wire):
    """Makes a :class:`Trickle`; it ends with the test, before the server does."""
    ended = threading.Event()
    yield lambda beginning: Trickle(beginning, ended)
    ended.set()


class TestAnAnswer:
    def test_it_is_whole_and_its_headers_are_found_in_any_case(self, wire, say):
        server = wire(lambda _: say(418, b"a body", {"x-error-CODE": "TEAPOT"}))
        with transport(server.url) as one:
            answer = get(one)
        assert (answer.status, answer.body, answer.headers.get("X-Error-Code")) == (418, b"a body", "TEAPOT")

    def test_connections_are_kept(self, atlas):
        with transport(atlas.url) as one:
            for dummy in range(4):
                get(one)
        assert atlas.state.counters.connections == 1

    def test_a_base_url_with_a_path_keeps_it(self, wire, say):
        server = wire(lambda _: say(200))
        with transport(server.url + "/behind/a/gateway/") as one:
            get(one, "/api")
        assert server.requests[0].target == "/behind/a/gateway/api"

    def test_compression_is_undone(self, wire, say):
        server = wire(lambda _: say(200, gzip.compress(b"plain"), {"Content-Encoding": "gzip"}))
        with transport(server.url) as one:
            assert get(one).body == b"plain"

    def test_a_cut_in_a_compressed_answer_is_noticed(self, wire, say):
        packed = gzip.compress(bytes(range(256)) * 20)
        server = wire(lambda _: say(200, packed[:-200], {"Content-Encoding": "gzip"}, length=len(packed)))
        assert no_answer(server.url).sent

    def test_pieces_of_unknown_length_are_put_together(self, wire):
        chunks = b"3\r\nabc\r\n10\r\n" + b"d" * 16 + b"\r\n0\r\n\r\n"
        server = wire(lambda _: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        with transport(server.url) as one:
            assert get(one).body == b"abc" + b"d" * 16

    def test_what_a_2xx_brings_goes_to_the_receiver_and_what_an_error_brings_does_not(self, wire, say):
        statuses = iter([201, 300, 400])
        server = wire(lambda _: say(next(statuses), b"x" * 100))
        with transport(server.url) as one:
            received = []
            assert post(one, received.append).body == b""
            assert b"".join(received) == b"x" * 100
            for dummy in range(2):
                assert post(one, received.append).body == b"x" * 100
                assert b"".join(received) == b"x" * 100


class TestNoAnswer:
    def test_refused_is_certainly_not_sent(self, free_port):
        error = no_answer(f"http://127.0.0.1:{free_port}")
        assert (error.sent, error.reason) == (False, "Connection refused")

    def test_a_service_that_takes_no_connection_is_certainly_not_sent(self):
        """Its queue is full, as behind a firewall that drops everything: nobody refuses, and nobody answers."""
        with contextlib.ExitStack() as queue:
            listener = queue.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            for dummy in range(4):
                waiting = queue.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(listener.getsockname())
            began = time.monotonic()
            error = no_answer("http://127.0.0.1:{0}".format(listener.getsockname()[1]), timeout=1)
            assert time.monotonic() - began < 60, "that was the system, which gives up after two minutes"
        assert (error.sent, error.reason) == (False, "no answer in time")

    @pytest.mark.parametrize("ask", [get, post])
    def test_closed_without_an_answer_may_have_been_done(self, wire, ask):
        error = no_answer(wire(lambda _: b"").url, ask)
        assert (error.sent, error.reason) == (True, "the connection was closed without an answer")

    @pytest.mark.parametrize("ask", [get, post])
    def test_reset_may_have_been_done(self, wire, ask):
        error = no_answer(wire(lambda _: wire_reset()).url, ask)
        assert (error.sent, error.reason) == (True, "Connection reset by peer")

    def test_silence_may_have_been_done(self, wire):
        release = threading.Event()
        over = []

        def reply(dummy):
            release.wait(60)
            over.append("the silence")
            return b""

        server = wire(reply)
        try:
            error = no_answer(server.url, timeout=1)
            assert over == [], "the client gave up first"
        finally:
            release.set()
        assert (error.sent, error.reason) == (True, "no answer in time")

    @pytest.mark.parametrize(
        "said",
        [
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"HTTP/1.1 999999 What\r\n\r\n",
            b"HTTP/1.1 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
            b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70000 + b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a number\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\r\nno gzip!",
        ],
        ids=lambda said: said[:60].decode().replace("\r\n", " "),
    )
    def test_what_is_not_http_may_have_been_done(self, wire, said):
        assert no_answer(wire(lambda _: said).url).sent

    @pytest.mark.parametrize("missing", [1, 2, 15, 16, 17, 4096, 9999])
    def test_a_cut_body_is_noticed(self, wire, say, missing):
        server = wire(lambda _: say(200, b"x" * (10000 - missing), length=10000))
        for ask in (get, lambda one: post(one, len)):
            error = no_answer(server.url, ask)
            assert (error.sent, error.reason) == (True, "the answer was cut")

    @pytest.mark.parametrize(
        "came",
        [b"", b"5\r\nab", b"5\r\n12345", b"5\r\n12345\r\n"],
        ids=["before the first piece", "in a piece", "behind one", "between two"],
    )
    def test_a_cut_in_an_answer_of_unknown_length_is_told_as_one(self, wire, came):
        error = no_answer(wire(lambda _: CHUNKED + came).url)
        assert (error.sent, error.reason) == (True, "the answer was cut")

    @pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
    @pytest.mark.parametrize("size", [1, 15, 16, 17, 31, 5068])
    def test_every_byte_that_came_before_a_cut_was_given_to_the_receiver(self, wire, say, size, reset):
        """The last line of a private key has 26 bytes: a few that are dropped make a key that arrived unreadable."""
        came = bytes(number % 251 for number in range(size))

        def reply(dummy):
            yield say(201, came, length=5069)
            if reset:
                arrived.wait(10)  # a reset overtakes what lies in the buffers
                yield wire_reset()

        arrived = threading.Event()
        received = bytearray()

        def receive(piece):
            received.extend(piece)
            if len(received) >= size:
                arrived.set()

        error = no_answer(wire(reply).url, lambda one: post(one, receive))
        assert error.sent
        assert bytes(received) == came

    def test_a_body_that_never_ends_is_given_up(self, wire):
        def reply(dummy):
            yield b"HTTP/1.1 200 OK\r\n\r\n"
            for dummy in range(MAX_BODY // 65536 * 2):
                yield b"x" * 65536

        error = no_answer(wire(reply).url, timeout=120)
        assert error.sent
        assert str(MAX_BODY) in error.reason

    @pytest.mark.parametrize(
        ("status", "head"),
        [
            (200, b"Content-Length: 1000\r\n\r\n"),
            (200, b"\r\n"),
            (200, b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n"),
            (201, b"Content-Length: 1000\r\n\r\n"),
            (500, b"Content-Length: 1000\r\n\r\n"),
        ],
        ids=["a page with a length", "a page until the end", "a page in chunks", "a certificate", "an error"],
    )
    def test_a_body_that_trickles_is_given_up_when_the_time_is_over(self, wire, trickle, status, head):
        """As a page and as an error, not only as an answer that is received: the socket's timeout begins anew with every byte."""
        reply = trickle(b"HTTP/1.1 %d So\r\n" % status + head)
        error = no_answer(wire(reply).url, (lambda one: post(one, len)) if status == 201 else get, timeout=1)
        assert not reply.all_said
        assert error.sent

    def test_a_body_that_comes_fast_and_then_trickles_is_given_up_when_the_time_is_over(self, wire, trickle):
        reply = trickle(b"HTTP/1.1 200 So\r\nContent-Length: 200000\r\n\r\n" + b"x" * 100000)
        error = no_answer(wire(reply).url, timeout=1)
        assert not reply.all_said
        assert error.sent

    @pytest.mark.parametrize(
        "head",
        [b"HTTP/1.1 200 ", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ", b"HTTP/1.1 200 So\r\nX: ", CHUNKED, CHUNKED + b"5\r\n12345\r\n"],
        ids=["in the status", "after a provisional answer", "in a header", "in the length of the first chunk", "in that of the second"],
    )
    @pytest.mark.parametrize("secured", [False, True], ids=["http", "https"])
    def test_an_answer_that_trickles_before_its_body_is_given_up_too(self, wire, trickle, authority, head, secured):
        """Lines are read by the library, which waits for their ends however slowly they come."""
        reply = trickle(head)
        server = wire(reply, tls=authority.server if secured else None)
        error = no_answer(server.url, lambda one: post(one, len), timeout=1, ca_path=authority.path)
        assert not reply.all_said
        assert error.sent
        assert "in time" in error.reason or "not complete after 1 s" in error.reason

    def test_a_head_that_trickles_behind_a_proxy_is_given_up_too(self, wire, trickle, authority, tunnel, monkeypatch):
        reply = trickle(b"HTTP/1.1 200 So\r\nX: ")
        proxy = tunnel()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        error = no_answer(wire(reply, tls=authority.server).url, post, timeout=1, ca_path=authority.path)
        assert proxy.asked
        assert not reply.all_said
        assert error.sent


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize("auth", [lambda: Bearer(TOKEN), lambda: Digest("public", TOKEN)], ids=["bearer", "digest"])
    def test_a_redirect_is_an_answer_and_the_other_host_hears_nothing(self, wire, say, status, auth):
        other = wire(lambda _: say(200))
        server = wire(lambda _: say(status, b"", {"Location": other.url + "/there"}))
        with transport(server.url) as one:
            assert get(one, auth=auth()).status == status
            assert post(one, auth=auth()).status == status
        assert (other.greetings, len(server.requests)) == (0, 2)

    @pytest.mark.parametrize(
        "location",
        ["http://[", "http://127.0.0.1:99999999/", "//", "\u00ff\u00fe", "http://\u00ff", "mailto:somebody", "http://a b/", "%zz"]
        + ["http://x" + "y" * 70 + "/"],
    )
    def test_a_redirect_to_something_unreadable_is_an_answer_all_the_same(self, wire, say, location):
        server = wire(lambda _: say(307, b"moved", {"Location": location}))
        with transport(server.url) as one:
            answer = post(one)
        assert answer.status == 307

    def test_the_body_of_a_redirect_is_as_bounded_as_any_other(self, wire, trickle):
        reply = trickle(b"HTTP/1.1 307 So\r\nLocation: /there\r\n\r\n")
        with transport(wire(reply).url, timeout=1) as one, contextlib.suppress(NoAnswer):
            get(one)
        assert not reply.all_said


class TestChallenges:
    def test_a_write_that_is_challenged_is_sent_again_with_its_body(self, wire, say):
        server = wire(
            lambda request: say(201, b"done") if "authorization" in request.headers else say(401, b"{}", {"WWW-Authenticate": CHALLENGE})
        )
        received = []
        with transport(server.url) as one:
            assert post(one, received.append, Digest("public", TOKEN)).status == 201
        assert [request.body for request in server.requests] == [b"{}", b"{}"]
        assert b"".join(received) == b"done"

    def test_a_proxys_401_page_is_an_answer(self, wire, say):
        server = wire(lambda _: say(401, b"<title>Log in</title>", {"WWW-Authenticate": "Negotiate"}))
        with transport(server.url) as one:
            answer = get(one, auth=Digest("public", TOKEN))
        assert (answer.status, answer.failure.code, answer.failure.detail) == (401, None, "Log in")
        assert len(server.requests) == 1

    @pytest.mark.parametrize(("stale", "sent"), [("true", 3), ("false", 2)])
    def test_a_second_challenge_is_answered_only_when_the_nonce_was_too_old_and_a_third_never(self, wire, say, stale, sent):
        challenges = iter([CHALLENGE] + [CHALLENGE.replace("one", nonce).replace("stale=false", f"stale={stale}") for nonce in "two three four".split()])
        server = wire(lambda _: say(401, b"{}", {"WWW-Authenticate": next(challenges)}))
        with transport(server.url) as one:
            assert post(one, auth=Digest("public", TOKEN)).status == 401
        assert len(server.requests) == sent
        signed = [re.search('nonce="([^"]*)"', request.headers["authorization"]).group(1) for request in server.requests[1:]]
        assert signed == ["one", "two"][: sent - 1]

    def test_a_refused_token_is_renewed_once_and_the_request_signed_with_the_new_one(self, wire, say):
        made = iter(["first", "second", "third"])
        server = wire(lambda _: say(401, b"{}"))
        with transport(server.url) as one:
            assert post(one, auth=Bearer(make=lambda: next(made))).status == 401
        assert [request.headers["authorization"] for request in server.requests] == ["Bearer first", "Bearer second"]

    def test_a_token_that_was_given_is_not_renewed(self, wire, say):
        server = wire(lambda _: say(401, b"{}"))
        with transport(server.url) as one:
            assert post(one, auth=Bearer(TOKEN)).status == 401
        assert len(server.requests) == 1

    @pytest.mark.parametrize("auth", [Bearer(make=lambda: "made"), Digest("public", TOKEN)], ids=["bearer", "digest"])
    def test_one_who_is_known_and_has_no_role_is_not_asked_again_who_he_is(self, wire, say, auth):
        server = wire(lambda _: say(401, b'{"errorCode": "USER_UNAUTHORIZED"}', {"WWW-Authenticate": CHALLENGE}))
        with transport(server.url) as one:
            assert post(one, auth=auth).status == 401
        assert len(server.requests) == 1


class NameResolutionError(Exception):
    """Named as urllib3 names it, and so are the others."""


class ProxySchemeUnknown(Exception):
    pass


class NewConnectionError(Exception):
    pass


def caused(error, cause):
    error.__cause__ = cause
    return error


class TestTheChainOfAnError:
    def test_it_goes_through_reasons_arguments_and_causes_and_ends_where_they_form_a_ring(self):
        outer, reason, argument, cause = OSError("outer"), OSError("reason"), OSError("argument"), OSError("cause")
        outer.reason, outer.args, outer.__cause__ = reason, (argument, "text"), cause
        cause.__cause__ = outer
        assert list(itertools.islice(_http._chain(outer), 9)) == [outer, reason, cause, argument]

    def test_what_was_handled_before_belongs_to_it_only_where_urllib3_says_the_reason_so(self):
        refused, other = NewConnectionError("no"), OSError("other")
        refused.__context__ = other.__context__ = why = ConnectionRefusedError(111, "Connection refused")
        assert list(_http._chain(refused)) == [refused, why]
        assert list(_http._chain(other)) == [other]

    @pytest.mark.parametrize(
        ("error", "never"),
        [
            (requests.exceptions.ConnectTimeout(), True),
            (requests.exceptions.InvalidURL(), True),
            (requests.exceptions.InvalidSchema(), True),
            (requests.exceptions.InvalidProxyURL(), True),
            (NewConnectionError(), True),
            (NameResolutionError(), True),
            (ProxySchemeUnknown(), True),
            (requests.exceptions.ConnectionError(NameResolutionError()), True),
            (OSError("Tunnel connection failed: 407"), True),
            (requests.exceptions.ReadTimeout(), False),
            (requests.exceptions.ConnectionError(ConnectionResetError(104, "reset")), False),
            (OSError("a Tunnel connection failed"), False),
        ],
        ids=repr,
    )
    def test_only_these_are_certainly_not_sent(self, error, never):
        assert _http._never_sent(error, requests.exceptions) is never

    def test_a_certificate_that_is_not_trusted_says_why(self):
        error = ssl.SSLCertVerificationError()
        error.verify_message = "self-signed certificate"
        assert _http._reason(error) == "its certificate is not trusted: self-signed certificate; if it is signed by a private authority, set ca_path"

    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (OSError("Tunnel connection failed: 407 Log in"), "the proxy (HTTPS_PROXY) refused: 407 Log in"),
            (ValueError(KeyError("x", IndexError())), "the connection failed (IndexError)"),
            (type("ProxyError", (Exception,), {})(OSError(111, "Connection refused")), "Connection refused, on the way through the proxy (HTTPS_PROXY)"),
            (caused(OSError(101, "outer"), OSError(111, "inner")), "inner"),
            (requests.exceptions.ReadTimeout("https://u:p@proxy"), "no answer in time"),
        ],
        ids=repr,
    )
    def test_the_reason_is_the_innermost_that_has_words(self, error, reason):
        assert _http._reason(error) == reason


class TestTheEndOfABody:
    @pytest.mark.parametrize("pieces", [[100], [60, 40]])
    def test_as_much_as_may_be_is_an_answer(self, wire, monkeypatch, pieces):
        monkeypatch.setattr(_http, "MAX_BODY", 100)
        with transport(wire(lambda _: chunked(pieces)).url) as one:
            assert get(one).body == b"x" * 100

    @pytest.mark.parametrize("pieces", [[101], [60, 41]])
    def test_a_byte_more_is_none_and_the_request_may_have_been_done(self, wire, monkeypatch, pieces):
        monkeypatch.setattr(_http, "MAX_BODY", 100)
        error = no_answer(wire(lambda _: chunked(pieces)).url)
        assert (error.reason, error.sent) == ("the answer is larger than 100 bytes", True)

    def test_an_older_urllib3_is_asked_for_single_bytes_where_a_key_may_be_and_for_more_behind_it(self):
        """It waits until as much is there as was asked for, and forgets it when it fails in between."""
        assert [OldRaw(b"x").asked_behind(total) for total in (0, 16383, 16384, 2**20 - 1, 2**20)] == [1, 1, 16, 16, 65536]

    def test_the_end_is_the_end_for_an_older_urllib3_too(self):
        raw = OldRaw(b"")
        raw.closed = True
        assert _http._next_piece(raw, 0) == b""

    def test_a_newer_urllib3_is_asked_for_what_is_there(self):
        """At most 64 KiB at once, however much has come."""
        raw = types.SimpleNamespace(read1=lambda size, decode_content: b"%d %d" % (size, decode_content), read=None)
        assert [_http._next_piece(raw, total) for total in (0, 2**30)] == [b"65536 1"] * 2

    def test_whoever_asks_for_more_knows_how_much_has_come(self, wire, monkeypatch):
        real, known = _http._next_piece, []
        monkeypatch.setattr(_http, "_next_piece", lambda raw, total: known.append(total) or real(raw, total))
        with transport(wire(lambda _: chunked([60, 40])).url) as one:
            get(one)
        assert (known[0], known[-1]) == (0, 100)

    @pytest.mark.parametrize(
        ("missing", "late", "reason"),
        [
            (0, False, None),
            (0, True, None),
            (None, False, None),
            (1, False, "the answer was cut"),
            (5, False, "the answer was cut"),
            (5, True, "the answer was not complete after 60 s"),
            (None, True, "the answer was not complete after 60 s"),
        ],
    )
    def test_an_end_is_judged_by_what_is_missing_and_by_the_time(self, missing, late, reason):
        """An older urllib3 takes an early end for the end."""
        raw = OldRaw(b"")
        raw.closed, raw.length_remaining = True, missing
        with transport("http://127.0.0.1:1") as one:
            pieces = one._pieces(types.SimpleNamespace(raw=raw), types.SimpleNamespace(passed=late))
            if reason is None:
                assert list(pieces) == []
            else:
                with pytest.raises(NoAnswer) as error:
                    list(pieces)
                assert (error.value.reason, error.value.sent) == (reason, True)

    def test_compressed_bytes_of_which_nothing_comes_out_yet_are_not_the_end(self):
        raw = OldRaw(b"", b"", b"plain")
        assert _http._next_piece(raw, 0) == b"plain"
        assert raw.asked == [(1, True)] * 3


def chunked(sizes):
    yield CHUNKED
    for size in [*sizes, 0]:
        yield b"%x\r\n%b\r\n" % (size, b"x" * size)


class OldRaw:
    """The body of an answer as urllib3 before 2 gives it."""

    closed = False

    def __init__(self, *pieces):
        self._pieces = iter(pieces)
        self.asked = []

    def read(self, size, decode_content):
        self.asked.append((size, decode_content))
        return next(self._pieces)

    def asked_behind(self, total):
        _http._next_piece(self, total)
        return self.asked[-1][0]


class TestTheClock:
    @pytest.mark.parametrize("shift", [timedelta(0), timedelta(hours=1), timedelta(days=-365), timedelta(days=4000)])
    def test_now_is_what_the_service_says(self, wire, say, shift):
        server = wire(lambda _: say(200, b"", {"Date": format_datetime(datetime.now(timezone.utc) + shift, usegmt=True)}))
        with transport(server.url) as one:
            assert not one.clock_seen
            get(one)
            assert one.clock_seen
            assert abs(one.now() - datetime.now(timezone.utc) - shift) < timedelta(seconds=3)
            assert abs(one.clock_offset - shift) < timedelta(seconds=3)

    def test_an_error_tells_the_time_too(self, wire, say):
        server = wire(lambda _: say(500, b"", {"Date": "Tue, 01 Feb 2028 00:00:00 GMT"}))
        with transport(server.url) as one:
            get(one)
            assert one.now().year == 2028

    @pytest.mark.parametrize(
        "date",
        [
            None,
            "",
            "yesterday",
            "Tue, 31 Feb 2028 00:00:00 GMT",
            "Tue, 01 Feb 2028 25:61:61 GMT",
            "Fri, 31 Dec 9999 23:59:59 -0100",
            "Sat, 01 Jan 2028 00:00:00 +9999999999",
            "\u00b2\u00b2",
        ],
    )
    def test_a_date_that_cannot_be_read_leaves_this_machines_clock_and_the_answer(self, wire, say, date):
        server = wire(lambda _: say(201, b"the key", {"Date": date}))
        received = []
        with transport(server.url) as one:
            post(one, received.append)
            assert abs(one.now() - datetime.now(timezone.utc)) < timedelta(seconds=3)
            assert not one.clock_seen
        assert b"".join(received) == b"the key"


class TestTls:
    def test_a_certificate_that_nobody_vouches_for_stops_the_run_and_the_sentence_says_what_to_set(self, wire, say, authority, monkeypatch):
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        server = wire(lambda _: say(200), tls=authority.server)
        error = no_answer(server.url)
        assert "ca_path" in error.reason
        assert server.requests == []

    def test_a_private_authority_works_by_option(self, wire, say, authority, monkeypatch):
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        server = wire(lambda _: say(200, b"over tls"), tls=authority.server)
        with transport(server.url, ca_path=authority.path) as one:
            assert get(one).body == b"over tls"

    @pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
    def test_a_private_authority_works_by_environment(self, wire, say, authority, monkeypatch, name):
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        monkeypatch.setenv(name, authority.path)
        server = wire(lambda _: say(200, b"over tls"), tls=authority.server)
        with transport(server.url) as one:
            assert get(one).body == b"over tls"

    @pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
    def test_without_validation_even_the_environment_does_not_bring_it_back(self, wire, say, authority, monkeypatch, tmp_path):
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing"))
        server = wire(lambda _: say(200, b"over tls"), tls=authority.server)
        with transport(server.url, validate_certs=False) as one:
            assert get(one).body == b"over tls"

    @pytest.mark.parametrize("content", [None, "", "no certificate"], ids=["missing", "empty", "no certificate"])
    def test_authorities_that_cannot_be_read_are_certainly_not_sent_and_the_sentence_names_the_file(
        self, wire, say, authority, tmp_path, monkeypatch, content
    ):
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        path = tmp_path / "ca.pem"
        if content is not None:
            path.write_text(content)
        server = wire(lambda _: say(200), tls=authority.server)
        with pytest.raises((OptionError, NoAnswer)) as caught, transport(server.url, ca_path=str(path)) as one:
            get(one)
        assert "ca_path" in str(caught.value)
        assert server.requests == []

    def test_a_service_without_tls_is_no_answer(self, wire, say, monkeypatch):
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        server = wire(lambda _: say(200))
        no_answer(server.url.replace("http://", "https://"), timeout=1)
        assert server.requests == []


class Tunnel:
    """A proxy that lets everything through, or nothing, and keeps what it was asked."""

    def __init__(self, refusal=None):
        self.asked = []
        self.url = ""
        self._refusal = refusal
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, dummy = self._listener.accept()
                client.settimeout(10)
                thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, client):
        head = b""
        with client, contextlib.suppress(OSError):
            while b"\r\n\r\n" not in head:
                piece = client.recv(1)
                if not piece:
                    return
                head += piece
            self.asked.append(head.decode("latin-1"))
            if self._refusal:
                client.sendall(self._refusal)
                return
            host, dummy, port = head.split()[1].decode().partition(":")
            with socket.create_connection((host, int(port)), timeout=10) as service:
                client.sendall(b"HTTP/1.1 200 Go ahead\r\n\r\n")
                back = threading.Thread(target=self._copy, args=(service, client), daemon=True)
                back.start()
                self._copy(client, service)
                back.join(10)

    @staticmethod
    def _copy(source, target):
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                target.sendall(piece)
        # A reset is passed on as one: the other side shall not see an orderly end.
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def tunnel():
    with contextlib.ExitStack() as started:

        def start(refusal=None):
            made = Tunnel(refusal)
            started.callback(made.close)
            return made

        yield start


class TestProxies:
    PASSWORD = "proxy-password-1234"

    @pytest.fixture(autouse=True)
    def _clean(self, monkeypatch):
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)

    def use(self, monkeypatch, proxy):
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://somebody:{self.PASSWORD}@127.0.0.1:{proxy.port}")

    def test_the_one_of_the_environment_is_used_for_https(self, wire, say, authority, tunnel, monkeypatch):
        server, proxy = wire(lambda _: say(200, b"through"), tls=authority.server), tunnel()
        self.use(monkeypatch, proxy)
        with transport(server.url, ca_path=authority.path) as one:
            assert get(one).body == b"through"
        assert proxy.asked[0].startswith(f"CONNECT 127.0.0.1:{server.port} ")
        assert TOKEN not in proxy.asked[0]

    def test_it_is_not_used_for_http_which_is_for_loopback_only(self, wire, say, tunnel, monkeypatch):
        server, proxy = wire(lambda _: say(200, b"directly")), tunnel()
        self.use(monkeypatch, proxy)
        with transport(server.url) as one:
            assert get(one).body == b"directly"
        assert proxy.asked == []

    def test_no_proxy_is_respected(self, wire, say, authority, tunnel, monkeypatch):
        server, proxy = wire(lambda _: say(200, b"directly"), tls=authority.server), tunnel()
        self.use(monkeypatch, proxy)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with transport(server.url, ca_path=authority.path) as one:
            assert get(one).body == b"directly"
        assert proxy.asked == []

    def test_a_proxy_that_is_not_there_is_certainly_not_sent(self, free_port, monkeypatch):
        monkeypatch.setenv("HTTPS_PROXY", f"http://somebody:{self.PASSWORD}@127.0.0.1:{free_port}")
        error = no_answer("https://127.0.0.1:1")
        assert not error.sent
        assert self.PASSWORD not in "".join(traceback.format_exception(error))

    def test_a_proxy_that_refuses_is_certainly_not_sent_and_the_sentence_says_that_it_was_the_proxy(self, tunnel, monkeypatch):
        proxy = tunnel(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        self.use(monkeypatch, proxy)
        error = no_answer("https://127.0.0.1:1")
        assert not error.sent
        assert "proxy" in error.reason.lower()
        assert self.PASSWORD not in "".join(traceback.format_exception(error))

    @pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
    def test_an_answer_that_is_lost_behind_a_proxy_may_have_been_done(self, wire, authority, tunnel, monkeypatch, reset):
        """urllib3 before 2 says "cannot connect to proxy" of every socket error behind one, the write long sent."""
        server, proxy = wire(lambda _: wire_reset() if reset else b"", tls=authority.server), tunnel()
        self.use(monkeypatch, proxy)
        error = no_answer(server.url, post, ca_path=authority.path)
        assert [request.body for request in server.requests] == [b"{}"], "it was sent"
        assert error.sent

    def test_a_proxy_that_makes_no_sense_is_a_failure_without_its_password(self, monkeypatch):
        monkeypatch.setenv("HTTPS_PROXY", f"http://somebody:{self.PASSWORD}@[oops")
        error = no_answer("https://127.0.0.1:1")
        assert self.PASSWORD not in "".join(traceback.format_exception(error))


def wire_reset():
    return b"<reset>"
