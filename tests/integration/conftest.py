# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import surroundings
from plays import SECONDS, kill


@pytest.fixture
def ansible(tmp_path):
    """Run an Ansible command in a clean environment; the test ends with its whole output when it fails (or, with ``fails``, does not) or hangs."""
    home = tmp_path / "home"
    home.mkdir()
    # A short name: ansible-core 2.21 makes a socket below it, and the path of one has at most 107 characters.
    scratch = Path(tempfile.mkdtemp())
    (tmp_path / "ansible.cfg").touch()

    environment = {
        **surroundings.clean(tmp_path / "ansible.cfg", home, scratch),
        "ANSIBLE_HOME": str(home / ".ansible"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_NOCOWS": "true",
        "ANSIBLE_NOCOLOR": "true",
        "ANSIBLE_RETRY_FILES_ENABLED": "false",
        "ANSIBLE_DEPRECATION_WARNINGS": "false",
    }

    def start(program, *arguments, **more_environment):
        return subprocess.Popen(
            [str(Path(sys.executable).parent / program), *map(str, arguments)],
            cwd=tmp_path,
            env={**environment, **more_environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(program, *arguments, seconds=SECONDS, fails=False, **more_environment):
        process = start(program, *arguments, **more_environment)
        try:
            output, dummy = process.communicate(timeout=seconds)
            outcome = f"ended with {process.returncode}"
        except subprocess.TimeoutExpired:
            kill(process.pid)
            output, dummy = process.communicate()
            outcome = f"was ended after {seconds} s"
        if (process.returncode != 0) is not fails:
            pytest.fail(f"{program} {outcome}:\n{output}", pytrace=False)
        return output

    run.start = start
    yield run

    left = end_fakes(scratch)
    shutil.rmtree(scratch)
    if left:
        pytest.fail(f"a fake Atlas was still running when the test was over (ended now): {left}", pytrace=False)


def end_fakes(folder):
    """End what setup_fake_atlas started and nobody stopped; the process ids of those that were still there."""
    left = []
    for address in folder.glob("fake_atlas.*/address.json"):
        pid = json.loads(address.read_text())["pid"]
        try:
            os.kill(pid, signal.SIGTERM)
            left.append(pid)
        except ProcessLookupError:
            pass
    return left
