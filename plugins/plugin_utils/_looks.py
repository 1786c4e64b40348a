# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what was registered for ``atlas_pem_info`` on hosts to one look for each file."""

from __future__ import annotations

from typing import Any, Iterator, Mapping


def from_hosts(registered: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The looks, each with its ``host`` and ``path``. A host with nothing registered could not be asked, unless nobody was."""
    looks = [look for host, result in registered.items() if result for look in _of_host(str(host), result)]
    if not looks:
        return []
    return looks + [{"host": str(host), "path": "", "msg": "the host was not asked"} for host, result in registered.items() if not result]


def _of_host(host: str, result: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if "results" not in result and result.get("skipped"):
        return
    for one in result.get("results", [result]):
        path = one.get("location") or one.get("item") or ""
        yield dict({key: one.get(key) for key in ("state", "detail", "certificate", "msg")}, host=host, path=path)
