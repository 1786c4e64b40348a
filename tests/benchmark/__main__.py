# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``python -m benchmark NAME [its options]``: each benchmark is a module of this package that can be run by itself."""

from __future__ import annotations

import pkgutil
import runpy
import sys
from pathlib import Path

NAMES = sorted(one.name for one in pkgutil.iter_modules([str(Path(__file__).parent)]) if not one.name.startswith("_"))

if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
    sys.exit(f"usage: python -m benchmark {{{','.join(NAMES)}}} [--help]")
runpy.run_module(f"benchmark.{sys.argv.pop(1)}", run_name="__main__", alter_sys=True)
