# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run of a module in a process of its own."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from connections import API_KEY
from fake_atlas import DEMO_PROJECT

LIMIT = 150  # seconds for one line of the zygote


class Run(NamedTuple):
    """One run of a module. ``code`` is negative when it was killed; ``said`` is what it returned, None then."""

    code: int
    said: dict[str, Any] | None
    errors: str
    steps: list[dict[str, Any]]

    @property
    def was_killed(self) -> bool:
        return self.code == -9

    @property
    def failed(self) -> bool:
        assert self.said is not None, (self.code, self.errors)
        return bool(self.said.get("failed"))

    @property
    def msg(self) -> str:
        assert self.said is not None, (self.code, self.errors)
        return str(self.said["msg"])


class Modules:
    """Runs modules, each in a process of its own; the processes are forked off one that is ready (zygote.py)."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONDONTWRITEBYTECODE": "1"}
        self._zygote = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("zygote.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )

    def close(self) -> None:
        assert self._zygote.stdin and self._zygote.stdout
        self._zygote.stdin.close()
        self._zygote.wait(10)
        self._zygote.stdout.close()

    def together(self, *runs: dict[str, Any]) -> list[Run]:
        """Let all of them begin at the same moment, and wait for all."""
        assert self._zygote.stdin and self._zygote.stdout
        self._zygote.stdin.write(json.dumps(runs).encode() + b"\n")
        self._zygote.stdin.flush()
        assert select.select([self._zygote.stdout], [], [], LIMIT)[0], "a run hangs"
        return [Run(**one) for one in json.loads(self._zygote.stdout.readline())]

    def __call__(self, run: dict[str, Any]) -> Run:
        return self.together(run)[0]


def order(url: str, place: Path, elsewhere: Path, check: bool = False, event: dict[str, Any] | None = None, user: int = 0, **options: Any) -> dict[str, Any]:
    """A run of ``atlas_user_cert``, for the zygote, as root or as another user. An option that is None is left out."""
    arguments = {
        "username": "app",
        "path": str(place / "app.pem"),
        "project_id": DEMO_PROJECT,
        **API_KEY,
        "base_url": url,
        "timeout": 30,
        "retries": 0,
        "_ansible_check_mode": check,
        **options,
    }
    return {
        "module": "atlas_user_cert",
        "arguments": {name: value for name, value in arguments.items() if value is not None},
        "umask": 0,
        "watched": [str(place), str(elsewhere)],
        "tempdir": str(elsewhere),
        "event": event,
        "user": user,
    }


def changes_the_world(step: dict[str, Any]) -> bool:
    """Whether it is another world behind this step; a kill behind one that only reads, waits or syncs leaves what the kill before it left."""
    return step["call"] not in ("close", "flock", "fsync", "receive", "open") or bool(step.get("creates"))
