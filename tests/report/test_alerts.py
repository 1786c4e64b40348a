# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The alerting rules, by Prometheus' own tester, and its judgement of a whole file of metrics."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible_collections.atlas.x509.plugins.filter.expiry_report import expiry_report
from expiry import incomplete

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "roles" / "expiry_report" / "files" / "atlas_x509.rules.yml"
CASES = ROOT / "tests" / "alerts" / "atlas_x509.test.yml"

pytestmark = [pytest.mark.heavy, pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool (Debian: prometheus)")]


def promtool(*arguments, folder, text=None):
    return subprocess.run(["promtool", *map(str, arguments)], cwd=folder, input=text, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def folder(tmp_path):
    for file in (RULES, CASES):
        shutil.copy(file, tmp_path)
    return tmp_path


def test_the_rules_are_good_and_fire_when_they_should(folder):
    for arguments in (("check", "rules", RULES.name), ("test", "rules", CASES.name)):
        done = promtool(*arguments, folder=folder)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_in_which_it_fires():
    alerts = {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
    cases = [case for test in yaml.safe_load(CASES.read_text())["tests"] for case in test["alert_rule_test"]]
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == alerts


@pytest.mark.parametrize("number", range(len(yaml.safe_load(RULES.read_text())["groups"][0]["rules"])))
def test_a_rule_that_never_fires_is_noticed(folder, number):
    rules = yaml.safe_load(RULES.read_text())
    rules["groups"][0]["rules"][number]["expr"] = "vector(0) > 1"
    (folder / RULES.name).write_text(yaml.safe_dump(rules))
    assert promtool("test", "rules", CASES.name, folder=folder).returncode != 0


def test_every_metric_in_a_rule_is_one_that_the_report_writes(folder):
    audit, looks = incomplete()
    metrics = expiry_report(audit.result, "prometheus", looks)
    named = set(re.findall(r"atlas_x509_\w+", " ".join(re.findall("expr: .*", RULES.read_text()))))
    assert named and named <= set(re.findall(r"^# TYPE (\w+)", metrics, re.MULTILINE))
    done = promtool("check", "metrics", folder=folder, text=metrics)
    assert done.returncode == 0, done.stdout + done.stderr
