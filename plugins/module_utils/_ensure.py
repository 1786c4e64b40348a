# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Look, decide, and carry it out: the order of steps that keeps the promise.

Up to the POST everything that can fail fails; from the POST on, whatever fails leaves what was received on disk.
"""

import signal
from contextlib import contextmanager
from typing import Iterator, List, NamedTuple, Optional, Tuple

from ansible_collections.atlas.x509.plugins.module_utils import _pem, _verify
from ansible_collections.atlas.x509.plugins.module_utils._certificate import Certificate
from ansible_collections.atlas.x509.plugins.module_utils._client import Client
from ansible_collections.atlas.x509.plugins.module_utils._decision import ISSUE, KEEP, REFUSE, Plan, Seen, decide
from ansible_collections.atlas.x509.plugins.module_utils._errors import (
    AtlasX509Error,
    KeyKept,
    NotIssued,
    OptionError,
    OutcomeUnknown,
    PemError,
    Refused,
    ServiceError,
    StoreError,
)
from ansible_collections.atlas.x509.plugins.module_utils._issue import issue
from ansible_collections.atlas.x509.plugins.module_utils._request import Request
from ansible_collections.atlas.x509.plugins.module_utils._store import Reservation, apply_attributes, await_rival, differing, pending_path, sweep
from ansible_collections.atlas.x509.plugins.module_utils._time import iso

CLOCK_TOLERANCE = 300.0
"""Seconds by which this machine's clock may be off before it is worth a warning."""


class Outcome(NamedTuple):
    """What was done, or would be. ``certificate`` is the one to use; None when it is yet to be issued.

    ``replaced`` says that the file at ``path`` is a new one.
    """

    plan: Plan
    changed: bool
    certificate: Optional[Certificate]
    path_is_current: bool
    unexpired: Tuple[Certificate, ...]
    backup_file: Optional[str] = None
    warnings: Tuple[str, ...] = ()
    replaced: bool = False


def survey(client: Client, request: Request) -> Plan:
    """List, look and decide. Changes nothing."""
    wanted = request.wanted
    listed = tuple(client.certificates(wanted.project_id, wanted.username))
    # In this order: what a rival has issued by now is in its reservation, or by the time of the second look at path.
    leftover = _pem.look_at_answer(pending_path(wanted.path))
    seen = Seen(listed, _pem.look_at(wanted.path), leftover, request.hosts, request.elsewhere, request.unasked)
    now = client.now()
    if wanted.rotate_before and wanted.rotate_before > now:
        raise OptionError(
            "rotate_before: {0} lies in the future of the service's clock ({1}); until then every run would issue".format(
                iso(wanted.rotate_before), iso(now)
            )
        )
    return decide(wanted, seen, now)


def foresee(client: Client, request: Request, plan: Plan) -> Outcome:
    """What :func:`carry_out` would do, for check mode. Raises :class:`Refused` when the decision is no."""
    if plan.verdict.decision != KEEP and plan.is_reserved:
        await_rival(request.wanted.path)
        plan = survey(client, request)
    _check(request, plan)
    warnings = _warnings(client, request, plan)
    if plan.verdict.decision == ISSUE:
        return Outcome(plan, True, None, False, plan.unexpired, warnings=warnings)
    adopts = plan.leftover == "adopt"
    changes = differing(request.wanted.path, request.attributes) if plan.path_is_current else []
    return Outcome(plan, adopts or bool(changes), plan.current, adopts or plan.path_is_current, plan.unexpired, warnings=warnings)


def carry_out(client: Client, request: Request, plan: Plan) -> Outcome:
    """Do what the plan says; :class:`Refused` when the decision is no.

    Unless there is nothing to do, it is decided again under the lock: a rival run may have issued, and not yet put in place, what
    we would call missing or lost.
    """
    if plan.verdict.decision == KEEP and plan.leftover not in ("adopt", "discard"):
        sweep(request.wanted.path)
        changed = bool(apply_attributes(request.wanted.path, request.attributes)) if plan.path_is_current else False
        warnings = _warnings(client, request, plan)
        return Outcome(plan, changed, plan.current, plan.path_is_current, plan.unexpired, warnings=warnings)
    with Reservation(request.wanted.path, request.create_directory) as reservation:
        plan = survey(client, request)
        _check(request, plan)
        backup_file = _settle_leftover(request, plan, reservation)
        if plan.verdict.decision == ISSUE:
            done = _issue(client, request, plan, reservation)
            return done._replace(backup_file=done.backup_file or backup_file)
        return _keep(client, request, plan, backup_file)


