# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A strict MongoDB Atlas Administration API on loopback: one state, three doors (see README.md)."""

from __future__ import annotations

from .seed import (
    DEMO_CLIENT_ID,
    DEMO_CLIENT_SECRET,
    DEMO_PRIVATE_KEY,
    DEMO_PROJECT,
    DEMO_PUBLIC_KEY,
    DEMO_UNMANAGED_USER,
    DEMO_USER,
    READ_ONLY_PRIVATE_KEY,
    READ_ONLY_PUBLIC_KEY,
)
from .server import FakeAtlas
from .state import JournalEntry, State, UserCertificate

__all__ = [
    "DEMO_CLIENT_ID",
    "DEMO_CLIENT_SECRET",
    "DEMO_PRIVATE_KEY",
    "DEMO_PROJECT",
    "DEMO_PUBLIC_KEY",
    "DEMO_UNMANAGED_USER",
    "DEMO_USER",
    "READ_ONLY_PRIVATE_KEY",
    "READ_ONLY_PUBLIC_KEY",
    "FakeAtlas",
    "JournalEntry",
    "State",
    "UserCertificate",
]
