# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``atlas_user_cert`` tells the user: one sentence, the facts, and a diff without a secret in it."""

from typing import Any, Dict, Optional, Tuple

from ansible_collections.atlas.x509.plugins.module_utils import _results, _shown, _time
from ansible_collections.atlas.x509.plugins.module_utils._certificate import Certificate
from ansible_collections.atlas.x509.plugins.module_utils._decision import ISSUE, renew_at
from ansible_collections.atlas.x509.plugins.module_utils._ensure import Outcome
from ansible_collections.atlas.x509.plugins.module_utils._request import Request


def outcome(done: Outcome, request: Request, foreseen: bool) -> Dict[str, Any]:
    """The return values of a run, or with ``foreseen`` of check mode: the same, but for the certificate that does not exist yet."""
    values = _results.plan(done.plan)
    values.update(
        changed=done.changed,
        msg=_sentence(done, request, foreseen),
        certificate=_certificate(done, request),
        path=request.wanted.path,
        path_is_current=done.path_is_current,
        unexpired=[_shown.listed(one, done.plan.now) for one in done.unexpired],
    )
    if done.backup_file:
        values["backup_file"] = done.backup_file
    if done.changed:
        values["diff"] = _diff(done, request)
    return values


def _certificate(done: Outcome, request: Request) -> Optional[Dict[str, Any]]:
    if done.certificate is None:
        return None
    return _shown.dated(done.certificate, done.plan.now, renew_at(done.certificate, request.wanted.renew_before))


def _sentence(done: Outcome, request: Request, foreseen: bool) -> str:
    why, user = done.plan.verdict.why, request.wanted.username
    if done.certificate is None:
        return "{0}: would issue a certificate, because {1}{2}".format(user, why, _unasked(done.plan.unasked))
    until = "expires at {0} ({1} days left)".format(
        _time.iso(done.certificate.not_after), (done.certificate.not_after - done.plan.now) // _time.DAY
    )
    if done.plan.verdict.decision == ISSUE:
        issued = "{0}: issued certificate {1}, because {2}; it {3}{4}"
        return issued.format(user, done.certificate.serial, why, until, _unasked(done.plan.unasked))
    if done.plan.leftover == "adopt":
        verb = "would be put" if foreseen else "was put"
        text = "{0}: {1}; it {2} in place at {3} and {4}"
        return text.format(user, why, verb, request.wanted.path, until)
    return "{0}: {1} and {2}{3}".format(user, why, until, _lacking(done.plan.place))


def _lacking(place: Tuple[str, ...]) -> str:
    return "; {0} {1} it".format(_few(place), "gets" if len(place) == 1 else "get") if place else ""


def _unasked(names: Tuple[str, ...]) -> str:
    return "; could not be asked: {0}".format(_few(names)) if names else ""


def _few(names: Tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (" and {0} more".format(len(names) - 5) if len(names) > 5 else "")


def _diff(done: Outcome, request: Request) -> Dict[str, str]:
    before = done.plan.at_path
    after = _facts(done.certificate) if done.certificate else "serial_number: (issued by Atlas in the real run)\n"
    if done.plan.path_is_current and done.plan.verdict.decision != ISSUE:
        after += "attributes: as asked for\n"
    return {
        "before_header": request.wanted.path,
        "after_header": request.wanted.path,
        "before": _facts(before) if before else "",
        "after": after + "reason: {0}\n".format(done.plan.verdict.reason),
    }


def _facts(one: Certificate) -> str:
    return "serial_number: {0}\nnot_after: {1}\n".format(one.serial, _time.iso(one.not_after))
