# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials of the fake service as options, and a client of it as a module would make one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.atlas.x509.plugins.module_utils import _options
from ansible_collections.atlas.x509.plugins.module_utils._client import Client
from fake_atlas import (
    DEMO_CLIENT_ID,
    DEMO_CLIENT_SECRET,
    DEMO_PRIVATE_KEY,
    DEMO_PUBLIC_KEY,
    READ_ONLY_PRIVATE_KEY,
    READ_ONLY_PUBLIC_KEY,
)

API_KEY = {"public_api_key": DEMO_PUBLIC_KEY, "private_api_key": DEMO_PRIVATE_KEY}
READ_ONLY = {"public_api_key": READ_ONLY_PUBLIC_KEY, "private_api_key": READ_ONLY_PRIVATE_KEY}
ACCOUNT = {"client_id": DEMO_CLIENT_ID, "client_secret": DEMO_CLIENT_SECRET}


def task_options(*specs: Mapping[str, Any], **given: Any) -> dict[str, Any]:
    """The options of a task that gives these: the others of the connection, and of ``specs``, have their defaults."""
    return {name: field.get("default") for spec in (_options.SPEC, *specs) for name, field in spec.items()} | given


def client(url: str, credentials: Mapping[str, str] | None = None, naps: list[float] | None = None, **given: Any) -> Client:
    """A client, with the API key unless told otherwise, that notes in ``naps`` how long it would wait, and does not."""
    connection = _options.connection(task_options(base_url=url, **{**(API_KEY if credentials is None else credentials), **given}), {})
    return Client(connection, sleep=([] if naps is None else naps).append)
