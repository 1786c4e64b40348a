# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Paths on the controller that an action plugin reads for itself."""

from __future__ import annotations

import os
from typing import Any


def as_modules_read_it(given: Any) -> str:
    """The file that a module would take for this option of type ``path``: what one has written there, the other must find."""
    return os.path.expanduser(os.path.expandvars(str(given or "")))
