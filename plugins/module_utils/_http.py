# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carry requests to the service and answers back. Knows HTTP and nothing of certificates.

Nothing here follows a redirect, repeats a request that may have had an effect, or lets a library's message reach
the user: those quote URLs, and a proxy's URL can hold a password.
"""

import ssl
from datetime import datetime, timedelta
from typing import Any, Callable, Dict, Iterator, Mapping, NamedTuple, Optional

from ansible_collections.atlas.x509.plugins.module_utils import _deadline, _time
from ansible_collections.atlas.x509.plugins.module_utils._auth import Bearer, Digest
from ansible_collections.atlas.x509.plugins.module_utils._deps import requests
from ansible_collections.atlas.x509.plugins.module_utils._errors import Failure
from ansible_collections.atlas.x509.plugins.module_utils._failure import NO_ROLE, failure_of
from ansible_collections.atlas.x509.plugins.module_utils._options import Connection

_TUNNEL = "Tunnel connection failed"
_CUT = "the answer was cut"

MAX_BODY = 32 * 1024 * 1024
"""Bytes. A page of 500 certificates has 100 kB."""

_EXACT, _USUAL = 16384, 1024 * 1024  # bytes that a key may be in (it has 5 kB), and more than a page has
_PIECE, _LARGE_PIECE = 16, 65536
_ANSWERS = 3  # to a challenge: the first one, and one more when the nonce was too old


class Answer(NamedTuple):
    """A whole answer. ``headers`` are looked up without regard to case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def failure(self) -> Failure:
        """What it says when it is an error."""
        return failure_of(self.status, self.headers, self.body)


