# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One certificate, as Atlas lists it or as a PEM shows it: public facts only."""

from datetime import datetime, timedelta
from typing import NamedTuple, Optional, Tuple

BACKDATING = timedelta(hours=1)
"""Atlas dates every certificate this far back (105 of 105 recorded). What asks "when was it issued" must add it."""

LARGEST_PEM = 64 * 1024
"""Bytes. From Atlas it has 5 kB."""


class Certificate(NamedTuple):
    """``serial`` is the number that identifies it (up to 63 bits, a decimal string for users: JavaScript rounds it)."""

    serial: int
    subject: str
    not_before: datetime
    not_after: datetime
    common_name: Optional[str] = None
    issuer: Optional[str] = None
    issuer_common_name: Optional[str] = None
    fingerprint_sha256: Optional[str] = None

    @property
    def issued_at(self) -> datetime:
        """The moment of issue by the service's clock, to the second."""
        return self.not_before + BACKDATING

    @property
    def order(self) -> Tuple[datetime, int]:
        """What "issued last" means: the later ``not_before``, and of two in one second the larger serial number."""
        return (self.not_before, self.serial)
