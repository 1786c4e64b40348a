# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The picture of what expires when, as places on it: a lane for each user while they are few, a bar for each week when they are many.

Everything across is in percent of the width, so that the picture fits a phone while its words keep their size; everything down is in pixels.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import NamedTuple

from ansible_collections.atlas.x509.plugins.module_utils import _time
from ansible_collections.atlas.x509.plugins.plugin_utils._expiry import CRITICAL, FINE, UNREAD, WARNING, Report, User
from ansible_collections.atlas.x509.plugins.plugin_utils._words import MONTHS

MOST_LANES = 16
"""Above it, names cannot be taken in at a glance any more, and shape says more."""

LANE = 38
PLOT = 168
_WEEK = 7 * _time.DAY


class Tick(NamedTuple):
    """A mark on the axis. ``minor`` ones lose their words where the page is narrow."""

    x: float
    words: str
    minor: bool


class Zone(NamedTuple):
    """From the left edge of a status to its right one."""

    x: float
    width: float
    status: str


class Lane(NamedTuple):
    """One user. ``x`` is None when there is no end to draw; ``others`` are the ends of the other unexpired certificates."""

    y: int
    name: str
    project: str
    status: str
    x: float | None
    expires: datetime | None
    days_left: int | None
    others: tuple[float, ...]


class Piece(NamedTuple):
    """The part of a bar that has one status."""

    y: float
    height: float
    status: str


class Bar(NamedTuple):
    """The users whose certificates end in one or two weeks."""

    x: float
    width: float
    first: datetime
    last: datetime
    size: int
    pieces: tuple[Piece, ...]


class Timeline(NamedTuple):
    """Either ``lanes`` or ``bars`` is empty. ``levels`` are the heights that the bars are read by, as (y, count)."""

    height: int
    ticks: tuple[Tick, ...]
    zones: tuple[Zone, ...]
    lanes: tuple[Lane, ...]
    bars: tuple[Bar, ...]
    levels: tuple[tuple[float, int], ...]


class _Axis(NamedTuple):
    start: datetime
    end: datetime

    def x(self, moment: datetime) -> float:
        share = (moment - self.start) / (self.end - self.start)
        return round(100 * min(max(share, 0.0), 1.0), 2)


def timeline(found: Report) -> Timeline:
    """The picture of this report."""
    ends = [user.first_end for user in found.users if user.first_end] + [end for user in found.users for end in user.others]
    longest = max(max(ends, default=found.checked_at) - found.checked_at, found.limits.warning * _time.DAY, _WEEK)
    axis = _Axis(found.checked_at, found.checked_at + longest * 1.04)
    few = len(found.users) + len(found.unread) <= MOST_LANES
    lanes = _lanes(found, axis) if few else ()
    bars, levels = ((), ()) if few else _bars(found, axis)
    return Timeline(len(lanes) * LANE if few else PLOT, _ticks(axis), _zones(found, axis), lanes, bars, levels)


def _zones(found: Report, axis: _Axis) -> tuple[Zone, ...]:
    critical, warning = (axis.x(axis.start + days * _time.DAY) for days in (found.limits.critical, found.limits.warning))
    return Zone(0, critical, CRITICAL), Zone(critical, round(warning - critical, 2), WARNING)


def _ticks(axis: _Axis) -> tuple[Tick, ...]:
    """The first of each month, or every third when there are more than a year's; weeks when there are hardly any months."""
    span = axis.end - axis.start
    if span < 75 * _time.DAY:
        midnight = axis.start.replace(hour=0, minute=0, second=0, microsecond=0)
        moments = [midnight + week * _WEEK for week in range(1, span // _WEEK + 1)]
        return tuple(Tick(axis.x(one), "{0} {1}".format(one.day, MONTHS[one.month - 1]), number % 2 == 1) for number, one in enumerate(moments))
    step = 1 if span < 400 * _time.DAY else 3
    first = _time.add_months(axis.start.replace(day=1, hour=0, minute=0, second=0, microsecond=0), 1)
    months = [one for one in (_time.add_months(first, number) for number in range(span.days // 28)) if one < axis.end and (one.month - 1) % step == 0]
    return tuple(
        Tick(axis.x(one), MONTHS[one.month - 1] + (" {0}".format(one.year) if number == 0 or one.month == 1 else ""), number % 2 == 1)
        for number, one in enumerate(months)
        if axis.x(one) < 97
    )


def _lanes(found: Report, axis: _Axis) -> tuple[Lane, ...]:
    unread = [Lane(0, one.username or "all users", one.project, UNREAD, None, None, None, ()) for one in found.unread]
    known = [_lane(user, axis) for user in found.users]
    return tuple(lane._replace(y=number * LANE) for number, lane in enumerate(unread + known))


def _lane(user: User, axis: _Axis) -> Lane:
    x = axis.x(user.first_end) if user.first_end else None
    left = (user.first_end - axis.start) // _time.DAY if user.first_end else None
    others = {axis.x(end) for end in user.others} | ({axis.x(user.expires)} if user.expires else set())
    return Lane(0, user.username, user.project, user.status, x, user.first_end, left, tuple(sorted(others - {x})))


def _bars(found: Report, axis: _Axis) -> tuple[tuple[Bar, ...], tuple[tuple[float, int], ...]]:
    step = _WEEK if axis.end - axis.start < 55 * _WEEK else 2 * _WEEK
    buckets = Counter(
        (max((user.first_end - axis.start) // step, 0), user.status) for user in found.users if user.first_end
    )
    heights = Counter[int]()
    for (bucket, _status), count in buckets.items():
        heights[bucket] += count
    top, levels = _levels(max(heights.values(), default=1))
    bars = tuple(_bar(bucket, step, heights[bucket], buckets, axis, top) for bucket in sorted(heights))
    return bars, tuple((round(PLOT - PLOT * level / top, 1), level) for level in levels)


def _bar(bucket: int, step: timedelta, count: int, buckets: Counter[tuple[int, str]], axis: _Axis, top: int) -> Bar:
    first, last = axis.start + bucket * step, axis.start + (bucket + 1) * step
    left, right = axis.x(first), axis.x(last)
    pieces, floor = [], float(PLOT)
    for status in (CRITICAL, WARNING, FINE):
        share = buckets[bucket, status]
        if share:
            height = round(max(PLOT * share / top, 2.0), 1)  # one among thousands is seen too
            floor = round(floor - height, 1)
            pieces.append(Piece(floor, height, status))
    gap = min(0.3, (right - left) / 4)
    return Bar(round(left + gap / 2, 2), round(right - left - gap, 2), first, last - timedelta(seconds=1), count, tuple(pieces))


def _levels(highest: int) -> tuple[int, list[int]]:
    """A round number above the highest bar, and two or three round ones up to it."""
    step = 1
    while highest / step > 4:
        step = step * 5 // 2 if str(step)[0] == "2" else step * 2
    levels = list(range(step, highest + 1, step))
    return max(int(highest * 1.1) + 1, step), levels
