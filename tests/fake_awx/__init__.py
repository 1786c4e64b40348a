# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""As much of AWX's API, on loopback, as the modules of awx.awx ask for when they set up jobs; its rules are in ``rules``.

Stricter than AWX in one way: a field that it does not know is refused, where AWX would ignore it.
"""

from __future__ import annotations

import itertools
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from . import rules

TOKEN = "awx-token-of-nobody"
_ASSOCIATIONS = {"credentials": "credentials", "notification_templates_error": "notification_templates"}


class FakeAwx:
    """``with FakeAwx(playbooks) as awx``: ``awx.url``, ``awx.items[kind]`` by id, ``awx.writes`` as (method, path).

    ``prefix`` is another one behind the gateway of Automation Platform 2.5 and later.
    """

    def __init__(self, playbooks: list[str], prefix: str = "/api/v2/") -> None:
        self.playbooks = playbooks
        self.prefix = prefix
        self.items: dict[str, dict[int, dict[str, Any]]] = {kind: {} for kind in rules.KINDS}
        self.surveys: dict[int, dict[str, Any]] = {}
        self.associated: dict[tuple[int, str], list[int]] = {}
        self.writes: list[tuple[str, str]] = []
        self._numbers = itertools.count(1)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"awx": self}))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FakeAwx:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_exception: Any) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add(self, endpoint: str, /, **fields: Any) -> int:
        """Something that exists already, or that somebody makes; its id."""
        number = next(self._numbers)
        self.items[endpoint][number] = {**rules.defaults(endpoint), **fields, "id": number}
        return number

    def named(self, kind: str, name: str) -> dict[str, Any]:
        """The one item of this kind and name."""
        (item,) = (item for item in self.items[kind].values() if item["name"] == name)
        return item

    def answer(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        """Status and document for a request below the prefix."""
        if method != "GET":
            self.writes.append((method, path))
        kind, *rest = path.strip("/").split("/")
        if kind == "unified_job_templates":
            return 200, self._page([*self._found("job_templates", query), *self._found("projects", query)])
        if kind == "project_updates":
            return 200, {"id": int(rest[0]), "status": "successful", "finished": "2026-01-01T00:00:00Z", "failed": False}
        if kind not in self.items:
            return 404, {"detail": "Not found."}
        if not rest:
            return (200, self._page(self._found(kind, query))) if method == "GET" else self._create(kind, body)
        number = int(rest[0])
        if number not in self.items[kind]:
            return 404, {"detail": "Not found."}
        if len(rest) == 2:
            return self._below(method, kind, number, rest[1], body)
        return (200, self._shown(kind, number)) if method == "GET" else self._change(kind, number, body)

    def _create(self, kind: str, body: dict[str, Any]) -> tuple[int, Any]:
        problem = rules.problem(self, kind, {**rules.defaults(kind), **body})
        if problem:
            return 400, problem
        return 201, self._shown(kind, self.add(kind, **body))

    def _change(self, kind: str, number: int, body: dict[str, Any]) -> tuple[int, Any]:
        changed = {**self.items[kind][number], **rules.with_kept_secrets(self.items[kind][number], body)}
        problem = rules.problem(self, kind, {name: value for name, value in changed.items() if name != "id"})
        if problem:
            return 400, problem
        self.items[kind][number] = changed
        return 200, self._shown(kind, number)

    def _below(self, method: str, kind: str, number: int, part: str, body: dict[str, Any]) -> tuple[int, Any]:
        if kind == "job_templates" and part == "survey_spec":
            if method == "GET":
                return 200, self.surveys.get(number, {})
            problem = rules.survey_problem(body)
            if problem:
                return 400, {"error": problem}
            self.surveys[number] = body
            return 200, {}
        if part not in _ASSOCIATIONS:
            return 404, {"detail": "Not found."}
        held = self.associated.setdefault((number, part), [])
        if method == "GET":
            return 200, self._page([self._shown(_ASSOCIATIONS[part], one) for one in held])
        if body["id"] not in self.items[_ASSOCIATIONS[part]]:
            return 400, {"detail": "no such object"}
        held.remove(body["id"]) if body.get("disassociate") else held.append(body["id"])
        return 204, None

    def _found(self, kind: str, query: dict[str, str]) -> list[dict[str, Any]]:
        def fits(item: dict[str, Any]) -> bool:
            return all(str(item.get(name)) == value for name, value in query.items())

        return [self._shown(kind, number) for number, item in self.items[kind].items() if fits(item)]

    def _shown(self, kind: str, number: int) -> dict[str, Any]:
        url = f"{self.prefix}{kind}/{number}/"
        related = {"survey_spec": f"{url}survey_spec/", "update": f"{url}update/"}
        summary = {"current_update": {"id": number}} if kind == "projects" else {}
        shown = rules.with_hidden_secrets(self, kind, self.items[kind][number])
        return {**shown, "type": kind[:-1], "url": url, "related": related, "summary_fields": summary, "scm_revision": "0" * 40}

    @staticmethod
    def _page(results: list[dict[str, Any]]) -> dict[str, Any]:
        return {"count": len(results), "next": None, "previous": None, "results": results}


class _Handler(BaseHTTPRequestHandler):
    awx: FakeAwx

    def _serve(self) -> None:
        target = urlsplit(self.path)
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            status, document = 401, {"detail": "Authentication credentials were not provided."}
        elif not target.path.startswith(self.awx.prefix) or not target.path.endswith("/"):
            status, document = 404, {"detail": "Not found."}
        else:
            status, document = self.awx.answer(self.command, target.path.removeprefix(self.awx.prefix), dict(parse_qsl(target.query)), body)
        content = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = _serve  # noqa: N815 -- the names that the base class calls

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""
