# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prove to Atlas who asks: HTTP digest (RFC 7616) for API keys, bearer tokens for service accounts.

Digest is our own: ``requests`` repeats a write by itself when it is challenged, and its older versions fail on FIPS hosts.
"""

import hashlib
import re
import secrets
import threading
from typing import Any, Callable, Dict, Optional

_PAIR = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')
_HASHES = {"MD5": "md5", "SHA-256": "sha256"}


class Digest:
    """Sign requests with an API key. The nonce is kept between calls, so that only the first one travels twice.

    Use an instance as ``auth=`` of ``requests``. One instance serves several threads.
    """

    def __init__(self, public: str, private: str) -> None:
        self._public = public
        self._private = private
        self._challenge = {}  # type: Dict[str, str]
        self._count = 0
        self._lock = threading.Lock()

    @property
    def nonce(self) -> str:
        """The nonce in use; empty before the first challenge."""
        return self._challenge.get("nonce", "")

    @staticmethod
    def is_stale(header: Optional[str]) -> bool:
        """Whether a challenge says that only the nonce was too old, not the key wrong."""
        return "stale=true" in (header or "").lower().replace('"', "")

    def take_up(self, header: Optional[str], used: str) -> bool:
        """Take up the challenge in a 401; False when there is none that could be answered.

        ``used`` is the nonce with which the refused request was signed, empty when it was not: when another thread has
        taken up a newer one in the meantime, that one stands.
        """
        scheme, _blank, rest = (header or "").partition(" ")
        fields = {name.lower(): quoted or plain for name, quoted, plain in _PAIR.findall(rest)}
        if scheme.lower() != "digest" or not fields.get("nonce") or fields.get("algorithm", "MD5").upper() not in _HASHES:
            return False
        with self._lock:
            if self.nonce == used:
                self._challenge, self._count = fields, 0
        return True

    def __call__(self, request: Any) -> Any:
        """Sign a prepared request; without a nonce it goes out unsigned, to be challenged."""
        with self._lock:
            self._count += 1
            challenge, count = self._challenge, "{0:08x}".format(self._count)
        if challenge:
            request.headers["Authorization"] = self._answer(challenge, count, request.method, request.path_url)
        return request

    def _answer(self, challenge: Dict[str, str], count: str, method: str, uri: str) -> str:
        realm, nonce, cnonce = challenge.get("realm", ""), challenge["nonce"], secrets.token_hex(16)
        algorithm = challenge.get("algorithm", "MD5")

        def digest(text: str) -> str:
            return hashlib.new(_HASHES[algorithm.upper()], text.encode("utf-8"), usedforsecurity=False).hexdigest()

        response = digest(
            ":".join((
                digest("{0}:{1}:{2}".format(self._public, realm, self._private)),
                nonce, count, cnonce, "auth",
                digest("{0}:{1}".format(method, uri)),
            ))
        )
        return (
            'Digest username="{0}", realm="{1}", nonce="{2}", uri="{3}", algorithm={4}, qop=auth, nc={5}, cnonce="{6}", response="{7}"'
        ).format(self._public, realm, nonce, uri, algorithm, count, cnonce, response)


class Bearer:
    """Sign requests with a token: one that was given, or one that ``make`` makes when it is first needed.

    Only the latter can be renewed when the service no longer takes it. One instance serves several threads.
    """

    def __init__(self, token: str = "", make: Optional[Callable[[], str]] = None) -> None:
        self.token = token
        self._make = make
        self._lock = threading.Lock()

    @property
    def can_renew(self) -> bool:
        """Whether a refused token can be replaced."""
        return self._make is not None

    def renew(self, refused: str) -> None:
        """Replace the token that was refused, unless another thread has done so."""
        with self._lock:
            if self.token == refused and self._make:
                self.token = self._make()

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = "Bearer " + self.token
        return request
