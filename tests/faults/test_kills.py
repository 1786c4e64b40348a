# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SIGKILL before every step of a whole run of ``atlas_user_cert``, and in the middle of every one that writes or sends; and of the run that
would have healed it as well.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Callable
from typing import NamedTuple

import pytest
from fake_atlas import DEMO_PROJECT
from outcomes import files, issued, known, lay, listed, pem_of, usable
from patience import wait_for

from faults.world import Run, changes_the_world

MODE = 0o640
PENDING, NEW = ".app.pem.atlas-pending", ".app.pem.atlas-new"
NOBODY = 65534
RESERVED = 64 * 1024  # the zeros that take the space, once more before a second request


class Flow(NamedTuple):
    """A world, made by ``prepare``, and the options of the run in it. ``sent``: how many requests for a certificate it sends."""

    name: str
    prepare: Callable = lambda atlas, place: None
    options: dict = {}  # noqa: RUF012 - never changed
    sent: int = 1


def older_one(atlas, place):
    """A good one, due for renewal."""
    lay(place / "app.pem", known(atlas, days_left=5)[1], MODE)


def parked(atlas, place):
    """The answer that a killed run received lies beside an older one."""
    older_one(atlas, place)
    lay(place / PENDING, json.dumps(known(atlas, days_left=89)[1].decode()).encode() + b"\0" * 5000)


def stranger(atlas, place):
    made = atlas.call(atlas.state.add_certificate, DEMO_PROJECT, "bob", days_left=50)
    lay(place / "app.pem", atlas.state.pem(made).encode(), MODE)


def half_an_answer(atlas, place):
    """A killed run was in the middle of the answer."""
    lay(place / PENDING, known(atlas, days_left=89)[1][:2000] + b"\0" * 5000)


def lost_answer(atlas, place):
    atlas.fault("drop_after", match={"method": "POST"})


def in_pieces(atlas, place):
    older_one(atlas, place)
    atlas.fault("trickle", bytes_per_second=8000, match={"method": "POST"})


RENEW = {"renew_before": "10d", "backup": True}
RENEWAL = Flow("a renewal", older_one, RENEW)
FLOWS = [
    Flow("the first one"),
    Flow("the first one, in a directory that is made", options={"path": "parking/below/app.pem", "create_directory": True}),
    RENEWAL,
    Flow("a renewal without a backup", older_one, {"renew_before": "10d"}),
    Flow("a renewal whose answer comes in pieces", in_pieces, RENEW),
    Flow("a forced one", older_one, {"force": True}),
    Flow("what an earlier run received", parked, RENEW, sent=0),
    Flow("half of what an earlier run received", half_an_answer, {"on_orphan": "reissue"}),
    Flow("somebody else's file", stranger, {"on_foreign": "replace"}),
    Flow("an answer that is lost, and one more", lost_answer, {"on_orphan": "reissue"}, sent=2),
    *([Flow("for another owner", older_one, {**RENEW, "owner": "nobody"})] if os.geteuid() == 0 else []),
]


