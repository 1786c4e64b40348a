# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find any 24 consecutive characters of a secret, in each form in which it may be written, in megabytes of text.

A match of 24 characters holds, wherever it begins, twelve characters that begin at a multiple of 13. So twelve characters at every
13th place of the text are looked up in a table of all that the secrets hold; what is found there is looked at closely.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from urllib.parse import quote

SHORTEST = 24
_GRAM = 12
_KEY = "private key "
_STRIDE = SHORTEST - _GRAM + 1
_BLOCK = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s(.*?)-----END [A-Z ]*PRIVATE KEY-----\s?", re.DOTALL)


class Needles:
    """The secrets to look for, by name."""

    def __init__(self) -> None:
        self._forms: list[tuple[str, bytes]] = []
        self._grams: dict[bytes, list[int]] = {}
        self._known: set[str] = set()
        self._texts: dict[str, str] = {}

    def add_keys(self, text: str) -> int:
        """Every private key in this text, in PEM; the number of those that are new. What two keys share is structure, and no secret."""
        new = 0
        for block in _BLOCK.finditer(text.replace("\r\n", "\n")):
            body = "".join(block.group(1).split())
            name = _KEY + hashlib.sha256(body.encode()).hexdigest()[:8]
            if name not in self._known:
                self._known.add(name)
                self._add(name, {body, block.group(0), *_aligned(block.group(0))})
                new += 1
        return new

    def add_text(self, name: str, secret: str) -> None:
        """A credential, which must have the shortest length that is found."""
        if len(secret) < SHORTEST:
            raise ValueError(f"{name} is too short to be told from chance")
        if secret not in self._known:
            self._known.add(secret)
            self._texts[name] = secret
            self._add(name, {secret, *_aligned(secret)})

    @property
    def names(self) -> set[str]:
        """The secrets that are looked for."""
        return {name for name, _form in self._forms}

    def value(self, name: str) -> str:
        """The text of a credential; empty for a key."""
        return self._texts.get(name, "")

    def find(self, data: bytes) -> set[str]:
        """The names of the secrets of which there are 24 consecutive characters."""
        grams = self._grams
        hits = [place for place in range(0, len(data) - _GRAM + 1, _STRIDE) if data[place : place + _GRAM] in grams]
        found: set[str] = set()
        for place in hits:
            for window in _windows(data, place):
                names = {self._forms[number][0] for number in grams[data[place : place + _GRAM]] if window in self._forms[number][1]}
                keys = {name for name in names if name.startswith(_KEY)}
                found |= names if len(keys) < 2 else names - keys
        return found

    def _add(self, name: str, forms: set[str]) -> None:
        written = {way for form in forms for way in (form, quote(form, safe=""), form.replace("/", r"\/"), form.replace("\n", r"\n"))}
        for form in written:
            data = form.encode()
            self._forms.append((name, data))
            for place in range(len(data) - _GRAM + 1):
                numbers = self._grams.setdefault(data[place : place + _GRAM], [])
                if not numbers or numbers[-1] != len(self._forms) - 1:
                    numbers.append(len(self._forms) - 1)


def _windows(data: bytes, place: int) -> Iterator[bytes]:
    for start in range(max(0, place - _STRIDE + 1), place + 1):
        window = data[start : start + SHORTEST]
        if len(window) == SHORTEST:
            yield window


def _aligned(text: str) -> Iterator[str]:
    """The base64 of a longer text that holds this one, wherever it begins in it: the characters that it alone decides."""
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + text.encode()).decode()
        yield encoded[4 if shift else 0 : -4]
