# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long to wait before a read is tried again. Values, so that nobody has to sleep to test them. Writes are never retried."""

from datetime import datetime
from typing import Mapping, Optional

from ansible_collections.atlas.x509.plugins.module_utils._errors import Failure
from ansible_collections.atlas.x509.plugins.module_utils._time import parse_http_date

LONGEST = 120.0
"""Seconds. A service that asks for more is not waited for: the error says how long it asked."""

_PASSING = frozenset((429, 500, 502, 503, 504))


def wait(attempt: int, failure: Failure, headers: Mapping[str, str], now: datetime) -> Optional[float]:
    """Seconds to wait before try number ``attempt`` (2 is the first repetition), or None when trying again cannot help.

    A failure without a status is a connection that failed.
    """
    if failure.status is not None and failure.status not in _PASSING:
        return None
    asked = _asked(failure, headers, now)
    if asked is None:
        return min(2.0 ** (attempt - 2), 30.0)
    return asked if asked <= LONGEST else None


def _asked(failure: Failure, headers: Mapping[str, str], now: datetime) -> Optional[float]:
    """What the service asks for: ``Retry-After`` in seconds or as a date, else ``parameters[1]`` of a token bucket."""
    header = (headers.get("Retry-After") or "").strip()
    if header.isdecimal():
        return float(header)
    moment = parse_http_date(header)
    if moment:
        return max((moment - now).total_seconds(), 0.0)
    parameters = failure.parameters or []
    if failure.code == "RATE_LIMITED_TOKEN_BUCKET" and len(parameters) > 1 and isinstance(parameters[1], (int, float)):
        return float(min(max(parameters[1], 0), 2 * LONGEST))
    return None
