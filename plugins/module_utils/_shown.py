# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A certificate, and what the service said, as Ansible shows them. Apart from ``_results`` because a list needs no more than this.

Serial numbers are strings: they have up to 63 bits, and JavaScript, so the AWX interface, rounds numbers above 53.
"""

from datetime import datetime
from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.atlas.x509.plugins.module_utils import _time
from ansible_collections.atlas.x509.plugins.module_utils._certificate import Certificate
from ansible_collections.atlas.x509.plugins.module_utils._errors import AtlasX509Error


def certificate(one: Certificate) -> Dict[str, Any]:
    """The public facts of one certificate. What is not known (a list has no fingerprint) is null."""
    return {
        "serial_number": str(one.serial),
        "serial_hex": _hex(one.serial),
        "subject": one.subject,
        "common_name": one.common_name,
        "issuer": one.issuer,
        "issuer_common_name": one.issuer_common_name,
        "not_before": _time.iso(one.not_before),
        "not_after": _time.iso(one.not_after),
        "fingerprint_sha256": one.fingerprint_sha256,
    }


def dated(one: Certificate, now: datetime, renew_at: Optional[datetime] = None) -> Dict[str, Any]:
    """The facts, with what depends on the time: whole days left, and when renewal is due."""
    return dict(
        certificate(one),
        days_left=(one.not_after - now) // _time.DAY,
        renew_at=_time.iso(renew_at) if renew_at else None,
    )


def listed(one: Certificate, now: datetime) -> Dict[str, Any]:
    """The short form for lists: what Atlas lists, and the days left."""
    full = dated(one, now)
    return {key: full[key] for key in ("serial_number", "serial_hex", "subject", "common_name", "not_before", "not_after", "days_left")}


def failure(error: AtlasX509Error) -> Dict[str, Any]:
    """The return values of a module that failed, beside ``msg``."""
    values = dict(error.facts)
    if error.failure:
        values["failure"] = dict(error.failure._asdict())
    return values


def serials(certificates: Tuple[Certificate, ...]) -> List[str]:
    """Serial numbers, as strings."""
    return [str(one.serial) for one in certificates]


def _hex(serial: int) -> str:
    """Whole bytes, as ``openssl x509 -serial`` prints them."""
    digits = "{0:X}".format(abs(serial))
    return "{0}{1}{2}".format("-" if serial < 0 else "", "0" * (len(digits) % 2), digits)
