# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Versions and media types: v2 is versioned by date in ``Accept``, v1.0 is plain JSON."""

from __future__ import annotations

import datetime as dt
import re

from .errors import ApiError
from .wire import JSON

RESOURCE_VERSION = "2023-01-01"
"""The one version that each resource of the fake has; later dates resolve to it."""

_VERSIONED = re.compile(r"application/vnd\.atlas\.(\d{4}-\d{2}-\d{2})\+json")


def media_type(header: str | None) -> str:
    """The type alone, without parameters."""
    return (header or "").partition(";")[0].strip().lower()


def negotiate(api_version: str, accept: str | None) -> str:
    """The Content-Type of the answer; 406 when no acceptable version is named."""
    accepted = [media_type(entry) for entry in (accept or "").split(",")]
    if api_version == "v1.0":
        if {"", JSON, "application/*", "*/*"}.isdisjoint(accepted):
            raise _unnegotiable(406, f"Only {JSON} can be produced.")
        return JSON
    if not any(map(_served, accepted)):
        raise _unnegotiable(406, "Accept does not name a version of this resource.")
    return f"application/vnd.atlas.{RESOURCE_VERSION}+json;charset=utf-8"


def check_body_type(api_version: str, content_type: str | None) -> None:
    """415 unless the body is declared as JSON, in v2 also as versioned JSON."""
    given = media_type(content_type)
    if given != JSON and not (api_version == "v2" and _served(given)):
        raise _unnegotiable(415, f"The media type {given or 'none'} is not supported.")


def _served(given: str) -> bool:
    match = _VERSIONED.fullmatch(given)
    if match is None:
        return False
    try:
        dt.date.fromisoformat(match[1])
    except ValueError:
        return False
    return match[1] >= RESOURCE_VERSION


def _unnegotiable(status: int, detail: str) -> ApiError:
    return ApiError(status, None, detail)
