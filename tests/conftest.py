# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Let plain `pytest` find the collection: pyproject.toml names the folder, this makes the link in it. Here and not in a hook, because the
# conftest.py of a folder that is named on the command line is loaded before the first hook is called, and may import the collection.
if "PYTEST_XDIST_WORKER" not in os.environ:
    subprocess.run([sys.executable, str(ROOT / "tools" / "collection.py"), "link"], check=True, stdout=subprocess.DEVNULL)
# A proxy or an authority of the user's own has nothing to do with what is on this machine; what tests start inherits that there is none.
for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "requests_ca_bundle", "curl_ca_bundle"):
    os.environ.pop(name, None)
    os.environ.pop(name.upper(), None)
# Python remembers that the folder was not there a moment ago.
importlib.invalidate_caches()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """For `-n auto`: one more than there are cores, because many tests wait for an end of their patience. More than four gain nothing."""
    asked_for = os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS")
    return int(asked_for) if asked_for else min((os.cpu_count() or 1) + 1, 4)


@pytest.fixture
def run_command(monkeypatch):
    """How modules start programs: that of a real AnsibleModule."""
    from ansible.module_utils import basic

    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", b'{"ANSIBLE_MODULE_ARGS": {}}')
    if hasattr(basic, "_ANSIBLE_PROFILE"):
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy")
    return basic.AnsibleModule({}).run_command
