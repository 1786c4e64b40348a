# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read many lists side by side: a bounded number of requests under way, and no project faster than its rate limit allows.

Threads take the next request, not the next list: what has to wait (for the rate limit, or before it is tried again) waits in its lane
and holds no thread, and a project that has to wait keeps none of the others waiting.
"""

import contextlib
import threading
import time
from collections import deque
from typing import Any, Callable, Deque, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.atlas.x509.plugins.module_utils._certificate import Certificate
from ansible_collections.atlas.x509.plugins.module_utils._client import Client, Page
from ansible_collections.atlas.x509.plugins.module_utils._errors import NotAdmitted, ServiceError, Setback
from ansible_collections.atlas.x509.plugins.module_utils._pace import NEVER, Bucket

HOPELESS = 8
"""So many lists in a row that failed although each was tried again and again: then it is not the lists, and the rest is not tried."""

REPORT_EVERY = 2.0
"""Seconds between two words about how far it is."""

_LEAVE = 2.0  # seconds for requests under way to end when the sweep has failed


class Failed(NamedTuple):
    """A list that could not be read. ``username`` is None when it was the list of the project's users."""

    project_id: str
    username: Optional[str]
    error: ServiceError


class Progress(NamedTuple):
    """How far it is. ``known`` grows while the users of projects are still being listed."""

    read: int
    failed: int
    known: int
    requests: int
    waited: float
    """Seconds in which nothing was under way, because the rate limit or a failing service left nothing to send."""


class _Reading:
    """One list, page by page. ``username`` is None for the list of a project's users."""

    __slots__ = ("attempt", "content", "not_before", "page", "project_id", "username")

    def __init__(self, project_id: str, username: Optional[str]) -> None:
        self.project_id = project_id
        self.username = username
        self.page = 1
        self.attempt = 1
        self.not_before = 0.0
        self.content = []  # type: List[Any]

    @property
    def lane(self) -> Tuple[str, bool]:
        """The limits of a project's users and of its certificates are not the same one."""
        return (self.project_id, self.username is None)


class _Lane:
    """What waits to be read under one rate limit."""

    def __init__(self) -> None:
        self.bucket = Bucket()
        self.waiting = deque()  # type: Deque[_Reading]

    def ready_at(self) -> float:
        return self.bucket.ready_at() if self.waiting else NEVER


