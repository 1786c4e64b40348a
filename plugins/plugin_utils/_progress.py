# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far a module is, shown while it runs: Ansible has no way for that, so the module writes lines into a file that is read along here."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import TextIO

POLL = 0.5
"""Seconds. Nobody watches more closely, and nothing is done in between."""


@contextlib.contextmanager
def read_along(folder: str, show: Callable[[str], object]) -> Iterator[str]:
    """The path of a file in ``folder``; each line that is added to it is shown, from another thread, until the context ends."""
    descriptor, path = tempfile.mkstemp(dir=folder, prefix="atlas_x509_progress.")
    over = threading.Event()
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as lines:
        thread = threading.Thread(target=_follow, args=(lines, show, over), daemon=True)
        thread.start()
        try:
            yield path
        finally:
            over.set()
            thread.join()
            os.unlink(path)


def _follow(lines: TextIO, show: Callable[[str], object], over: threading.Event) -> None:
    unfinished = ""
    last = False
    while not last:
        last = over.wait(POLL)
        *whole, unfinished = (unfinished + lines.read()).split("\n")
        for line in whole:
            show(line)
