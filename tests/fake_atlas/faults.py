# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What shall go wrong: a list of rules, each for some requests, some number of times.

A rule fires at one of three stages: before authentication, *early* (authenticated, nothing done yet) or *late* (the
request was good; whatever it asked for is done). Delays let the rules behind them fire too; of the others the first one decides.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .routing import OAUTH, Target

CREATE_VARIANTS = frozenset(
    (
        "empty",
        "certificate_only",
        "key_only",
        "other_user",
        "wrong_key",
        "expired",
        "other_project",
        "quoted",
        "envelope",
        "crlf",
        "chain",
        "ec_key",
        "encrypted_key",
        "huge",
        "garbage_bytes",
    )
)
LIST_VARIANTS = frozenset(("truncated_json", "duplicate_page"))


class Stage(enum.Enum):
    """When a rule fires."""

    BEFORE_AUTH = "before authentication"
    EARLY = "authenticated, nothing done"
    LATE = "done, not answered"


@dataclass(frozen=True)
class _Option:
    types: tuple[type, ...]
    default: Any = None
    required: bool = False
    choices: frozenset[str] | None = None
    least: int = 0


@dataclass(frozen=True)
class _Action:
    stage: Stage
    options: Mapping[str, _Option]
    creates_only: bool = False


_NUMBER = (int, float)
_SECONDS = {"seconds": _Option(_NUMBER, required=True)}
_RESET = {"reset": _Option((bool,), False)}
_STATUS = {
    "status": _Option((int,), least=200),
    "errorCode": _Option((str,)),
    "detail": _Option((str,)),
    "parameters": _Option((list,)),
    "retry_after": _Option(_NUMBER),
}
_HTML = {"status": _Option((int,), 502, least=200)}
_BODY = {
    "variant": _Option((str,), required=True, choices=CREATE_VARIANTS | LIST_VARIANTS),
    "issue": _Option((bool,), True),
    "position": _Option((str,), "after_leaf", choices=frozenset(("after_leaf", "after_key"))),
    "size": _Option((int,), 100 * 2**20),
}

ACTIONS: dict[str, _Action] = {
    "status": _Action(Stage.EARLY, _STATUS),
    "html": _Action(Stage.EARLY, _HTML),
    "redirect": _Action(Stage.EARLY, {"location": _Option((str,), required=True)}),
    "drop_before": _Action(Stage.EARLY, _RESET),
    "delay": _Action(Stage.EARLY, _SECONDS),
    "delay_answer": _Action(Stage.LATE, _SECONDS),
    "drop_after": _Action(Stage.LATE, _RESET),
    "cut": _Action(Stage.LATE, {"after": _Option((int,), required=True), **_RESET}),
    "trickle": _Action(Stage.LATE, {"bytes_per_second": _Option((int,), required=True, least=1)}),
    "issue_then_status": _Action(Stage.LATE, _STATUS, creates_only=True),
    "issue_then_html": _Action(Stage.LATE, _HTML, creates_only=True),
    "body": _Action(Stage.LATE, _BODY),
}
_DELAYS = frozenset(("delay", "delay_answer"))
_MATCHES = {
    "method": _Option((str,)),
    "path_contains": _Option((str,)),
    "username": _Option((str,)),
    "page": _Option((int,), least=1),
}
_RULE = {
    "action": _Option((str,), required=True, choices=frozenset(ACTIONS)),
    "match": _Option((dict,)),
    "times": _Option((int,), 1),
    "skip": _Option((int,), 0),
    "before_auth": _Option((bool,), False),
}


@dataclass
class Rule:
    """One fault. ``times`` None: for ever. ``skip``: how many matching requests pass unharmed first."""

    number: int
    action: str
    options: dict[str, Any]
    match: dict[str, Any]
    times: int | None
    skip: int
    stage: Stage
    fired: int = field(default=0, init=False)
    cleared: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    async def delay(self) -> None:
        """Wait as long as a rule of delay says, or until it is cleared: so a test can hold a request for as long as it needs."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.cleared.wait(), self.options["seconds"])

    def matches(self, target: Target) -> bool:
        """Whether it is meant for this request. The token endpoints are only meant when the path is named."""
        if target.endpoint in OAUTH and "path_contains" not in self.match:
            return False
        wanted = self.match
        return (
            self._suits(target.method)
            and wanted.get("method") in (None, target.method)
            and wanted.get("path_contains", "") in target.path
            and wanted.get("username") in (None, target.username)
            and ("page" not in wanted or (target.method == "GET" and target.page == wanted["page"]))
        )

    def _suits(self, method: str) -> bool:
        if ACTIONS[self.action].creates_only or self.options.get("variant") in CREATE_VARIANTS:
            return method == "POST"
        return method == "GET" or self.options.get("variant") not in LIST_VARIANTS

    def described(self) -> dict[str, Any]:
        """As it was asked for, with what is left of it."""
        return {
            "id": self.number,
            "action": self.action,
            "match": self.match,
            "times": self.times,
            "skip": self.skip,
            "stage": self.stage.value,
            "fired": self.fired,
            **self.options,
        }


class Faults:
    """The rules in the order in which they were added."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self._numbers = itertools.count(1)

    def add(self, wish: Mapping[str, Any]) -> Rule:
        """Add a rule from its fields; a ValueError says what is wrong with them."""
        action = _checked(_RULE, {name: wish[name] for name in _RULE if name in wish}, "rule")
        kind = ACTIONS[action["action"]]
        rest = {name: value for name, value in wish.items() if name not in _RULE}
        match = _checked(_MATCHES, action["match"] or {}, "match")
        if action["before_auth"] and kind.stage is Stage.LATE:
            raise ValueError(f"{action['action']} cannot happen before authentication")
        rule = Rule(
            next(self._numbers),
            action["action"],
            _checked(kind.options, rest, action["action"]),
            {name: value for name, value in match.items() if value is not None},
            action["times"],
            action["skip"],
            Stage.BEFORE_AUTH if action["before_auth"] else kind.stage,
        )
        self.rules.append(rule)
        return rule

    def take(self, target: Target, stage: Stage) -> list[Rule]:
        """The rules that fire for this request now: any number of delays, then at most one other."""
        fired = []
        for rule in self.rules:
            if rule.stage is not stage or rule.times == 0 or not rule.matches(target):
                continue
            if rule.skip:
                rule.skip -= 1
                continue
            if rule.times is not None:
                rule.times -= 1
            rule.fired += 1
            fired.append(rule)
            if rule.action not in _DELAYS:
                break
        return fired

    def clear(self) -> None:
        """No more faults; delays that are under way end."""
        for rule in self.rules:
            rule.cleared.set()
        self.rules.clear()


def _checked(options: Mapping[str, _Option], wish: Mapping[str, Any], what: str) -> dict[str, Any]:
    unknown = sorted(set(wish) - set(options))
    if unknown:
        raise ValueError(f"{what} has no field {unknown[0]!r}")
    return {name: _value(name, option, wish) for name, option in options.items()}


def _value(name: str, option: _Option, wish: Mapping[str, Any]) -> Any:
    if option.required and wish.get(name) is None:
        raise ValueError(f"{name} is missing")
    value = wish.get(name, option.default)
    if value is None:
        return None
    right = isinstance(value, option.types) and isinstance(value, bool) == (option.types == (bool,))
    if not right or (isinstance(value, _NUMBER) and value < option.least):
        raise ValueError(f"{name} cannot be {value!r}")
    if option.choices and value not in option.choices:
        raise ValueError(f"{name} is one of {', '.join(sorted(option.choices))}, not {value!r}")
    return value
