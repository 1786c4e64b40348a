# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far a long audit is: a line for people now and then, in a file that whoever waits reads along."""

import os
from typing import Callable, NamedTuple, Optional


class Progress(NamedTuple):
    """``known`` grows while the users of projects are still being listed."""

    read: int
    failed: int
    known: int
    requests: int
    waited: float
    """Seconds in which nothing was under way, because the rate limit or a failing service left nothing to send."""


def teller(path: Optional[str]) -> Callable[[Progress], None]:
    """What adds a line to this file whenever it is told how far it is. A file that cannot be written stops no audit."""

    def tell(progress: Progress) -> None:
        try:
            if path:
                with open(path, "r+", encoding="utf-8") as lines:  # never made here: who wants to read it has made it
                    lines.seek(0, os.SEEK_END)
                    lines.write(words(progress) + "\n")
        except OSError:
            pass

    return tell


def words(progress: Progress) -> str:
    """How far it is, for people."""
    parts = ["{0} of {1} lists read".format(progress.read, progress.known)]
    if progress.failed:
        parts.append("{0} failed".format(progress.failed))
    if progress.waited >= 1:
        parts.append("{0:.0f} s waited for the service".format(progress.waited))
    return ", ".join(parts)
