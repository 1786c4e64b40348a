# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which Pythons go with which ansible-core, as far as this collection supports both. noxfile.py runs them, tests/unit/test_matrix.py
holds the README, ``requires_ansible`` and ansible-core's own words against it."""

from __future__ import annotations

from typing import NamedTuple


class Pythons(NamedTuple):
    """Where Ansible runs, and on managed hosts; oldest first."""

    controller: tuple[str, ...]
    hosts: tuple[str, ...]


def _range(first: int, last: int) -> tuple[str, ...]:
    return tuple(f"3.{minor}" for minor in range(first, last + 1))


SUPPORTED = {
    "2.16": Pythons(controller=_range(10, 12), hosts=_range(6, 12)),
    "2.17": Pythons(controller=_range(10, 12), hosts=_range(7, 12)),
    "2.18": Pythons(controller=_range(11, 13), hosts=_range(8, 13)),
    "2.19": Pythons(controller=_range(11, 13), hosts=_range(8, 13)),
    "2.20": Pythons(controller=_range(12, 13), hosts=_range(9, 13)),
    "2.21": Pythons(controller=_range(12, 13), hosts=_range(9, 13)),
}
PAIRS = [(core, python) for core, pythons in SUPPORTED.items() for python in pythons.controller]
OLDEST, NEWEST = PAIRS[0], PAIRS[-1]