class World:
    """A fresh fake and directory for each kill, and the judgement afterwards."""

    def __init__(self, atlas, place, user_cert, flow):
        self.atlas, self.place, self._user_cert, self.flow = atlas, place, user_cert, flow
        options = {**flow.options, "mode": f"{MODE:04o}"}
        self.path = place / options.pop("path", "app.pem")
        self.options = options
        self.earlier = None  # the number of a step, and what became of an earlier run there

    def begin(self):
        """Everything as it was before the first run, or as an earlier one left it that was killed; remembers what is there."""
        self.atlas.reset()
        for entry in self.place.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        self.flow.prepare(self.atlas, self.place)
        if self.earlier:
            assert self.run_until(*self.earlier).was_killed
            # Of two that were issued in one second nobody can tell which was the later one.
            self.atlas.call(self.atlas.state.change_settings, clock_shift=3600)
        self.before = self.path.read_bytes() if self.path.exists() else None
        self.serials_before = usable(self.path.parent)

    def run(self, **more) -> Run:
        options = {**self.options, **more}
        return self._user_cert(path=str(self.path), **options)

    def kill(self, number, what) -> Run:
        self.begin()
        return self.run_until(number, what)

    def run_until(self, number, what) -> Run:
        """A request that was sent is served whether or not its sender lives."""
        before = len(issued(self.atlas))
        run = self.run(event={"at": number, "what": what})
        wait_for(lambda: len(issued(self.atlas)) >= before + completed_posts(run))
        self.atlas.call(self.atlas.state.faults.clear)
        return run

    def folder(self):
        return files(self.path.parent) if self.path.parent.is_dir() else {}

    def check_disk(self, run):
        """What must be true at every moment, whoever looks."""
        found = self.folder()
        at_path = found.get("app.pem", (None, None))[1]
        mine = {pem_of(self.atlas, one.serial) for one in listed(self.atlas)}
        assert at_path == self.before or at_path in mine, "neither the whole old one nor a whole new one"
        for name, (mode, content) in found.items():
            allowed = MODE if name == "app.pem" or name.endswith("~") or content in mine else 0o600
            assert not mode & ~allowed, f"{name} is open to others: {mode:04o}"
        if at_path != self.before:
            assert found["app.pem"][0] == MODE
        for made in itertools.chain(self.place.glob("parking"), self.place.glob("parking/*/")):
            assert not made.stat().st_mode & 0o077 or made.is_file()
        assert self.serials_before <= usable(self.path.parent) | self.superseded(), "less than before"
        if received_whole(run, [pem_of(self.atlas, serial) for serial in issued(self.atlas)]):
            assert issued(self.atlas)[-1] in usable(self.path.parent), "an answer that was received is lost"

    def in_order(self):
        """The serial numbers as they were issued. Two of one second are told apart by their number, which is all that anybody can see."""
        return [one.serial for one in sorted(listed(self.atlas), key=lambda one: (one.created_at, one.serial))]

    def fingerprint(self):
        """Two kills with the same one leave worlds that differ in nothing that matters."""
        known = {pem_of(self.atlas, serial): number for number, serial in enumerate(self.in_order())}
        return len(issued(self.atlas)), frozenset(
            ("~" if name.endswith("~") else name, mode, known.get(content, content)) for name, (mode, content) in self.folder().items()
        )

    def superseded(self):
        """What the one in place made superfluous, because it was issued later; without a backup that is the end of it."""
        order = self.in_order()
        at_path = self.folder().get("app.pem", (0, b""))[1]
        current = next((number for number, serial in enumerate(order) if pem_of(self.atlas, serial) == at_path), 0)
        return set() if self.options.get("backup") else set(order[:current])

    def check_the_next_runs(self):
        """They heal, and never issue while what was issued can be had."""
        had, sent, before = usable(self.path.parent), len(issued(self.atlas)), self.folder()
        recoverable = [serial for serial in self.in_order() if serial in had & set(issued(self.atlas))]
        foreseen = self.run(check=True, force=None)
        assert self.folder() == before, "check mode writes nothing"
        healing = self.run(force=None)
        assert foreseen.failed == healing.failed
        same = ("changed", "decision", "reason", "place")
        assert {name: foreseen.said.get(name) for name in same} == {name: healing.said.get(name) for name in same}
        if recoverable:
            assert len(issued(self.atlas)) == sent, "issued although the last one can be had"
            assert healing.said["certificate"]["serial_number"] == str(recoverable[-1])
        if healing.failed:
            self.check_the_refusal(healing)
            healing = self.run(on_orphan="reissue", force=None)
        assert not healing.failed, healing.msg
        assert len(issued(self.atlas)) <= sent + 1
        lost = [serial for serial in issued(self.atlas)[:-1] if serial not in had]
        assert all(str(serial) in healing.said["superseded"] for serial in lost)
        self.check_the_end(healing)

    def check_the_refusal(self, refused):
        assert refused.said["reason"] == "orphaned"
        lost = [serial for serial in issued(self.atlas) if serial not in usable(self.path.parent)]
        assert lost, "nothing was lost, and the run refuses"
        assert all(str(serial) in refused.msg for serial in lost)

    def check_the_end(self, healing):
        found = self.folder()
        current = int(healing.said["certificate"]["serial_number"])
        assert found["app.pem"] == (MODE, pem_of(self.atlas, current))
        if self.options.get("owner"):
            assert self.path.stat().st_uid == NOBODY
        useless = [PENDING] if str(self.path.parent / PENDING) in str(healing.said.get("warnings")) else []
        left = [name for name in found if name not in ("app.pem", *useless) and not name.endswith("~") and ".unusable-" not in name]
        assert not left, f"left over: {left}"
        again = self.run(force=None)
        assert (again.said["changed"], again.said["path_is_current"]) == (False, True)
        assert self.folder() == found


