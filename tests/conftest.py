# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure(config):
    """Let plain `pytest` find the collection: pyproject.toml names the folder, this makes the link in it."""
    if not hasattr(config, "workerinput"):
        subprocess.run([sys.executable, str(ROOT / "tools" / "collection.py"), "link"], check=True, stdout=subprocess.DEVNULL)
    # Python remembers that the folder was not there a moment ago.
    importlib.invalidate_caches()
