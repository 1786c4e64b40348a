# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that go away in the middle, over SSH: whoever can be served is served, and whoever is not is told why."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.heavy


@pytest.mark.parametrize("gone", ["web1", "web3"])
def test_a_host_that_goes_away_while_the_certificate_is_issued_keeps_nobody_from_it(fleet_of, gone):
    fleet = fleet_of(3)
    others = [host for host in fleet.hosts if host != gone]
    with fleet.meanwhile("POST", lambda: fleet.down(gone)):
        came = fleet.run(fails=True)

    assert came == {**dict.fromkeys(others, "changed"), gone: "unreachable"}
    (serial,) = fleet.issued()
    assert fleet.serials() == {**dict.fromkeys(others, serial), gone: "absent"}
    fleet.up(gone)
    assert fleet.run() == {**dict.fromkeys(others, "ok"), gone: "changed"}
    assert fleet.issued() == [serial]


def test_when_every_host_goes_away_the_pem_waits_for_the_next_run(fleet_of):
    fleet = fleet_of(2)
    with fleet.meanwhile("POST", lambda: fleet.down("web1", "web2")):
        assert fleet.run(fails=True) == dict.fromkeys(fleet.hosts, "unreachable")
    (serial,) = fleet.issued()
    assert len(fleet.parked()) == 1

    fleet.up("web1", "web2")
    assert fleet.run() == dict.fromkeys(fleet.hosts, "changed")
    assert fleet.serials() == dict.fromkeys(fleet.hosts, serial)
    assert fleet.issued() == [serial]
    assert fleet.parked() == []


def test_when_the_only_holder_goes_away_the_others_fail_and_say_who_has_it(fleet_of):
    fleet = fleet_of(3)
    serial = fleet.give("web1", days_left=60)
    with fleet.meanwhile("GET", lambda: fleet.down("web1")):
        came = fleet.run(fails=True)

    assert (came["web2"], came["web3"]) == ("failed", "failed")
    assert "web1 holds it, but:" in fleet.output
    assert fleet.issued() == []
    fleet.up("web1")
    assert fleet.run() == {"web1": "ok", "web2": "changed", "web3": "changed"}
    assert fleet.serials() == dict.fromkeys(fleet.hosts, serial)


def test_when_the_first_holder_goes_away_another_one_gives_it(fleet_of):
    fleet = fleet_of(4)
    serial = fleet.give("web1", "web3", days_left=60)
    with fleet.meanwhile("GET", lambda: fleet.down("web1")):
        came = fleet.run("--forks", "1")

    assert (came["web2"], came["web3"], came["web4"]) == ("changed", "ok", "changed")
    assert fleet.serials() == dict.fromkeys(fleet.hosts, serial)
    assert fleet.issued() == []


def test_a_host_on_which_placing_fails_half_way_fails_alone(fleet_of):
    fleet = fleet_of(3)
    with fleet.meanwhile("POST", lambda: fleet.file("web1").write_text("somebody was faster\n")):
        came = fleet.run(fails=True)

    assert came == {"web1": "failed", "web2": "changed", "web3": "changed"}
    assert fleet.file("web1").read_text() == "somebody was faster\n"
    assert f"{fleet.path} holds something that is not a PEM" in fleet.output
    assert fleet.parked() == []


def test_the_only_holder_that_is_down_is_named_and_nothing_is_issued(fleet_of):
    fleet = fleet_of(3)
    serial = fleet.give("web1", days_left=60)
    fleet.down("web1")

    assert fleet.run(fails=True) == {"web1": "unreachable", "web2": "failed", "web3": "failed"}

    assert "could not be asked: web1" in fleet.output and serial in fleet.output
    assert fleet.issued() == []


@pytest.mark.parametrize("strategy", ["free", "host_pinned"])
def test_a_strategy_without_a_barrier_is_refused_before_anything_is_sent(fleet_of, strategy):
    fleet = fleet_of(2)
    fleet.play["strategy"] = strategy

    assert fleet.run(fails=True) == dict.fromkeys(fleet.hosts, "failed")

    assert "hosts do not wait for each other" in fleet.output
    assert fleet.atlas.state.counters.requests == 0


def test_a_variable_that_does_not_exist_fails_every_host_and_none_looks_well(fleet_of):
    fleet = fleet_of(2)

    came = fleet.run(fails=True, user_cert_connection={"client_id": "{{ no_such_variable }}", "client_secret": "x"})

    assert came == dict.fromkeys(fleet.hosts, "failed")
    assert "no_such_variable" in fleet.output
    assert fleet.issued() == []


def test_a_holder_that_is_not_in_the_inventory_is_named(fleet_of):
    fleet = fleet_of(2)
    fleet.give(days_left=60)

    assert fleet.run(fails=True, user_cert_holders=["web1", "web2", "gone.invalid"]) == dict.fromkeys(fleet.hosts, "failed")

    assert "could not be asked: gone.invalid" in fleet.output


@pytest.mark.parametrize("no", ["an orphan", "the service"])
def test_with_ignore_errors_a_no_is_said_once_for_each_host_and_nothing_else_goes_wrong(fleet_of, no):
    fleet = fleet_of(2)
    fleet.play.update(ignore_errors=True)
    if no == "an orphan":
        fleet.give(days_left=60)
    else:
        fleet.atlas.fault("status", status=503, times=None)

    assert fleet.run(user_cert_connection={"retries": 0}) == dict.fromkeys(fleet.hosts, "ok")

    failures = [line for line in fleet.output.splitlines() if line.startswith("fatal: ")]
    assert len(failures) == len(fleet.hosts)
    assert all(("user_cert_on_orphan" if no == "an orphan" else "Atlas is unavailable just now") in line for line in failures)
    assert "undefined" not in fleet.output and "has no attribute" not in fleet.output
    assert fleet.serials() == dict.fromkeys(fleet.hosts, "absent")
    assert fleet.parked() is None
