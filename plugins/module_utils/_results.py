# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Between our types and what Ansible shows: dictionaries out, and those of ``atlas_pem_info`` in again."""

from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple

from ansible_collections.atlas.x509.plugins.module_utils import _shown, _time
from ansible_collections.atlas.x509.plugins.module_utils._certificate import Certificate
from ansible_collections.atlas.x509.plugins.module_utils._errors import AtlasX509Error, OptionError, Refused
from ansible_collections.atlas.x509.plugins.module_utils._pem import Look


def look(found: Look) -> Dict[str, Any]:
    """What ``atlas_pem_info`` returns about a file."""
    return {
        "exists": found.state != "absent",
        "state": found.state,
        "detail": found.detail,
        "key_matches": found.key_matches,
        "certificate": _shown.certificate(found.certificate) if found.certificate else None,
    }


_PLACED = "file"
"""The state in what ``atlas_pem`` returns: AnsibleModule puts its own word for a regular file there, for every result with a ``path``."""


class Report(NamedTuple):
    """What ``atlas_pem_info`` or ``atlas_pem`` returned on a host, as we know it: ``look`` is None for a host that could not be asked
    (unreachable, failed), whose result has no ``state``. ``also`` are the locations of other paths and what lies there."""

    look: Optional[Look] = None
    obstacle: Optional[str] = None
    attributes_differ: Tuple[str, ...] = ()
    location: str = ""
    also: Tuple[Tuple[str, Look], ...] = ()


def report_from(value: Any, where: str) -> Report:
    """The report in what ``atlas_pem_info`` returned on one host; ``where`` names it for :class:`OptionError`."""
    if not isinstance(value, Mapping) or not value.get("state"):
        return Report()
    reason = None if value.get("placeable", True) else str(value.get("placeable_reason") or "a PEM cannot be placed there")
    try:
        also = tuple((str(one["location"]), _look_from(one)) for one in value.get("also") or ())
        return Report(_look_from(value), reason, tuple(value.get("attributes_differ") or ()), str(value.get("location") or value.get("path") or ""), also)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        raise OptionError("{0}: not what atlas_pem_info returns".format(where)) from None


def failure(error: AtlasX509Error) -> Dict[str, Any]:
    """The return values of a failed module, beside ``msg``."""
    values = _shown.failure(error)
    if isinstance(error, Refused):
        values.update(plan(error.plan))
    return values


def plan(decided: Any) -> Dict[str, Any]:
    """A decision as return values, with the plan for the hosts when hosts were given."""
    values = {
        "decision": decided.verdict.decision,
        "reason": decided.verdict.reason,
        "unexpired": [_shown.listed(one, decided.now) for one in decided.unexpired],
        "superseded": _shown.serials(decided.superseded),
        "orphaned": _shown.serials(decided.orphaned),
    }  # type: Dict[str, Any]
    if decided.hosts_given:
        values.update(
            converged=decided.converged,
            place=list(decided.place),
            adjust=list(decided.adjust),
            holders=list(decided.holders),
            source=decided.sources[0][0] if decided.sources else None,
            sources=[{"host": host, "path": path} for host, path in decided.sources],
            held_at=[{place.host: _held(place)} for place in decided.held_at],
            foreign=dict(decided.foreign),
            not_placeable=dict(decided.not_placeable),
            unasked=list(decided.unasked),
        )
    return values


def _held(place: Any) -> Dict[str, Any]:
    """As much of a report as :func:`report_from` needs."""
    return {"location": place.location, "state": place.look.state, "certificate": _shown.certificate(place.look.certificate)}


def _look_from(value: Mapping[str, Any]) -> Look:
    facts = value.get("certificate")
    state = "pair" if value["state"] == _PLACED and facts else str(value["state"])
    return Look(state, value.get("detail"), _certificate_from(facts) if facts else None)


def _certificate_from(facts: Mapping[str, Any]) -> Certificate:
    return Certificate(
        serial=int(facts["serial_number"]),
        subject=facts["subject"],
        common_name=facts.get("common_name"),
        issuer=facts.get("issuer"),
        issuer_common_name=facts.get("issuer_common_name"),
        not_before=_time.parse_moment(facts["not_before"]),
        not_after=_time.parse_moment(facts["not_after"]),
        fingerprint_sha256=facts.get("fingerprint_sha256"),
    )
