# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bodies with which a create answer can go wrong. In each case a good certificate was issued."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from .certificates import Authority, PrivateKey, key_pem, leaf_key
from .faults import Rule
from .state import State, UserCertificate

_FOREIGN_PROJECT = "f" * 24
_FOREIGN_USER = "somebody-else"


def create_body(rule: Rule, state: State, certificate: UserCertificate) -> bytes:
    """The body of the variant that the rule asks for."""
    variant = rule.options["variant"]
    if variant == "chain":
        return _chain(state, certificate, rule.options["position"])
    return _VARIANTS[variant](state, certificate)


def _good(state: State, certificate: UserCertificate) -> bytes:
    return state.pem(certificate).encode()


def _certificate_only(state: State, certificate: UserCertificate) -> bytes:
    return state.pem_parts(certificate)[0].encode()


def _key_only(state: State, certificate: UserCertificate) -> bytes:
    return state.pem_parts(certificate)[1].encode()


def _wrong_key(state: State, certificate: UserCertificate) -> bytes:
    return _certificate_only(state, certificate) + key_pem(leaf_key(certificate.key_index + 1)).encode()


def _other_user(state: State, certificate: UserCertificate) -> bytes:
    return _resigned(state, certificate, username=_FOREIGN_USER)


def _expired(state: State, certificate: UserCertificate) -> bytes:
    yesterday = state.now() - dt.timedelta(days=1)
    return _resigned(state, certificate, not_before=yesterday - dt.timedelta(days=90), not_after=yesterday)


def _other_project(state: State, certificate: UserCertificate) -> bytes:
    number = state.project(certificate.project_id).number
    return _resigned(state, certificate, authority=Authority(_FOREIGN_PROJECT, number + 1))


def _ec_key(state: State, certificate: UserCertificate) -> bytes:
    return _resigned(state, certificate, key=ec.generate_private_key(ec.SECP256R1()))


def _encrypted_key(state: State, certificate: UserCertificate) -> bytes:
    key = leaf_key(certificate.key_index)
    return _certificate_only(state, certificate) + key_pem(key, b"a passphrase").encode()


def _chain(state: State, certificate: UserCertificate, position: str) -> bytes:
    leaf, key = state.pem_parts(certificate)
    authority = state.project(certificate.project_id).authority.pem
    parts = (leaf, authority, key) if position == "after_leaf" else (leaf, key, authority)
    return "".join(parts).encode()


def _resigned(
    state: State,
    certificate: UserCertificate,
    authority: Authority | None = None,
    key: PrivateKey | None = None,
    **changes: Any,
) -> bytes:
    """The certificate again, signed with some of its fields changed."""
    key = key or leaf_key(certificate.key_index)
    authority = authority or state.project(certificate.project_id).authority
    fields = {
        "username": certificate.username,
        "not_before": certificate.created_at,
        "not_after": certificate.not_after,
        **changes,
    }
    return (authority.sign(serial=certificate.serial, key=key, **fields) + key_pem(key)).encode()


def _quoted(state: State, certificate: UserCertificate) -> bytes:
    return json.dumps(state.pem(certificate)).encode()


def _envelope(state: State, certificate: UserCertificate) -> bytes:
    return json.dumps({"status": 201, "content": state.pem(certificate)}).encode()


_VARIANTS: dict[str, Callable[[State, UserCertificate], bytes]] = {
    "empty": lambda state, certificate: b"",
    "certificate_only": _certificate_only,
    "key_only": _key_only,
    "wrong_key": _wrong_key,
    "other_user": _other_user,
    "expired": _expired,
    "other_project": _other_project,
    "ec_key": _ec_key,
    "encrypted_key": _encrypted_key,
    "quoted": _quoted,
    "envelope": _envelope,
    "crlf": lambda state, certificate: _good(state, certificate).replace(b"\n", b"\r\n"),
    "garbage_bytes": lambda state, certificate: bytes(range(256)) * 16,
    # The good PEM comes first; what follows it is streamed (wire.py).
    "huge": _good,
}
