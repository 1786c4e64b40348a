# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many examples Hypothesis tries: a quarter of what is written at a test, and all of it with HYPOTHESIS_PROFILE=thorough. And for as long as
each takes: how busy the machine is proves nothing."""

from __future__ import annotations

import os

from hypothesis import settings

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
_USUAL = 100  # what Hypothesis itself tries


def examples(thorough: int) -> int:
    """That many, or a quarter."""
    return thorough if THOROUGH else max(thorough // 4, 1)


def take_effect() -> None:
    """For every test, and the number for those that do not say how many."""
    settings.register_profile("effort", max_examples=examples(_USUAL), deadline=None)
    settings.load_profile("effort")
