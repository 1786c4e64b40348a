# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renewal and rotation over SSH: in batches, with hosts down, and what becomes of hosts that hold something older."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from fake_atlas import DEMO_PROJECT

pytestmark = pytest.mark.heavy
GROUP = "{{ groups['shop'] }}"


def days_ago(days):
    return (datetime.now(timezone.utc) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("serial", [None, 1, "30%"])
def test_a_renewal_issues_once_and_later_batches_take_it_from_the_first(fleet_of, serial):
    fleet = fleet_of(4)
    old = fleet.give(*fleet.hosts, days_left=10)
    if serial:
        fleet.play["serial"] = serial

    assert fleet.run(user_cert_renew_before="30d", user_cert_backup=True) == dict.fromkeys(fleet.hosts, "changed")

    (new,) = fleet.issued()
    assert fleet.serials() == dict.fromkeys(fleet.hosts, new) != dict.fromkeys(fleet.hosts, old)
    backups = {host: [path.name for path in fleet.machines.files(host).glob("mongodb.pem.*~")] for host in fleet.hosts}
    assert {fleet.holds(host, *names) for host, names in backups.items()} == {old}
    assert fleet.parked() == []
    assert fleet.run(user_cert_renew_before="30d") == dict.fromkeys(fleet.hosts, "ok")


def test_when_too_many_fail_the_hosts_not_yet_reached_go_on_with_the_old_certificate(fleet_of):
    fleet = fleet_of(4)
    old = fleet.give(*fleet.hosts, days_left=10)
    fleet.play.update(serial=2, max_fail_percentage=40)
    fleet.play["tasks"].append({"name": "Restart", "ansible.builtin.command": "false", "when": "inventory_hostname == 'web1'"})

    came = fleet.run(user_cert_renew_before="30d", fails=True)

    assert came == {"web1": "failed", "web2": "changed"}
    (new,) = fleet.issued()
    assert fleet.serials() == {"web1": new, "web2": new, "web3": old, "web4": old}
    assert old in fleet.unexpired()
    fleet.play["tasks"].pop()
    assert fleet.run(user_cert_renew_before="30d") == {"web1": "ok", "web2": "ok", "web3": "changed", "web4": "changed"}
    assert fleet.issued() == [new]


def test_a_rotation_in_batches_with_hosts_down_is_one_post_however_often_it_runs(fleet_of):
    fleet = fleet_of(5)
    old = fleet.give(*fleet.hosts, age=30, months=24)  # lives longer than what replaces it
    fleet.play.update(serial=2, max_fail_percentage=100)
    rotate = {"user_cert_rotate_before": days_ago(0)}

    fleet.down("web1", "web4")
    fleet.run(fails=True, **rotate)
    (new,) = fleet.issued()
    assert fleet.serials() == {"web1": old, "web2": new, "web3": new, "web4": old, "web5": new}

    fleet.up("web1")
    fleet.down("web2")
    fleet.run(fails=True, **rotate)
    fleet.up("web2", "web4")
    fleet.run(**rotate)
    assert fleet.run(**rotate) == dict.fromkeys(fleet.hosts, "ok")
    assert fleet.serials() == dict.fromkeys(fleet.hosts, new)
    assert fleet.issued() == [new]


def test_a_host_that_was_down_gets_the_new_one_and_never_spreads_the_old_one_that_lives_longer(fleet_of):
    """The wish to rotate is gone again, and the host is in a batch of its own, with a newcomer."""
    fleet = fleet_of(4)
    fleet.give("web1", age=30, months=24)
    new = fleet.give("web3", age=5, months=3)

    assert fleet.run("--limit", "web1,web2", user_cert_holders=GROUP) == {"web1": "changed", "web2": "changed"}

    assert (fleet.holds("web1"), fleet.holds("web2")) == (new, new)
    assert fleet.issued() == []


@pytest.mark.parametrize("wish", ["rotation", "renewal"])
def test_no_second_certificate_is_issued_while_the_only_holder_of_the_new_one_is_down(fleet_of, wish):
    fleet = fleet_of(2)
    old = fleet.give("web1", age=80, months=3)
    new = fleet.give("web2", age=1, months=3)
    wishes = {"user_cert_rotate_before": days_ago(10)} if wish == "rotation" else {"user_cert_renew_before": "30d"}
    fleet.down("web2")

    assert fleet.run(fails=True, **wishes) == {"web1": "failed", "web2": "unreachable"}

    assert fleet.issued() == []
    assert new in fleet.output and "could not be asked: web2" in fleet.output
    assert fleet.holds("web1") == old
    fleet.up("web2")
    assert fleet.run(**wishes) == {"web1": "changed", "web2": "ok"}
    assert fleet.issued() == []


def test_a_limited_run_asks_the_holders_names_who_is_down_and_issues_nothing(fleet_of):
    fleet = fleet_of(5)
    serial = fleet.give("web5", days_left=60)
    fleet.down("web2")

    assert fleet.run("--limit", "web4", user_cert_holders=GROUP) == {"web4": "changed"}
    assert fleet.holds("web4") == serial

    fleet.down("web5", "web4")
    assert fleet.run("--limit", "web3", user_cert_holders=GROUP, fails=True) == {"web3": "failed"}
    named = fleet.output.partition("could not be asked: ")[2].partition(")")[0]
    assert sorted(named.split(", ")) == ["web2", "web4", "web5"]
    assert serial in fleet.output
    assert fleet.issued() == []


def test_without_holders_the_message_says_that_the_limit_hides_the_others(fleet_of):
    fleet = fleet_of(2)
    fleet.give("web1", days_left=60)

    assert fleet.run("--limit", "web2", fails=True) == {"web2": "failed"}

    assert "the hosts that --limit hides (user_cert_holders is not set)" in fleet.output
    assert fleet.issued() == []


@pytest.mark.parametrize("why", ["renewal", "rotation", "orphan", "nothing listed"])
def test_a_limited_run_asks_the_holders_whatever_the_reason_to_issue_is(fleet_of, why):
    fleet = fleet_of(3)
    wish = {"renewal": {"renew_before": "30d"}, "rotation": {"rotate_before": days_ago(10)}, "orphan": {"on_orphan": "reissue"}}.get(why, {})
    serial = None
    if why != "nothing listed":
        fleet.give(*(["web1"] if why != "orphan" else []), age=80, months=3)
        serial = fleet.give("web3", age=1, months=3)
    before = fleet.machines.sessions("web3")

    came = fleet.run("--limit", "web1", user_cert_holders=GROUP, **{f"user_cert_{name}": value for name, value in wish.items()})

    assert came == {"web1": "changed"}
    assert fleet.machines.sessions("web3") > before
    assert fleet.issued() == ([] if serial else [fleet.holds("web1")])
    assert fleet.holds("web1") == (serial or fleet.issued()[0])


def test_an_orphan_stops_with_serials_dates_and_both_ways_out_and_reissue_goes_on(fleet_of):
    fleet = fleet_of(2)
    lost = fleet.give(days_left=60)
    (unexpired,) = fleet.atlas.state.project(DEMO_PROJECT).certificates["app"]

    assert fleet.run(fails=True) == dict.fromkeys(fleet.hosts, "failed")
    assert fleet.issued() == []
    for words in (lost, f"until {unexpired.not_after:%Y-%m-%dT%H:%M:%SZ}", "bring the PEM back", "user_cert_on_orphan"):
        assert words in fleet.output

    assert fleet.run(user_cert_on_orphan="reissue") == dict.fromkeys(fleet.hosts, "changed")
    assert fleet.serials() == dict.fromkeys(fleet.hosts, fleet.issued()[0])