def completed_posts(run):
    """How many requests for a certificate were sent whole: it was not killed before or in the middle of the last step."""
    return sum(1 for step in run.steps[: -1 if run.was_killed else None] if "months" in step.get("begin", ""))


def received_whole(run, pems):
    """Whether the process had the whole answer to its last request on disk when it was killed."""
    starts = [number for number, step in enumerate(run.steps) if "months" in step.get("begin", "")]
    if not starts or not pems:
        return False
    done = run.steps[starts[-1] + 1 : -1 if run.was_killed else None]
    pieces = [step["bytes"] for step in done if step["call"] == "pwrite" and step["file"] == PENDING and step["bytes"] != RESERVED]
    return sum(pieces) >= len(pems[-1])


def undisturbed(world):
    world.begin()
    run = world.run()
    if not world.earlier:
        assert not run.failed, run.msg
        assert len(issued(world.atlas)) == world.flow.sent
    return run


def kill_everywhere(world):
    """Kill before each step and, where a step writes or sends, in the middle of it; yields each run that was killed.

    Of a second run, only where it can have left another world.
    """
    whole = undisturbed(world)
    for number, what in itertools.product(range(200), ("kill", "tear")):
        if what == "tear" and (number >= len(whole.steps) or whole.steps[number]["call"] not in ("pwrite", "send")):
            continue
        if what == "kill" and world.earlier and 0 < number <= len(whole.steps) and not changes_the_world(whole.steps[number - 1]):
            continue
        run = world.kill(number, what)
        if not run.was_killed:
            break
        yield number, what, run
    assert not run.was_killed, "it has more steps than were tried"


def check_every_kill(world, thoroughly=False, seen=()):
    """After every kill the disk must be right; the next runs are tried after each that leaves a world not seen yet, or after all.

    Returns the worlds, and for each a kill that leads there.
    """
    seen = dict(seen)
    for number, what, run in kill_everywhere(world):
        try:
            world.check_disk(run)
            fingerprint = world.fingerprint()
            if thoroughly or fingerprint not in seen:
                world.check_the_next_runs()
            seen.setdefault(fingerprint, (number, what))
        except AssertionError as error:
            error.args = (f"{what} at step {number}, {run.steps[-1]}, earlier {world.earlier}: {error}",)
            raise
    return seen


@pytest.fixture
def world(atlas, place, user_cert):
    return lambda flow: World(atlas, place, user_cert, flow)


def test_a_renewal_that_is_killed_at_any_step_loses_nothing_and_the_next_run_heals(world):
    assert len(check_every_kill(world(RENEWAL))) > 6  # or nothing was tried


@pytest.mark.heavy
@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_any_run_that_is_killed_at_any_step_loses_nothing_and_the_next_run_heals(world, flow):
    check_every_kill(world(flow), thoroughly=True)


TWICE = [
    RENEWAL,
    Flow("a renewal that issues once more", older_one, {**RENEW, "on_orphan": "reissue"}),
    *[flow for flow in FLOWS if flow.name in ("a forced one", "what an earlier run received")],
]


@pytest.mark.heavy
@pytest.mark.parametrize("flow", TWICE, ids=lambda flow: flow.name)
def test_a_second_run_that_is_killed_too_leaves_no_less_than_the_first_and_the_third_heals(world, flow):
    """The second one is killed at every step, in every world in which a killed one can leave it."""
    one = world(flow)
    left = check_every_kill(one)
    assert len(left) > 3  # or nothing was tried
    seen = {}
    for one.earlier in left.values():
        seen = check_every_kill(one, seen=seen)
    assert len(seen) > len(left)  # two kills can leave what one cannot
