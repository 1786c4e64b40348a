# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What expires when: one audit, and what the hosts hold, as one report that every format shows.

Urgency is that of the certificate that ends first among the newest one of a user and those that hosts still run on: a host on an older
certificate fails on its day, however long the newest lives.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from datetime import datetime
from typing import Any, Iterable, Mapping, NamedTuple

from ansible_collections.atlas.x509.plugins.module_utils import _time

UNREAD, MISSING, CRITICAL, WARNING, FINE = STATUSES = ("unread", "missing", "critical", "warning", "fine")
"""Most urgent first. What is not known may be anything, so it comes before everything that is."""

NEWEST, OLDER, UNLISTED, UNKNOWN, NOTHING, UNASKED = HOLDINGS = ("newest", "older", "unlisted", "unknown", "nothing", "unasked")
"""What a host holds: the newest certificate of its user, an older one that Atlas lists, one that Atlas does not list, one of a user who is not
in this report, nothing of use (no certificate, or one without its key); or nobody knows, because the host could not be asked."""


class Limits(NamedTuple):
    """Days before the end from which on a certificate is a warning, and critical."""

    warning: int = 30
    critical: int = 7


class Held(NamedTuple):
    """One file on one host. ``detail`` says why nothing is known, or what else is wrong with the file."""

    host: str
    path: str
    holding: str
    project_id: str | None = None
    username: str | None = None
    serial_hex: str | None = None
    expires: datetime | None = None
    days_left: int | None = None
    detail: str | None = None


class User(NamedTuple):
    """One user of one project. ``days_left`` counts to the end of the newest certificate; ``first_end`` is the end that comes first."""

    project_id: str
    project: str
    username: str
    status: str
    unexpired: int
    serial_hex: str | None
    expires: datetime | None
    days_left: int | None
    first_end: datetime | None
    others: tuple[datetime, ...]
    held: tuple[Held, ...]

    @property
    def outdated(self) -> tuple[Held, ...]:
        """The hosts that run on another certificate than the newest."""
        return tuple(one for one in self.held if one.holding != NEWEST)

    @property
    def nobody_has_the_newest(self) -> bool:
        """Hosts were asked, some hold a certificate of this user, and none the newest: its key may be lost."""
        return bool(self.held) and len(self.outdated) == len(self.held)


class Unread(NamedTuple):
    """A list that could not be read. Without a username it is that of the project's users, so nothing is known of the project."""

    project_id: str
    project: str
    username: str | None
    reason: str


