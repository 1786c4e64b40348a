# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is committed, and what the tests write down, holds no key that is not the fake's."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\"'\\n]*[A-Za-z0-9+/]{24}")


def files_of_the_project():
    spec = importlib.util.spec_from_file_location("collection_tool", ROOT / "tools" / "collection.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return [path for path in tool.files() if (ROOT / path).is_file()]


def test_the_only_private_keys_of_the_project_are_the_fakes():
    holders = [path.as_posix() for path in files_of_the_project() if KEY.search((ROOT / path).read_bytes())]
    assert holders == ["tests/fake_atlas/key_pool.pem"]


@pytest.mark.heavy
def test_the_report_of_the_tests_that_handle_keys_holds_none(tmp_path):
    """The names of the tests, and what they printed and logged."""
    report = tmp_path / "junit.xml"
    tests = [str(ROOT / "tests" / "unit" / f"test_{name}.py") for name in ("fetch", "place")]
    words = ["-q", "-p", "no:cacheprovider", "-o", "junit_logging=all", f"--junitxml={report}", *tests]
    ended = subprocess.run([sys.executable, "-m", "pytest", *words], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, timeout=600, check=False)
    assert ended.returncode == 0, ended.stdout[-3000:]
    for said in (report.read_bytes(), ended.stdout, ended.stderr):
        assert not KEY.search(said)
    assert report.read_bytes().count(b"<testcase") > 20