class Sweep:
    """``keep`` is given each user's whole list, the one issued last at the end, and what it returns is in ``found``."""

    def __init__(self, client: Client, keep: Callable[[str, str, List[Certificate]], Any], concurrency: int, strict: bool) -> None:
        self.found = {}  # type: Dict[Tuple[str, str], Any]
        self.failed = []  # type: List[Failed]
        self._client = client
        self._keep = keep
        self._strict = strict
        self._concurrency = concurrency
        self._width = 1  # the first request goes alone, so that one challenge or login serves all
        self._lanes = {}  # type: Dict[Tuple[str, bool], _Lane]
        self._round = deque()  # type: Deque[_Lane]
        self._again = []  # type: List[_Reading]
        self._changed = threading.Condition()
        self._over = threading.Event()  # for the one who waits for the end: to be told of each answer would cost a switch of threads each time
        self._error = None  # type: Optional[BaseException]
        self._known = self._pending = self._under_way = self._requests = self._in_a_row = 0
        self._waited, self._stands_since = 0.0, None  # type: float, Optional[float]

    def run(self, project_ids: Sequence[str], usernames: Optional[Sequence[str]], report: Callable[[Progress], None]) -> None:
        """Read the lists of these users, or of all managed ones, in all of these projects.

        :class:`ServiceError` when it makes no sense to go on: with ``strict`` for the first list that fails, else when the service lets
        nobody in or is gone. ``failed`` names what had failed until then.
        """
        for name in [None] if usernames is None else usernames:  # user by user, so that the projects take turns from the first request on
            for project_id in project_ids:
                self._add(_Reading(project_id, name))
        self._work_side_by_side(report)
        if self._error:
            raise self._error

    @property
    def progress(self) -> Progress:
        """How far it is."""
        failed = len(self.failed)
        return Progress(self._known - self._pending - failed, failed, self._known, self._requests, self._waited)

    def _work_side_by_side(self, report: Callable[[Progress], None]) -> None:
        if self._is_over():  # nothing was asked for
            return
        threads = [threading.Thread(target=self._work, daemon=True) for _number in range(self._concurrency)]
        for thread in threads:
            thread.start()
        while not self._over.wait(REPORT_EVERY):
            with self._changed:
                progress = self.progress
            report(progress)
        deadline = time.monotonic() + (_LEAVE if self._error else NEVER)
        for thread in threads:
            thread.join(min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX))

    def _is_over(self) -> bool:
        return self._error is not None or not self._pending

    def _work(self) -> None:
        try:
            while True:
                taken = self._take()
                if taken is None:
                    return
                self._read(*taken)
        except BaseException as error:  # noqa: BLE001
            # A thread that dies takes its error with it; the one who waits for its work must hear of it.
            with self._changed:
                self._error = self._error or error
                self._tell()

    def _add(self, reading: _Reading) -> None:
        self._known += 1
        self._pending += 1
        self._queue(reading, first=False)

    def _queue(self, reading: _Reading, first: bool) -> None:
        lane = self._lanes.get(reading.lane)
        if lane is None:
            lane = self._lanes[reading.lane] = _Lane()
        if not lane.waiting:
            self._round.append(lane)
        lane.waiting.insert(0 if first else len(lane.waiting), reading)

    def _take(self) -> Optional[Tuple[_Lane, _Reading]]:
        """The next request that may be sent, as soon as there is one; None when all is done or lost."""
        with self._changed:
            while not self._is_over():
                now = time.monotonic()
                lane, moment = self._next(now)
                if lane:
                    return lane, self._send(lane, now)
                self._changed.wait(None if moment == NEVER else max(0.0, moment - now))
            return None

    def _next(self, now: float) -> Tuple[Optional[_Lane], float]:
        """The next lane in turn that is ready, or else the moment at which one will be."""
        for reading in [one for one in self._again if one.not_before <= now]:
            self._again.remove(reading)
            self._queue(reading, first=True)
        soonest = min([one.not_before for one in self._again] + [NEVER])
        # What waits to be tried again keeps its place among those under way: a service in trouble is not asked ever more.
        if self._under_way + len(self._again) >= self._width:
            return None, soonest
        for _number in range(len(self._round)):
            lane = self._round[0]
            moment = lane.ready_at()
            if moment <= now:
                return lane, now
            soonest = min(soonest, moment)
            self._round.rotate(-1)
        return None, soonest

    def _send(self, lane: _Lane, now: float) -> _Reading:
        reading = lane.waiting.popleft()
        self._round.popleft()
        if lane.waiting:
            self._round.append(lane)
        if self._stands_since is not None:
            self._waited, self._stands_since = self._waited + now - self._stands_since, None
        lane.bucket.sent()
        self._under_way += 1
        self._requests += 1
        return reading

    def _read(self, lane: _Lane, reading: _Reading) -> None:
        try:
            page = self._page(reading)
        except ServiceError as error:
            with self._answer():
                self._set_back(lane, reading, error)
        else:
            with self._answer():
                lane.bucket.answered(page.headers, time.monotonic())
                self._take_in(reading, page)

    @contextlib.contextmanager
    def _answer(self) -> Iterator[None]:
        """What an answer changes, while nobody else changes anything."""
        with self._changed:
            self._under_way -= 1
            self._width = self._concurrency
            yield
            if self._pending and not self._under_way:
                self._stands_since = time.monotonic()
            self._tell()

    def _tell(self) -> None:
        self._changed.notify_all()
        if self._is_over():
            self._over.set()

    def _page(self, reading: _Reading) -> Page:
        if reading.username is None:
            return self._client.managed_users_page(reading.project_id, reading.page)
        return self._client.certificates_page(reading.project_id, reading.username, reading.page)

    def _take_in(self, reading: _Reading, page: Page) -> None:
        self._in_a_row = 0
        reading.content.extend(page.items)
        if not page.is_last:
            reading.page, reading.attempt = reading.page + 1, 1
            self._queue(reading, first=True)
            return
        self._pending -= 1
        if reading.username is None:
            for name in sorted(set(reading.content)):
                self._add(_Reading(reading.project_id, name))
        else:
            whole = self._client.in_order(reading.content)
            self.found[reading.project_id, reading.username] = self._keep(reading.project_id, reading.username, whole)

    def _set_back(self, lane: _Lane, reading: _Reading, error: ServiceError) -> None:
        """Try again later when that can help; else the list has failed."""
        reading.attempt += 1
        pause = self._client.pause(error, reading.attempt) if isinstance(error, Setback) else None
        now = time.monotonic()
        if pause is not None and error.failure is not None and error.failure.status == 429:
            lane.bucket.refused(pause, now)
            self._queue(reading, first=True)
            return
        lane.bucket.failed()
        if pause is None:
            self._lose(reading, error)
        else:
            reading.not_before = now + pause
            self._again.append(reading)

    def _lose(self, reading: _Reading, error: ServiceError) -> None:
        self._pending -= 1
        self.failed.append(Failed(reading.project_id, reading.username, error))
        self._in_a_row = self._in_a_row + 1 if isinstance(error, Setback) and error.is_passing else 0
        if self._strict or isinstance(error, NotAdmitted):
            self._error = self._error or error
        elif self._in_a_row >= HOPELESS:
            why = "gave up after {0} lists in a row that failed, each tried several times: {1}".format(HOPELESS, error.message)
            self._error = self._error or ServiceError(why, error.failure)
