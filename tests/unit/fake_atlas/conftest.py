# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fake of its own and a client for each test."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import requests
from fake_atlas import (
    DEMO_PRIVATE_KEY,
    DEMO_PROJECT,
    DEMO_PUBLIC_KEY,
    READ_ONLY_PRIVATE_KEY,
    READ_ONLY_PUBLIC_KEY,
    FakeAtlas,
)
from requests.auth import HTTPDigestAuth

V2 = "application/vnd.atlas.2023-01-01+json"


class Client:
    """What a well-behaved user of the API does."""

    def __init__(self, url: str, public: str = DEMO_PUBLIC_KEY, private: str = DEMO_PRIVATE_KEY) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.auth = HTTPDigestAuth(public, private)
        self.session.headers["Accept"] = V2

    def path(self, username: str = "app", project: str = DEMO_PROJECT, version: str = "v2") -> str:
        name = quote(username, safe="")
        return f"{self.url}/api/atlas/{version}/groups/{project}/databaseUsers/{name}/certs"

    def list(self, username: str = "app", project: str = DEMO_PROJECT, **more: Any) -> requests.Response:
        return self.session.get(self.path(username, project), timeout=60, **more)

    def create(
        self, username: str = "app", months: int = 3, project: str = DEMO_PROJECT, **more: Any
    ) -> requests.Response:
        more.setdefault("json", {"monthsUntilExpiration": months})
        return self.session.post(self.path(username, project), timeout=60, allow_redirects=False, **more)

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.session.get(self.url + path, timeout=60, **more)

    def connect(self, request: str) -> socket.socket:
        """A bare connection over which this is sent: libraries mend what shall be wrong, and wait for an answer."""
        connection = socket.create_connection((urlsplit(self.url).hostname, urlsplit(self.url).port), timeout=60)
        connection.sendall(request.encode())
        return connection

    def steer(self, method: str, name: str, document: Any = None, status: int = 200) -> Any:
        answer = requests.request(method, f"{self.url}/_fake/{name}", json=document, timeout=60)
        assert answer.status_code == status, answer.text
        return answer.json()


@pytest.fixture
def atlas() -> Iterator[FakeAtlas]:
    with FakeAtlas() as running:
        yield running


@pytest.fixture
def client(atlas: FakeAtlas) -> Iterator[Client]:
    made = Client(atlas.url)
    with made.session:
        yield made


@pytest.fixture
def reader(atlas: FakeAtlas) -> Iterator[Client]:
    made = Client(atlas.url, READ_ONLY_PUBLIC_KEY, READ_ONLY_PRIVATE_KEY)
    with made.session:
        yield made


@pytest.fixture
def client_class() -> type[Client]:
    return Client
