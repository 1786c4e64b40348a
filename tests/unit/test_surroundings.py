# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tests themselves: what somebody's machine has in its environment does not reach them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FAKES = Path(__file__).with_name("fake_atlas") / "test_fake_doors.py"


def test_the_tests_run_behind_a_proxy():
    nobody = "http://127.0.0.1:9"
    environment = {**os.environ, "http_proxy": nobody, "HTTPS_PROXY": nobody, "REQUESTS_CA_BUNDLE": "/nowhere"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "connections_are_kept or counters_count", str(FAKES)]
    done = subprocess.run(command, env=environment, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    assert "2 passed" in done.stdout, done.stdout + done.stderr
