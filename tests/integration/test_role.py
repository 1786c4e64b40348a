# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role user_cert in whole plays: real ansible-playbook, real HTTP to a fake Atlas, hosts that are folders of this machine."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import sys
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.atlas.x509.plugins.module_utils import _pem
from fake_atlas import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, DEMO_PROJECT, FakeAtlas
from plays import API_KEY, Plays, held

rare = pytest.mark.rare


class Fleet(Plays):
    """Hosts that are folders."""

    def add(self, *names, **variables):
        for name in names:
            (self.folder / name).mkdir()
            here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
            self.hosts[name] = {**here, **variables, "user_cert_path": f"{self.folder}/{name}/mongodb.pem"}

    def run(self, *arguments, **more):
        came = super().run(*arguments, **more)
        return {host: "failed" if word == "unreachable" else word for host, word in came.items()}

    def look(self, host):
        return _pem.look_at(str(self.folder / host / "mongodb.pem"))

    def serials(self):
        """What each host holds: its serial number, or the state of the file when it is no pair."""
        return {host: held(self.folder / host / "mongodb.pem") for host in self.hosts}

    def place(self, host, name="mongodb.pem", **age):
        """Give a host a PEM that the service has issued in the past; returns its serial number."""
        certificate = self.atlas.call(self.atlas.state.add_certificate, DEMO_PROJECT, "app", **age)
        path = self.folder / host / name
        path.write_text(self.atlas.state.pem(certificate))
        path.chmod(0o600)
        return str(certificate.serial)

    def wipe(self, *names):
        for name in names:
            (self.folder / name / "mongodb.pem").unlink()


@pytest.fixture
def fleet(tmp_path, ansible):
    with FakeAtlas() as atlas:
        yield Fleet(tmp_path, ansible, atlas)


