# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Atlas as we read it: a user's unexpired certificates, the managed users of a project, the projects. The one write is in ``_issue``.

A read is repeated while that can help, and a failed read is an exception, never an empty list.

Ansible ships modules as source, so whatever is imported is compiled at each run: what only a service account needs, or only a failure, is
imported where it is needed.
"""

import functools
import itertools
import json
import re
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, TypeVar
from urllib.parse import quote

from ansible_collections.atlas.x509.plugins.module_utils import _time
from ansible_collections.atlas.x509.plugins.module_utils._auth import Bearer, Digest
from ansible_collections.atlas.x509.plugins.module_utils._certificate import Certificate
from ansible_collections.atlas.x509.plugins.module_utils._errors import Failure, NotAdmitted, ServiceError, Setback
from ansible_collections.atlas.x509.plugins.module_utils._failure import is_shut_out
from ansible_collections.atlas.x509.plugins.module_utils._http import Answer, NoAnswer, Transport
from ansible_collections.atlas.x509.plugins.module_utils._options import Connection

if TYPE_CHECKING:
    from ansible_collections.atlas.x509.plugins.module_utils._oauth import ServiceAccount

PAGE_SIZE = 500
MAX_PAGES = 10000

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
        self.account = None  # type: Optional[ServiceAccount]
        self._auth = self._authentication()
        self.now = self._transport.now
        self.requests = 0
        """How many were sent for whole lists."""
        self.waited = 0.0
        """Seconds that were waited before something was tried again."""

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_exception: Any) -> None:
        try:
            if self.account:
                self.account.leave()
        finally:
            self._transport.close()

    @property
    def clock_offset(self) -> float:
        """Seconds by which the service's clock is ahead of this machine's."""
        return self._transport.clock_offset.total_seconds()

    @property
    def media_type(self) -> str:
        """That of the version of the API in use."""
        return self._connection.media_type

    def certificates(self, project_id: str, username: str) -> List[Certificate]:
        """All unexpired certificates of one user, the one issued last at the end. :class:`ServiceError` when they cannot be read."""
        return self.in_order(self._all(lambda number: self.certificates_page(project_id, username, number)))

    def projects(self) -> Dict[str, Optional[str]]:
        """The names of all projects that the credentials can see, by id, as Atlas lists them. :class:`ServiceError` when they cannot be read."""
        return dict(self._all(self._projects_page))

    def certificates_page(self, project_id: str, username: str, number: int) -> "Page":
        """One try at one page of a user's certificates; :class:`Setback` when it failed and another try may help."""
        page = self._page(self.certificates_path(project_id, username), number, project_id, username)
        return page._replace(items=[_certificate(item, username) for item in page.items])

    def managed_users_page(self, project_id: str, number: int) -> "Page":
        """One try at one page of the project's users: the names of those whose certificates Atlas manages."""
        page = self._page("/groups/{0}/databaseUsers".format(project_id), number, project_id)
        try:
            return page._replace(items=[_text(item, "username") for item in page.items if item.get("x509Type") == "MANAGED"])
        except ValueError as error:
            raise ServiceError("Atlas lists a database user that cannot be read ({0})".format(error), Failure(200)) from None

    def _projects_page(self, number: int) -> "Page":
        page = self._page("/groups", number)
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
        from ansible_collections.atlas.x509.plugins.module_utils import _retry

        return _retry.wait(attempt, setback.failure or Failure(), setback.headers, self.now())

    def post(self, path: str, headers: Dict[str, str], body: bytes, receive: Callable[[bytes], None]) -> Answer:
        """Send a signed write once; ``path`` is that below the version of the API. :class:`NoAnswer` when the connection fails."""
        return self._transport.exchange("POST", self._base() + path, self._auth, headers, body, receive)

    def refusal(self, answer: Answer, project_id: str, username: str, writing: bool = False) -> str:
        """What the user reads of an answer that is no success."""
        if 300 <= answer.status < 400:
            return "{0} answers with a redirect (HTTP {1}), and redirects are not followed: check base_url".format(
                self._connection.base_url, answer.status
            )
        from ansible_collections.atlas.x509.plugins.module_utils._advice import Context, sentence

        credentials = "{0.kind} from {0.source}".format(self._connection.credentials)
        return sentence(answer.failure, Context(project_id, username, credentials, writing))

    def unreachable(self, error: NoAnswer) -> str:
        """What the user reads of a connection that failed."""
        return "cannot reach {0}: {1}".format(self._connection.base_url, error.reason)

    @staticmethod
    def certificates_path(project_id: str, username: str) -> str:
        """Where the certificates of a user are listed and issued."""
        return "/groups/{0}/databaseUsers/{1}/certs".format(project_id, quote(username, safe=""))

    def _authentication(self) -> Any:
        credentials = self._connection.credentials
        if credentials.kind == "private_api_key":
            return Digest(credentials.public, credentials.secret)
        if credentials.kind == "access_token":
            return Bearer(credentials.secret)
        from ansible_collections.atlas.x509.plugins.module_utils._oauth import ServiceAccount

        self.account = ServiceAccount(self._connection, self._transport, self._log_in)
        return self.account.auth

    def _log_in(self, method: str, path: str, auth: Any, headers: Dict[str, str], body: bytes) -> Answer:
        return self._persistently(lambda: self._once(method, path, auth, headers, body))

    def _all(self, read: Callable[[int], "Page"]) -> Iterator[Any]:
        """What is on every page."""

        def counted(number: int) -> Page:
            self.requests += 1
            return read(number)

        for number in itertools.count(1):
            page = self._persistently(functools.partial(counted, number))
            yield from page.items
            if page.is_last:
                return

    def _page(self, path: str, number: int, project_id: str = "", username: str = "") -> "Page":
        """One try at one page. The last one is the one that names no next one and is not full."""
        if number > MAX_PAGES:
            raise ServiceError("Atlas sends page after page without an end")
        query = "?pageNum={0}&itemsPerPage={1}".format(number, PAGE_SIZE)
        answer = self._once("GET", self._base() + path + query, self._auth, {"Accept": self.media_type}, None, project_id, username)
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
            self.waited += pause

    def _once(
        self, method: str, path: str, auth: Any, headers: Dict[str, str], body: Optional[bytes], project_id: str = "", username: str = ""
    ) -> Answer:
        """Ask once: an answer with status 200, or :class:`Setback`, or :class:`NotAdmitted`."""
        try:
            answer = self._transport.exchange(method, path, auth, headers, body)
        except NoAnswer as error:
            raise Setback(self.unreachable(error), None, {}) from None
        if answer.status == 200:
            return answer
        if is_shut_out(answer.failure):
            raise NotAdmitted(self.refusal(answer, project_id, username), answer.failure)
        raise Setback(self.refusal(answer, project_id, username), answer.failure, answer.headers)

    def _base(self) -> str:
        return "/api/atlas/" + self._connection.api_version


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
