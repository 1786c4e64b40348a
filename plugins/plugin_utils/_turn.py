# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One certificate for one user and task, on however many hosts the task runs.

Hosts that are this machine (``connection: local``), and tasks that are delegated without ``run_once``, ask side by side: each would find
nothing at Atlas, and each would issue. So the forks of a run take turns, and once one has issued, or may have, the others may no longer issue in any case.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

from ansible_collections.atlas.x509.plugins.module_utils._options import DEFAULT_BASE_URL


class Turn:
    """The time in which no other fork works for this user. ``issuer`` is the other host for which this task has asked for one already."""

    def __init__(self, file: IO[str], task: str, host: str) -> None:
        self._file = file
        self._entry = [task, host]
        others = [json.loads(line) for line in file]
        self.issuer: str | None = next((name for one, name in others if one == task and name != host), None)

    def restrain(self, arguments: dict[str, Any]) -> None:
        """Take back what would issue although one was asked for a moment ago."""
        if self.issuer is not None:
            arguments.update(force=False, on_orphan="fail")

    def record(self, result: dict[str, Any]) -> None:
        """Remember for the forks that wait that one was asked for, and tell a host that got nothing why."""
        if _has_asked(result):
            self._file.write(json.dumps(self._entry) + "\n")
        elif result.get("failed") and self.issuer is not None and result.get("reason") == "orphaned":
            result["msg"] += (
                ". This task has asked for one for this user already, for the host {0}, and it does not issue one for each host: write run_once: true, "
                "give all hosts the same path, or use the role user_cert"
            ).format(self.issuer)


def _has_asked(result: Mapping[str, Any]) -> bool:
    """Whether one was issued, is kept aside because it could not be put in place, or was issued perhaps."""
    if result.get("failed"):
        return "parked" in result or bool(result.get("outcome_unknown"))
    return bool(result.get("changed")) and result.get("decision") == "issue"


@contextmanager
def turn(directory: str, arguments: Mapping[str, Any], environment: Mapping[str, str], task: str, host: str) -> Iterator[Turn]:
    """Wait until it is this host's turn for this user. ``directory`` belongs to this run of Ansible alone, ``environment`` is the module's."""
    path = os.path.join(directory, "atlas_user_cert-" + hashlib.sha256(_whose(arguments, environment).encode()).hexdigest()[:32])
    with open(path, "a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        yield Turn(file, task, host)


def _whose(arguments: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    """Which user is meant, the same however it is said: one host may have from an option what another has from the environment."""
    url = str(arguments.get("base_url") or environment.get("MONGODB_ATLAS_BASE_URL") or DEFAULT_BASE_URL)
    project = str(arguments.get("project_id") or environment.get("MONGODB_ATLAS_PROJECT_ID") or "")
    return json.dumps([url.strip().rstrip("/"), project, str(arguments.get("username"))])
