# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How fast may one project be asked, so that the service need not say no?

Atlas counts with a bucket for each project: 1200 requests, and 500 more a minute. Every answer says how many are left, none says when
more come. Times are seconds of a clock that the caller reads; nothing here sleeps.
"""

from typing import Mapping, Optional

SHARE = 20
"""One of so many requests is left for others, such as the task that must issue a certificate just now."""

SLOWLY = 1.0
"""Seconds between requests when only that share is left: 60 of 1200 last for the minute after which there are more for certain."""

NEVER = float("inf")


class Bucket:
    """What is known of one bucket. One thread at a time."""

    def __init__(self) -> None:
        self._left = None  # type: Optional[int]
        self._kept = 0
        self._under_way = 0
        self._not_before = 0.0

    def ready_at(self) -> float:
        """From when on one more request may be sent; ``NEVER`` while the answer to another must come first."""
        if self._under_way and self._left is not None and self._left <= self._kept:
            return NEVER
        return self._not_before

    def sent(self) -> None:
        """A request is under way."""
        self._under_way += 1
        if self._left is not None:
            self._left -= 1

    def answered(self, headers: Mapping[str, str], now: float) -> None:
        """Learn from the headers of an answer; an answer without them (from a proxy, say) teaches nothing."""
        self._under_way -= 1
        left, limit = _number(headers.get("RateLimit-Remaining")), _number(headers.get("RateLimit-Limit"))
        if left is None:
            return
        self._kept = (limit or 0) // SHARE
        self._left = left - self._under_way  # what is under way may or may not be counted in it
        if self._left <= self._kept:
            self._not_before = max(self._not_before, now + SLOWLY)

    def refused(self, pause: float, now: float) -> None:
        """The service said no (HTTP 429), and to come back after ``pause`` seconds: first with one request, to see how many are left."""
        self._under_way -= 1
        self._left = 0
        self._not_before = max(self._not_before, now + pause)

    def failed(self) -> None:
        """No answer came, or none of the service."""
        self._under_way -= 1


def _number(text: Optional[str]) -> Optional[int]:
    return int(text) if text and text.strip().isdecimal() else None
