# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The service over HTTP, and the two ways to run it: in a thread, and as the body of a process."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import itertools
import logging
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Mapping
from email.utils import format_datetime
from typing import Any, TypeVar

from aiohttp import web

from . import api, oauth, steering
from .auth import authenticate
from .errors import ApiError
from .faults import Rule, Stage
from .routing import OAUTH, Endpoint, Target, parse_target
from .seed import seeded_state
from .state import Credential, JournalEntry, State
from .versions import media_type
from .wire import Answer, deliver, drop, html_page

Result = TypeVar("Result")

LOG = logging.getLogger("fake_atlas")
_HOST = "127.0.0.1"
_LONGEST_LINE = 64 * 1024
"""A user name of 1024 characters, percent-encoded, in a request line and again in a digest header."""
_SHUTDOWN_SECONDS = 0.05


class Service:
    """Takes each request past the faults, the authentication and the journal to what it asks for."""

    def __init__(self, seed: Mapping[str, Any] | None = None) -> None:
        self._seed = seed
        self._connections: weakref.WeakKeyDictionary[asyncio.Transport, int] = weakref.WeakKeyDictionary()
        self._connection_numbers = itertools.count(1)
        self.state = seeded_state(seed)

    async def abort(self) -> None:
        """Give up what clients have not taken yet, so that nothing is open when the loop ends."""
        for transport in list(self._connections):
            transport.abort()
        await asyncio.sleep(0)

    def reset(self) -> None:
        """Begin anew from the seed. A request that is under way still ends in the old state."""
        self.state = seeded_state(self._seed)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; aiohttp calls this."""
        if request.raw_path.startswith(steering.PREFIX):
            return await steering.handle(self.state, self.reset, request)
        target = parse_target(request.method, request.raw_path)
        response = await self._answer(self.state, request, target)
        closed = request.transport is None or request.transport.is_closing()
        LOG.info("%s %s %s", target.method, target.path, "closed" if closed else response.status)
        return response

    async def _answer(self, state: State, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        state.counters.requests += 1
        state.authorizations += request.headers.getall("Authorization", [])
        connection = self._connection(request.transport)
        state.used_connection(connection)
        rules = state.faults.take(target, Stage.BEFORE_AUTH)
        hindered = await _hinder(state, request, target, rules, None)
        if hindered is not None:
            return hindered
        if target.endpoint in OAUTH:
            return await _oauth(state, request, target)
        try:
            credential, kind = authenticate(state, target, request.headers.get("Authorization"))
        except ApiError as error:
            return await deliver(request, api.error_answer(error), _date(state), [])
        entry = _journal(state, target, kind, connection)
        return await _api(state, request, target, credential, entry)

    def _connection(self, transport: asyncio.Transport | None) -> int:
        if transport is None:
            return 0
        if transport not in self._connections:
            self._connections[transport] = next(self._connection_numbers)
        return self._connections[transport]


def _date(state: State) -> str:
    return format_datetime(state.now(), usegmt=True)


def _journal(state: State, target: Target, kind: str, connection: int) -> JournalEntry:
    counters = state.counters
    counters.authenticated += 1
    if target.endpoint is Endpoint.CERTS:
        counters.lists += target.method == "GET"
        counters.posts += target.method == "POST"
    entry = JournalEntry(
        number=len(state.journal) + 1,
        method=target.method,
        path=target.path,
        project_id=target.project_id,
        username=target.username,
        query=dict(target.query),
        credential=kind,
        api_version=target.api_version,
        connection=connection,
    )
    state.journal.append(entry)
    return entry


async def _api(
    state: State,
    request: web.BaseRequest,
    target: Target,
    credential: Credential,
    entry: JournalEntry,
) -> web.StreamResponse:
    rules = state.faults.take(target, Stage.EARLY)
    api.note_faults(entry, rules)
    hindered = await _hinder(state, request, target, rules, entry)
    if hindered is not None:
        return hindered
    try:
        body = await request.read()
    except ConnectionError:  # the client died in the middle of it
        return drop(request, False)
    call = api.Call(
        state=state,
        target=target,
        credential=credential,
        entry=entry,
        headers=request.headers,
        body=body,
        address=request.remote or "",
        base=f"{request.scheme}://{request.host}",
    )
    try:
        answer = api.answer(call)
    except ApiError as error:
        answer = api.error_answer(error)
    _note_answer(entry, None if call.rule("drop_after") else answer)
    return await deliver(request, answer, _date(state), call.rules)


async def _oauth(state: State, request: web.BaseRequest, target: Target) -> web.StreamResponse:
    late: list[Rule] = []
    try:
        account = oauth.client(state, request.headers.get("Authorization"))
        hindered = await _hinder(state, request, target, state.faults.take(target, Stage.EARLY), None)
        if hindered is not None:
            return hindered
        answer = oauth.answer(
            state,
            target,
            account,
            request.remote or "",
            media_type(request.headers.get("Content-Type")),
            await request.read(),
        )
        late = state.faults.take(target, Stage.LATE)
    except oauth.OAuthError as error:
        answer = error.answer
    return await deliver(request, answer, _date(state), late)


async def _hinder(
    state: State,
    request: web.BaseRequest,
    target: Target,
    rules: list[Rule],
    entry: JournalEntry | None,
) -> web.StreamResponse | None:
    """Let the rules happen that come before anything is done; None: go on."""
    if rules:
        # The client has sent everything before anything happens: it may leave during a delay and its request stays,
        # and it meets a dropped connection when it reads, not now and then while it still writes.
        await request.read()
    for rule in rules:
        if rule.action == "delay":
            await rule.delay()
        elif rule.action == "drop_before":
            return drop(request, rule.options["reset"])
        else:
            answer = _instead(target, rule)
            _note_answer(entry, answer)
            return await deliver(request, answer, _date(state), [])
    return None


def _instead(target: Target, rule: Rule) -> Answer:
    """The answer that an early rule gives instead of the service."""
    if rule.action == "html":
        return html_page(rule.options["status"])
    if rule.action == "redirect":
        return Answer(307, headers={"Location": rule.options["location"]})
    error = api.injected_error(rule.options)
    if target.endpoint in OAUTH:
        named = (rule.options["errorCode"] or "server_error").lower()
        return oauth.OAuthError(error.status, named, error.detail or "", error.headers).answer
    return api.error_answer(error)


def _note_answer(entry: JournalEntry | None, answer: Answer | None) -> None:
    if entry is not None and answer is not None:
        entry.status = answer.status
        entry.error_code = answer.headers.get("X-Error-Code")


@contextlib.asynccontextmanager
async def listening(service: Service, port: int = 0) -> AsyncIterator[str]:
    """Serve on loopback (port 0: a free one) as long as the context lasts; yields the URL."""
    server = web.Server(
        service.handle,
        access_log=None,
        max_line_size=_LONGEST_LINE,
        max_field_size=_LONGEST_LINE,
    )
    runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, _HOST, port, backlog=1024).start()
        yield f"http://{_HOST}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
        await service.abort()


class FakeAtlas:
    """The service in a thread of its own: ``with FakeAtlas() as atlas: … atlas.url …``."""

    def __init__(self, seed: Mapping[str, Any] | None = None) -> None:
        self._service = Service(seed)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._started: concurrent.futures.Future[str] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._run, name="fake-atlas", daemon=True)
        self.url = ""

    @property
    def state(self) -> State:
        """The live state. Read it from anywhere; change it through ``call``. A reset makes a new one."""
        return self._service.state

    def __enter__(self) -> FakeAtlas:
        self._thread.start()
        self.url = self._started.result()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None and self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def call(self, function: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
        """Call the function in the thread that owns the state, and hand back what it returns or raises."""
        assert self._loop is not None

        async def called() -> Result:
            return function(*args, **kwargs)

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result()

    def fault(self, action: str, **fields: Any) -> Rule:
        """Add a fault: ``atlas.fault("status", status=503, match={"method": "GET"}, times=2)``."""
        return self.call(self.state.faults.add, {"action": action, **fields})

    def reset(self) -> None:
        """Begin anew from the seed."""
        self.call(self._service.reset)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as problem:
            if self._started.done():
                raise
            self._started.set_exception(problem)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with listening(self._service) as url:
            self._started.set_result(url)
            await self._stop.wait()
