# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several users, paths and services over SSH, and what check mode says of them."""

from __future__ import annotations

import re

import pytest
from fake_atlas import DEMO_PROJECT
from ssh_hosts.disguise import Disguise

heavy = pytest.mark.heavy


def apply(**variables):
    return {
        "name": "Keep a certificate",
        "ansible.builtin.include_role": {"name": "atlas.x509.user_cert"},
        "vars": {f"user_cert_{name}": value for name, value in variables.items()},
    }


@heavy
@pytest.mark.parametrize(("serial", "lists"), [(None, 3), (2, 5)])  # the batches are own1 and pay1, pay2 and web1, web2
def test_users_by_host_and_group_variables_share_a_play_and_no_certificate(fleet_of, serial, lists):
    fleet = fleet_of("web1", "web2", "pay1", "pay2", "own1")
    for user in ("billing", "special"):
        fleet.atlas.call(fleet.atlas.state.add_user, DEMO_PROJECT, user)
    fleet.groups = {"pay": {"hosts": {"pay1": None, "pay2": None}, "vars": {"database_user": "billing"}}}
    fleet.hosts["own1"]["database_user"] = "special"
    fleet.groups["all"] = {"vars": {"database_user": "app"}}
    if serial:
        fleet.play["serial"] = serial
    wishes = {"user_cert_username": "{{ database_user }}"}

    assert fleet.run(**wishes) == dict.fromkeys(fleet.hosts, "changed")

    serials = fleet.serials()
    assert serials["web1"] == serials["web2"] and serials["pay1"] == serials["pay2"]
    assert len(set(serials.values())) == 3 == len(fleet.issued())
    listed = fleet.listed()
    assert fleet.run(**wishes) == dict.fromkeys(fleet.hosts, "ok")
    assert fleet.listed() - listed == lists, "one for each user and batch"


@heavy
@pytest.mark.parametrize("serial", [None, 1])
def test_one_user_on_two_paths_has_one_certificate(fleet_of, serial):
    fleet = fleet_of(3)
    first, second = str(fleet.path), str(fleet.path.with_name("reporting.pem"))
    fleet.play["tasks"] = [apply(path=first), apply(path=second)]
    for variables in fleet.hosts.values():
        del variables["user_cert_path"]
    if serial:
        fleet.play["serial"] = serial

    assert fleet.run() == dict.fromkeys(fleet.hosts, "changed")
    (issued,) = fleet.issued()
    assert fleet.run() == dict.fromkeys(fleet.hosts, "ok")
    assert {fleet.holds(host, name) for host in fleet.hosts for name in ("mongodb.pem", "reporting.pem")} == {issued}

    for host in fleet.hosts:  # lost at the first path, or at the second
        fleet.file(host).unlink()
    assert fleet.run(user_cert_also_at=[second]) == dict.fromkeys(fleet.hosts, "changed")
    for host in fleet.hosts:
        fleet.file(host, "reporting.pem").unlink()
    assert fleet.run() == dict.fromkeys(fleet.hosts, "changed")

    assert fleet.run(user_cert_renew_before="99%", fails=True)["web1"] == "failed"  # every run would issue
    fleet.atlas.call(fleet.atlas.state.change_settings, clock_shift=70 * 86400)
    assert fleet.run(user_cert_renew_before="30d") == dict.fromkeys(fleet.hosts, "changed")
    assert {fleet.holds(host, name) for host in fleet.hosts for name in ("mongodb.pem", "reporting.pem")} == {fleet.issued()[-1]}
    assert len(fleet.issued()) == 2


@heavy
def test_services_are_reloaded_on_the_hosts_that_changed_and_only_there(fleet_of):
    """The role in a loop, and a play that fails afterwards."""
    fleet = fleet_of(3, disguise=Disguise(services=("app", "reporting")))
    fleet.atlas.call(fleet.atlas.state.add_user, DEMO_PROJECT, "reporting")
    fleet.give("web1", days_left=60)
    fleet.play["tasks"] = [
        {**apply(username="{{ item }}", path=f"{fleet.path.parent}/{{{{ item }}}}.pem", reload=["{{ item }}"]), "loop": ["app", "reporting"]},
        {"name": "Fail later", "ansible.builtin.command": "false"},
    ]
    for host, variables in fleet.hosts.items():
        del variables["user_cert_path"]
        if fleet.file(host).exists():
            fleet.file(host).rename(fleet.file(host, "app.pem"))

    assert fleet.run(fails=True) == dict.fromkeys(fleet.hosts, "failed")

    def told():
        logs = {f"{host} {name}": fleet.file(host, f"{name}.told") for host in fleet.hosts for name in ("app", "reporting")}
        return {name: log.read_text().split() for name, log in logs.items() if log.exists()}

    once = {name: ["reload"] for name in ("web2 app", "web3 app", "web1 reporting", "web2 reporting", "web3 reporting")}
    assert told() == once
    fleet.run(fails=True)
    assert told() == once


