# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role expiry_report in whole plays: real ansible-playbook, real HTTP to a fake Atlas, hosts that are folders of this machine."""

from __future__ import annotations

import re
import stat
import sys

import pytest
import ssh_hosts
import yaml
from fake_atlas import DEMO_PRIVATE_KEY, DEMO_PROJECT, DEMO_PUBLIC_KEY, DEMO_USER, FakeAtlas
from prometheus_client.parser import text_string_to_metric_families

NASTY = "x'; {{ 7 * 7 }} {% raw %} <script>alert(1)</script> \\ \" | `a` ](javascript:b) é"
RECAP = re.compile(r"^(\S+)\s+: ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", re.MULTILINE)


class Reporter:
    """A play that applies the role, and what it wrote."""

    def __init__(self, folder, ansible, atlas):
        self.folder, self.ansible, self.atlas = folder, ansible, atlas
        self.hosts, self.elsewhere = {}, {}
        self.files = {name: folder / "out" / f"what.{name}" for name in ("html", "prom", "md")}
        self.output = ""
        (folder / "out").mkdir()

    def add(self, host, **variables):
        (self.folder / host).mkdir()
        here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        self.hosts[host] = {**here, "expiry_report_paths": [f"{self.folder}/{host}/mongodb.pem"], **variables}

    def certify(self, *hosts, username=DEMO_USER, **age):
        certificate = self.atlas.call(self.atlas.state.add_certificate, DEMO_PROJECT, username, **age)
        for host in hosts:
            (self.folder / host / "mongodb.pem").write_text(self.atlas.state.pem(certificate))
        return certificate

    def run(self, *arguments, fails=False, environment=None, **variables):
        """Run the play; (changed, failed) of each host."""
        key = {"public_api_key": DEMO_PUBLIC_KEY, "private_api_key": DEMO_PRIVATE_KEY}
        connection = {"base_url": self.atlas.url, "project_id": DEMO_PROJECT, "retries": 0, **key}
        role = {"role": "atlas.x509.expiry_report"}
        files = dict(zip(("expiry_report_html", "expiry_report_prometheus", "expiry_report_markdown"), map(str, self.files.values())))
        play = {"hosts": "all:!elsewhere", "gather_facts": False, "roles": [role], "vars": {"expiry_report_connection": connection, **files, **variables}}
        (self.folder / "inventory.yml").write_text(yaml.safe_dump({"all": {"hosts": self.hosts, "children": {"elsewhere": {"hosts": self.elsewhere}}}}))
        (self.folder / "play.yml").write_text(yaml.safe_dump([play]))
        self.output = self.ansible(
            "ansible-playbook", "-i", self.folder / "inventory.yml", self.folder / "play.yml", *arguments, fails=fails, **environment or {}
        )
        assert DEMO_PRIVATE_KEY not in self.output
        recap = RECAP.findall(self.output)
        assert recap, self.output
        return {host: (int(changed), int(failed) + int(unreachable)) for host, changed, unreachable, failed in recap}

    def text(self, name):
        return self.files[name].read_text(encoding="utf-8")

    def series(self):
        """The metrics, by name and labels."""
        families = text_string_to_metric_families(self.text("prom"))
        return {(sample.name, *sorted(sample.labels.items())): sample.value for family in families for sample in family.samples}

    def series_of(self, name):
        return {key[1:]: value for key, value in self.series().items() if key[0] == "atlas_x509_" + name}


@pytest.fixture
def reporter(tmp_path, ansible):
    with FakeAtlas() as atlas:
        yield Reporter(tmp_path, ansible, atlas)


def test_one_audit_makes_three_files_that_say_which_host_runs_on_what(reporter):
    for host in ("web1", "web2", "web3"):
        reporter.add(host)
    old = reporter.certify("web1", days_left=12)
    new = reporter.certify("web2", days_left=80)
    reporter.atlas.call(reporter.atlas.state.add_user, DEMO_PROJECT, NASTY)

    assert reporter.run("--check", "--diff")["web1"] == (3, 0)
    assert not list((reporter.folder / "out").iterdir()), "check mode wrote"

    assert reporter.run()["web1"] == (3, 0)
    page, markdown = reporter.text("html"), reporter.text("md")
    for serial in (old.serial, new.serial):
        assert f"{serial:X}" in page
        assert f"{serial:X}" in markdown
    assert "Newest on 1 of 2 hosts" in page
    assert "<script>alert" not in page
    assert "{{ 7 * 7 }}" in page, "a name was taken for a template"
    assert sorted(path.name for path in (reporter.folder / "out").iterdir()) == ["what.html", "what.md", "what.prom"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in reporter.files.values()} == {0o644}
    names = {dict(key)["username"]: value for key, value in reporter.series_of("unexpired_certificates").items()}
    assert names[NASTY] == 0
    assert names[DEMO_USER] == 2
    assert reporter.series_of("host_files")[("holds", "nothing"),] == 1
    assert reporter.text("prom").endswith("\n")


