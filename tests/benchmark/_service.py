# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fake Atlas as a process of its own: what it computes must not count for the one who asks it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
_START_SECONDS = 60
_LIFETIME = 4 * 3600


class Service:
    """A running fake, steered over HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url

    def steer(self, method: str, name: str, document: Any = None) -> Any:
        """One steering request (tests/fake_atlas/README.md)."""
        request = urllib.request.Request(f"{self.url}/_fake/{name}", json.dumps(document or {}).encode(), method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=600) as answer:
            return json.load(answer)

    def populated(self, projects: int, users: int, latency: float, **limit: float) -> list[str]:
        """Begin anew with so many projects and users in each, and answer everything after ``latency`` seconds; the ids of the projects."""
        self.steer("POST", "reset")
        made = self.steer("POST", "populate", {"projects": projects, "users": users})["projects"]
        self.steer("POST", "faults", {"action": "delay", "seconds": latency, "times": None, "before_auth": True})
        if limit:
            self.steer("POST", "settings", {"rate_limit": limit})
        return made

    def counted(self) -> dict[str, int]:
        """Requests, connections and refusals since the last time."""
        counters = self.steer("GET", "counters")
        refused = sum(entry["status"] == 429 for entry in self.steer("GET", "journal"))
        self.steer("DELETE", "journal")
        return {"requests": counters["requests"], "connections": counters["connections"], "refused": refused}


@contextlib.contextmanager
def service() -> Iterator[Service]:
    """Start one, and end it by its own process id."""
    with tempfile.TemporaryDirectory() as folder:
        address = Path(folder) / "address.json"
        command = [sys.executable, "-m", "fake_atlas", "--address-file", str(address), "--lifetime", str(_LIFETIME)]
        before = signal.signal(signal.SIGTERM, lambda *_unused: sys.exit(143))  # so that the one below is ended then, too
        process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(TESTS)})
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not address.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("the fake Atlas did not start")
                time.sleep(0.02)
            yield Service(json.loads(address.read_text())["url"])
        finally:
            process.terminate()
            process.wait(30)
            signal.signal(signal.SIGTERM, before)
