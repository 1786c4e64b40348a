# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The versions that are promised are the ones that are tested: the README, requires_ansible, the role and ansible-core's own words."""

from __future__ import annotations

import importlib
import os
import re
import sys
from pathlib import Path

import interpreters
import pytest
import yaml
from ansible.release import __version__ as ansible_version
from matrix import OLDEST, PAIRS, SUPPORTED

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
CORE = ".".join(ansible_version.split(".")[:2])


def load(path):
    return yaml.safe_load((ROOT / path).read_text())


def test_the_readme_lists_the_supported_versions():
    rows = re.findall(r"^\| (2\.\d+) \| (3\.\d+) to (3\.\d+) \| (3\.\d+) to (3\.\d+) \|$", README, re.MULTILINE)
    assert {core: tuple(ends) for core, *ends in rows} == {
        core: (pythons.controller[0], pythons.controller[-1], pythons.hosts[0], pythons.hosts[-1]) for core, pythons in SUPPORTED.items()
    }


def test_the_oldest_ansible_core_of_the_matrix_is_the_oldest_that_is_required():
    assert load("meta/runtime.yml")["requires_ansible"] == f">={OLDEST[0]}.0"
    assert load("roles/user_cert/meta/main.yml")["galaxy_info"]["min_ansible_version"] == OLDEST[0]
    assert f"ansible-core {OLDEST[0]} or newer" in README
    assert f"Python {OLDEST[1]} or newer" in README


def test_the_oldest_python_on_managed_hosts_is_the_one_that_ansible_test_is_told():
    oldest = SUPPORTED[OLDEST[0]].hosts[0]
    assert load("tests/config.yml")["modules"]["python_requires"] == f">={oldest}"
    assert f"{oldest} included" in README


def test_the_lowest_versions_that_are_promised_are_the_ones_that_the_matrix_tests():
    pinned = dict(re.findall(r"^([a-z-]+)==(\S+)$", (ROOT / "tools" / "requirements-lowest.txt").read_text(), re.MULTILINE))
    promised = re.findall(r"^([a-z-]+)(.*)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert promised == [(name, f">={pinned[name]}") for name, _bound in promised], "a lower bound, no upper one"
    assert {name for name, _bound in promised} == {"requests", "cryptography"}
    assert pinned["ansible-core"] == f"{OLDEST[0]}.0"
    for name, bound in promised:
        assert f'"{name}{bound}"' in README


def test_one_command_runs_all_pairs_and_continuous_integration_the_oldest_and_the_newest():
    sessions = (ROOT / "noxfile.py").read_text()
    assert "for core, python in PAIRS" in sessions
    assert 'tags=["ends"] if (core, python) in (OLDEST, NEWEST)' in sessions
    assert "\nrun make test\n" in (ROOT / ".ci" / "run").read_text()
    assert "\nrun .venv/bin/nox -t ends -- " in (ROOT / ".ci" / "run").read_text()
    for target in re.findall(r"(?<=[ =])tests/\S+", (ROOT / ".ci" / "run").read_text()):
        assert (ROOT / target).exists(), target


def test_ansible_core_says_the_same():
    if CORE not in SUPPORTED:
        pytest.skip(f"ansible-core {CORE} is newer than the matrix")
    said = importlib.import_module("ansible_test._util.target.common.constants")
    ours = ["3.{0}".format(minor) for minor in range(6, 14)]
    assert [python for python in said.CONTROLLER_PYTHON_VERSIONS if python in ours] == list(SUPPORTED[CORE].controller)
    hosts = list(said.REMOTE_ONLY_PYTHON_VERSIONS) + list(said.CONTROLLER_PYTHON_VERSIONS)
    assert [python for python in hosts if python in ours] == list(SUPPORTED[CORE].hosts)


def test_this_very_run_is_one_of_the_matrix():
    """Whoever runs the tests by hand with another pair learns it here."""
    python = "{0}.{1}".format(*sys.version_info[:2])
    if CORE not in SUPPORTED or python not in {pair[1] for pair in PAIRS}:
        pytest.skip(f"ansible-core {CORE} with Python {python} is beyond the matrix")
    assert (CORE, python) in PAIRS


def test_a_link_to_an_interpreter_never_leads_to_another_link_of_ours(monkeypatch):
    """Our folder is on PATH within nox, where this is called again."""
    folder = interpreters.link()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    interpreters.link()
    links = {path.name: path.resolve(strict=True) for path in folder.iterdir()}
    assert links, "not even the interpreter of this test"
    assert not [name for name, target in links.items() if target.parent == folder]
