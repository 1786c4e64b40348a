# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same where a PEM is brought to: ``atlas_pem`` on a host, and the controller, when it is brought there, are killed at every step, their disk fills
up, and rivals run; ``atlas_pem_info`` knows before.
"""

from __future__ import annotations

import base64
import datetime as dt
import os
import stat
import subprocess
from collections.abc import Callable
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fake_atlas import DEMO_PROJECT
from fake_atlas.certificates import Authority, key_pem
from outcomes import files, issued, posts

from faults.world import changes_the_world

MODE = 0o640
PENDING, NEXT = ".app.pem.atlas-pending", ".app.pem.atlas-new"


def pem(number):
    key = ec.generate_private_key(ec.SECP256R1())
    start, end = dt.datetime(2026, 11, 22, 7), dt.datetime(2036, 2, 22, 8)
    return (Authority(DEMO_PROJECT, 0).sign("app", 2**60 + number, start, end, key) + key_pem(key)).encode()


OLD, NEW = pem(0), pem(1)


def placing(place, content=NEW, event=None, **options):
    """A run of ``atlas_pem``, for the zygote."""
    arguments = {
        "path": str(place / "app.pem"),
        "src": "/nowhere/app.pem",
        "content_base64": base64.b64encode(content).decode(),
        "mode": f"{MODE:04o}",
        "username": "app",
        "project_id": DEMO_PROJECT,
        **options,
    }
    return {"module": "atlas_pem", "arguments": arguments, "umask": 0, "watched": [str(place)], "event": event}


def keeping(place, content=NEW, event=None):
    """What the controller does with the PEM that it has got from a host."""
    arguments = {"dest": str(place / "app.pem"), "content_base64": base64.b64encode(content).decode()}
    return {"module": "keep", "arguments": arguments, "umask": 0, "watched": [str(place)], "event": event}


def looking(place, **options):
    return {"module": "atlas_pem_info", "arguments": {"path": str(place / "app.pem"), **options}, "watched": [str(place)]}


class Way(NamedTuple):
    """How a PEM gets to a path. ``order`` makes a run, ``mode`` is that of the file."""

    order: Callable
    mode: int
    options: dict = {}  # noqa: RUF012 - never changed

    def run(self, modules, place, event=None):
        return modules(self.order(place, event=event, **self.options))


PLACED, WITH_A_BACKUP, BROUGHT = Way(placing, MODE), Way(placing, MODE, {"backup": True}), Way(keeping, 0o600)


def begin(place, old, mode=MODE):
    for entry in place.iterdir():
        entry.unlink()
    if old:
        (place / "app.pem").write_bytes(old)
        (place / "app.pem").chmod(mode)


def check_disk(place, old, mode=MODE):
    """At every moment: the whole old one or the whole new one, and nothing that anybody else may read."""
    found = files(place)
    assert found.get("app.pem", (mode, old)) in ((mode, old), (mode, NEW))
    for name, (granted, content) in found.items():
        assert not granted & ~(mode if content in (OLD, NEW) and name != PENDING else 0o600), name


def check_the_next_run(modules, place, way):
    again = way.run(modules, place)
    assert not again.failed, again.msg
    found = files(place)
    assert found.pop("app.pem") == (way.mode, NEW)
    assert all(name.endswith("~") and content == (way.mode, OLD) for name, content in found.items()), found
    assert not found or way is WITH_A_BACKUP
    assert way.run(modules, place).said["changed"] is False


def events(steps):
    """A kill behind every step that leaves another world, and in the middle of every one that writes."""
    yield {"at": 0, "what": "kill"}
    for number, step in enumerate(steps):
        if step["call"] == "pwrite":
            yield {"at": number, "what": "tear"}
        if changes_the_world(step):
            yield {"at": number + 1, "what": "kill"}


def held(place):
    """What lies there; not what was staged, which is a copy of what whoever brings it still has."""
    return {content for name, (dummy, content) in files(place).items() if name != NEXT and content in (OLD, NEW)}


def check_every_kill(modules, place, old, way, earlier=None):
    """Returns the worlds that a kill leaves, and for each the event that leads there; ``earlier`` is that of a run before."""

    def begin_again():
        begin(place, old, way.mode)
        if earlier:
            assert way.run(modules, place, earlier).was_killed

    begin_again()
    steps, seen = way.run(modules, place).steps, {}
    for event in events(steps):
        begin_again()
        had = held(place)
        run = way.run(modules, place, event)
        if not run.was_killed:
            assert event["at"] == len(steps), "behind the last one"
            continue
        try:
            check_disk(place, old, way.mode)
            superseded = {OLD} if files(place).get("app.pem", (0, b""))[1] == NEW and way is not WITH_A_BACKUP else set()
            assert had <= held(place) | superseded, "less than before"
            world = tuple(sorted(("~" if name.endswith("~") else name, one) for name, one in files(place).items()))
            if world not in seen:
                check_the_next_run(modules, place, way)
            seen.setdefault(world, event)
        except AssertionError as error:
            error.args = (f"{event}, {run.steps[-1]}, earlier {earlier}: {error}",)
            raise
    return seen


WAYS = [
    pytest.param(OLD, WITH_A_BACKUP, id="placed over an older one, with a backup"),
    pytest.param(OLD, PLACED, id="placed over an older one", marks=pytest.mark.heavy),
    pytest.param(None, PLACED, id="placed where nothing is", marks=pytest.mark.heavy),
    pytest.param(OLD, BROUGHT, id="brought to the controller, over an older one", marks=pytest.mark.heavy),
    pytest.param(None, BROUGHT, id="brought to the controller"),
]


@pytest.mark.parametrize(("old", "way"), WAYS)
def test_a_kill_at_any_step_leaves_the_old_or_the_new_one_and_the_next_run_heals(modules, place, old, way):
    assert len(check_every_kill(modules, place, old, way)) > 4  # or nothing was tried


@pytest.mark.heavy
@pytest.mark.parametrize(("old", "way"), WAYS)
def test_a_second_run_that_is_killed_too_leaves_no_less_than_the_first_and_the_third_heals(modules, place, old, way):
    """The second one is killed everywhere, in every world in which a killed one can leave it."""
    left = check_every_kill(modules, place, old, way)
    worlds = {world for event in left.values() for world in check_every_kill(modules, place, old, way, event)}
    assert len(worlds) >= len(left)


@pytest.mark.parametrize("sample", [5, pytest.param(1, marks=pytest.mark.heavy)], ids=["some", "all"])
def test_a_disk_that_fills_up_at_any_step_leaves_the_old_or_the_new_one_and_the_next_run_heals(modules, disk, sample):
    place = disk()
    begin(place, OLD)
    steps = modules(placing(place)).steps
    outcomes = set()
    for number in range(0, len(steps), sample):
        begin(place, OLD)
        run = modules(placing(place, event={"at": number, "what": "fill"}))
        check_disk(place, OLD)
        assert files(place)["app.pem"][1] == (OLD if run.failed else NEW), run.said
        assert set(files(place)) == {"app.pem"}, f"before step {number}, {steps[number]}"
        outcomes.add(run.failed)
        (place / "filler").unlink()
        check_the_next_run(modules, place, PLACED)
    assert outcomes == {True, False}


def test_twenty_at_once_place_it_once_and_all_are_content(modules, place):
    begin(place, OLD)
    done = modules.together(*[placing(place, backup=True) for dummy in range(20)])
    assert [run.said.get("msg") for run in done if run.failed] == []
    assert sum(run.said["changed"] for run in done) == 1
    found = files(place)
    assert found.pop("app.pem") == (MODE, NEW)
    assert list(found.values()) == [(MODE, OLD)], "one backup, and nothing left over"


def test_a_rival_that_is_killed_in_the_middle_holds_nobody_up(modules, place):
    begin(place, OLD)
    steps = modules(placing(place)).steps
    middle = next(number for number, step in enumerate(steps) if step["call"] == "rename")
    begin(place, OLD)
    done = modules.together(*[placing(place, event={"at": middle, "what": "kill"})] * 2, *[placing(place)] * 5)
    assert all(not run.failed for run in done if not run.was_killed)
    assert modules(placing(place)).said["changed"] is False
    assert {name for name in files(place) if not name.endswith("~")} == {"app.pem"}
    assert files(place)["app.pem"] == (MODE, NEW)


# Known before the POST


def hosts_that_cannot_take_it(tmp_path, disk):
    """A directory for each way in which a host can be unfit, and the options of the look there."""
    made = {}
    for name in ("link", "dangling", "fifo", "everybody", "owner", "group", "foreign"):
        made[name] = (tmp_path / name, {})
        made[name][0].mkdir(mode=0o755)
    (tmp_path / "precious").write_bytes(OLD)
    (made["link"][0] / "app.pem").symlink_to(tmp_path / "precious")
    (made["dangling"][0] / "app.pem").symlink_to("nowhere")
    os.mkfifo(made["fifo"][0] / "app.pem")
    made["everybody"][0].chmod(0o777)
    made["owner"][1]["owner"] = "no-such-user"
    made["group"][1]["group"] = "no-such-group"
    (made["foreign"][0] / "app.pem").write_bytes(b"a database of somebody")
    made["no directory"] = (tmp_path / "missing", {})
    if os.geteuid() == 0:
        made["device"] = (tmp_path / "device", {})
        made["device"][0].mkdir()
        os.mknod(made["device"][0] / "app.pem", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        made["full"] = (disk(), {})
        (made["full"][0] / "filler").write_bytes(b"x" * 1000 * 1024)
        made["read-only"] = (disk(), {})
        subprocess.run(["mount", "-o", "remount,ro", made["read-only"][0]], check=True)
    return made


def test_every_host_that_cannot_take_it_is_known_before_and_nothing_is_issued_for_nobody(atlas, modules, place, user_cert, tmp_path, disk):
    unfit = hosts_that_cannot_take_it(tmp_path, disk)
    looks = {name: modules(looking(where, **options)).said for name, (where, options) in unfit.items()}
    for name, (where, options) in unfit.items():
        refused = modules(placing(where, **options))
        assert refused.failed, name
        if name != "foreign":
            assert looks[name]["placeable"] is False, name
            assert looks[name]["placeable_reason"] in refused.msg
    looks["down"] = {"unreachable": True, "msg": "Failed to connect"}

    for check in (True, False):
        run = user_cert(hosts=looks, check=check)
        assert run.failed
        assert run.said["reason"] == "nowhere_to_place"
        assert all(name in run.msg for name in looks)
        assert (posts(atlas), files(place)) == (0, {})

    fit = tmp_path / "fit"
    fit.mkdir()
    run = user_cert(hosts={**looks, "fit": modules(looking(fit)).said})
    assert not run.failed, run.msg
    assert (run.said["place"], len(issued(atlas))) == (["fit"], 1)
    assert set(run.said["not_placeable"]) | set(run.said["foreign"]) | set(run.said["unasked"]) == set(looks)