class Report(NamedTuple):
    """Everything that a format shows, most urgent first."""

    checked_at: datetime
    limits: Limits
    users: tuple[User, ...]
    unread: tuple[Unread, ...]
    held: tuple[Held, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many there are of each status, those with none included."""
        found = Counter(user.status for user in self.users)
        found[UNREAD] = len(self.unread)
        return {status: found[status] for status in STATUSES}

    @property
    def unasked(self) -> tuple[Held, ...]:
        """The files that could not be looked at."""
        return tuple(one for one in self.held if one.holding == UNASKED)

    @property
    def is_complete(self) -> bool:
        """Whether everything that was asked for could be read, at Atlas and on the hosts."""
        return not self.unread and not self.unasked


def report(audit: Mapping[str, Any], looks: Iterable[Mapping[str, Any]], limits: Limits) -> Report:
    """The report on what ``atlas_user_cert_info`` returned. A look is what ``atlas_pem_info`` returned, with ``host`` and ``path``."""
    checked_at = _time.parse_moment(str(audit["checked_at"]))
    names = _project_names(audit)
    listed = defaultdict(list)
    for one in audit.get("certificates") or ():
        listed[one["project_id"], one["username"]].append(one)
    newest = {(one["project_id"], one["username"]): one.get("newest_serial_number") for one in audit["users"]}

    held = tuple(_held(look, listed, newest, checked_at) for look in looks)
    by_user = defaultdict(list)
    for file in held:
        if file.holding in (NEWEST, OLDER, UNLISTED):
            by_user[file.project_id, file.username].append(file)

    users = [
        _user(one, names, listed[one["project_id"], one["username"]], by_user[one["project_id"], one["username"]], checked_at, limits)
        for one in audit["users"]
    ]
    unread = [_unread(one, names) for one in audit.get("failed_lists") or ()]
    return Report(
        checked_at,
        limits,
        tuple(sorted(users, key=_urgency)),
        tuple(sorted(unread, key=lambda one: (one.project, one.project_id, one.username or ""))),
        tuple(sorted(held, key=_importance)),
    )


def fingerprint(found: Report, title: str) -> str:
    """What the report says, without the moment and the days that merely pass: two reports that differ in it differ in something else than time."""
    facts = [
        title,
        found.limits,
        [user[:5] + (user.serial_hex, str(user.expires), [str(one) for one in user.others]) for user in found.users],
        found.unread,
        [(one[:6], str(one.expires), one.detail) for one in found.held],
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def summary(found: Report) -> str:
    """One line: what a person asks first."""
    counts = found.counts
    parts = [
        "{0} could not be read".format(counts[UNREAD]) if counts[UNREAD] else "",
        "{0} not looked at on hosts".format(len(found.unasked)) if found.unasked else "",
        "{0} without a certificate".format(counts[MISSING]) if counts[MISSING] else "",
        "{0} within {1} days".format(counts[CRITICAL], found.limits.critical) if counts[CRITICAL] else "",
        "{0} within {1} days".format(counts[WARNING], found.limits.warning) if counts[WARNING] else "",
        "{0} later".format(counts[FINE]),
    ]
    users = "1 user" if len(found.users) == 1 else "{0} users".format(len(found.users))
    return "{0}{1}: {2}".format("" if found.is_complete else "INCOMPLETE. ", users, ", ".join(part for part in parts if part))


def _project_names(audit: Mapping[str, Any]) -> dict[str, str]:
    names = {one["id"]: one.get("name") for one in audit.get("projects") or ()}
    for one in audit["users"]:
        names[one["project_id"]] = names.get(one["project_id"]) or one.get("project_name")
    return {identity: name or identity for identity, name in names.items()}


def _held(look: Mapping[str, Any], listed: Mapping[Any, Any], newest: Mapping[Any, Any], now: datetime) -> Held:
    host, path = str(look["host"]), str(look.get("path") or "")
    if not look.get("state"):
        return Held(host, path, UNASKED, detail=str(look.get("msg") or "the host was not asked"))
    found = look.get("certificate")
    if not found:
        return Held(host, path, NOTHING, detail=str(look.get("detail") or look["state"]))
    owner = (found.get("issuer_common_name"), found.get("common_name"))
    serial = str(found["serial_number"])
    if look["state"] != "pair":
        holding = NOTHING  # without its own key a certificate is of no use, however new it is
    elif owner not in newest:
        holding = UNKNOWN
    elif serial == newest[owner]:
        holding = NEWEST
    else:
        holding = OLDER if any(str(one["serial_number"]) == serial for one in listed.get(owner, ())) else UNLISTED
    expires = _time.parse_moment(str(found["not_after"]))
    detail = None if look["state"] == "pair" else str(look.get("detail") or look["state"])
    return Held(host, path, holding, owner[0], owner[1], found.get("serial_hex"), expires, _days(expires, now), detail)


def _user(
    one: Mapping[str, Any], names: Mapping[str, str], certificates: list[Mapping[str, Any]], held: list[Held], now: datetime, limits: Limits
) -> User:
    expires = _time.parse_moment(str(one["newest_not_after"])) if one.get("newest_not_after") else None
    ends = ([expires] if expires else []) + [file.expires for file in held if file.expires]
    first_end = min(ends) if ends and expires else None
    serial = one.get("newest_serial_number")
    return User(
        project_id=str(one["project_id"]),
        project=names[one["project_id"]],
        username=str(one["username"]),
        status=_status(first_end, now, limits),
        unexpired=int(one["count"]),
        serial_hex=next((str(found["serial_hex"]) for found in certificates if found["serial_number"] == serial), None),
        expires=expires,
        days_left=_days(expires, now) if expires else None,
        first_end=first_end,
        others=tuple(sorted(_time.parse_moment(str(found["not_after"])) for found in certificates if found["serial_number"] != serial)),
        held=tuple(sorted(held, key=_importance)),
    )


def _status(end: datetime | None, now: datetime, limits: Limits) -> str:
    if end is None:
        return MISSING
    left = end - now
    return CRITICAL if left < limits.critical * _time.DAY else WARNING if left < limits.warning * _time.DAY else FINE


def _unread(one: Mapping[str, Any], names: Mapping[str, str]) -> Unread:
    project = str(one["project_id"])
    return Unread(project, names.get(project, project), one.get("username"), str(one.get("msg") or "no reason was given"))


def _days(end: datetime, now: datetime) -> int:
    return (end - now) // _time.DAY


def _urgency(user: User) -> tuple[int, str, str, str, str]:
    return STATUSES.index(user.status), str(user.first_end or ""), user.project, user.project_id, user.username


def _importance(file: Held) -> tuple[int, str, str, str]:
    order = (UNASKED, NOTHING, UNLISTED, OLDER, UNKNOWN, NEWEST)
    return order.index(file.holding), str(file.expires or ""), file.host, file.path
