# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report in Markdown with tables, for a ticket, a wiki or a chat."""

from __future__ import annotations

import string
from typing import Iterable, Sequence

from ansible_collections.atlas.x509.plugins.plugin_utils._expiry import UNASKED, Held, Report, User, summary
from ansible_collections.atlas.x509.plugins.plugin_utils._visible import visible
from ansible_collections.atlas.x509.plugins.plugin_utils._words import HOLDS, STATUS, date, day, others_words

_ESCAPED = {ord(sign): "\\" + sign for sign in set(string.punctuation) - set("-,;'/()=%?")}
"""Markdown lets every ASCII sign be escaped, and takes none for its own then: no link, no address, no code, no end of a cell. Left out are signs
that mean nothing once the others are escaped, so that the source stays readable."""


def markdown(found: Report, title: str, fingerprint: str) -> str:
    """The whole document."""
    parts = ["# {0}".format(_text(title)), "Checked at {0} UTC. All times are in UTC.".format(day(found.checked_at))]
    parts += _what_is_not_known(found)
    parts += ["**{0}**".format(summary(found))]
    parts += ["## Users", _table(("Status", "User", "Project", "Expires", "Days left", "Unexpired", "Serial number", "Remarks"), map(_user, found.users))]
    if found.held:
        parts += ["## Hosts", _table(("Host", "File", "Holds", "User", "Serial number", "Expires", "Remarks"), map(_host, found.held))]
    return "\n\n".join([*parts, "<!-- {0} -->".format(fingerprint), ""]).replace("\n\n\n", "\n\n")


def _what_is_not_known(found: Report) -> list[str]:
    if found.is_complete:
        return []
    loud = "> **INCOMPLETE: what is listed here could not be read, so nothing is known of it.**"
    lists = [(one.project, one.username or "(all users)", one.reason) for one in found.unread]
    hosts = [(one.host, one.path, one.detail or "") for one in found.held if one.holding == UNASKED]
    return [
        loud,
        _table(("Project", "User", "Why"), (map(_text, one) for one in lists)) if lists else "",
        _table(("Host", "File", "Why"), (map(_text, one) for one in hosts)) if hosts else "",
    ]


def _user(user: User) -> Iterable[str]:
    remarks = ["none of the hosts that were asked holds the newest one"] if user.nobody_has_the_newest else []
    remarks += ["{0} on another, until {1}".format(one.host, date(one.expires)) for one in user.outdated if one.expires]
    remarks += [others_words(user)] if user.unexpired > 1 else []
    return (
        STATUS[user.status].words,
        _text(user.username),
        _text(user.project),
        day(user.expires) if user.expires else "never had one, or it expired",
        str(user.days_left) if user.days_left is not None else "",
        str(user.unexpired),
        user.serial_hex or "",
        _text("; ".join(remarks)),
    )


def _host(one: Held) -> Iterable[str]:
    return (
        _text(one.host),
        _text(one.path),
        HOLDS[one.holding],
        _text(one.username or ""),
        one.serial_hex or "",
        day(one.expires) if one.expires else "",
        _text(one.detail or ""),
    )


def _table(head: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    rule = ["---:" if name in ("Days left", "Unexpired") else "---" for name in head]
    return "\n".join("| {0} |".format(" | ".join(row)) for row in (head, rule, *rows))


def _text(text: str) -> str:
    return visible(text).translate(_ESCAPED)
