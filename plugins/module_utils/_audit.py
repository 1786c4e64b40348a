# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``atlas_user_cert_info`` asks: the certificates of some users or all managed ones, in some projects or all that can be seen."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from ansible_collections.atlas.x509.plugins.module_utils import _options, _results, _time
from ansible_collections.atlas.x509.plugins.module_utils._certificate import Certificate
from ansible_collections.atlas.x509.plugins.module_utils._client import Client
from ansible_collections.atlas.x509.plugins.module_utils._decision import renew_at
from ansible_collections.atlas.x509.plugins.module_utils._errors import Failure, OptionError, ServiceError

SPEC = {
    "username": {"type": "str"},
    "usernames": {"type": "list", "elements": "str"},
    "project_ids": {"type": "list", "elements": "str"},
    "all_projects": {"type": "bool", "default": False},
    "expires_within": {"type": "str"},
    "concurrency": {"type": "int", "default": 8},
    "strict": {"type": "bool", "default": False},
}  # type: Dict[str, Dict[str, Any]]


class Question(NamedTuple):
    """``project_ids`` is None for all projects, ``usernames`` for all managed users, ``expires_within`` for certificates of any age."""

    project_ids: Optional[Tuple[str, ...]]
    usernames: Optional[Tuple[str, ...]]
    expires_within: Optional[_time.Span]
    concurrency: int
    strict: bool

    @property
    def is_for_one_list(self) -> bool:
        """One user of one project: there is no rest that could do without it."""
        return len(self.project_ids or ()) == len(self.usernames or ()) == 1

    def is_due(self, one: Certificate, now: datetime) -> bool:
        """Whether it expires within the time asked about; never when none was."""
        return self.expires_within is not None and now >= renew_at(one, self.expires_within)


class Found(NamedTuple):
    """What one list held: how many, the one issued last, and those that were asked for, by issue."""

    project_id: str
    username: str
    number: int
    newest: Optional[Certificate]
    certificates: Tuple[Certificate, ...]


class Failed(NamedTuple):
    """A list that could not be read. ``username`` is None when it was the list of the project's users."""

    project_id: str
    username: Optional[str]
    error: ServiceError


class Answer(NamedTuple):
    """Everything, in the order of the question. ``projects`` gives each its name, None where only the id is known."""

    question: Question
    projects: Mapping[str, Optional[str]]
    found: Tuple[Found, ...]
    failed: Tuple[Failed, ...]
    now: datetime


def question(options: Mapping[str, Any], environment: Mapping[str, str]) -> Question:
    """The question in these options; :class:`OptionError` names the first one that is wrong. Nothing is sent."""
    names = None  # type: Optional[Tuple[str, ...]]
    if options["username"] is not None:
        names = (_options.username(options["username"]),)
    elif options["usernames"] is not None:
        names = tuple(dict.fromkeys(_options.username(name, "usernames") for name in options["usernames"]))
    if not 1 <= options["concurrency"] <= 32:
        raise OptionError("concurrency: {0} is not between 1 and 32".format(options["concurrency"]))
    within = options["expires_within"]
    span = _time.parse_span(within, "expires_within") if within else None
    return Question(_projects(options, environment), names, span, options["concurrency"], options["strict"])


def _projects(options: Mapping[str, Any], environment: Mapping[str, str]) -> Optional[Tuple[str, ...]]:
    if options["all_projects"] and options["project_ids"] is not None:
        raise OptionError("project_ids, all_projects: give one of them")
    if options["all_projects"]:
        return None
    if options["project_ids"] is not None:
        return tuple(dict.fromkeys(_options.checked_project_id(one, "project_ids") for one in options["project_ids"]))
    return (_options.project_id(options, environment),)


def ask(client: Client, asked: Question) -> Answer:
    """Read every list, several side by side. A list that fails is in ``failed`` or an exception, and never an empty one."""
    projects = client.projects() if asked.project_ids is None else dict.fromkeys(asked.project_ids)  # type: Mapping[str, Optional[str]]
    failed = []  # type: List[Failed]
    lists = []  # type: List[Tuple[str, str]]
    for project_id in projects:
        try:
            names = client.managed_users(project_id) if asked.usernames is None else list(asked.usernames)
            lists.extend((project_id, name) for name in names)
        except ServiceError as error:
            _note(failed, asked, Failed(project_id, None, error))

    def read(one: Tuple[str, str]) -> Any:
        try:
            return _reduced(asked, one, client.certificates(*one), client.now())
        except ServiceError as error:
            return Failed(one[0], one[1], error)

    first = [read(one) for one in lists[:1]]  # alone, so that one challenge or login serves all
    with ThreadPoolExecutor(max_workers=asked.concurrency) as pool:
        outcomes = first + list(pool.map(read, lists[1:]))
    for outcome in outcomes:
        if isinstance(outcome, Failed):
            _note(failed, asked, outcome)
    found = tuple(outcome for outcome in outcomes if isinstance(outcome, Found))
    if failed and not found and len(failed) >= len(projects):
        raise ServiceError("nothing could be read: " + failed[0].error.message, failed[0].error.failure, {"failed_lists": [_failed(one) for one in failed]})
    return Answer(asked, projects, found, tuple(failed), client.now())


def _note(failed: List[Failed], asked: Question, one: Failed) -> None:
    if asked.strict or asked.is_for_one_list:
        raise one.error
    failed.append(one)


def _reduced(asked: Question, where: Tuple[str, str], listed: List[Certificate], now: datetime) -> Found:
    wanted = tuple(one for one in listed if asked.expires_within is None or asked.is_due(one, now))
    return Found(where[0], where[1], len(listed), listed[-1] if listed else None, wanted)


def report(answer: Answer) -> Dict[str, Any]:
    """The return values."""
    certificates = [
        dict(project_id=of.project_id, username=of.username, **_results.listed(one, answer.now)) for of in answer.found for one in of.certificates
    ]
    return {
        "certificates": certificates,
        "users": [_user(one, answer) for one in answer.found],
        "projects": [{"id": project_id, "name": name} for project_id, name in answer.projects.items()],
        "failed_lists": [_failed(one) for one in answer.failed],
        "total_count": len(certificates),
        "checked_at": _time.iso(answer.now),
    }


def _user(one: Found, answer: Answer) -> Dict[str, Any]:
    newest = _results.listed(one.newest, answer.now) if one.newest else None
    return {
        "project_id": one.project_id,
        "project_name": answer.projects[one.project_id],
        "username": one.username,
        "count": one.number,
        "newest_serial_number": newest["serial_number"] if newest else None,
        "newest_not_after": newest["not_after"] if newest else None,
        "days_left": newest["days_left"] if newest else None,
        "due": one.newest is not None and answer.question.is_due(one.newest, answer.now),
        "orphan_risk": one.number > 1,
        "missing": one.number == 0,
    }


def _failed(one: Failed) -> Dict[str, Any]:
    failure = one.error.failure or Failure()
    return {"project_id": one.project_id, "username": one.username, "msg": one.error.message, "failure": dict(failure._asdict())}
