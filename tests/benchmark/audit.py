# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The audit: ``atlas_user_cert_info`` beside a loop over ``uri``, which is what people write without it."""

from __future__ import annotations

import argparse
import statistics
import sys
from typing import Any

from fake_atlas import READ_ONLY_PRIVATE_KEY, READ_ONLY_PUBLIC_KEY

from ._cost import Cost, module, play
from ._service import Service, service
from ._table import table

LATENCY = 0.05
CONCURRENCY = 8
TASKS = 5
"""In a play that measures what one of them costs."""
NAME = "atlas_user_cert_info"
HEADING = ["", "wall s", "processor s", "MB", "requests", "connections", "waited s", "refused"]


def main() -> None:
    """Measure, and print the tables."""
    asked = _arguments()
    with service() as atlas:
        say("One user, one request: what a task costs\n")
        say(_start_up(atlas, asked.pairs))
        if asked.start_up_only:
            return
        say(f"\n{asked.users} users of one project\n")
        say(_side_by_side(atlas, asked.users))
        say("\nMany users in many projects, by the module alone\n")
        say(_at_scale(atlas, asked.projects, asked.scale))
        if asked.limited:
            say("\n300 users of one project that allows 200 requests and 100 more every 5 s\n")
            say(_limited(atlas))


def say(text: str) -> None:
    """What is measured is shown at once: the next row may take a while."""
    print(text, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmark audit", description=__doc__)
    parser.add_argument("--pairs", type=int, default=15, help="pairs of plays with tasks for one user (default: %(default)s)")
    parser.add_argument("--start-up-only", action="store_true", help="measure no more than these")
    parser.add_argument("--users", type=int, default=100, help="users beside the loop over uri (default: %(default)s)")
    parser.add_argument("--projects", type=int, default=100, help="projects of the large audits (default: %(default)s)")
    parser.add_argument("--scale", type=int, nargs="+", default=[1000, 10000], help="users of the large audits (default: 1000 10000)")
    parser.add_argument("--no-limited", dest="limited", action="store_false", help="without the audit that has to wait")
    return parser.parse_args()


def _access(atlas: Service) -> dict[str, Any]:
    return {"base_url": atlas.url, "public_api_key": READ_ONLY_PUBLIC_KEY, "private_api_key": READ_ONLY_PRIVATE_KEY}


def _uri(atlas: Service, project_id: str) -> dict[str, Any]:
    """What people write today."""
    return {
        "url": f"{atlas.url}/api/atlas/v2/groups/{project_id}/databaseUsers/{{{{ item }}}}/certs?itemsPerPage=500",
        "url_username": READ_ONLY_PUBLIC_KEY,
        "url_password": READ_ONLY_PRIVATE_KEY,
        "headers": {"Accept": "application/vnd.atlas.2023-01-01+json"},
    }


def _start_up(atlas: Service, pairs: int) -> str:
    """Plays with a few tasks each, one with ``uri`` and one with the module in turn, because a machine is not equally fast all the time."""
    (project_id,) = atlas.populated(1, 1, LATENCY)
    same = {"loop": ["user-000000"] * TASKS, "loop_control": {"label": ""}}
    actions = {
        "uri": {"ansible.builtin.uri": _uri(atlas, project_id)},
        NAME: {f"atlas.x509.{NAME}": {"project_id": project_id, "username": "{{ item }}", **_access(atlas)}},
    }
    costs: dict[str, list[Cost]] = {"": [], **{name: [] for name in actions}}
    for number in range(pairs + 1):
        found = {name: play([{**actions[name], **same}]) for name in sorted(actions, reverse=bool(number % 2))}
        found[""] = play([])
        for name, one in found.items() if number else ():  # the first pair finds nothing in any cache
            costs[name].append(one)
    tasks = {name: [_task(*pair) for pair in zip(costs[name], costs[""], strict=True)] for name in actions}
    rows = [[f"a task with {name}", *(f"{1000 * statistics.median(each):.0f}" for each in zip(*tasks[name], strict=True))] for name in actions]
    ratios = [[one / other for one, other in zip(*pair, strict=True)] for pair in zip(tasks[NAME], tasks["uri"], strict=True)]
    remarks = [
        f"{what} {statistics.median(each):.3f} times, half of the pairs between {low:.3f} and {high:.3f}"
        for what, each in zip(("by the clock", "by processor time"), zip(*ratios, strict=True), strict=True)
        for low, _middle, high in [statistics.quantiles(each, n=4)]
    ]
    return table(["", "wall ms", "processor ms"], rows) + f"\n\n{pairs} pairs of plays with {TASKS} tasks; the module beside uri: " + "; ".join(remarks) + "."


def _task(play_with: Cost, empty: Cost) -> tuple[float, float]:
    """Wall and processor seconds of one task, without Ansible's own start."""
    return (play_with.wall - empty.wall) / TASKS, (play_with.cpu - empty.cpu) / TASKS


def _side_by_side(atlas: Service, users: int) -> str:
    (project_id,) = atlas.populated(1, users, LATENCY)
    names = [f"user-{number:06}" for number in range(users)]
    empty = play([])
    atlas.counted()
    loop = play([{"ansible.builtin.uri": _uri(atlas, project_id), "loop": names, "register": "found"}])
    rows = [_row("(an empty play)", empty, {}), _row(f"{users} tasks with uri", loop, atlas.counted())]
    one = play([{f"atlas.x509.{NAME}": {"project_id": project_id, **_access(atlas)}, "register": "found"}])
    rows.append(_row(f"one task with {NAME}", one, atlas.counted()))
    return table(HEADING, rows) + "\n\n" + _ratio(loop, one, empty, "The module", "the loop")


def _ratio(loop: Cost, one: Cost, empty: Cost, subject: str, other: str) -> str:
    return (
        f"{subject} is {loop.wall / one.wall:.1f} times as fast as {other} ({loop.cpu / one.cpu:.1f} times by processor seconds); without Ansible's own "
        f"start, {(loop.wall - empty.wall) / (one.wall - empty.wall):.1f} times ({(loop.cpu - empty.cpu) / (one.cpu - empty.cpu):.1f})."
    )


def _at_scale(atlas: Service, projects: int, scale: list[int]) -> str:
    rows, remarks = [], []
    for users in scale:
        atlas.populated(projects, users // projects, LATENCY)
        atlas.counted()
        found, result = module(NAME, {"all_projects": True, "concurrency": CONCURRENCY, **_access(atlas)})
        expected = users // projects * projects + 1  # and the demonstration's own user
        if len(result["users"]) != expected or result["failed_lists"]:
            sys.exit(f"benchmark: {len(result['users'])} users were read instead of {expected}: {result['failed_lists'][:3]}")
        counted = atlas.counted()
        rows.append(_row(f"{users} users in {projects} projects", found, counted, result["seconds_waited"]))
        least = LATENCY * counted["requests"] / CONCURRENCY
        remarks.append(
            f"{users} users: {found.wall / least:.2f} times the least possible ({least:.1f} s: {counted['requests']} requests of {LATENCY} s, "
            f"{CONCURRENCY} at a time); {1000 * found.cpu / users:.1f} ms of processor time a user."
        )
    return table(HEADING, rows) + "\n\n" + "\n".join(remarks)


def _limited(atlas: Service) -> str:
    (project_id,) = atlas.populated(1, 300, LATENCY, capacity=200, refill=100, period=5)
    atlas.counted()
    found, result = module(NAME, {"project_id": project_id, **_access(atlas)})
    return table(HEADING, [_row("300 users", found, atlas.counted(), result["seconds_waited"])])


def _row(name: str, found: Cost, counted: dict[str, int], waited: float | None = None) -> list[object]:
    numbers = [counted.get(key, "") for key in ("requests", "connections")]
    return [name, f"{found.wall:.1f}", f"{found.cpu:.1f}", f"{found.memory:.0f}", *numbers, "" if waited is None else waited, counted.get("refused", "")]


if __name__ == "__main__":
    main()