@heavy
def test_a_service_that_cannot_be_reloaded_fails_its_host_with_its_name_and_the_way_out(fleet_of):
    """Every service of the host is tried, and nothing else is left undone: no key stays on the controller, even when all hosts fail."""
    fleet = fleet_of(2, disguise=Disguise(services=("app", "reporting")))
    for host in fleet.hosts:
        fleet.file(host, "app.broken").touch()

    assert fleet.run(fails=True, user_cert_reload=["app", "reporting"]) == dict.fromkeys(fleet.hosts, "failed")

    for host in fleet.hosts:
        assert fleet.file(host, "reporting.told").read_text() == "reload\n" and not fleet.file(host, "app.told").exists()
        (line,) = [line for line in fleet.output.splitlines() if line.startswith(f"fatal: [{host}]: FAILED!") and "reloaded" in line]
        assert f"{fleet.path} holds the new certificate, but not reloaded: app (" in line and "the configuration of app is broken" in line
        by_hand = f"ansible {host} -i {fleet.folder}/inventory.yml -b -m ansible.builtin.service -a 'name=app state=reloaded'"
        assert by_hand in line
    assert fleet.serials() == dict.fromkeys(fleet.hosts, fleet.issued()[0])
    assert fleet.parked() == []

    fleet.file("web1", "app.broken").unlink()
    adhoc = ["ansible", "web1", "-i", fleet.folder / "inventory.yml", "-m", "ansible.builtin.service", "-a", "name=app state=reloaded"]
    fleet.ansible(*adhoc)
    assert fleet.file("web1", "app.told").read_text() == "reload\n"


@heavy
def test_the_topic_is_told_where_the_certificate_changed(fleet_of):
    fleet = fleet_of(3)
    fleet.give("web1", days_left=60)
    touch = {"ansible.builtin.file": {"path": f"{fleet.path.parent}/restarted", "state": "touch", "mode": "0600"}}
    fleet.play["handlers"] = [{"name": "Restart the application", "listen": "Atlas user certificate changed", **touch}]

    assert fleet.run() == {"web1": "ok", "web2": "changed", "web3": "changed"}

    assert [host for host in fleet.hosts if fleet.file(host, "restarted").exists()] == ["web2", "web3"]


@heavy
@pytest.mark.parametrize("serial", [None, 1])
@pytest.mark.parametrize("state", ["new", "late", "due"])
def test_check_mode_says_what_the_run_that_follows_says_and_writes_nothing(fleet_of, state, serial):
    fleet = fleet_of(3)
    if serial:
        fleet.play["serial"] = serial
    if state != "new":
        fleet.give("web1", "web2", days_left=60 if state == "late" else 10)
    before = fleet.traces()

    foreseen = fleet.run("--check", "--diff", user_cert_renew_before="30d")
    checked = words(fleet.output)

    assert checked, "it said nothing"
    assert fleet.traces() == before
    assert {entry.method for entry in fleet.atlas.state.journal} == {"GET"}
    assert fleet.run("--diff", user_cert_renew_before="30d") == foreseen
    assert words(fleet.output) == checked


def words(output):
    """Whose certificate, what is done and why; without what only the real run can know: serial numbers, dates, tense."""
    said = re.findall(r'"msg": "(app: .*)"', output)
    said = [re.sub(r"would issue a certificate|issued certificate \d+", "issue", one) for one in said]
    said = [re.sub(r"; it expires.*| \(\d+ days left\)|\d{10,}", "", one) for one in said]
    # What a batch says of a certificate that an earlier batch has, or would have, issued
    earlier = r"the certificate that .* held there|certificate  is held on web\d \(.*\) and expires at [^;]*"
    return [re.sub(earlier, "held in an earlier batch", one) for one in said]