def test_one_certificate_reaches_every_host_and_a_new_host_gets_the_same(fleet):
    fleet.add("web1", "web2")

    assert fleet.run("--check", "--diff") == {"web1": "changed", "web2": "changed"}
    assert fleet.issued() == []
    assert {entry.method for entry in fleet.atlas.state.journal} == {"GET"}, "check mode wrote at the wire"
    assert fleet.serials() == {"web1": "absent", "web2": "absent"}
    assert fleet.parked() is None, "check mode made the parking directory"

    assert fleet.run("--diff") == {"web1": "changed", "web2": "changed"}
    (serial,) = fleet.issued()
    assert fleet.serials() == {"web1": serial, "web2": serial}
    assert f"+serial_number: {serial}" in fleet.output
    assert stat.S_IMODE((fleet.folder / "web1" / "mongodb.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((fleet.folder / "parking").stat().st_mode) == 0o700
    assert fleet.parked() == [], "the parked PEM stayed although hosts hold it"

    fleet.atlas.call(fleet.atlas.state.clear_journal)
    assert fleet.run() == {"web1": "ok", "web2": "ok"}
    assert [(entry.method, entry.status) for entry in fleet.atlas.state.journal] == [("GET", 200)], "the steady state is one list"

    fleet.add("web3")
    assert fleet.run("--check") == {"web1": "ok", "web2": "ok", "web3": "changed"}
    assert fleet.serials()["web3"] == "absent"
    assert fleet.run() == {"web1": "ok", "web2": "ok", "web3": "changed"}
    assert fleet.serials() == dict.fromkeys(("web1", "web2", "web3"), serial)
    assert fleet.run() == dict.fromkeys(("web1", "web2", "web3"), "ok")
    assert fleet.issued() == [], "a new host needs no new certificate"
    assert fleet.parked() == []


def test_a_renewal_issues_once_for_all_batches_and_keeps_the_old_file_when_asked(fleet):
    fleet.add("web1", "web2", "web3")
    old = fleet.place("web1", days_left=10)
    for name in ("web2", "web3"):
        (fleet.folder / name / "mongodb.pem").write_bytes((fleet.folder / "web1" / "mongodb.pem").read_bytes())
    fleet.play["serial"] = 1

    assert fleet.run(user_cert_renew_before="30d", user_cert_backup=True) == dict.fromkeys(fleet.hosts, "changed")

    (serial,) = fleet.issued()
    assert serial != old
    assert fleet.serials() == dict.fromkeys(fleet.hosts, serial)
    assert [held(path) for path in fleet.folder.glob("web*/mongodb.pem.*~")] == [old] * 3


@rare
def test_later_batches_know_of_every_user_what_the_first_one_found_and_ask_nobody_again(fleet):
    fleet.atlas.call(fleet.atlas.state.add_user, DEMO_PROJECT, "other")
    fleet.add("web1", "web2")
    marks = fleet.folder / "marks"
    for host, variables in fleet.hosts.items():
        noting = fleet.folder / f"python-{host}"
        noting.write_text(f'#!/bin/sh\necho {host} >>{marks}\nexec {sys.executable} "$@"\n')
        noting.chmod(0o700)
        variables["ansible_python_interpreter"] = str(noting)
    fleet.play.update(serial=1, tasks=[both_users(fleet)])

    assert fleet.run() == dict.fromkeys(fleet.hosts, "changed")

    assert len(fleet.issued()) == 2
    asked = marks.read_text().split()
    # For each user web1 is looked at, gets it and gives it to web2, which was asked before it was issued, is looked at and gets it.
    assert {host: asked.count(host) for host in fleet.hosts} == {"web1": 6, "web2": 6}
    methods = [entry.method for entry in fleet.atlas.state.journal]
    assert methods[len(methods) - methods[::-1].index("POST") :] == ["GET"] * 3, "one after it was issued, and one for each user in the batch that follows"


def test_a_rotation_reaches_the_host_that_was_down_and_never_spreads_the_old_one(fleet):
    fleet.add("web1", "web2")
    fleet.place("web1", issued_at=datetime.now(timezone.utc) - timedelta(days=90), months=24)
    (fleet.folder / "web2" / "mongodb.pem").write_bytes((fleet.folder / "web1" / "mongodb.pem").read_bytes())
    moment = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

    assert fleet.run("--limit", "web1", user_cert_rotate_before=moment, user_cert_holders="{{ groups['shop'] }}") == {"web1": "changed"}
    (serial,) = fleet.issued()

    assert fleet.run(user_cert_rotate_before=moment) == {"web1": "ok", "web2": "changed"}
    assert fleet.run(user_cert_rotate_before=moment) == {"web1": "ok", "web2": "ok"}
    assert fleet.serials() == {"web1": serial, "web2": serial}
    assert fleet.issued() == [serial]


def test_a_limited_run_asks_the_other_holders_before_it_issues(fleet):
    fleet.add("web1", "web2")
    serial = fleet.place("web1", days_left=60)

    assert fleet.run("--limit", "web2", user_cert_holders="{{ groups['shop'] }}") == {"web2": "changed"}

    assert fleet.serials() == {"web1": serial, "web2": serial}
    assert fleet.issued() == []


@pytest.fixture
def homes(fleet):
    """Two hosts, each with a home of its own: where $HOME is differs between them, as it would on two machines."""
    fleet.add("web1", "web2")
    for name, host in fleet.hosts.items():
        python = fleet.folder / name / "python"
        python.write_text(f'#!/bin/sh\nHOME={fleet.folder}/{name} exec {sys.executable} "$@"\n')
        python.chmod(0o755)
        host["ansible_python_interpreter"] = str(python)
    return fleet


ASK_ALL = {"user_cert_holders": "{{ groups['shop'] }}", "user_cert_renew_before": "30d"}


@rare
def test_a_holder_is_asked_at_the_path_of_this_application_when_the_inventory_names_that_of_another(homes):
    homes.place("web1", name="reports.pem", days_left=10)
    newer = homes.place("web2", name="reports.pem", days_left=85)
    for host in homes.hosts.values():
        host["user_cert_path"] = "$HOME/mongodb.pem"
    homes.play["tasks"][0]["vars"] = {"user_cert_path": "$HOME/reports.pem"}

    assert homes.run("--limit", "web1", **ASK_ALL) == {"web1": "changed"}

    assert homes.issued() == []
    assert held(homes.folder / "web1" / "reports.pem") == newer


@rare
def test_a_holder_whose_path_only_the_play_could_tell_was_not_asked(homes):
    homes.place("web1", name="app.pem", days_left=10)
    homes.place("web2", name="app.pem", days_left=85)
    for host in homes.hosts.values():
        host["user_cert_path"] = f"{homes.folder}/{{{{ inventory_hostname }}}}/{{{{ user_cert_username }}}}.pem"

    assert homes.run("--limit", "web1", fails=True, **ASK_ALL) == {"web1": "failed"}

    assert "a host that may hold that one could not be asked: web2" in homes.output
    assert homes.issued() == []


@rare
@pytest.mark.parametrize("more", [{"order": "reverse_inventory"}, {"order": "inventory"}], ids=str)
def test_a_batch_asks_those_before_it_although_they_are_no_holders(fleet, more):
    """Ansible does not say which batch is the first."""
    fleet.add("old", "web1", "web2")
    fleet.place("old", days_left=10)
    for name in ("web1", "web2"):
        shutil.copy(fleet.folder / "old" / "mongodb.pem", fleet.folder / name)
    fleet.play.update(hosts="web1:web2", serial=1, **more)

    assert fleet.run(user_cert_holders=["old"], user_cert_renew_before="30d") == {"web1": "changed", "web2": "changed"}

    assert [fleet.serials()[name] for name in ("web1", "web2")] == fleet.issued() * 2


@rare
def test_a_host_that_is_ignored_because_it_is_unreachable_does_not_decide_alone(fleet):
    fleet.add("web1", "web2", "web3")
    fleet.hosts["web1"].update(ansible_connection="ssh", ansible_host="127.0.0.1", ansible_port=1)
    fleet.place("web2", days_left=10)
    newer = fleet.place("web3", days_left=85)
    fleet.play["ignore_unreachable"] = True

    fleet.run("--limit", "web1,web2", user_cert_project_id=DEMO_PROJECT, **ASK_ALL)

    assert fleet.issued() == []
    assert fleet.serials()["web2"] == newer


def test_hosts_of_different_users_share_a_play_and_no_certificate(fleet):
    fleet.atlas.call(fleet.atlas.state.add_user, DEMO_PROJECT, "billing/eu, main")
    fleet.add("web1", "web2", database_user="app")
    fleet.add("pay1", "pay2", database_user="billing/eu, main")
    variables = {"user_cert_username": "{{ database_user }}"}

    assert fleet.run(**variables) == dict.fromkeys(fleet.hosts, "changed")

    serials = fleet.serials()
    assert serials["web1"] == serials["web2"] != serials["pay1"] == serials["pay2"]
    assert sorted(fleet.issued()) == sorted({serials["web1"], serials["pay1"]})
    assert fleet.look("pay1").certificate.common_name == "billing/eu, main"
    assert fleet.run(**variables) == dict.fromkeys(fleet.hosts, "ok")


@rare
def test_what_a_batch_has_placed_for_many_hosts_of_one_user_does_not_hide_what_it_placed_for_another(fleet):
    """What is noted for the batches to come are a few hosts for each user. The first batch is all but pay2."""
    fleet.atlas.call(fleet.atlas.state.add_user, DEMO_PROJECT, "billing")
    fleet.add("app1", "app2", "app3", database_user="app")
    fleet.add("pay1", "pay2", database_user="billing")
    fleet.play["serial"] = 4
    variables = {"user_cert_username": "{{ database_user }}", "user_cert_renew_before": "30d"}

    assert fleet.run(**variables) == dict.fromkeys(fleet.hosts, "changed")
    assert len(fleet.issued()) == 2

    fleet.atlas.call(fleet.atlas.state.change_settings, clock_shift=70 * 86400)
    assert fleet.run(**variables) == dict.fromkeys(fleet.hosts, "changed")
    assert len(fleet.issued()) == 4
    serials = fleet.serials()
    assert serials["app1"] == serials["app3"] != serials["pay1"] == serials["pay2"]


@rare
def test_users_of_one_name_in_two_projects_are_two_users(fleet):
    other = fleet.atlas.call(fleet.atlas.state.add_project, org_id=fleet.atlas.state.projects[DEMO_PROJECT].org_id).project_id
    fleet.atlas.call(fleet.atlas.state.add_user, other, "app")
    fleet.add("web1", "web2", user_cert_project_id=DEMO_PROJECT)
    fleet.add("pay1", user_cert_project_id=other)

    assert fleet.run() == dict.fromkeys(fleet.hosts, "changed")

    serials = fleet.serials()
    assert serials["web1"] == serials["web2"] != serials["pay1"]
    assert sorted(fleet.issued()) == sorted({serials["web1"], serials["pay1"]})
    assert fleet.run() == dict.fromkeys(fleet.hosts, "ok")
    assert " get it" not in fleet.output and " gets it" not in fleet.output


def test_a_foreign_file_and_a_missing_directory_fail_their_host_alone(fleet):
    fleet.add("web1", "web2", "web3")
    (fleet.folder / "web1" / "mongodb.pem").write_text("somebody's notes\n")
    (fleet.folder / "web3").rmdir()

    assert fleet.run(fails=True) == {"web1": "failed", "web2": "changed", "web3": "failed"}

    assert fleet.serials() == {"web1": "unreadable", "web2": fleet.issued()[0], "web3": "absent"}
    assert (fleet.folder / "web1" / "mongodb.pem").read_text() == "somebody's notes\n"
    assert "something that is not a PEM; move it away, or set user_cert_on_foreign to replace" in fleet.output
    assert f"the directory {fleet.folder}/web3 does not exist" in fleet.output
    assert fleet.parked() == []

    assert fleet.run("--limit", "web1,web2", user_cert_on_foreign="replace") == {"web1": "changed", "web2": "ok"}
    assert [path.read_text() for path in fleet.folder.glob("web1/mongodb.pem.*~")] == ["somebody's notes\n"]
    assert len(fleet.issued()) == 1


def test_nothing_is_issued_when_no_host_could_take_it(fleet):
    fleet.add("web1", "web2")

    assert fleet.run(fails=True, user_cert_owner="nobody-of-that-name") == {"web1": "failed", "web2": "failed"}

    assert fleet.issued() == []
    assert "there is no user 'nobody-of-that-name' here" in fleet.output


@rare
def test_an_orphan_stops_every_host_with_both_ways_out_and_reissue_goes_on(fleet):
    fleet.add("web1", "web2")
    lost = fleet.place("web1", days_left=60)
    fleet.wipe("web1")

    assert fleet.run(fails=True) == {"web1": "failed", "web2": "failed"}
    assert fleet.issued() == []
    assert lost in fleet.output and "on_orphan: reissue" in fleet.output

    assert fleet.run(user_cert_on_orphan="reissue") == {"web1": "changed", "web2": "changed"}
    assert fleet.serials() == dict.fromkeys(fleet.hosts, fleet.issued()[0])


def test_a_service_that_is_down_fails_every_host_and_none_is_left_out(fleet):
    fleet.add("web1", "web2")
    fleet.atlas.fault("status", status=503, times=None)

    assert fleet.run(fails=True, user_cert_connection={"retries": 0}) == {"web1": "failed", "web2": "failed"}

    assert "Atlas is unavailable just now" in fleet.output


@rare
def test_a_wrong_mode_is_put_right_without_moving_a_key(fleet):
    fleet.add("web1", "web2")
    serial = fleet.place("web1", days_left=60)
    (fleet.folder / "web2" / "mongodb.pem").write_bytes((fleet.folder / "web1" / "mongodb.pem").read_bytes())
    (fleet.folder / "web2" / "mongodb.pem").chmod(0o644)

    assert fleet.run("--check") == {"web1": "ok", "web2": "changed"}
    assert fleet.run() == {"web1": "ok", "web2": "changed"}

    assert stat.S_IMODE((fleet.folder / "web2" / "mongodb.pem").stat().st_mode) == 0o600
    assert fleet.serials() == dict.fromkeys(fleet.hosts, serial)
    assert fleet.parked() is None


def test_a_certificate_issued_by_a_run_that_died_is_taken_up_by_the_next(fleet):
    fleet.add("web1")
    fleet.run("--check")
    name = re.search(r"parking/(\S+\.pem)", fleet.output) or re.search(r"parking/(\S+\.pem)", _checked_diff(fleet))
    certificate = fleet.atlas.call(fleet.atlas.state.add_certificate, DEMO_PROJECT, "app", days_left=89)
    (fleet.folder / "parking").mkdir(mode=0o700)
    (fleet.folder / "parking" / f".{name.group(1)}.atlas-pending").write_text(fleet.atlas.state.pem(certificate))

    assert fleet.run("--check") == {"web1": "changed"}
    assert fleet.run() == {"web1": "changed"}

    assert fleet.serials() == {"web1": str(certificate.serial)}
    assert fleet.issued() == []
    assert fleet.parked() == []


@rare
def test_a_parked_pem_stays_until_a_host_holds_it_and_is_found_wherever_the_project_comes_from(fleet):
    fleet.add("web1", "web2")
    fickle = fleet.folder / "fickle_python"
    fickle.write_text(f'#!/bin/sh\nls {fleet.folder}/parking/*.pem >/dev/null 2>&1 && exit 1\nexec {sys.executable} "$@"\n')
    fickle.chmod(0o700)
    for variables in fleet.hosts.values():
        variables["ansible_python_interpreter"] = str(fickle)
    fleet.play.update(module_defaults={}, ignore_errors=True)  # with which hosts go on that got nothing
    project = {"MONGODB_ATLAS_BASE_URL": fleet.atlas.url, "MONGODB_ATLAS_PROJECT_ID": DEMO_PROJECT}

    fleet.run(environment=project, user_cert_connection=API_KEY)
    (serial,) = fleet.issued()
    assert fleet.serials() == {"web1": "absent", "web2": "absent"}
    assert len(fleet.parked()) == 1, "the only copy of the key was removed"

    for variables in fleet.hosts.values():
        variables["ansible_python_interpreter"] = sys.executable
    connection = {**API_KEY, "base_url": fleet.atlas.url}
    assert fleet.run(user_cert_connection=connection, user_cert_project_id=DEMO_PROJECT) == {"web1": "changed", "web2": "changed"}
    assert fleet.serials() == {"web1": serial, "web2": serial}
    assert fleet.issued() == [serial]
    assert fleet.parked() == []


@rare
def test_what_was_issued_after_the_plan_stays_parked_until_a_host_holds_it(fleet):
    """The plan is to bring a parked one to the second host; a moment later it is due, so another is issued; and the second host can take nothing."""
    fleet.add("web1", "web2")
    old = fleet.place("web1", days_left=40)
    (fleet.folder / "parking").mkdir(mode=0o700)
    name = "app-{0}.pem".format(hashlib.sha256(b'["", "app"]').hexdigest()[:12])
    shutil.copy(fleet.folder / "web1" / "mongodb.pem", fleet.folder / "parking" / name)
    meddler = fleet.folder / "meddler"
    meddler.write_text(
        f"#!{sys.executable}\nimport os, pathlib, sys, urllib.request\ncalls = pathlib.Path({str(fleet.folder / 'calls')!r})\n"
        "calls.write_text(calls.read_text() + '.' if calls.exists() else '.')\nif calls.read_text() == '..':\n"
        f"    later = b'{{\"clock_shift\": {20 * 86400}}}', {{'Content-Type': 'application/json'}}\n"
        f"    urllib.request.urlopen(urllib.request.Request('{fleet.atlas.url}/_fake/settings', *later))\n"
        f"    os.rename('{fleet.folder}/web2', '{fleet.folder}/away')\n"
        f"os.execv({sys.executable!r}, [{sys.executable!r}, *sys.argv[1:]])\n"
    )
    meddler.chmod(0o700)
    fleet.groups["control"] = {"hosts": {"localhost": {"ansible_connection": "local", "ansible_python_interpreter": str(meddler)}}}

    fleet.run(fails=True, user_cert_renew_before="30d")

    (serial,) = fleet.issued()
    assert fleet.serials() == {"web1": old, "web2": "absent"}
    assert fleet.parked() == [name], "the only copy of the key was removed"
    (fleet.folder / "away").rename(fleet.folder / "web2")
    assert fleet.run(user_cert_renew_before="30d") == {"web1": "changed", "web2": "changed"}
    assert fleet.serials() == {"web1": serial, "web2": serial}
    assert fleet.issued() == [serial]
    assert fleet.parked() == []


@rare
def test_a_parking_directory_may_be_named_by_a_variable_of_the_environment(fleet):
    fleet.add("web1")
    assert fleet.run(user_cert_parking_dir="$HOME/parking") == {"web1": "changed"}
    fleet.add("web2")
    assert fleet.run(user_cert_parking_dir="$HOME/parking") == {"web1": "ok", "web2": "changed"}
    assert fleet.serials() == dict.fromkeys(fleet.hosts, fleet.issued()[0])
    assert list((fleet.folder / "home" / "parking").iterdir()) == []


@rare
@pytest.mark.parametrize("holders", ["web3, web1", ["shop"]])
def test_holders_may_be_given_as_text_and_as_a_group(fleet, holders):
    fleet.add("web1", "web2", "web3")
    serial = fleet.place("web1", days_left=60)
    assert fleet.run("--limit", "web2", user_cert_holders=holders) == {"web2": "changed"}
    assert fleet.serials()["web2"] == serial


def test_check_mode_does_not_speak_of_what_was_not_done(fleet):
    fleet.add("web1")
    assert fleet.run("--check", fails=True, user_cert_reload="a-service-of-nobody") == {"web1": "failed"}
    assert "mongodb.pem would hold the new certificate, but not reloaded: a-service-of-nobody (" in fleet.output
    assert "yourself" not in fleet.output


def test_a_path_that_is_mistyped_is_not_taken_for_a_lost_key(fleet):
    fleet.add("web1", "web2")
    fleet.place("web1", days_left=60)
    elsewhere = f"{fleet.folder}/nowhere/mongodb.pem"
    assert fleet.run("--limit", "web2", fails=True, user_cert_path=elsewhere) == {"web2": "failed"}
    assert f"(is the path right? web2: path: the directory {fleet.folder}/nowhere does not exist)" in fleet.output


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("months_until_expiration", 0, "months_until_expiration: 0 is not between 1 and 24"),
        pytest.param("max_unexpired", 0, "max_unexpired: 0 would never let anything be issued", marks=rare),
        pytest.param("backup", "maybe", "The value 'maybe' is not a valid boolean", marks=rare),
        ("also_at", ["here.pem"], "also_at: 'here.pem' is not the absolute path of a file"),
        pytest.param("parking_dir", "relative", "user_cert_parking_dir: 'relative/", marks=rare),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_while_nothing_is_issued(fleet, name, value, words):
    """A zero is not one of the empty values that mean unset."""
    fleet.add("web1")
    assert fleet.run(fails=True, **{f"user_cert_{name}": value}) == {"web1": "failed"}
    assert words in fleet.output
    assert fleet.issued() == []


@rare
def test_the_owner_and_group_may_be_zero(fleet):
    fleet.add("web1", user_cert_owner=0, user_cert_group=0)
    fleet.place("web1", days_left=60)
    if os.geteuid() != 0:
        pytest.skip("needs root, who may give a file away")
    os.chown(fleet.folder / "web1" / "mongodb.pem", 1, 1)
    assert fleet.run("--check") == {"web1": "changed"}
    assert fleet.run() == {"web1": "changed"}
    found = (fleet.folder / "web1" / "mongodb.pem").stat()
    assert (found.st_uid, found.st_gid) == (0, 0)


def test_a_password_in_a_connection_string_is_refused_and_not_shown(fleet):
    fleet.add("web1")
    assert fleet.run("-vvv", fails=True, user_cert_verify_uri="mongodb://joe:Pa/ssw0rd-of-joe@db.example/") == {"web1": "failed"}
    assert "verify_uri: holds a login of its own" in fleet.output
    assert "ssw0rd-of-joe" not in fleet.output
    assert fleet.issued() == []


def _checked_diff(fleet):
    fleet.run("--check", "--diff")
    return fleet.output


@rare
def test_empty_values_of_a_survey_mean_unset_and_numbers_may_be_strings(fleet):
    fleet.add("web1")
    empty = dict.fromkeys(
        "project_id connection owner group mode backup months_until_expiration renew_before rotate_before on_orphan on_foreign "
        "max_unexpired holders reload".split(),
        "",
    )
    survey = {f"user_cert_{name}": value for name, value in empty.items()}

    assert fleet.run(**survey) == {"web1": "changed"}
    strings = dict(survey, user_cert_months_until_expiration="6", user_cert_max_unexpired="5", user_cert_backup="true")
    assert fleet.run(**strings) == {"web1": "ok"}


@rare
def test_the_topic_is_told_on_the_hosts_that_changed_and_only_there(fleet):
    fleet.add("web1", "web2")
    fleet.place("web1", days_left=60)
    fleet.play["handlers"] = [
        {
            "name": "Restart the application",
            "listen": "Atlas user certificate changed",
            "ansible.builtin.copy": {"dest": f"{fleet.folder}/{{{{ inventory_hostname }}}}/restarted", "content": "", "mode": "0600"},
        }
    ]

    assert fleet.run() == {"web1": "ok", "web2": "changed"}

    assert [path.parent.name for path in fleet.folder.glob("web*/restarted")] == ["web2"]


@rare
def test_with_force_handlers_a_host_restarts_although_a_later_task_fails_there(fleet):
    """As docs/rotation.md has it: by itself, Ansible passes over the handlers of a host that failed."""
    fleet.add("web1")
    restarted = fleet.folder / "restarted"
    touch = {"path": str(restarted), "state": "touch", "mode": "0600"}
    handler = {"name": "Restart", "listen": "Atlas user certificate changed", "ansible.builtin.file": touch}
    fleet.play["tasks"].append({"name": "Fail", "ansible.builtin.fail": {"msg": "something else"}})
    fleet.play.update(force_handlers=True, handlers=[handler])

    assert fleet.run(fails=True) == {"web1": "failed"}

    assert restarted.exists()


@pytest.mark.parametrize("way", ["role variables", pytest.param("module_defaults", marks=rare), pytest.param("environment", marks=rare)])
def test_credentials_come_from_wherever_they_are(fleet, way):
    fleet.add("web1")
    account = {"client_id": DEMO_CLIENT_ID, "client_secret": DEMO_CLIENT_SECRET}
    base = {"base_url": fleet.atlas.url, "project_id": DEMO_PROJECT}
    fleet.play["module_defaults"] = {"group/atlas.x509.atlas": {**base, **account}} if way == "module_defaults" else {}
    variables = {"user_cert_connection": {**base, **account}} if way == "role variables" else {}
    named = {f"MONGODB_ATLAS_{name.upper()}": value for name, value in {**base, **account}.items()}

    assert fleet.run(environment=named if way == "environment" else {}, **variables) == {"web1": "changed"}

    assert DEMO_CLIENT_SECRET not in fleet.output
    assert {entry.credential for entry in fleet.atlas.state.journal} == {"service_account"}
    counters = fleet.atlas.state.counters
    assert counters.tokens_made == counters.tokens_revoked > 0


@rare
def test_the_date_of_the_service_is_what_counts(fleet):
    fleet.add("web1")
    serial = fleet.place("web1", days_left=60)
    fleet.atlas.call(fleet.atlas.state.change_settings, clock_shift=timedelta(days=40).total_seconds())

    assert fleet.run(user_cert_renew_before="30d") == {"web1": "changed"}

    assert fleet.serials()["web1"] == fleet.issued()[0] != serial
    assert "this machine's clock is" in fleet.output


def test_a_strategy_without_a_barrier_is_refused_with_the_reason(fleet):
    fleet.add("web1", "web2")
    fleet.play["strategy"] = "free"

    assert fleet.run(fails=True) == {"web1": "failed", "web2": "failed"}

    assert "hosts do not wait for each other" in fleet.output
    assert fleet.atlas.state.counters.requests == 0


@rare
def test_hosts_to_which_the_role_is_not_applied_do_not_matter(fleet):
    fleet.add("web1", "web2")
    fleet.play["tasks"][0]["when"] = "inventory_hostname != 'web2'"

    assert fleet.run() == {"web1": "changed", "web2": "ok"}

    assert fleet.serials() == {"web1": fleet.issued()[0], "web2": "absent"}


@rare
def test_two_applications_of_the_role_in_one_play_are_independent(fleet):
    fleet.atlas.call(fleet.atlas.state.add_user, DEMO_PROJECT, "other")
    fleet.add("web1", "web2")
    fleet.play["tasks"] = [both_users(fleet)]

    assert fleet.run() == {"web1": "changed", "web2": "changed"}
    assert fleet.run() == {"web1": "ok", "web2": "ok"}

    assert len(fleet.issued()) == 2
    names = {path.relative_to(fleet.folder).as_posix(): _pem.look_at(str(path)).certificate.common_name for path in fleet.folder.glob("web*/*.pem")}
    assert names == {"web1/app.pem": "app", "web2/app.pem": "app", "web1/other.pem": "other", "web2/other.pem": "other"}


def both_users(fleet):
    return {
        "name": "Keep both",
        "ansible.builtin.include_role": {"name": "atlas.x509.user_cert"},
        "vars": {"user_cert_username": "{{ item }}", "user_cert_path": f"{fleet.folder}/{{{{ inventory_hostname }}}}/{{{{ item }}}}.pem"},
        "loop": ["app", "other"],
    }


@pytest.mark.parametrize("limit", [(), pytest.param(("--limit", "web1,web3"), marks=rare)], ids=["all", "limited"])
def test_an_unreachable_host_keeps_nobody_from_getting_a_certificate(fleet, limit):
    fleet.add("web1", "web2", "web3")
    fleet.hosts["web2"].update(ansible_connection="ssh", ansible_host="127.0.0.1", ansible_port=1)

    came = fleet.run(*limit, fails=not limit, user_cert_holders="{{ groups['shop'] }}")

    assert came == {"web1": "changed", "web3": "changed", **({} if limit else {"web2": "failed"})}
    assert fleet.serials() == {"web1": fleet.issued()[0], "web2": "absent", "web3": fleet.issued()[0]}
    assert len(fleet.issued()) == 1


def test_the_only_holder_that_went_away_fails_the_host_that_needs_the_pem(fleet):
    """It was looked at, so its certificate is known; then it cannot be reached when the PEM is to be brought."""
    fleet.add("web1", "web2")
    serial = fleet.place("web1", days_left=60)
    # A connection that works once: the look is the first thing that runs on the host.
    fleet.hosts["web1"]["ansible_connection"] = "{{ 'local' if __user_cert_plan is not defined else 'ssh' }}"
    fleet.hosts["web1"].update(ansible_host="127.0.0.1", ansible_port=1)

    assert fleet.run(fails=True)["web2"] == "failed"

    assert fleet.serials() == {"web1": serial, "web2": "absent"}
    assert fleet.issued() == []
