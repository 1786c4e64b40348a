# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for what another thread or process will do, instead of guessing how long that takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

LONGEST = 60  # seconds; however busy the machine is, what has not happened by then never will


def wait_for(condition: Callable[[], Any]) -> None:
    """Return as soon as it holds; AssertionError when it never does."""
    deadline = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)