def _check(request: Request, plan: Plan) -> None:
    if plan.verdict.decision == REFUSE:
        kept = "; an earlier run kept an answer of Atlas in {0}".format(pending_path(request.wanted.path)) if plan.leftover == "warn" else ""
        raise Refused("{0}: {1}{2}".format(request.wanted.username, plan.verdict.why, kept), plan)


def _settle_leftover(request: Request, plan: Plan, reservation: Reservation) -> Optional[str]:
    """Put in place what an earlier run issued, or forget what is in place already; returns the backup's name, if any.

    Also when another one is to be issued: should that fail, the next run must find what this one found.
    """
    if plan.leftover == "discard":
        reservation.discard()
    if plan.leftover != "adopt":
        return None
    try:
        reservation.stage(_pem.from_answer(_pem.read(reservation.pending)))
        return reservation.publish(request.attributes, request.backup or _is_foreign(request))
    except OSError as error:
        raise StoreError("{0} cannot be put in place: {1}; it stays there".format(reservation.pending, error.strerror)) from error


def _keep(client: Client, request: Request, plan: Plan, backup_file: Optional[str]) -> Outcome:
    adopts, changed = plan.leftover == "adopt", False
    if plan.path_is_current:
        changed = bool(apply_attributes(request.wanted.path, request.attributes))
    here, warnings = adopts or plan.path_is_current, _warnings(client, request, plan)
    return Outcome(plan, adopts or changed, plan.current, here, plan.unexpired, backup_file, warnings, replaced=adopts)


def _issue(client: Client, request: Request, plan: Plan, reservation: Reservation) -> Outcome:
    warnings = list(_warnings(client, request, plan))
    aside = reservation.set_aside()
    if aside:
        warnings.append("an earlier run had kept something that is of no use now; it was moved to {0}".format(aside))
    reservation.reserve_space()
    lost = _obtain(client, request, plan, reservation)
    try:
        certificate, backup_file = _put_in_place(client, request, reservation)
    except Exception as error:  # noqa: BLE001
        # Whatever it is: a key is at stake, and the user must learn where it is.
        raise _kept(client, request, plan, reservation, error) from None
    warnings.extend(lost)
    unexpired, remarks = _list_again(client, request, plan, certificate, bool(lost))
    return Outcome(plan, True, certificate, True, unexpired, backup_file, tuple(warnings + remarks), replaced=True)


def _list_again(
    client: Client, request: Request, plan: Plan, certificate: Certificate, several: bool
) -> Tuple[Tuple[Certificate, ...], List[str]]:
    """What is unexpired now, and a remark on what a rival issued (``several``: we did ourselves). Nothing here can undo the success."""
    try:
        listed = tuple(client.certificates(request.wanted.project_id, request.wanted.username))
    except Exception as error:  # noqa: BLE001
        remark = "the certificate is in place, but the list could not be read again: {0}".format(getattr(error, "message", type(error).__name__))
        return plan.unexpired + (certificate,), [remark]
    known = {one.serial for one in plan.unexpired} | {certificate.serial}
    rivals = [] if several else [str(one.serial) for one in listed if one.serial not in known]
    remark = "at the same time another run issued {0} for this user; the next run converges on the one issued last"
    is_listed = any(one.serial == certificate.serial for one in listed)
    return listed if is_listed else listed + (certificate,), [remark.format(", ".join(rivals))] if rivals else []


def _obtain(client: Client, request: Request, plan: Plan, reservation: Reservation) -> List[str]:
    """Send the one POST and keep its answer. When the answer is lost: say what was issued, and with ``reissue`` send one more.

    Returns warnings about a certificate that was issued and lost on the way.
    """
    try:
        _send(client, request, reservation)
        return []
    except OutcomeUnknown as error:
        consequence, new = _aftermath(client, request, plan)
        room = len(plan.unexpired) + len(new) < request.wanted.max_unexpired
        if reservation.received().strip() or not new or request.wanted.on_orphan != "reissue" or not room:
            raise _lost(error, consequence, reservation) from None
        loss = "{0}; {1}".format(error.message, consequence)
    _send_once_more(client, request, plan, reservation, loss)
    return ["{0}; issued once more, because on_orphan is reissue".format(loss)]


def _send(client: Client, request: Request, reservation: Reservation) -> None:
    with _signals_held():
        try:
            issue(client, request.wanted.project_id, request.wanted.username, request.months, reservation.receive)
        finally:
            received = reservation.received()
    if not received.strip():
        raise OutcomeUnknown("Atlas said that it issued a certificate and sent nothing")


