# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Query parameters and the form of results: pages, envelopes, pretty print."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from .errors import ApiError, api_error
from .routing import Target

_FLAGS = frozenset(("envelope", "pretty"))
_PAGING = frozenset(("pageNum", "itemsPerPage", "includeCount"))
MAX_ITEMS = 500


@dataclass(frozen=True)
class Options:
    """The query of a request, checked."""

    envelope: bool = False
    pretty: bool = False
    page: int = 1
    items: int = 100
    count: bool = True

    def dump(self, document: Any) -> bytes:
        """JSON, for people if asked."""
        if self.pretty:
            return json.dumps(document, indent=2).encode()
        return json.dumps(document, separators=(",", ":")).encode()


def options(target: Target, is_list: bool) -> Options:
    """Read the query strictly: unknown and repeated parameters are errors."""
    known = _FLAGS | _PAGING if is_list else _FLAGS
    query = dict(target.query)
    for name in query:
        if name not in known:
            raise api_error("INVALID_QUERY_PARAMETER", name)
    if len(query) != len(target.query):
        raise api_error("INVALID_QUERY_PARAMETER", next(_repeated(target.query)))
    return Options(
        _flag(query, "envelope", False),
        _flag(query, "pretty", False),
        _number(query, "pageNum", 1, 2**31 - 1),
        _number(query, "itemsPerPage", 100, MAX_ITEMS),
        _flag(query, "includeCount", True),
    )


def page(
    wanted: Options, base: str, path: str, items: Sequence[Any], repeat_previous: bool = False
) -> dict[str, Any]:
    """One page of the items, not yet rendered; ``repeat_previous`` serves the page before it once more."""
    served = max(1, wanted.page - 1) if repeat_previous else wanted.page
    start = (served - 1) * wanted.items
    document: dict[str, Any] = {
        "links": list(_links(wanted, base + path, len(items))),
        "results": items[start : start + wanted.items],
    }
    if wanted.count:
        document["totalCount"] = len(items)
    if wanted.envelope:
        document["status"] = 200
    return document


def _links(wanted: Options, url: str, total: int) -> Iterator[dict[str, str]]:
    def link(rel: str, number: int) -> dict[str, str]:
        query = urlencode(
            {
                "includeCount": str(wanted.count).lower(),
                "pageNum": number,
                "itemsPerPage": wanted.items,
            }
        )
        return {"href": f"{url}?{query}", "rel": rel}

    yield link("self", wanted.page)
    if wanted.page > 1:
        yield link("previous", wanted.page - 1)
    if wanted.page * wanted.items < total:
        yield link("next", wanted.page + 1)


def _repeated(query: Iterable[tuple[str, str]]) -> Iterator[str]:
    seen: set[str] = set()
    for name, dummy in query:
        if name in seen:
            yield name
        seen.add(name)


def _flag(query: dict[str, str], name: str, default: bool) -> bool:
    text = query.get(name)
    if text is None:
        return default
    if text not in ("true", "false"):
        raise _invalid(name)
    return text == "true"


def _number(query: dict[str, str], name: str, default: int, largest: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= largest):
        raise _invalid(name)
    return int(text)


def _invalid(name: str) -> ApiError:
    return api_error("INVALID_ATTRIBUTE", name)
