# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts over SSH that need nothing, the first certificate, and hosts that come late."""

from __future__ import annotations

import pytest

heavy = pytest.mark.heavy


@pytest.mark.parametrize("count", [3, pytest.param(50, marks=heavy)])
def test_when_there_is_nothing_to_do_one_module_runs_on_each_host_and_nothing_is_written_anywhere(fleet_of, count):
    fleet = fleet_of(count)
    serial = fleet.give(*fleet.hosts, days_left=60)
    before, commands = fleet.traces(), {host: fleet.machines.sessions(host) for host in fleet.hosts}

    assert fleet.run(user_cert_renew_before="30d") == dict.fromkeys(fleet.hosts, "ok")

    assert {host: fleet.machines.sessions(host) - commands[host] for host in fleet.hosts} == dict.fromkeys(fleet.hosts, 1)
    assert fleet.traces() == before
    assert fleet.serials() == dict.fromkeys(fleet.hosts, serial)
    counters = fleet.atlas.state.counters
    assert (counters.requests, counters.challenges, counters.lists, counters.posts) == (2, 1, 1, 0)
    assert fleet.parked() is None


@heavy
def test_in_batches_one_list_is_read_for_each_user_and_batch(fleet_of):
    fleet = fleet_of(6)
    fleet.give(*fleet.hosts, days_left=60)
    fleet.play["serial"] = 2

    assert fleet.run() == dict.fromkeys(fleet.hosts, "ok")

    assert fleet.listed() == 3
    assert {fleet.machines.sessions(host) for host in fleet.hosts} == {1}


@pytest.mark.parametrize(
    ("count", "forks", "serial", "broken"),
    [
        (4, 5, None, "web1"),
        pytest.param(4, 1, None, "web4", marks=heavy),
        pytest.param(4, 20, 1, "web4", marks=heavy),
        pytest.param(4, 5, 2, "web2", marks=heavy),  # in batches not the first one alone: Ansible ends a play when a whole batch fails
        pytest.param(4, 5, "30%", "web4", marks=heavy),
        pytest.param(20, 10, None, "web7", marks=heavy),
    ],
)
def test_the_first_certificate_is_one_whatever_the_batches_and_who_was_down_gets_it_from_a_host(fleet_of, count, forks, serial, broken):
    fleet = fleet_of(count)
    if serial:
        fleet.play.update(serial=serial, max_fail_percentage=100)
    wishes = {"user_cert_owner": "root", "user_cert_group": "daemon", "user_cert_mode": "0640"}
    others = [host for host in fleet.hosts if host != broken]
    fleet.down(broken)

    came = fleet.run("--forks", str(forks), fails=True, **wishes)

    assert came == {**dict.fromkeys(others, "changed"), broken: "unreachable"}, fleet.output
    (issued,) = fleet.issued()
    assert fleet.serials() == {**dict.fromkeys(others, issued), broken: "absent"}
    assert {(fleet.file(host).stat().st_uid, fleet.file(host).stat().st_gid, oct(fleet.file(host).stat().st_mode)) for host in others} == {(0, 1, "0o100640")}
    assert fleet.parked() == []

    fleet.up(broken)
    assert fleet.run("--forks", str(forks), **wishes) == {**dict.fromkeys(others, "ok"), broken: "changed"}
    assert fleet.serials() == dict.fromkeys(fleet.hosts, issued)
    assert fleet.issued() == [issued]
    assert len({fleet.file(host).read_bytes() for host in fleet.hosts}) == 1


@heavy
@pytest.mark.parametrize("state", ["late", "wiped", "older", "broken", "without its key"])
def test_a_host_that_lacks_the_certificate_gets_it_from_another(fleet_of, state):
    fleet = fleet_of(3)
    if state == "older":
        fleet.give("web2", age=40, months=24)
    serial = fleet.give("web1", "web3", days_left=60)
    pem = fleet.file("web1").read_text()
    if state == "wiped":
        fleet.file("web2").write_text("")
    elif state == "broken":
        fleet.file("web2").write_text(pem[: len(pem) - 200])
    elif state == "without its key":
        fleet.file("web2").write_text(pem[: pem.index("-----BEGIN PRIVATE")])

    assert fleet.run() == {"web1": "ok", "web2": "changed", "web3": "ok"}

    assert fleet.serials() == dict.fromkeys(fleet.hosts, serial)
    assert fleet.issued() == []
    assert fleet.run() == dict.fromkeys(fleet.hosts, "ok")


@heavy
def test_a_foreign_file_is_refused_named_and_kept_and_the_others_are_served(fleet_of):
    fleet = fleet_of(3)
    serial = fleet.give("web1", days_left=60)
    fleet.file("web2").write_text("somebody's notes\n")

    assert fleet.run(fails=True) == {"web1": "ok", "web2": "failed", "web3": "changed"}

    assert fleet.file("web2").read_text() == "somebody's notes\n"
    assert f"{fleet.path} holds something that is not a PEM" in fleet.output
    assert (fleet.holds("web1"), fleet.holds("web3")) == (serial, serial)
    assert fleet.issued() == []