def _send_once_more(client: Client, request: Request, plan: Plan, reservation: Reservation, loss: str) -> None:
    """Whatever becomes of this one: the user learns of the first, which was issued and lost."""
    try:
        reservation.reserve_space()
        _send(client, request, reservation)
    except OutcomeUnknown as error:
        raise _lost(error, _aftermath(client, request, plan)[0], reservation) from None
    except NotIssued as error:
        raise OutcomeUnknown("{0}; another one was asked for, and was not issued: {1}".format(loss, error.reason), error.failure) from None
    except StoreError as error:
        raise OutcomeUnknown("{0}; and then: {1}".format(loss, error.message)) from None


def _put_in_place(client: Client, request: Request, reservation: Reservation) -> Tuple[Certificate, Optional[str]]:
    wanted = request.wanted
    pem = _pem.from_answer(reservation.received())
    look = _pem.look_at(reservation.stage(pem))
    problem = _verify.problem(look, pem, wanted.username, wanted.project_id, client.now())
    if problem or look.certificate is None:
        raise PemError(problem or "it sent no certificate")
    return look.certificate, reservation.publish(request.attributes, request.backup or _is_foreign(request))


def _is_foreign(request: Request) -> bool:
    return _pem.look_at(request.wanted.path).is_foreign(request.wanted.username, request.wanted.project_id)


def _aftermath(client: Client, request: Request, plan: Plan) -> Tuple[str, List[Certificate]]:
    """What Atlas lists now that it did not list before, as a clause and as data."""
    before = {one.serial for one in plan.unexpired}
    try:
        listed = client.certificates(request.wanted.project_id, request.wanted.username)
    except Exception as error:  # noqa: BLE001
        # Whatever it is: it must not hide what the caller is about to say of the POST.
        what = error.message if isinstance(error, ServiceError) else type(error).__name__
        return "whether a certificate was issued is unknown, because the list cannot be read either ({0})".format(what), []
    new = [one for one in listed if one.serial not in before]
    if not new:
        return "Atlas lists no new certificate; trying again is safe, because every run looks first", []
    names = ", ".join("{0} until {1}".format(one.serial, iso(one.not_after)) for one in new)
    return "Atlas lists a new certificate, {0}, whose key was lost on the way".format(names), new


def _lost(error: OutcomeUnknown, consequence: str, reservation: Reservation) -> AtlasX509Error:
    if reservation.received().strip():
        kept = "what arrived is kept in {0}".format(reservation.pending)
        return KeyKept("{0}; {1}; {2}".format(error.message, consequence, kept), error.failure, {"parked": reservation.pending})
    return OutcomeUnknown("{0}; {1}".format(error.message, consequence), error.failure)


def _kept(client: Client, request: Request, plan: Plan, reservation: Reservation, error: Exception) -> KeyKept:
    reservation.received()  # is it still where it was kept?
    what = error.message if isinstance(error, AtlasX509Error) else getattr(error, "strerror", None) or type(error).__name__
    consequence, new = _aftermath(client, request, plan)
    names = ", ".join(str(one.serial) for one in new)
    return KeyKept(
        "Atlas answered the request for a certificate, but {0}. The answer is kept in {1}, and {2} {3}; {4}. {5}".format(
            what,
            reservation.pending,
            request.wanted.path,
            "holds it too, though not safely on the disk" if reservation.is_published else "is as it was",
            "new in Atlas's list: {0}".format(names) if new else consequence,
            _way_out(request, reservation),
        ),
        facts={"parked": reservation.pending},
    )


def _way_out(request: Request, reservation: Reservation) -> str:
    if reservation.is_elsewhere:
        return "When the disk is well again, move it to {0} and run again".format(pending_path(request.wanted.path))
    return "Run again when the cause is mended: a good PEM there is then taken up, nothing is issued twice"


def _warnings(client: Client, request: Request, plan: Plan) -> Tuple[str, ...]:
    warnings = []
    if abs(client.clock_offset) > CLOCK_TOLERANCE:
        warnings.append(
            "this machine's clock is {0:.0f} minutes {1} the service's; dates are judged by the service's clock".format(
                abs(client.clock_offset) / 60, "behind" if client.clock_offset > 0 else "ahead of"
            )
        )
    if plan.leftover == "warn" and plan.verdict.decision != ISSUE:
        warnings.append(
            "an earlier run kept an answer of Atlas in {0} that cannot be used; look at it, then remove it".format(
                pending_path(request.wanted.path)
            )
        )
    return tuple(warnings)


@contextmanager
def _signals_held() -> Iterator[None]:
    """Until the answer is on disk, an interrupt waits: it would throw away the only copy of a key."""
    held = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)