class NoAnswer(Exception):
    """The connection failed. ``sent`` is False only when it is certain that the request did not reach the service."""

    def __init__(self, reason: str, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent


class Transport:
    """Kept-alive connections to one service, as many as threads use it, and the service's clock."""

    def __init__(self, connection: Connection, connections: int = 1) -> None:
        self._requests = requests()
        self._connection = connection
        self._offset = timedelta(0)
        self.clock_seen = False
        self._session = self._requests.Session()
        self._session.headers["User-Agent"] = "atlas.x509 (Ansible)"
        adapter = _adapter(self._requests.adapters.HTTPAdapter, connection.timeout, connections)
        for prefix in ("https://", "http://"):
            self._session.mount(prefix, adapter)
        # http is for loopback only, and a proxy named in the environment is elsewhere.
        self._session.trust_env = connection.base_url.startswith("https://")
        # Not even looked at: requests would read a redirect's whole body, and break on a Location that is no URL.
        self._session.get_redirect_target = lambda _response: None

    def now(self) -> datetime:
        """The service's clock, as its last ``Date`` showed it; this machine's before the first answer."""
        return _time.now() + self._offset

    @property
    def clock_offset(self) -> timedelta:
        """How far the service's clock is ahead of this machine's."""
        return self._offset

    def exchange(
        self,
        method: str,
        path: str,
        auth: Any,
        headers: Dict[str, str],
        body: Optional[bytes] = None,
        receive: Optional[Callable[[bytes], None]] = None,
    ) -> Answer:
        """Send one request and read its whole answer; :class:`NoAnswer` when the connection fails.

        A 401 that only asks for (other) credentials is answered: it is certain that nothing was done.
        ``receive`` is given the body of a 2xx answer as it arrives, and that answer's ``body`` is empty.
        """
        if isinstance(auth, Bearer) and not auth.token:
            auth.renew("")
        for attempt in range(_ANSWERS):
            used = auth.nonce if isinstance(auth, Digest) else getattr(auth, "token", "")
            answer = self._send(method, path, auth, headers, body, receive)
            if answer.status != 401 or not self._try_again(auth, answer, used, attempt > 0):
                break
        return answer

    def close(self) -> None:
        """Close every connection."""
        self._session.close()

    def _try_again(self, auth: Any, answer: Answer, used: str, answered: bool) -> bool:
        challenge = answer.headers.get("WWW-Authenticate")
        if answer.failure.code in NO_ROLE:
            return False
        if isinstance(auth, Digest):
            return (not answered or auth.is_stale(challenge)) and auth.take_up(challenge, used)
        if isinstance(auth, Bearer) and not answered and auth.can_renew and used:
            auth.renew(used)
            return True
        return False

    def _send(
        self,
        method: str,
        path: str,
        auth: Any,
        headers: Dict[str, str],
        body: Optional[bytes],
        receive: Optional[Callable[[bytes], None]],
    ) -> Answer:
        errors = self._requests.exceptions
        try:
            response = self._session.request(
                method,
                self._connection.base_url + path,
                auth=auth,  # given always: without it, requests would look into ~/.netrc
                headers=headers,
                data=body,
                timeout=self._connection.timeout,
                verify=self._connection.verify,
                allow_redirects=False,
                stream=True,
            )
        except OSError as error:  # every exception of requests is one
            raise NoAnswer(_reason(error), sent=not _never_sent(error, errors)) from None
        with response, _deadline.of_response(response.raw, self._connection.timeout) as deadline:
            self._read_clock(response.headers.get("Date"))
            takes = receive if receive and 200 <= response.status_code < 300 else None
            content = bytearray()
            for piece in self._pieces(response, deadline):
                if takes:
                    takes(piece)
                else:
                    content += piece
            return Answer(response.status_code, response.headers, bytes(content))

    def _pieces(self, response: Any, deadline: _deadline.Deadline) -> Iterator[bytes]:
        """The body as it arrives: nothing waits for more, so what comes before a cut or a deadline is not lost."""
        total = 0
        while True:
            try:
                piece = _next_piece(response.raw, total)
            except (OSError, self._requests.packages.urllib3.exceptions.HTTPError) as error:
                raise self._late() if deadline.passed else NoAnswer(_reason(error), sent=True) from None
            if not piece:
                break
            total += len(piece)
            yield piece
            if total > MAX_BODY:
                raise NoAnswer("the answer is larger than {0} bytes".format(MAX_BODY), sent=True)
        missing = response.raw.length_remaining  # of the bytes on the wire; None when nobody said how many there are
        if missing == 0:
            return
        if deadline.passed:
            raise self._late()
        if missing:
            raise NoAnswer(_CUT, sent=True)

    def _late(self) -> NoAnswer:
        return NoAnswer("the answer was not complete after {0} s".format(self._connection.timeout), sent=True)

    def _read_clock(self, header: Optional[str]) -> None:
        date = _time.parse_http_date(header)
        if date:
            self._offset = date - _time.now()
            self.clock_seen = True


def _adapter(base: Any, seconds: float, connections: int) -> Any:
    """An adapter of ``requests`` that repeats nothing and waits for no head of an answer longer than that."""

    class Adapter(base):  # type: ignore[misc]
        def init_poolmanager(self, *positional: Any, **named: Any) -> None:
            super().init_poolmanager(*positional, **named)
            _deadline.bound_heads(self.poolmanager, seconds)

        def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
            known = proxy in self.proxy_manager
            manager = super().proxy_manager_for(proxy, **named)
            if not known:
                _deadline.bound_heads(manager, seconds)
            return manager

    return Adapter(pool_maxsize=connections, max_retries=0)


def _next_piece(raw: Any, total: int) -> bytes:
    if hasattr(raw, "read1"):
        return bytes(raw.read1(_LARGE_PIECE, decode_content=True))
    # urllib3 before 2 waits until as much is there as was asked for, and forgets it when it fails in between.
    size = 1 if total < _EXACT else _PIECE if total < _USUAL else _LARGE_PIECE
    piece = raw.read(size, decode_content=True)
    while not piece and not raw.closed:  # compressed bytes of which nothing comes out yet
        piece = raw.read(size, decode_content=True)
    return bytes(piece)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised for, outermost first: urllib3 keeps causes in ``reason`` and in ``args``."""
    seen, queue = set(), [error]
    while queue:
        current = queue.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        # Not __context__: it leads to whatever was being handled before, an earlier request that failed for its own reason.
        inner = [getattr(current, "reason", None), current.__cause__] + list(current.args)
        if type(current).__name__ == "NewConnectionError":  # which urllib3 before 2 raises while it handles the very reason
            inner.append(current.__context__)
        queue.extend(item for item in inner if isinstance(item, BaseException))


def _reason(error: BaseException) -> str:
    """Why a connection failed, in words that hold neither URL nor header."""
    texts = []
    for inner in _chain(error):
        if type(inner).__name__ == "IncompleteRead":
            return _CUT
        if isinstance(inner, ssl.SSLCertVerificationError):
            return "its certificate is not trusted: {0}; if it is signed by a private authority, set ca_path".format(inner.verify_message)
        if "Timeout" in type(inner).__name__:
            return "no answer in time"
        if str(inner).startswith(_TUNNEL):
            return "the proxy (HTTPS_PROXY) refused: {0}".format(str(inner)[len(_TUNNEL) :].strip(": "))
        if isinstance(inner, OSError) and inner.strerror and not isinstance(inner, ssl.SSLError):
            texts.append(inner.strerror)
    names = [type(inner).__name__ for inner in _chain(error)]
    reason = texts[-1] if texts else "the connection failed ({0})".format(names[-1])
    if "RemoteDisconnected" in names:
        reason = "the connection was closed without an answer"
    return reason + (", on the way through the proxy (HTTPS_PROXY)" if "ProxyError" in names else "")


def _never_sent(error: BaseException, errors: Any) -> bool:
    if isinstance(error, (errors.ConnectTimeout, errors.InvalidURL, errors.InvalidSchema, errors.InvalidProxyURL)):
        return True
    names = ("NewConnectionError", "NameResolutionError", "ProxySchemeUnknown")
    return any(type(inner).__name__ in names or str(inner).startswith(_TUNNEL) for inner in _chain(error))
