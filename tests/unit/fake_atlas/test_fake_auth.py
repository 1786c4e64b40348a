# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Digest and service accounts: what is let in, and what is not."""

from __future__ import annotations

import hashlib
import re
import time
from urllib.parse import urlsplit

import pytest
import requests
from fake_atlas import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, DEMO_PRIVATE_KEY, DEMO_PUBLIC_KEY
from requests.auth import HTTPBasicAuth, HTTPDigestAuth

V2 = {"Accept": "application/vnd.atlas.2023-01-01+json"}
BASIC = HTTPBasicAuth(DEMO_CLIENT_ID, DEMO_CLIENT_SECRET)
GRANT = {"grant_type": "client_credentials"}


def md5(text):
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def nonce_of(answer):
    return re.search(r'nonce="([^"]+)"', answer.headers["WWW-Authenticate"])[1]


def digest(client, nonce, nc="00000001", secret=DEMO_PRIVATE_KEY, **changes):
    """A list with a digest header made by hand."""
    fields = {
        "username": DEMO_PUBLIC_KEY,
        "realm": "MMS Public API",
        "nonce": nonce,
        "uri": urlsplit(client.path()).path,
        "qop": "auth",
        "nc": nc,
        "cnonce": "0a4f113b",
        **changes,
    }
    ha1 = md5(f"{fields['username']}:{fields['realm']}:{secret}")
    ha2 = md5(f"GET:{urlsplit(client.path()).path}")
    fields["response"] = changes.get(
        "response", md5(f"{ha1}:{nonce}:{fields['nc']}:{fields['cnonce']}:auth:{ha2}")
    )
    header = "Digest " + ", ".join(f'{name}="{value}"' for name, value in fields.items())
    return requests.get(client.path(), headers={**V2, "Authorization": header}, timeout=60)


def challenge(client):
    return requests.get(client.path(), headers=V2, timeout=60)


def oauth(client, name, data, auth=BASIC, **more):
    return requests.post(f"{client.url}/api/oauth/{name}", data=data, auth=auth, timeout=60, **more)


def bearer(client, token):
    return requests.get(client.path(), headers={**V2, "Authorization": f"Bearer {token}"}, timeout=60)


def test_the_challenge_is_the_recorded_one(client):
    answer = challenge(client)
    assert answer.status_code == 401
    assert re.fullmatch(
        r'Digest realm="MMS Public API", domain="", nonce="[^"]+", algorithm=MD5, qop="auth", stale=false',
        answer.headers["WWW-Authenticate"],
    )
    assert answer.headers["X-Error-Code"] == "UNEXPECTED_ERROR"
    assert answer.json() == {
        "error": 401,
        "reason": "Unauthorized",
        "detail": "You are not authorized for this resource.",
        "errorCode": "UNEXPECTED_ERROR",
    }


@pytest.mark.parametrize(
    "pair", [(DEMO_PUBLIC_KEY, "wrong"), ("nobody", DEMO_PRIVATE_KEY), (DEMO_CLIENT_ID, DEMO_CLIENT_SECRET)]
)
def test_a_wrong_key_is_answered_like_no_key(client, pair):
    client.session.auth = HTTPDigestAuth(*pair)
    answer = client.list()
    assert answer.status_code == 401 and answer.json() == challenge(client).json()


def test_a_good_digest_is_let_in_with_one_challenge(client, atlas):
    assert [client.list().status_code for dummy in range(3)] == [200, 200, 200]
    assert atlas.state.counters.challenges == 1


def test_a_handmade_digest_is_let_in(client):
    assert digest(client, nonce_of(challenge(client))).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"uri": "/api/atlas/v2/groups"},
        {"realm": "another"},
        {"qop": "auth-int"},
        {"algorithm": "SHA-256"},
        {"cnonce": ""},
        {"nc": "1"},
        {"nc": "00000000"},
        {"response": "0" * 32},
        {"response": "ü"},
        {"secret": "wrong"},
    ],
)
def test_each_field_of_a_digest_is_checked(client, changes):
    assert digest(client, nonce_of(challenge(client)), **changes).status_code == 401


def test_an_invented_nonce_is_not_known(client):
    answer = digest(client, "invented")
    assert answer.status_code == 401 and "stale=false" in answer.headers["WWW-Authenticate"]


def test_a_count_may_come_out_of_order_but_never_twice(client):
    nonce = nonce_of(challenge(client))
    statuses = [digest(client, nonce, nc).status_code for nc in ("00000002", "00000001", "00000002")]
    assert statuses == [200, 200, 401]


def test_an_old_nonce_is_stale_only_for_who_knows_the_key(client):
    nonce = nonce_of(challenge(client))
    client.steer("POST", "settings", {"nonce_lifetime": 0})
    assert "stale=true" in digest(client, nonce).headers["WWW-Authenticate"]
    assert "stale=false" in digest(client, nonce, secret="wrong").headers["WWW-Authenticate"]


