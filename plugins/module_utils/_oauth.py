# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Log in as a service account: OAuth 2.0 client credentials (RFC 6749, 4.4), and what becomes of the token (RFC 7009)."""

import base64
import json
import re
import time
from typing import Any, Callable, Dict, Mapping, Optional, Tuple
from urllib.parse import urlencode

from ansible_collections.atlas.x509.plugins.module_utils._auth import Bearer
from ansible_collections.atlas.x509.plugins.module_utils._errors import Failure, NotAdmitted, ServiceError
from ansible_collections.atlas.x509.plugins.module_utils._http import Answer, NoAnswer, Transport
from ansible_collections.atlas.x509.plugins.module_utils._options import Connection
from ansible_collections.atlas.x509.plugins.module_utils._shared_token import SharedToken, Taken, Token

_VALUE = re.compile(r"[!-~]+\Z")
_LIFETIME = 3600  # seconds, as documented; for an answer that does not say

Ask = Callable[[str, str, Any, Dict[str, str], bytes], Answer]
"""Method, path, signature, headers and body of a request that is sent until it is answered with status 200, or :class:`ServiceError`."""


class ServiceAccount:
    """The login of one module. ``auth`` signs requests with its token, or with the one that the tasks of this run share."""

    def __init__(self, connection: Connection, transport: Transport, ask: Ask) -> None:
        self._credentials = connection.credentials
        self._transport = transport
        self._ask = ask
        self._own = ""  # a token that was made here and that nobody else will revoke
        self._shared = SharedToken(connection.login_dir, connection) if connection.login_dir else None
        self.auth = Bearer(make=self._make)

    def log_in(self) -> Optional[bool]:
        """Share one token with the other tasks of this run; whether it was made now, None when there is nowhere to share it.

        :class:`ServiceError` when the service refuses, :class:`OSError` when there is no room for the token.
        """
        if not self._shared:
            return None
        self._shared.open()
        taken = self._take_shared("")
        if not taken or not taken.kept:
            raise OSError("it cannot be written")
        return taken.made

    def log_out(self) -> Optional[bool]:
        """Revoke the token that the tasks of this run share; None when they share none, False when the service did not take it back."""
        token = self._shared.remove() if self._shared else None
        return self._revoke(token) if token else None

    def leave(self) -> None:
        """Revoke a token of our own. When that fails, it ends by itself within the hour, and what the run did stands."""
        if self._own:
            self._revoke(self._own)

    def _make(self) -> str:
        taken = self._take_shared(self.auth.token)
        return taken.value if taken else self._make_own().value

    def _take_shared(self, refused: str) -> Optional[Taken]:
        taken = self._shared.take(refused, self._make_own) if self._shared else None
        if taken and taken.kept:
            self._own = ""  # whoever logs the run out revokes it
        return taken

    def _make_own(self) -> Token:
        try:
            answer = self._ask("POST", *self._request("token", {"grant_type": "client_credentials"}))
        except ServiceError as error:
            raise NotAdmitted(error.message, error.failure) from None
        token = _token(answer.body)
        self._own = token.value
        return token

    def _revoke(self, token: str) -> bool:
        try:
            form = {"token": token, "token_type_hint": "access_token"}
            return self._transport.exchange("POST", *self._request("revoke", form)).status == 200
        except NoAnswer:
            return False

    def _request(self, operation: str, form: Mapping[str, str]) -> Tuple[str, "_Basic", Dict[str, str], bytes]:
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        signature = _Basic(self._credentials.public, self._credentials.secret)
        return "/api/oauth/" + operation, signature, headers, urlencode(form).encode("ascii")


def _token(body: bytes) -> Token:
    try:
        document = json.loads(body.decode("utf-8"))
        value, lifetime = document["access_token"], document.get("expires_in")
        if _VALUE.match(value):
            return Token(value, time.time() + (lifetime if isinstance(lifetime, int) else _LIFETIME))
    except (KeyError, RecursionError, TypeError, ValueError):
        pass
    raise NotAdmitted("the answer to the login is not a token: check base_url and the proxy settings", Failure(200))


class _Basic:
    """Sign with user and password (RFC 7617), in UTF-8 where ``requests`` would take latin-1."""

    def __init__(self, user: str, password: str) -> None:
        self._value = base64.b64encode("{0}:{1}".format(user, password).encode("utf-8")).decode("ascii")

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = "Basic " + self._value
        return request
