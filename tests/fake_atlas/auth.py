# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who asks: HTTP digest with an API key, or a bearer token of a service account."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time

from .errors import ApiError, not_authenticated
from .routing import Target
from .state import Credential, Nonce, State

REALM = "MMS Public API"
_FIELD = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,"]+))')


def authenticate(state: State, target: Target, header: str | None) -> tuple[Credential, str]:
    """The credential and its kind for the journal; an ApiError (401) for everybody else."""
    scheme, dummy, rest = (header or "").partition(" ")
    if scheme.lower() == "bearer":
        return _bearer(state, rest)
    if scheme.lower() == "digest":
        return _digest(state, target, rest), "api_key"
    raise _challenge(state)


def _bearer(state: State, value: str) -> tuple[Credential, str]:
    token = state.tokens.get(value)
    if token is None or token.expires_at <= time.monotonic():
        raise not_authenticated(None)
    return token.account, "access_token" if token.ready_made else "service_account"


def _challenge(state: State, stale: bool = False) -> ApiError:
    nonce = secrets.token_urlsafe(24)
    state.nonces[nonce] = Nonce(time.monotonic())
    state.counters.challenges += 1
    return not_authenticated(
        f'Digest realm="{REALM}", domain="", nonce="{nonce}", algorithm=MD5, qop="auth", '
        f"stale={'true' if stale else 'false'}"
    )


def _digest(state: State, target: Target, header: str) -> Credential:
    """RFC 2617 with qop=auth. A count may arrive out of order (parallel connections), but never twice."""
    given = {name: quoted or bare for name, quoted, bare in _FIELD.findall(header)}
    credential = state.credential(given.get("username", ""), "api_key")
    nonce = state.nonces.get(given.get("nonce", ""))
    count = given.get("nc", "")
    well_formed = (
        given.get("realm") == REALM
        and given.get("qop") == "auth"
        and given.get("algorithm", "MD5") == "MD5"
        and given.get("uri") == target.raw
        and bool(given.get("cnonce"))
        and re.fullmatch(r"[0-9a-fA-F]{8}", count) is not None
    )
    if credential is None or nonce is None or not well_formed:
        raise _challenge(state)
    if not hmac.compare_digest(
        _bytes(given.get("response", "")), _bytes(_response(credential, target, given))
    ):
        raise _challenge(state)
    if time.monotonic() - nonce.made_at > state.settings.nonce_lifetime:
        raise _challenge(state, stale=True)
    if int(count, 16) == 0 or int(count, 16) in nonce.counts:
        raise _challenge(state)
    nonce.counts.add(int(count, 16))
    return credential


def _response(credential: Credential, target: Target, given: dict[str, str]) -> str:
    who = _md5(f"{credential.identity}:{REALM}:{credential.secret}")
    what = _md5(f"{target.method}:{target.raw}")
    return _md5(f"{who}:{given['nonce']}:{given['nc']}:{given['cnonce']}:auth:{what}")


def _md5(text: str) -> str:
    return hashlib.md5(_bytes(text), usedforsecurity=False).hexdigest()


def _bytes(text: str) -> bytes:
    """The bytes on the wire: aiohttp keeps those that are not UTF-8 as surrogates."""
    return text.encode(errors="surrogateescape")