def test_a_token_opens_the_api(client, atlas):
    made = oauth(client, "token", GRANT)
    assert made.status_code == 200
    assert made.json().keys() == {"access_token", "expires_in", "token_type"}
    assert (made.json()["expires_in"], made.json()["token_type"]) == (3600, "Bearer")
    assert bearer(client, made.json()["access_token"]).status_code == 200
    assert atlas.state.journal[-1].credential == "service_account"
    assert atlas.state.counters.tokens_made == 1


def test_a_revoked_token_opens_nothing(client, atlas):
    token = oauth(client, "token", GRANT).json()["access_token"]
    answer = oauth(client, "revoke", {"token": token, "token_type_hint": "access_token"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert bearer(client, token).status_code == 401
    assert atlas.state.counters.tokens_revoked == 1


def test_an_expired_or_unknown_token_opens_nothing(client):
    expired = client.steer("POST", "tokens", {"expires_in": 0})["access_token"]
    for token in (expired, "unknown"):
        answer = bearer(client, token)
        assert answer.status_code == 401 and answer.json()["errorCode"] == "UNEXPECTED_ERROR"


def test_a_token_can_be_ready_made(client, atlas):
    token = client.steer("POST", "tokens", {})["access_token"]
    assert bearer(client, token).status_code == 200
    assert atlas.state.journal[-1].credential == "access_token"


def test_tokens_live_as_long_as_the_settings_say(client):
    client.steer("POST", "settings", {"token_lifetime": 0.05})
    token = oauth(client, "token", GRANT).json()["access_token"]
    time.sleep(0.06)
    assert bearer(client, token).status_code == 401


@pytest.mark.parametrize(
    ("more", "status", "error"),
    [
        ({"auth": HTTPBasicAuth(DEMO_CLIENT_ID, "wrong")}, 401, "invalid_client"),
        ({"auth": HTTPBasicAuth(DEMO_PUBLIC_KEY, DEMO_PRIVATE_KEY)}, 401, "invalid_client"),
        ({"auth": None}, 401, "invalid_client"),
        ({"auth": None, "headers": {"Authorization": "Basic !"}}, 401, "invalid_client"),
        (
            {"data": {}, "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
            400,
            "invalid_request",
        ),
        (
            {"data": '{"grant_type": "client_credentials"}', "headers": {"Content-Type": "application/json"}},
            400,
            "invalid_request",
        ),
        # The right form under another name
        (
            {"data": "grant_type=client_credentials", "headers": {"Content-Type": "application/json"}},
            400,
            "invalid_request",
        ),
        ({"data": "grant_type=client_credentials"}, 400, "invalid_request"),
        ({"data": {"grant_type": "password"}}, 400, "unsupported_grant_type"),
        ({"data": [("grant_type", "client_credentials")] * 2}, 400, "invalid_request"),
    ],
)
def test_an_oauth_error_is_a_string(client, more, status, error):
    answer = oauth(client, "token", **{"data": GRANT, **more})
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert "X-Error-Code" not in answer.headers


def test_fifty_tokens_a_minute(client):
    statuses = [oauth(client, "token", GRANT).status_code for dummy in range(50)]
    answer = oauth(client, "token", GRANT)
    assert statuses == [200] * 50 and answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 60


def test_an_account_has_at_most_so_many_active_tokens(client):
    client.steer("POST", "settings", {"active_tokens": 1})
    first = oauth(client, "token", GRANT).json()["access_token"]
    assert oauth(client, "token", GRANT).status_code == 400
    oauth(client, "revoke", {"token": first})
    assert oauth(client, "token", GRANT).status_code == 200


def test_revoking_needs_a_token_and_the_client(client):
    assert oauth(client, "revoke", {"token": "unknown"}).status_code == 200
    assert oauth(client, "revoke", {"x": "y"}).status_code == 400
    assert oauth(client, "revoke", {"token": "x"}, auth=None).status_code == 401
    assert oauth(client, "revoke", {"token": "x", "token_type_hint": "refresh_token"}).status_code == 400


def test_a_revoked_token_of_somebody_else_goes_on(client):
    client.steer("POST", "credentials", {"kind": "service_account", "identity": "other", "secret": "s"})
    token = oauth(client, "token", GRANT).json()["access_token"]
    oauth(client, "revoke", {"token": token}, auth=HTTPBasicAuth("other", "s"))
    assert bearer(client, token).status_code == 200


def test_the_token_endpoints_take_only_posts(client):
    answer = requests.get(f"{client.url}/api/oauth/token", auth=BASIC, timeout=60)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
