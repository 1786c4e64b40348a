# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The third door: everything below ``/_fake/``, JSON in and out, for playbooks and other processes.

It asks for no credentials, is never journalled and never suffers a fault. A document comes as the JSON body or, for
its simple fields, as the query.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from aiohttp import web

from .seed import ADDERS, DEMO_PROJECT
from .state import State

PREFIX = "/_fake/"

Operation = Callable[[State, dict[str, Any]], Any]


async def handle(state: State, reset: Callable[[], None], request: web.BaseRequest) -> web.Response:
    """Do one steering operation."""
    name = request.path.removeprefix(PREFIX)
    if (request.method, name) == ("POST", "reset"):
        reset()
        return _json(200, {})
    operation = _OPERATIONS.get((request.method, name))
    if operation is None:
        return _json(404, {"error": f"there is no {request.method} {request.path}"})
    try:
        document = {**request.query, **json.loads(await request.read() or b"{}")}
        return _json(200, operation(state, document))
    except LookupError as problem:
        return _json(404, {"error": str(problem)})
    except (TypeError, ValueError) as problem:
        return _json(400, {"error": str(problem)})


def _json(status: int, document: Any) -> web.Response:
    return web.json_response(document, status=status)


def _delete_user(state: State, document: dict[str, Any]) -> dict[str, Any]:
    state.delete_user(**{"project_id": DEMO_PROJECT, **document})
    return {}


def _faults(state: State, dummy: dict[str, Any]) -> list[dict[str, Any]]:
    return [rule.described() for rule in state.faults.rules]


def _clear_faults(state: State, dummy: dict[str, Any]) -> dict[str, Any]:
    state.faults.clear()
    return {}


def _settings(state: State, dummy: dict[str, Any]) -> dict[str, Any]:
    return asdict(state.settings)


def _change_settings(state: State, document: dict[str, Any]) -> dict[str, Any]:
    state.change_settings(**document)
    return asdict(state.settings)


def _journal(state: State, dummy: dict[str, Any]) -> list[dict[str, Any]]:
    return [asdict(entry) for entry in state.journal]


def _clear_journal(state: State, dummy: dict[str, Any]) -> dict[str, Any]:
    state.clear_journal()
    return {}


def _authority(state: State, document: dict[str, Any]) -> dict[str, str]:
    return {"pem": state.project(document.get("project_id", DEMO_PROJECT)).authority.pem}


_OPERATIONS: dict[tuple[str, str], Operation] = {
    **{("POST", name): add for name, add in ADDERS.items()},
    ("DELETE", "users"): _delete_user,
    ("GET", "faults"): _faults,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "settings"): _settings,
    ("POST", "settings"): _change_settings,
    ("GET", "journal"): _journal,
    ("DELETE", "journal"): _clear_journal,
    ("GET", "counters"): lambda state, _: asdict(state.counters),
    ("GET", "ca"): _authority,
    ("GET", "state"): lambda state, _: state.summary(),
}
