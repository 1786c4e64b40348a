# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Atlas as we use it: list a user's unexpired certificates, list the managed users, issue one certificate.

A read is repeated while that can help, and a failed read is an exception, never an empty list. The write is sent once;
what is known afterwards is in the exception: :class:`NotIssued` or :class:`OutcomeUnknown`.
"""

import base64
import functools
import itertools
import json
import re
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Tuple, TypeVar
from urllib.parse import quote, urlencode

from ansible_collections.atlas.x509.plugins.module_utils import _advice, _retry, _time
from ansible_collections.atlas.x509.plugins.module_utils._auth import Bearer, Digest
from ansible_collections.atlas.x509.plugins.module_utils._certificate import LARGEST_PEM, Certificate
from ansible_collections.atlas.x509.plugins.module_utils._errors import Failure, NotAdmitted, NotIssued, OutcomeUnknown, ServiceError, Setback
from ansible_collections.atlas.x509.plugins.module_utils._http import Answer, NoAnswer, Transport
from ansible_collections.atlas.x509.plugins.module_utils._options import Connection, Credentials

if TYPE_CHECKING:
    from ansible_collections.atlas.x509.plugins.module_utils._shared_token import SharedToken, Taken, Token

PAGE_SIZE = 500
MAX_PAGES = 10000

_TOKEN = re.compile(r"[!-~]+\Z")
_TOKEN_LIFETIME = 3600  # seconds, as documented; for an answer that does not say
_REFUSED_AT_THE_DOOR = (401, 406, 407, 415, 429)  # known by the status alone, whoever says it
_LEADING_ZERO = re.compile(rb'("_id"\s*:\s*)0+(?=[0-9])')

_Result = TypeVar("_Result")


class Page(NamedTuple):
    """One page of a list, with the headers of the answer: they say how many requests are left."""

    items: List[Any]
    is_last: bool
    headers: Mapping[str, str]


class Client:
    """One service, one set of credentials, for one run of a module. Use it with ``with``: leaving revokes a token made here.

    One instance serves as many threads as it has ``connections``.
    """

    def __init__(self, connection: Connection, sleep: Callable[[float], None] = time.sleep, connections: int = 1) -> None:
        self._connection = connection
        self._sleep = sleep
        self._transport = Transport(connection, connections)
        self._auth = self._authentication(connection.credentials)
        self._own = ""  # a token that was made here and that nobody else will revoke
        self._shared = None  # type: Optional[SharedToken]
        if connection.login_dir and connection.credentials.kind == "client_secret":
            # Here, because an API key has no need of it, and what is imported is compiled at each run of a module.
            from ansible_collections.atlas.x509.plugins.module_utils._shared_token import SharedToken

            self._shared = SharedToken(connection.login_dir, connection)
        self.now = self._transport.now

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_exception: Any) -> None:
        try:
            if self._own:
                self._revoke(self._own)  # when that fails, it ends by itself within the hour, and what the run did stands
        finally:
            self._transport.close()

    @property
    def clock_offset(self) -> float:
        """Seconds by which the service's clock is ahead of this machine's."""
        return self._transport.clock_offset.total_seconds()

    def log_in(self) -> Optional[bool]:
        """Share one token with the other tasks of this run; whether it was made now, None for credentials that need no login.

        :class:`ServiceError` when the service refuses, :class:`OSError` when there is no room for the token.
        """
        if not self._shared:
            return None
        self._shared.open()
        taken = self._take_shared("")
        if not taken or not taken.kept:
            raise OSError("it cannot be written")
        return taken.made

    def log_out(self) -> Optional[bool]:
        """Revoke the token that the tasks of this run share; None when they share none, False when the service did not take it back."""
        token = self._shared.remove() if self._shared else None
        return self._revoke(token) if token else None

    def certificates(self, project_id: str, username: str) -> List[Certificate]:
        """All unexpired certificates of one user, the one issued last at the end. :class:`ServiceError` when they cannot be read."""
        return self.in_order(self._all(lambda number: self.certificates_page(project_id, username, number)))

    def managed_users(self, project_id: str) -> List[str]:
        """The names of the project's users whose certificates Atlas manages, in order. :class:`ServiceError` when they cannot be read."""
        return sorted(set(self._all(lambda number: self.managed_users_page(project_id, number))))

    def projects(self) -> Dict[str, Optional[str]]:
        """The names of all projects that the credentials can see, by id, as Atlas lists them. :class:`ServiceError` when they cannot be read."""
        return dict(self._all(self._projects_page))

    def certificates_page(self, project_id: str, username: str, number: int) -> "Page":
        """One try at one page of a user's certificates; :class:`Setback` when it failed and another try may help."""
        page = self._page(self._certificates_path(project_id, username), number, self._context(project_id, username))
        return page._replace(items=[_certificate(item, username) for item in page.items])

    def managed_users_page(self, project_id: str, number: int) -> "Page":
        """One try at one page of the project's users: the names of those whose certificates Atlas manages."""
        page = self._page("/groups/{0}/databaseUsers".format(project_id), number, self._context(project_id, ""))
        try:
            return page._replace(items=[_text(item, "username") for item in page.items if item.get("x509Type") == "MANAGED"])
        except ValueError as error:
            raise ServiceError("Atlas lists a database user that cannot be read ({0})".format(error), Failure(200)) from None

    def _projects_page(self, number: int) -> "Page":
        page = self._page("/groups", number, self._context("", ""))
        try:
            return page._replace(items=[(_text(item, "id"), _text(item, "name")) for item in page.items])
        except ValueError as error:
            raise ServiceError("Atlas lists a project that cannot be read ({0})".format(error), Failure(200)) from None

    @staticmethod
    def in_order(certificates: Iterable[Certificate]) -> List[Certificate]:
        """The one issued last at the end; what came twice, because the list changed between two pages, once."""
        return sorted({one.serial: one for one in certificates}.values(), key=lambda one: one.order)

    def pause(self, setback: Setback, attempt: int) -> Optional[float]:
        """Seconds to wait before try number ``attempt`` (2 is the first repetition), or None when it must not be or cannot help."""
        if attempt > self._connection.retries + 1:
            return None
        return _retry.wait(attempt, setback.failure or Failure(), setback.headers, self.now())

    def issue(self, project_id: str, username: str, months: int, receive: Callable[[bytes], None]) -> None:
        """Issue one certificate; ``receive`` gets the answer as it arrives and must keep it. Sent once, never repeated."""
        context = self._context(project_id, username, writing=True)
        kept = _Bounded(receive)
        body = json.dumps({"monthsUntilExpiration": months}).encode("ascii")
        headers = {"Accept": self._connection.media_type, "Content-Type": self._connection.media_type, "Accept-Encoding": "identity"}
        path = self._base() + self._certificates_path(project_id, username)
        try:
            answer = self._transport.exchange("POST", path, self._auth, headers, body, kept)
        except NoAnswer as error:
            if not error.sent:
                raise NotIssued("the request was not sent, nothing was issued, trying again is safe: {0}".format(self._unreachable(error))) from None
            raise OutcomeUnknown("the answer to the request for a certificate was lost: {0}".format(error.reason)) from None
        except ServiceError as error:  # of a login on the way: a write that was not signed was not done
            raise NotIssued("nothing was issued, trying again is safe: {0}".format(error.message), error.failure) from None
        if answer.status >= 500 or answer.status == 408:
            raise OutcomeUnknown("Atlas failed while it was asked for a certificate: " + _advice.sentence(answer.failure, context), answer.failure)
        if answer.status >= 400 and not _is_refusal(answer.failure):
            what = _advice.sentence(answer.failure, context)
            raise OutcomeUnknown("the answer to the request for a certificate did not come through: " + what, answer.failure)
        if not 200 <= answer.status < 300:
            raise NotIssued("nothing was issued, trying again is safe: " + self._refusal(answer, context), answer.failure)

    def _authentication(self, credentials: Credentials) -> Any:
        if credentials.kind == "private_api_key":
            return Digest(credentials.public, credentials.secret)
        if credentials.kind == "access_token":
            return Bearer(credentials.secret)
        return Bearer(make=self._make_token)

    def _make_token(self) -> str:
        taken = self._take_shared(self._auth.token)
        return taken.value if taken else self._make_own_token().value

    def _take_shared(self, refused: str) -> "Optional[Taken]":
        taken = self._shared.take(refused, self._make_own_token) if self._shared else None
        if taken and taken.kept:
            self._own = ""  # whoever logs the run out revokes it
        return taken

    def _make_own_token(self) -> "Token":
        from ansible_collections.atlas.x509.plugins.module_utils._shared_token import Token

        path, auth, headers, body = self._token_request("token", {"grant_type": "client_credentials"})
        try:
            answer = self._persistently(lambda: self._once("POST", path, auth, headers, self._context("", ""), body))
            document = _json(answer.body)
            value = _text(document, "access_token")
            if not _TOKEN.match(value):
                raise ValueError("access_token")
        except ValueError:
            raise NotAdmitted("the answer to the login is not a token: check base_url and the proxy settings", Failure(200)) from None
        except ServiceError as error:
            raise NotAdmitted(error.message, error.failure) from None
        self._own = value
        lifetime = document.get("expires_in")
        return Token(value, time.time() + (lifetime if isinstance(lifetime, int) else _TOKEN_LIFETIME))

    def _revoke(self, token: str) -> bool:
        try:
            form = {"token": token, "token_type_hint": "access_token"}
            return self._transport.exchange("POST", *self._token_request("revoke", form)).status == 200
        except NoAnswer:
            return False

    def _token_request(self, operation: str, form: Mapping[str, str]) -> Tuple[str, "_Basic", Dict[str, str], bytes]:
        credentials = self._connection.credentials
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        return "/api/oauth/" + operation, _Basic(credentials.public, credentials.secret), headers, urlencode(form).encode("ascii")

    def _all(self, read: Callable[[int], "Page"]) -> Iterator[Any]:
        """What is on every page."""
        for number in itertools.count(1):
            page = self._persistently(functools.partial(read, number))
            yield from page.items
            if page.is_last:
                return

    def _page(self, path: str, number: int, context: _advice.Context) -> "Page":
        """One try at one page. The last one is the one that names no next one and is not full."""
        if number > MAX_PAGES:
            raise ServiceError("Atlas sends page after page without an end")
        query = "?pageNum={0}&itemsPerPage={1}".format(number, PAGE_SIZE)
        answer = self._once("GET", self._base() + path + query, self._auth, {"Accept": self._connection.media_type}, context)
        page = parse_page(answer.body)
        links = page.get("links")
        named = isinstance(links, list) and any(isinstance(link, dict) and link.get("rel") == "next" for link in links)
        return Page(page["results"], not named and len(page["results"]) < PAGE_SIZE, answer.headers)

    def _persistently(self, once: Callable[[], _Result]) -> _Result:
        """Try until it works, as often as ``retries`` allows and while waiting can help."""
        attempt = 1
        while True:
            try:
                return once()
            except Setback as setback:
                attempt += 1
                pause = self.pause(setback, attempt)
                if pause is None:
                    raise ServiceError(setback.message, setback.failure) from None
            self._sleep(pause)

    def _once(self, method: str, path: str, auth: Any, headers: Dict[str, str], context: _advice.Context, body: Optional[bytes] = None) -> Answer:
        """Ask once: an answer with status 200, or :class:`Setback`, or :class:`NotAdmitted`."""
        try:
            answer = self._transport.exchange(method, path, auth, headers, body)
        except NoAnswer as error:
            raise Setback(self._unreachable(error), None, {}) from None
        if answer.status == 200:
            return answer
        if _advice.is_shut_out(answer.failure):
            raise NotAdmitted(self._refusal(answer, context), answer.failure)
        raise Setback(self._refusal(answer, context), answer.failure, answer.headers)

    def _refusal(self, answer: Answer, context: _advice.Context) -> str:
        if 300 <= answer.status < 400:
            return "{0} answers with a redirect (HTTP {1}), and redirects are not followed: check base_url".format(
                self._connection.base_url, answer.status
            )
        return _advice.sentence(answer.failure, context)

    def _unreachable(self, error: NoAnswer) -> str:
        return "cannot reach {0}: {1}".format(self._connection.base_url, error.reason)

    def _base(self) -> str:
        return "/api/atlas/" + self._connection.api_version

    def _context(self, project_id: str, username: str, writing: bool = False) -> _advice.Context:
        credentials = "{0.kind} from {0.source}".format(self._connection.credentials)
        return _advice.Context(project_id, username, credentials, writing)

    @staticmethod
    def _certificates_path(project_id: str, username: str) -> str:
        return "/groups/{0}/databaseUsers/{1}/certs".format(project_id, quote(username, safe=""))


