# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the fake starts with, and how JSON documents add to it: a seed file and the steering door share them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from .state import State, UserCertificate, timestamp

DEMO_PROJECT = "64b7f0c2a1d3e4f5a6b7c8d9"
DEMO_USER = "app"
DEMO_UNMANAGED_USER = "legacy"
DEMO_PUBLIC_KEY = "demopubk"
DEMO_PRIVATE_KEY = "5a6b7c8d-demo-demo-demo-0123456789ab"
READ_ONLY_PUBLIC_KEY = "readonlyk"
READ_ONLY_PRIVATE_KEY = "5a6b7c8d-read-read-read-0123456789ab"
DEMO_CLIENT_ID = "mdb_sa_id_0123456789abcdef01234567"
DEMO_CLIENT_SECRET = "mdb_sa_sk_demo-secret-0123456789abcdefghijklmnop"

Document = Mapping[str, Any]


def seeded_state(document: Document | None = None) -> State:
    """A new state with the demonstration's seed, and the document's additions."""
    state = State()
    state.add_project(DEMO_PROJECT, "demo")
    state.add_user(DEMO_PROJECT, DEMO_USER)
    state.add_user(DEMO_PROJECT, DEMO_UNMANAGED_USER, x509_type="NONE")
    state.add_credential("api_key", DEMO_PUBLIC_KEY, DEMO_PRIVATE_KEY)
    state.add_credential("api_key", READ_ONLY_PUBLIC_KEY, READ_ONLY_PRIVATE_KEY, role="read_only")
    state.add_credential("service_account", DEMO_CLIENT_ID, DEMO_CLIENT_SECRET)
    load(state, document or {})
    return state


def load(state: State, document: Document) -> None:
    """Add what a seed document holds: lists by the names of ``ADDERS``, and ``settings``."""
    unknown = sorted(set(document) - set(ADDERS) - {"settings"})
    if unknown:
        raise ValueError(f"a seed has no {unknown[0]!r}")
    state.change_settings(**document.get("settings", {}))
    for name, add in ADDERS.items():
        for entry in document.get(name, ()):
            add(state, entry)


def describe(certificate: UserCertificate) -> dict[str, Any]:
    """A certificate's public facts; the serial number as a string, so that no reader rounds it."""
    return {
        "serial": str(certificate.serial),
        "project_id": certificate.project_id,
        "username": certificate.username,
        "issued_at": timestamp(certificate.created_at + dt.timedelta(hours=1)),
        "created_at": timestamp(certificate.created_at),
        "not_after": timestamp(certificate.not_after),
    }


def _add_project(state: State, document: Document) -> dict[str, Any]:
    project = state.add_project(**document)
    return {"project_id": project.project_id, "name": project.name, "org_id": project.org_id}


def _add_user(state: State, document: Document) -> dict[str, Any]:
    user = state.add_user(**_in_demo(document))
    return {"username": user.username, "x509_type": user.x509_type}


def _add_credential(state: State, document: Document) -> dict[str, Any]:
    credential = state.add_credential(**document)
    return {"identity": credential.identity, "kind": credential.kind}


def _add_token(state: State, document: Document) -> dict[str, Any]:
    """A ready-made access token, of the demonstration's account unless another is named."""
    wish = dict(document)
    client_id = wish.pop("client_id", DEMO_CLIENT_ID)
    account = state.credential(client_id, "service_account")
    if account is None:
        raise LookupError(f"there is no service account {client_id}")
    return {"access_token": state.add_token(account, ready_made=True, **_numbers(wish)).value}


def _add_certificate(state: State, document: Document) -> dict[str, Any]:
    wish = {"username": DEMO_USER, **_numbers(_in_demo(document))}
    if "issued_at" in wish:
        wish["issued_at"] = _moment(wish["issued_at"])
    certificate = state.add_certificate(**wish)
    signed, key = state.pem_parts(certificate)
    return {**describe(certificate), "certificate": signed, "private_key": key, "pem": signed + key}


def _add_fault(state: State, document: Document) -> dict[str, Any]:
    return state.faults.add(document).described()


def _populate(state: State, document: Document) -> dict[str, Any]:
    """Many projects, users and listed certificates (nothing is signed), for measurements."""
    wish = {"projects": 1, "users": 100, "certificates": 1, **_numbers(document)}
    projects, users, number = int(wish.pop("projects")), int(wish.pop("users")), 0
    certificates = int(wish.pop("certificates"))
    if wish:
        raise ValueError(f"populate has no field {min(wish)!r}")
    made = [state.add_project() for dummy in range(projects)]
    for project in made:
        for dummy in range(users):
            username = f"user-{number:06}"
            number += 1
            state.add_user(project.project_id, username)
            for copy in range(certificates):
                days_left = 1 + (7 * number + copy) % 89
                state.add_certificate(project.project_id, username, days_left=days_left)
    return {"projects": [project.project_id for project in made], "users": number}


def _in_demo(document: Document) -> dict[str, Any]:
    return {"project_id": DEMO_PROJECT, **document}


def _numbers(document: Document) -> dict[str, Any]:
    """Numbers as numbers: a playbook's template makes strings of them."""
    whole = {"months", "projects", "users", "certificates"}
    return {
        name: int(value) if name in whole else float(value) if name in {"days_left", "expires_in"} else value
        for name, value in document.items()
    }


def _moment(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.timezone.utc)


ADDERS: dict[str, Callable[[State, Document], dict[str, Any]]] = {
    "projects": _add_project,
    "users": _add_user,
    "credentials": _add_credential,
    "tokens": _add_token,
    "certificates": _add_certificate,
    "faults": _add_fault,
    "populate": _populate,
}
"""Name of the list in a seed, and of the steering endpoint: the function that adds one entry."""
