# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the user asks ``atlas_user_cert`` for, checked before anything is sent."""

from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple

from ansible_collections.atlas.x509.plugins.module_utils import _options, _time
from ansible_collections.atlas.x509.plugins.module_utils._decision import Elsewhere, Host, Wanted
from ansible_collections.atlas.x509.plugins.module_utils._errors import OptionError
from ansible_collections.atlas.x509.plugins.module_utils._pem import Look
from ansible_collections.atlas.x509.plugins.module_utils._results import report_from
from ansible_collections.atlas.x509.plugins.module_utils._store import Attributes, attributes, obstacle

SPEC = {
    "username": {"type": "str", "required": True},
    "path": {"type": "path", "required": True},
    "create_directory": {"type": "bool", "default": False},
    "months_until_expiration": {"type": "int", "default": 3},
    "renew_before": {"type": "str", "default": "0"},
    "rotate_before": {"type": "str"},
    "force": {"type": "bool", "default": False},
    "hosts": {"type": "dict"},
    "elsewhere": {"type": "list", "elements": "dict"},
    "on_orphan": {"type": "str", "choices": ["fail", "reissue"], "default": "fail"},
    "max_unexpired": {"type": "int", "default": 10},
}  # type: Dict[str, Dict[str, Any]]


class Request(NamedTuple):
    """All that was asked for. ``hosts`` is None when the file at ``wanted.path`` is the only holder.

    ``elsewhere`` and ``unasked`` are what :class:`Seen` has under these names.
    """

    wanted: Wanted
    months: int
    attributes: Attributes
    backup: bool = False
    create_directory: bool = False
    hosts: Optional[Tuple[Host, ...]] = None
    elsewhere: Tuple[Elsewhere, ...] = ()
    unasked: Tuple[str, ...] = ()


def request(options: Mapping[str, Any], environment: Mapping[str, str]) -> Request:
    """The request in these options; :class:`OptionError` names the first one that is wrong. Looks at the disk, writes nothing."""
    months = options["months_until_expiration"]
    if not 1 <= months <= 24:
        raise OptionError("months_until_expiration: {0} is not between 1 and 24".format(months))
    if options["max_unexpired"] < 1:
        raise OptionError("max_unexpired: {0} would never let anything be issued; give 1 or more".format(options["max_unexpired"]))
    wanted = Wanted(
        username=_options.username(options["username"]),
        project_id=_options.project_id(options, environment),
        path=options["path"],
        renew_before=_renew_before(options["renew_before"] or "0", months),
        rotate_before=_rotate_before(options["rotate_before"]),
        force=options["force"],
        on_orphan=options["on_orphan"],
        on_foreign=options["on_foreign"],
        max_unexpired=options["max_unexpired"],
    )
    wanted_attributes = attributes(options["mode"], options["owner"], options["group"])
    problem = obstacle(wanted.path, wanted_attributes, options["create_directory"])
    if problem:
        raise OptionError(problem)
    return Request(
        wanted,
        months,
        wanted_attributes,
        options["backup"],
        options["create_directory"],
        _hosts(options["hosts"]),
        *_elsewhere(options["elsewhere"])
    )


def _renew_before(text: str, months: int) -> _time.Span:
    span = _time.parse_span(text, "renew_before")
    lifetime = _time.shortest_lifetime(months)
    if lifetime - span.of(lifetime) <= _time.DAY:
        raise OptionError(
            "renew_before: {0} is too long for certificates of {1} month{2} (as few as {3} days): a new one would be due for renewal "
            "within a day, so that every run would issue; lower it or raise months_until_expiration".format(
                text, months, "" if months == 1 else "s", lifetime.days
            )
        )
    return span


def _rotate_before(text: Optional[str]) -> Any:
    if not text or not text.strip():
        return None
    try:
        # Certificates are dated to the second: with a fraction, one issued in that very second would count as older.
        return _time.parse_moment(text).replace(microsecond=0)
    except ValueError as error:
        raise OptionError("rotate_before: {0}".format(error)) from None


def _hosts(given: Optional[Mapping[str, Any]]) -> Optional[Tuple[Host, ...]]:
    return None if given is None else tuple(_host(str(name), value) for name, value in given.items())


def _host(name: str, value: Any) -> Host:
    found = report_from(value, "hosts: " + name)
    return Host(name, found.look, found.obstacle, found.attributes_differ, found.location, _places(name, found.also))


def _elsewhere(given: Optional[List[Mapping[str, Any]]]) -> Tuple[Tuple[Elsewhere, ...], Tuple[str, ...]]:
    """What other places hold, and the hosts of which nothing is known from any of these reports."""
    places, names = [], []  # type: List[Elsewhere], List[str]
    for name, value in ((str(name), value) for reports in given or () for name, value in reports.items()):
        found = report_from(value, "elsewhere: " + name)
        here = ((found.location, found.look),) if found.look else ()  # type: Tuple[Tuple[str, Look], ...]
        places.extend(_places(name, here + found.also))
        names.append(name)
    known = {place.host for place in places}
    return tuple(places), tuple(name for name in dict.fromkeys(names) if name not in known)


def _places(name: str, found: Iterable[Tuple[str, Look]]) -> Tuple[Elsewhere, ...]:
    return tuple(Elsewhere(name, location, look) for location, look in found)