def _is_refusal(failure: Failure) -> bool:
    """Whether Atlas itself refused the request. What inspects answers on the way may put a page in the place of one that holds a key."""
    return failure.code is not None or failure.status in _REFUSED_AT_THE_DOOR


class _Basic:
    """Sign with user and password (RFC 7617), in UTF-8 where ``requests`` would take latin-1."""

    def __init__(self, user: str, password: str) -> None:
        self._value = base64.b64encode("{0}:{1}".format(user, password).encode("utf-8")).decode("ascii")

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = "Basic " + self._value
        return request


class _Bounded:
    """Pass on what can be a PEM, and stop at what is too large to be one."""

    def __init__(self, receive: Callable[[bytes], None]) -> None:
        self._receive = receive
        self._room = LARGEST_PEM

    def __call__(self, chunk: bytes) -> None:
        self._receive(chunk[: self._room])
        self._room -= len(chunk)
        if self._room < 0:
            raise NoAnswer("the answer is larger than {0} bytes, and no PEM is".format(LARGEST_PEM), sent=True)


def parse_page(body: bytes) -> Dict[str, Any]:
    """One page of a list. :class:`ServiceError` for anything that is not one: it must never count as an empty list.

    Atlas's own documentation shows a serial number with a leading zero, which JSON does not allow; it is read as the number that it is.
    """
    page = _json(body)
    if page is None:
        page = _json(_LEADING_ZERO.sub(rb"\1", body))
    results = page.get("results") if isinstance(page, dict) else None
    if not isinstance(page, dict) or not isinstance(results, list) or not all(isinstance(item, dict) for item in results):
        raise ServiceError("the answer is not a list as Atlas writes it: check base_url and the proxy settings", Failure(200))
    return page


def _json(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8"))
    except (RecursionError, ValueError):
        return None


def _certificate(item: Mapping[str, Any], username: str) -> Certificate:
    serial = item.get("_id")
    try:
        if not isinstance(serial, int) or isinstance(serial, bool):
            raise ValueError("_id")
        return Certificate(
            serial=serial,
            subject=_text(item, "subject"),
            common_name=username,
            not_before=_time.parse_moment(_text(item, "createdAt")),
            not_after=_time.parse_moment(_text(item, "notAfter")),
        )
    except ValueError as error:
        raise ServiceError("Atlas lists a certificate that cannot be read ({0})".format(error), Failure(200)) from None


def _text(item: Mapping[str, Any], key: str) -> str:
    value = item.get(key) if isinstance(item, dict) else None
    if not isinstance(value, str):
        raise ValueError(key)
    return value
