# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names that somebody else chose, made harmless to the eye: what does not show, or turns round what follows, is shown by its number."""

from __future__ import annotations

OPEN, CLOSE = "⟨", "⟩"


def visible(text: str) -> str:
    """The same text with ``⟨U+202E⟩`` for each character that is no visible one. Two names never become the same, so the bracket is written that way too."""
    if text.isprintable() and OPEN not in text:
        return text
    return "".join(character if character.isprintable() and character != OPEN else _number(character) for character in text)


def encodable(text: str) -> str:
    """The same text with a number for each half of a surrogate pair that stands alone, which no file in UTF-8 can hold."""
    return "".join(_number(character) if "\ud800" <= character <= "\udfff" else character for character in text)


def shortened(text: str, length: int) -> str:
    """At most so many characters, with a sign that something is left out."""
    return text if len(text) <= length else text[: length - 1] + "…"


def _number(character: str) -> str:
    return "{0}U+{1:04X}{2}".format(OPEN, ord(character), CLOSE)
