# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs at the same moment on one machine: processes of their own, that only the disk and the service connect."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from outcomes import files, issued, listed, pem_of, posts, usable
from patience import wait_for

from faults.world import order

POST = {"method": "POST", "path_contains": "/certs"}


@pytest.fixture
def rivals(atlas, modules, place, tmp_path):
    """Run several at once, each with its own options."""

    def run(*each):
        return modules.together(*[order(atlas.url, place, tmp_path, **options) for options in each])

    return run


def test_twenty_at_once_for_one_path_issue_one_and_all_have_it(atlas, place, rivals):
    atlas.fault("delay", seconds=0.3, match=POST)
    done = rivals(*[{}] * 20)
    assert [run.said.get("msg") for run in done if run.failed] == []
    (serial,) = issued(atlas)
    assert posts(atlas) == 1
    assert {(run.said["certificate"]["serial_number"], run.said["path_is_current"]) for run in done} == {(str(serial), True)}
    assert sum(run.said["changed"] for run in done) == 1
    assert files(place) == {"app.pem": (0o600, pem_of(atlas, serial))}


def test_two_paths_for_one_user_at_once_each_name_what_the_other_did(atlas, place, rivals):
    """No lock covers it; both certificates work, and each run says what it saw."""
    asking = atlas.fault("delay", seconds=60, match=POST, times=2)
    answering = atlas.fault("delay_answer", seconds=60, match=POST, times=2)
    with ThreadPoolExecutor(1) as pool:
        runs = pool.submit(rivals, {"path": str(place / "one.pem")}, {"path": str(place / "two.pem")})
        wait_for(lambda: asking.fired == 2)  # both have seen an empty list
        atlas.call(asking.cleared.set)
        wait_for(lambda: len(issued(atlas)) == 2)
        atlas.call(answering.cleared.set)
        done = runs.result()
    assert [run.failed for run in done] == [False, False]
    serials = {run.said["certificate"]["serial_number"] for run in done}
    assert serials == {str(serial) for serial in issued(atlas)}
    assert len(serials) == 2
    for run in done:
        (other,) = serials - {run.said["certificate"]["serial_number"]}
        assert any(other in str(warning) and "another run" in str(warning) for warning in run.said["warnings"])
    assert set(files(place)) == {"one.pem", "two.pem"}


@pytest.mark.parametrize("step", ["locked", "reserved", "received"])
def test_a_rival_that_is_killed_holds_nobody_up_and_what_it_received_is_taken_up(atlas, place, rivals, user_cert, step):
    """Two of seven die there, whoever gets the lock first; the others do what is left to do."""
    steps = user_cert().steps
    at = {
        "locked": next(number for number, one in enumerate(steps) if one["call"] == "fchmod"),
        "reserved": next(number for number, one in enumerate(steps) if "months" in one.get("begin", "")),
        "received": next(number for number, one in enumerate(steps) if one["call"] == "open" and one["file"].endswith("atlas-new")),
    }[step]
    (place / "app.pem").unlink()
    atlas.reset()
    done = rivals(*[{"event": {"at": at, "what": "kill"}}] * 2, *[{}] * 5)
    alive = [run for run in done if not run.was_killed]
    assert len(alive) >= 5
    assert [run.said.get("msg") for run in alive if run.failed] == []
    assert len(issued(atlas)) == 1
    assert usable(place) == set(issued(atlas))
    assert user_cert().said["changed"] is False
    assert files(place) == {"app.pem": (0o600, pem_of(atlas, listed(atlas)[0].serial))}
