# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Place a PEM that was issued elsewhere, on the host that needs it. Python 3.6 and later, standard library only."""

from typing import Any, Dict, NamedTuple, Optional, Tuple

from ansible_collections.atlas.x509.plugins.module_utils import _login, _pem, _shown
from ansible_collections.atlas.x509.plugins.module_utils._certificate import Certificate
from ansible_collections.atlas.x509.plugins.module_utils._errors import OptionError, PemError, StoreError
from ansible_collections.atlas.x509.plugins.module_utils._store import (
    Attributes,
    Reservation,
    apply_attributes,
    differing,
    obstacle,
    sweep,
)
from ansible_collections.atlas.x509.plugins.module_utils._time import iso


class Order(NamedTuple):
    """What to place where. ``username`` and ``project_id`` may be unknown: then the PEM to be placed says whose file it is.

    ``login`` is one that must succeed with the new PEM before it replaces the old one; None: no login is tried.
    """

    path: str
    attributes: Attributes
    backup: bool = False
    replace_foreign: bool = False
    username: Optional[str] = None
    project_id: Optional[str] = None
    login: Optional[_login.Trial] = None


class Placed(NamedTuple):
    """What was there, what is there now (None: not known before the real run), and which attributes changed.

    ``aside`` is where something was moved that an earlier run of ``atlas_user_cert`` had kept beside the path.
    """

    changed: bool
    before: _pem.Look
    after: Optional[Certificate]
    attributes: Tuple[str, ...] = ()
    backup_file: Optional[str] = None
    aside: Optional[str] = None


def foresee(order: Order, pem: Optional[bytes]) -> Placed:
    """What :func:`place` would do. Writes nothing; without ``pem`` the file is assumed to become another one."""
    after = _pem.first_certificate(pem) if pem else None
    before = _check(order, after)
    if pem and after:
        _check_source(order, _pem.examine(pem), after)
    if after and _is_there(before, after):
        changes = differing(order.path, order.attributes)
        return Placed(bool(changes), before, after, tuple(changes))
    _check_client(order)
    return Placed(True, before, after)


def place(order: Order, pem: bytes) -> Placed:
    """Make ``pem`` the file at the order's path, unless it is there already. :class:`PemError` when it is not a good pair."""
    if len(pem) > _pem.MAX_SIZE:
        raise PemError("src: {0} bytes are too many for a PEM; {1} is as it was".format(len(pem), order.path))
    after = _pem.first_certificate(pem)
    before = _check(order, after)
    if _is_there(before, after):
        sweep(order.path)
        return _adjust(order, before, after)
    _check_client(order)
    try:
        with Reservation(order.path) as reservation:
            return _replace(order, pem, after, reservation)
    except OSError as error:
        raise StoreError("{0} cannot be replaced: {1}".format(order.path, error.strerror)) from error


def _replace(order: Order, pem: bytes, after: Certificate, reservation: Reservation) -> Placed:
    before = _check(order, after)  # again, now that no rival can change it
    if _is_there(before, after):
        return _adjust(order, before, after)  # the rival that was waited for has placed the same
    aside = reservation.set_aside()  # only atlas_user_cert keeps something there, and that may be the only copy of a key
    reservation.reserve_space()
    staged = reservation.stage(pem)
    _check_source(order, _pem.look_at(staged), after)
    _try_login(order, staged)
    foreign = _is_foreign(order, before, after)
    backup_file = reservation.publish(order.attributes, order.backup or foreign)
    return Placed(True, before, after, backup_file=backup_file, aside=aside)


def _adjust(order: Order, before: _pem.Look, after: Certificate) -> Placed:
    changes = apply_attributes(order.path, order.attributes)
    return Placed(bool(changes), before, after, tuple(changes))


def _check_client(order: Order) -> None:
    problem = _login.obstacle(order.login.uri if order.login else None)
    if problem:
        raise OptionError(problem)


def _try_login(order: Order, staged: str) -> None:
    if order.login:
        try:
            _login.log_in(order.login, staged, order.username)
        except PemError as error:
            raise PemError("src: {0}; {1} is as it was".format(error.message, order.path)) from None


def _check(order: Order, after: Optional[Certificate]) -> _pem.Look:
    problem = obstacle(order.path, order.attributes)
    if problem:
        raise OptionError(problem)
    wanted = [(order.username, after.common_name, "user"), (order.project_id, after.issuer_common_name, "project")] if after else []
    for asked, found, what in wanted:
        if asked and asked != found:
            raise PemError("src: holds a certificate of the {0} {1}, not of {2}".format(what, found, asked))
    before = _pem.look_at(order.path)
    if not order.replace_foreign and _is_foreign(order, before, after):
        raise StoreError(
            "{0} holds {1}; choose another path, move it away, or set on_foreign: replace (which keeps a backup)".format(
                order.path, before.describe()
            )
        )
    return before


def _check_source(order: Order, look: Optional[_pem.Look], after: Certificate) -> None:
    if look and look.state != "pair":
        raise PemError("src: {0}; {1} is as it was".format(look.detail or "holds " + look.describe(), order.path))
    if look and look.certificate != after:
        raise PemError("src: holds several certificates, and the key is not that of the first; {0} is as it was".format(order.path))


def _is_foreign(order: Order, before: _pem.Look, after: Optional[Certificate]) -> bool:
    username = order.username or (after.common_name if after else None)
    project_id = order.project_id or (after.issuer_common_name if after else None)
    if not username or not project_id:
        return before.state not in ("absent", "empty", "pair", "certificate_only", "broken")  # nobody said whose it should be
    return before.is_foreign(username, project_id)


def _is_there(before: _pem.Look, after: Certificate) -> bool:
    return before.state == "pair" and before.certificate is not None and before.certificate.fingerprint_sha256 == after.fingerprint_sha256


def report(placed: Placed, path: str, foreseen: bool) -> Dict[str, Any]:
    """The return values of ``atlas_pem``, or with ``foreseen`` of its check mode."""
    old = placed.before.certificate
    values = {
        "changed": placed.changed,
        "path": path,
        "certificate": _shown.certificate(placed.after) if placed.after else None,
        "replaced": str(old.serial) if old and placed.changed and not placed.attributes else None,
        "msg": "{0}: {1}".format(path, _deed(placed, foreseen)),
    }  # type: Dict[str, Any]
    if placed.backup_file:
        values["backup_file"] = placed.backup_file
    if placed.changed:
        after = _facts(placed.after) if placed.after else "serial_number: (not issued yet)\n"
        if placed.attributes:
            after += "changed: {0}\n".format(", ".join(placed.attributes))
        values["diff"] = {"before_header": path, "after_header": path, "before": _facts(old) if old else "", "after": after}
    return values


def _deed(placed: Placed, foreseen: bool) -> str:
    name = "certificate {0}".format(placed.after.serial) if placed.after else "the certificate that is issued in the real run"
    if not placed.changed:
        return "holds {0} already".format(name)
    if placed.attributes:
        return "{0} {1}".format("would set" if foreseen else "set", " and ".join(placed.attributes))
    over = "" if placed.before.state in ("absent", "empty") else ", replacing {0}".format(placed.before.describe())
    moved = "; what an earlier run had kept beside it was moved to {0}".format(placed.aside) if placed.aside else ""
    return "{0} {1}{2}{3}".format("would place" if foreseen else "placed", name, over, moved)


def _facts(one: Certificate) -> str:
    return "serial_number: {0}\nnot_after: {1}\n".format(one.serial, iso(one.not_after))
