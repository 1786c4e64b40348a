# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bring a PEM back from a host, unreadable on the way. The module's half runs on managed hosts: standard library only."""

import os
from typing import Any, Dict, Mapping, Optional

from ansible_collections.atlas.x509.plugins.module_utils import _pem, _shown
from ansible_collections.atlas.x509.plugins.module_utils._errors import PemError, StoreError
from ansible_collections.atlas.x509.plugins.module_utils._store import Attributes, Reservation, apply_attributes, differing, obstacle, sweep


def veil(pem: bytes, pad: bytes) -> bytes:
    """Combine with a one-time pad: without the pad every PEM of that length is equally likely. Never use a pad twice."""
    if len(pad) < len(pem):
        raise PemError("the pad is shorter than the PEM")
    return bytes(one ^ other for one, other in zip(pem, pad))


unveil = veil
"""The same operation undoes it."""


def kept(dest: str, serial_number: str, check: bool = False) -> Optional[Dict[str, Any]]:
    """The facts of the wanted PEM when it is at ``dest`` already, for its owner only; None otherwise.

    What a run that died has left beside it is removed, except in check mode.
    """
    there = _pem.look_at(dest)
    if there.state != "pair" or there.certificate is None or str(there.certificate.serial) != serial_number or differing(dest, Attributes()):
        return None
    if not check:
        sweep(dest)
    return _shown.certificate(there.certificate)


def keep(dest: str, pem: bytes, expected: Mapping[str, Any]) -> bool:
    """Put the PEM at ``dest``, 0600, in a directory made 0700 when it is missing; False when the same is there already.

    ``expected`` is what the host said of it. :class:`PemError` when something else arrived.
    """
    would_keep(dest, expected)
    if _is(_pem.look_at(dest), expected):
        sweep(dest)
        return bool(apply_attributes(dest, Attributes()))
    try:
        with Reservation(dest, create_directory=True) as reservation:
            reservation.set_aside()
            reservation.reserve_space()
            if not _is(_pem.look_at(reservation.stage(pem)), expected):
                raise PemError("what arrived is not the PEM that the host holds; {0} is as it was".format(dest))
            reservation.publish(Attributes(), backup=False)
    except OSError as error:
        raise StoreError("{0} cannot be written: {1}".format(os.path.dirname(dest), error.strerror)) from error
    return True


def would_keep(dest: str, expected: Mapping[str, Any]) -> bool:
    """What :func:`keep` would return or raise, as far as that is known before the PEM is here. Writes nothing."""
    there = _pem.look_at(dest)
    if _is(there, expected):
        return bool(differing(dest, Attributes()))
    problem = obstacle(dest, Attributes(), create_directory=True)
    if problem:
        raise StoreError(problem.replace("path:", "dest:", 1))
    if there.is_foreign(expected["common_name"] or "", expected["issuer_common_name"] or ""):
        raise StoreError("dest: {0} holds {1}; choose another file, or move it away".format(dest, there.describe()))
    return True


def _is(look: _pem.Look, expected: Mapping[str, Any]) -> bool:
    found = look.certificate if look.state == "pair" else None
    return found is not None and found.fingerprint_sha256 == expected["fingerprint_sha256"]
