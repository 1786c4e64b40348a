# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lists of many users, perhaps in many projects: read side by side, in the order of the question, and how far it is for people who wait."""

import os
from datetime import datetime
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.atlas.x509.plugins.module_utils._certificate import Certificate
from ansible_collections.atlas.x509.plugins.module_utils._client import Client
from ansible_collections.atlas.x509.plugins.module_utils._errors import Failure, ServiceError
from ansible_collections.atlas.x509.plugins.module_utils._sweep import Failed, Progress, Sweep

Keep = Callable[[str, str, List[Certificate], datetime], Any]
"""What is kept of a whole list: of this project and user, at this moment by the service's clock, which is the same for all lists."""


class Lists(NamedTuple):
    """``found`` is what was kept of each list. ``projects`` gives each its name, None where only the id is known."""

    projects: Mapping[str, Optional[str]]
    found: Tuple[Any, ...]
    failed: Tuple[Failed, ...]
    now: datetime
    progress: Progress


def read(
    client: Client,
    project_ids: Optional[Sequence[str]],
    usernames: Optional[Sequence[str]],
    keep: Keep,
    concurrency: int,
    strict: bool,
    progress_path: Optional[str] = None,
) -> Lists:
    """Read the lists of these users (None: all managed ones) in these projects (None: all that can be seen).

    One that fails is in ``failed``. :class:`ServiceError` when it makes no sense to go on, or when nothing could be read.
    """
    projects = client.projects() if project_ids is None else dict.fromkeys(project_ids)  # type: Mapping[str, Optional[str]]
    clock = []  # type: List[datetime]

    def kept(project_id: str, username: str, listed: List[Certificate]) -> Any:
        clock.append(client.now())
        return keep(project_id, username, listed, clock[0])

    sweep = Sweep(client, kept, concurrency, strict)
    try:
        sweep.run(list(projects), usernames, teller(progress_path))
        _refuse_nothing(projects, sweep)
    except ServiceError as error:
        error.facts["failed_lists"] = [shown(one) for one in sweep.failed]
        raise
    order = {project_id: number for number, project_id in enumerate(projects)}
    names = {name: number for number, name in enumerate(usernames or sorted({name for _project, name in sweep.found}))}
    found = [sweep.found[place] for place in sorted(sweep.found, key=lambda place: (order[place[0]], names[place[1]]))]
    failed = sorted(sweep.failed, key=lambda one: (order[one.project_id], one.username or ""))
    return Lists(projects, tuple(found), tuple(failed), clock[0] if clock else client.now(), sweep.progress)


def _refuse_nothing(projects: Mapping[str, Optional[str]], sweep: Sweep) -> None:
    """Nothing read and nothing there look alike from afar, so the former is an error."""
    if sweep.found or not sweep.failed or {one.project_id for one in sweep.failed} != set(projects):
        return
    first = sweep.failed[0].error
    raise ServiceError(("" if len(sweep.failed) == 1 else "nothing could be read: ") + first.message, first.failure)


def shown(one: Failed) -> Dict[str, Any]:
    """A list that failed, as a return value."""
    failure = one.error.failure or Failure()
    return {"project_id": one.project_id, "username": one.username, "msg": one.error.message, "failure": dict(failure._asdict())}


def teller(path: Optional[str]) -> Callable[[Progress], None]:
    """What adds a line to this file whenever it is told how far it is. A file that cannot be written stops no audit."""

    def tell(progress: Progress) -> None:
        try:
            if path:
                with open(path, "r+", encoding="utf-8") as lines:  # never made here: who wants to read it has made it
                    lines.seek(0, os.SEEK_END)
                    lines.write(words(progress) + "\n")
        except OSError:
            pass

    return tell


def words(progress: Progress) -> str:
    """How far it is, for people."""
    parts = ["{0} of {1} lists read".format(progress.read, progress.known)]
    if progress.failed:
        parts.append("{0} failed".format(progress.failed))
    if progress.waited >= 1:
        parts.append("{0:.0f} s waited for the service".format(progress.waited))
    return ", ".join(parts)
