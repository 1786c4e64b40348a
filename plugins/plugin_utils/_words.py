# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The words of a report: statuses with a sign of their own (color is never the only carrier), dates, and what is worth a remark."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from ansible_collections.atlas.x509.plugins.plugin_utils import _expiry


class Word(NamedTuple):
    """A status for the eye."""

    sign: str
    words: str


STATUS = {
    _expiry.UNREAD: Word("?", "Not read"),
    _expiry.MISSING: Word("✕", "None"),
    _expiry.CRITICAL: Word("▲", "Critical"),
    _expiry.WARNING: Word("◆", "Soon"),
    _expiry.FINE: Word("●", "Fine"),
}

HOLDS = {
    _expiry.NEWEST: "the newest",
    _expiry.OLDER: "an older one",
    _expiry.UNLISTED: "one that Atlas does not list",
    _expiry.UNKNOWN: "one of a user who is not in this report",
    _expiry.NOTHING: "nothing of use",
    _expiry.UNASKED: "not asked",
}

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def date(moment: datetime) -> str:
    """``27 Nov 2026``, whatever the locale is."""
    return "{0} {1} {2}".format(moment.day, MONTHS[moment.month - 1], moment.year)


def day(moment: datetime) -> str:
    """``27 Nov 2026 08:00``."""
    return "{0} {1:%H:%M}".format(date(moment), moment)


def days(count: int) -> str:
    """``in 3 days``: whole ones, counted down."""
    if count < 0:
        return "expired"
    return "today" if count == 0 else "in 1 day" if count == 1 else "in {0} days".format(count)


def others_words(user: _expiry.User) -> str:
    """That several are unexpired. After a renewal this is usual for a while, else the keys of some are lost or in unknown hands."""
    return "{0} unexpired, the others until {1}".format(user.unexpired, date(user.others[-1])) if user.others else "{0} unexpired".format(user.unexpired)
