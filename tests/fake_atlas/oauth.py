# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two token endpoints. Their errors have a *string* in ``error``, those of the API a number."""

from __future__ import annotations

import base64
import hmac
import json
import time
from urllib.parse import parse_qs

from .routing import Endpoint, Target
from .state import Credential, State
from .wire import Answer

_FORM = "application/x-www-form-urlencoded"


class OAuthError(Exception):
    """What the token endpoints answer instead of a result."""

    def __init__(
        self, status: int, error: str, description: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(description)
        body = json.dumps({"error": error, "error_description": description}).encode()
        self.answer = Answer(status, body, headers=headers or {})


def client(state: State, header: str | None) -> Credential:
    """The service account of a Basic header."""
    scheme, dummy, encoded = (header or "").partition(" ")
    try:
        pair = base64.b64decode(encoded, validate=True).decode()
    except ValueError:
        pair = ""
    identity, dummy, secret = pair.partition(":")
    account = state.credential(identity, "service_account")
    if (
        scheme.lower() != "basic"
        or account is None
        or not hmac.compare_digest(secret.encode(), account.secret.encode())
    ):
        raise OAuthError(
            401, "invalid_client", "Client authentication failed.", {"WWW-Authenticate": "Basic"}
        )
    return account


def answer(
    state: State, target: Target, account: Credential, address: str, media_type: str, body: bytes
) -> Answer:
    """Make or revoke a token."""
    if target.method != "POST":
        raise OAuthError(405, "invalid_request", "Only POST is allowed.", {"Allow": "POST"})
    if media_type != _FORM:
        raise OAuthError(400, "invalid_request", f"The body must be {_FORM}.")
    form = parse_qs(body.decode(errors="replace"), keep_blank_values=True)
    if any(len(values) > 1 for values in form.values()):
        raise OAuthError(400, "invalid_request", "A parameter is given more than once.")
    single = {name: values[0] for name, values in form.items()}
    if target.endpoint is Endpoint.TOKEN:
        return _make(state, account, address, single)
    return _revoke(state, account, single)


def _make(state: State, account: Credential, address: str, form: dict[str, str]) -> Answer:
    now = time.monotonic()
    wait = state.token_windows[address, account.identity].take(state.settings.token_requests_per_minute, now)
    if wait is not None:
        raise OAuthError(429, "too_many_requests", "Too many token requests.", {"Retry-After": str(wait)})
    if "grant_type" not in form:
        raise OAuthError(400, "invalid_request", "grant_type is missing.")
    if form["grant_type"] != "client_credentials":
        raise OAuthError(400, "unsupported_grant_type", "Only client_credentials is supported.")
    active = sum(token.account is account and token.expires_at > now for token in state.tokens.values())
    if active >= state.settings.active_tokens:
        raise OAuthError(400, "invalid_request", f"The account has {active} active tokens already.")
    token = state.add_token(account)
    state.counters.tokens_made += 1
    document = {
        "access_token": token.value,
        "expires_in": int(state.settings.token_lifetime),
        "token_type": "Bearer",
    }
    return Answer(200, json.dumps(document).encode(), headers={"Cache-Control": "no-store"})


def _revoke(state: State, account: Credential, form: dict[str, str]) -> Answer:
    """RFC 7009: a token that is unknown, or somebody else's, is answered like one that is revoked now."""
    if "token" not in form:
        raise OAuthError(400, "invalid_request", "token is missing.")
    if form.get("token_type_hint", "access_token") != "access_token":
        raise OAuthError(400, "unsupported_token_type", "Only access_token can be revoked.")
    token = state.tokens.get(form["token"])
    if token is not None and token.account is account:
        del state.tokens[token.value]
        state.counters.tokens_revoked += 1
    return Answer(200)
