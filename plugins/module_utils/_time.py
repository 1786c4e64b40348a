# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Moments and spans. Every moment is aware and in UTC, every span a ``timedelta`` or a share of a lifetime."""

import email.utils
import re
from calendar import monthrange
from datetime import datetime, timedelta, timezone
from typing import NamedTuple, Optional

from ansible_collections.atlas.x509.plugins.module_utils._errors import OptionError

ZERO = timedelta(0)
DAY = timedelta(days=1)
LONGEST = 36525 * DAY
"""A century. A longer span would lead out of the calendar."""

_UNITS = {"h": timedelta(hours=1), "d": DAY, "w": timedelta(weeks=1)}
_SPAN = re.compile(r"(\d{1,9})\s*([hdw%]?)\Z")
_MOMENT = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:[Tt ]([0-9]{1,2}):([0-9]{1,2})(?::([0-9]{1,2})(?:\.([0-9]{1,6}))?)?(?:[Zz]|([+-])([0-9]{2}):?([0-9]{2}))?)?\Z"
)


class Span(NamedTuple):
    """How long before the end: a fixed ``length``, or a ``percent`` of the lifetime. One of the two is zero."""

    length: timedelta = ZERO
    percent: int = 0

    def of(self, lifetime: timedelta) -> timedelta:
        """This span for a certificate that lives that long."""
        return self.length + lifetime * self.percent / 100

    def before_end(self, start: datetime, end: datetime) -> datetime:
        """The moment this span before the end of what lives from ``start`` to ``end``."""
        return end - self.of(end - start)


def now() -> datetime:
    """This machine's clock. The service's ``Date`` is preferred wherever one was seen."""
    return datetime.now(timezone.utc)


def parse_span(text: str, option: str) -> Span:
    """Read ``30d``, ``2w``, ``36h``, ``33%``, or a plain integer, which is days; anything else is an :class:`OptionError`."""
    match = _SPAN.match(text.strip())
    if not match:
        raise OptionError("{0}: '{1}' is not a span of time; write 30d, 2w, 36h, 33% or a number of days".format(option, text))
    number, unit = int(match.group(1)), match.group(2) or "d"
    if unit == "%":
        if number >= 100:
            raise OptionError("{0}: {1}% is the whole lifetime or more; write less than 100%".format(option, number))
        return Span(percent=number)
    if number > LONGEST / _UNITS[unit]:
        raise OptionError("{0}: '{1}' is longer than any certificate lives".format(option, text))
    return Span(length=number * _UNITS[unit])


def parse_moment(text: str) -> datetime:
    """Read an ISO 8601 moment; without an offset it is UTC, and a date alone is its first second. ValueError if it is none.

    A blank instead of the ``T`` is read too: YAML turns an unquoted moment into a date, and Ansible prints it that way.
    """
    match = _MOMENT.match(text.strip())
    try:
        if match:  # not by strptime, which takes longer to load than all of this file
            year, month, day, hour, minute, second = [int(number or 0) for number in match.groups()[:6]]
            fraction, sign, hours, minutes = match.groups()[6:]
            east = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
            zone = timezone(-east if sign == "-" else east)
            return datetime(year, month, day, hour, minute, second, int((fraction or "").ljust(6, "0")), zone).astimezone(timezone.utc)
    except (OverflowError, ValueError):
        pass
    raise ValueError("'{0}' is not an ISO 8601 moment such as 2026-11-22T08:00:00Z".format(text))


def parse_http_date(text: Optional[str]) -> Optional[datetime]:
    """Read the ``Date`` header of an answer (RFC 9110); None when it is absent or unreadable."""
    try:
        moment = email.utils.parsedate_to_datetime(text or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except (OverflowError, TypeError, ValueError):
        return None


def iso(moment: datetime) -> str:
    """``2026-11-22T08:00:00Z``: to the second, always UTC, as Atlas writes it."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def add_months(moment: datetime, months: int) -> datetime:
    """That many calendar months later, clamped at the end of the month as Atlas does (03-31 plus 3 is 06-30)."""
    count = moment.year * 12 + moment.month - 1 + months
    year, month = count // 12, count % 12 + 1
    return moment.replace(year=year, month=month, day=min(moment.day, monthrange(year, month)[1]))


def shortest_lifetime(months: int) -> timedelta:
    """The fewest days that so many calendar months can have: 28 for one, 59 for two, 365 for twelve.

    A rule that holds for the shortest holds on every day of the year: what works in July must not fail in February.
    """
    starts = [datetime(2026, month, monthrange(2026, month)[1], tzinfo=timezone.utc) for month in range(1, 13)]
    return min(add_months(start, months) - start for start in starts)
