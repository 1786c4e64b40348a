# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers, and the ways in which they can fail to arrive."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from .faults import Rule

JSON = "application/json"
_TICK = 0.05
_FILLER = (b"x" * 63 + b"\n") * 1024
_HTML = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n"
    "<hr><center>a proxy on the way</center>\r\n</body>\r\n</html>\r\n"
)


@dataclass
class Answer:
    """A whole answer, before anything went wrong with it. ``streamed``: so many bytes of filler behind the body."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    streamed: int = 0

    def all_headers(self, date: str) -> dict[str, str]:
        """Its headers with those that every answer has."""
        return {"Date": date, "Content-Type": self.content_type, **self.headers}


def html_page(status: int) -> Answer:
    """What a proxy says."""
    reason = {200: "Welcome", 502: "502 Bad Gateway"}.get(status, str(status))
    return Answer(status, _HTML.format(reason).encode(), "text/html")


async def deliver(
    request: web.BaseRequest, answer: Answer, date: str, rules: list[Rule]
) -> web.StreamResponse:
    """Send the answer as the late rules have it."""
    for rule in rules:
        if rule.action == "delay_answer":
            await rule.delay()
        elif rule.action == "drop_after":
            return drop(request, rule.options["reset"])
        elif rule.action == "cut":
            return await _cut(request, answer, date, rule.options)
        elif rule.action == "trickle":
            return await _stream(request, answer, date, _trickle(answer.body, rule))
    if answer.streamed:
        return await _stream(request, answer, date, _huge(answer))
    return web.Response(status=answer.status, body=answer.body, headers=answer.all_headers(date))


def drop(request: web.BaseRequest, reset: bool) -> web.Response:
    """Close the connection without an answer, by RST if asked. What is returned goes nowhere."""
    transport = request.transport
    if transport is not None:
        if reset:
            # With a linger time of zero, close() sends RST instead of FIN.
            linger = struct.pack("ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            transport.abort()
        else:
            transport.close()
    return web.Response()


async def _cut(
    request: web.BaseRequest, answer: Answer, date: str, options: dict[str, Any]
) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=answer.all_headers(date))
    response.content_length = len(answer.body)
    await response.prepare(request)
    await response.write(answer.body[: options["after"]])
    drop(request, options["reset"])
    return response


async def _stream(
    request: web.BaseRequest, answer: Answer, date: str, chunks: AsyncIterator[bytes]
) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=answer.all_headers(date))
    if not answer.streamed:
        response.content_length = len(answer.body)
    try:
        await response.prepare(request)
        async for chunk in chunks:
            await response.write(chunk)
        await response.write_eof()
    except ConnectionError:
        pass  # The client has seen enough.
    return response


async def _trickle(body: bytes, rule: Rule) -> AsyncIterator[bytes]:
    rate = rule.options["bytes_per_second"]
    size = max(1, int(rate * _TICK))
    for start in range(0, len(body), size):
        await asyncio.sleep(size / rate)
        yield body[start : start + size]


async def _huge(answer: Answer) -> AsyncIterator[bytes]:
    yield answer.body
    for dummy in range(answer.streamed // len(_FILLER) + 1):
        yield _FILLER
