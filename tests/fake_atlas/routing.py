# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a request line asks for, read strictly from its raw bytes: a name is one percent-encoded segment."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, unquote

from .errors import ApiError, validation_error

_SEGMENT = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*")


class Endpoint(enum.Enum):
    """The resources that the fake has."""

    GROUPS = "groups"
    USERS = "users"
    CERTS = "certs"
    TOKEN = "token"
    REVOKE = "revoke"


OAUTH = frozenset((Endpoint.TOKEN, Endpoint.REVOKE))


@dataclass(frozen=True)
class Target:
    """One request line. ``endpoint`` None: no such resource; ``problem``: no such request."""

    method: str
    raw: str
    path: str
    query: tuple[tuple[str, str], ...]
    endpoint: Endpoint | None = None
    api_version: str | None = None
    project_id: str | None = None
    username: str | None = None
    problem: ApiError | None = None

    @property
    def page(self) -> int | None:
        """The page of a list that is asked for, if it is a number."""
        page = dict(self.query).get("pageNum", "1")
        return int(page) if page.isascii() and page.isdigit() else None


def parse_target(method: str, raw: str) -> Target:
    """Read method and raw request target; never raises."""
    path, dummy, query = raw.partition("?")
    target = Target(method, raw, path, tuple(parse_qsl(query, keep_blank_values=True)))
    if path == "/api/oauth/token":
        return replace(target, endpoint=Endpoint.TOKEN)
    if path == "/api/oauth/revoke":
        return replace(target, endpoint=Endpoint.REVOKE)
    segments = path.split("/")
    if segments[:3] != ["", "api", "atlas"] or segments[3:4] not in (["v2"], ["v1.0"]):
        return target
    target = replace(target, api_version=segments[3])
    if not all(map(_SEGMENT.fullmatch, segments[4:])):
        return replace(target, problem=validation_error("The path is not valid."))
    return _resource(target, segments[4:])


def _resource(target: Target, segments: list[str]) -> Target:
    try:
        names = [unquote(segment, errors="strict") for segment in segments]
    except UnicodeDecodeError:
        return replace(target, problem=validation_error("The path is not valid UTF-8."))
    if segments == ["groups"]:
        return replace(target, endpoint=Endpoint.GROUPS)
    if not all(segments) or segments[0] != "groups" or segments[2:3] != ["databaseUsers"]:
        return target
    if len(segments) == 3:
        return replace(target, endpoint=Endpoint.USERS, project_id=names[1])
    if len(segments) == 5 and segments[4] == "certs":
        return replace(target, endpoint=Endpoint.CERTS, project_id=names[1], username=names[3])
    return target
