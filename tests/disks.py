# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filling a disk, for which the fixture ``disk`` mounts one that is small."""

from __future__ import annotations

import errno
from pathlib import Path


def fill(place: Path, leave: int = 0) -> None:
    """Fill a disk, but for so many bytes."""
    with open(place / "filler", "ab", buffering=0) as filler:
        try:
            while True:
                filler.write(b"x" * 4096)
        except OSError as error:
            assert error.errno == errno.ENOSPC
        filler.truncate(max(0, filler.tell() - leave))
