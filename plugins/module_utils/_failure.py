# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an answer that is no success says, as data. What it means for the user is in ``_advice``."""

import json
from typing import Any, Mapping, Optional

from ansible_collections.atlas.x509.plugins.module_utils._errors import Failure

NO_ROLE = frozenset(("USER_UNAUTHORIZED", "NOT_IN_GROUP", "USER_CANNOT_ACCESS_GROUP"))
"""A 401 with one of these knows who asks: other proof of it changes nothing."""


def failure_of(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """The error in an answer, as data. A proxy's page has a status only, and its title as detail."""
    try:
        value = json.loads(body.decode("utf-8"))
    except (RecursionError, ValueError):
        value = None
    if not isinstance(value, dict):
        return Failure(status, headers.get("X-Error-Code"), _page_title(body))
    error = value.get("error")
    if isinstance(error, str):  # OAuth (RFC 6749, 5.2): a word where the API has a number
        return Failure(status, error, _text(value.get("error_description")))
    parameters = value.get("parameters")
    return Failure(
        status,
        _text(value.get("errorCode")) or headers.get("X-Error-Code"),
        _detail(value),
        parameters if isinstance(parameters, list) else None,
    )


def is_shut_out(failure: Failure) -> bool:
    """Whether the service lets this caller do nothing at all, whatever is asked."""
    return (failure.status == 401 and failure.code not in NO_ROLE) or (failure.status == 403 and failure.code == "IP_ADDRESS_NOT_ON_ACCESS_LIST")


def _detail(error: Mapping[str, Any]) -> Optional[str]:
    """What Atlas says, with the fields of a bad request when it names them."""
    bad = error.get("badRequestDetail")
    fields = bad.get("fields") if isinstance(bad, dict) else None
    pairs = [(field.get("field"), field.get("description")) for field in fields if isinstance(field, dict)] if isinstance(fields, list) else []
    named = ["{0} {1}".format(*pair) for pair in pairs if _text(pair[0]) and _text(pair[1])]
    said = [_text(error.get("detail")) or _text(error.get("reason"))] + named
    return "; ".join(text for text in said if text) or None


def _text(value: Any) -> Optional[str]:
    return value[:500] if isinstance(value, str) and value else None


def _page_title(body: bytes) -> Optional[str]:
    text = body[:4096].decode("utf-8", "replace")
    start, end = text.lower().find("<title>"), text.lower().find("</title>")
    return " ".join(text[start + 7 : end].split())[:200] if 0 <= start < end else None