@pytest.mark.rare
def test_what_changes_nothing_is_no_change_and_the_diff_is_the_line_with_the_facts(reporter):
    for host in ("web1", "web2"):
        reporter.add(host)
    reporter.certify("web1", days_left=80)
    assert reporter.run()["web1"] == (3, 0)

    before = reporter.text("prom")
    assert reporter.run("--diff", expiry_report_warning_days="30")["web1"] == (0, 0), "only the time went on"
    assert "+++" not in reporter.output
    assert before.partition("timestamp_seconds ")[0] == reporter.text("prom").partition("timestamp_seconds ")[0]

    reporter.certify("web2", days_left=85)
    assert reporter.run("--diff")["web1"] == (3, 0)
    assert reporter.output.count("+++ after") == 2, "the diff is the line with the facts, and the page has none"


@pytest.mark.rare
def test_a_host_that_is_down_and_a_list_that_fails_are_loud_in_all_three(reporter):
    reporter.add("web1")
    reporter.add("down", ansible_connection="ssh", ansible_host="127.0.0.1", ansible_port=1)
    reporter.certify("web1", days_left=80)

    result = reporter.run(expiry_report_usernames=[DEMO_USER, "nobody"])

    assert result == {"web1": (0, 0), "down": (3, 0)}, "the first host of the play stands for the tasks that run once"
    assert "This report is incomplete" in reporter.text("html")
    assert "INCOMPLETE" in reporter.text("md")
    for name in ("html", "md"):
        assert "nobody" in reporter.text(name)
        assert "down" in reporter.text(name)
    assert list(reporter.series_of("audit_failures").values()) == [1]
    assert [dict(key)["username"] for key in reporter.series_of("audit_failed")] == ["nobody"]
    assert reporter.series_of("host_files")[("holds", "unasked"),] == 1
    assert "INCOMPLETE" in reporter.output


@pytest.mark.rare
def test_an_audit_that_fails_leaves_the_reports_and_says_so_in_the_metrics(reporter):
    reporter.add("web1")
    reporter.add("web2")
    reporter.certify("web1", "web2", days_left=80)
    reporter.atlas.fault("status", status=403, match={"method": "GET"}, times=None)

    assert {failed for _changed, failed in reporter.run(fails=True).values()} == {1}, "each host fails, so that none looks well"
    assert reporter.series() == {("atlas_x509_audit_success",): 0}
    assert not reporter.files["html"].exists()

    reporter.atlas.call(reporter.atlas.state.faults.clear)
    reporter.run()
    good, page = reporter.series(), reporter.text("html")
    assert good[("atlas_x509_audit_success",)] == 1

    reporter.atlas.fault("status", status=403, match={"method": "GET"}, times=None)
    reporter.run(fails=True)
    assert reporter.series() == {**good, ("atlas_x509_audit_success",): 0}, "what is known stays: it goes on expiring"
    assert reporter.text("html") == page


@pytest.mark.rare
def test_a_home_is_the_same_for_every_task(reporter, tmp_path):
    """In a container ``$HOME`` need not be the home of the password file, and Ansible's modules differ in which they take."""
    reporter.add("web1")
    reporter.certify("web1", days_left=60.5)

    reporter.run(expiry_report_html="", expiry_report_prometheus="", expiry_report_markdown="~/what-expires.md")

    assert sorted(path.name for path in (tmp_path / "home").glob("what-expires*")) == ["what-expires.md"]
    assert reporter.run(expiry_report_html="", expiry_report_prometheus="", expiry_report_markdown="~/what-expires.md") == {"web1": (0, 0)}


@pytest.mark.heavy
@pytest.mark.skipif(bool(ssh_hosts.missing()), reason=str(ssh_hosts.missing()))
def test_the_reports_can_be_written_on_a_host_that_is_in_no_play_over_ssh(reporter, tmp_path):
    reporter.add("web1")
    reporter.certify("web1", days_left=60)
    with ssh_hosts.SshHosts(tmp_path / "ssh", ["monitor"], network=44) as machines:
        reporter.elsewhere = machines.inventory
        there = {name: machines.files("monitor") / path.name for name, path in reporter.files.items()}
        reporter.files = {name: machines.path / path.name for name, path in reporter.files.items()}

        assert reporter.run(expiry_report_on="monitor")["web1"] == (3, 0)

        assert {name for name, path in there.items() if path.exists()} == {"html", "prom", "md"}
        assert not any(path.exists() for path in reporter.files.values()), "this machine has them too"
        assert "<!-- facts 1 user: 1 later;" in there["html"].read_text(encoding="utf-8")
        assert reporter.run(expiry_report_on="monitor")["web1"] == (0, 0)
