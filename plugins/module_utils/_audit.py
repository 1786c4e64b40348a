# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``atlas_user_cert_info`` asks: the certificates of some users or all managed ones, in some projects or all that can be seen."""

from datetime import datetime
from functools import partial
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from ansible_collections.atlas.x509.plugins.module_utils import _options, _shown, _time
from ansible_collections.atlas.x509.plugins.module_utils._certificate import Certificate
from ansible_collections.atlas.x509.plugins.module_utils._client import Client
from ansible_collections.atlas.x509.plugins.module_utils._errors import OptionError

SPEC = {
    "username": {"type": "str"},
    "usernames": {"type": "list", "elements": "str"},
    "project_ids": {"type": "list", "elements": "str"},
    "all_projects": {"type": "bool", "default": False},
    "expires_within": {"type": "str"},
    "concurrency": {"type": "int", "default": 8},
    "strict": {"type": "bool", "default": False},
    "progress_path": {"type": "path"},
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
        return self.expires_within is not None and now >= self.expires_within.before_end(one.issued_at, one.not_after)


class Found(NamedTuple):
    """What one list held: how many, the one issued last, and those that were asked for, by issue."""

    project_id: str
    username: str
    total: int
    newest: Optional[Certificate]
    certificates: Tuple[Certificate, ...]


class Answer(NamedTuple):
    """Everything, in the order of the question. ``projects`` gives each its name, None where only the id is known; ``failed`` is for the user."""

    question: Question
    projects: Mapping[str, Optional[str]]
    found: Tuple[Found, ...]
    failed: Tuple[Mapping[str, Any], ...]
    now: datetime
    requests: int
    waited: float


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


def ask(client: Client, asked: Question, progress_path: Optional[str] = None) -> Answer:
    """Read every list. One that fails is in ``failed`` or an exception, and never an empty one; a line in that file says now and then how far it is."""
    if asked.is_for_one_list:
        return _ask_for_one(client, asked)
    return _ask_for_many(client, asked, progress_path)


def _ask_for_one(client: Client, asked: Question) -> Answer:
    (project_id,), (username,) = asked.project_ids or (), asked.usernames or ()
    listed = client.certificates(project_id, username)
    now = client.now()
    found = _found(asked, project_id, username, listed, now)
    return Answer(asked, {project_id: None}, (found,), (), now, client.requests, client.waited)


def _ask_for_many(client: Client, asked: Question, progress_path: Optional[str]) -> Answer:
    # Here, because most tasks ask for one list, and what is imported is compiled at each run of a module.
    from ansible_collections.atlas.x509.plugins.module_utils import _lists

    lists = _lists.read(client, asked.project_ids, asked.usernames, partial(_found, asked), asked.concurrency, asked.strict, progress_path)
    failed = tuple(_lists.shown(one) for one in lists.failed)
    return Answer(asked, lists.projects, lists.found, failed, lists.now, lists.progress.requests, lists.progress.waited)


def _found(asked: Question, project_id: str, username: str, listed: List[Certificate], now: datetime) -> Found:
    wanted = tuple(one for one in listed if asked.expires_within is None or asked.is_due(one, now))
    return Found(project_id, username, len(listed), listed[-1] if listed else None, wanted)


def report(answer: Answer) -> Dict[str, Any]:
    """The return values."""
    certificates = [
        dict(project_id=of.project_id, username=of.username, **_shown.listed(one, answer.now)) for of in answer.found for one in of.certificates
    ]
    return {
        "msg": _sentence(answer),
        "certificates": certificates,
        "users": [_user(one, answer) for one in answer.found],
        "projects": [{"id": project_id, "name": name} for project_id, name in answer.projects.items()],
        "failed_lists": list(answer.failed),
        "total_count": len(certificates),
        "checked_at": _time.iso(answer.now),
        "requests": answer.requests,
        "seconds_waited": round(answer.waited, 1),
    }


def _sentence(answer: Answer) -> str:
    """The answer for somebody at a terminal: how one user stands, or who of many needs a look."""
    count = sum(one.total for one in answer.found)
    who = answer.found[0].username if len(answer.found) == 1 else "{0} users".format(len(answer.found))
    parts = ["{0}: {1} unexpired certificate{2}".format(who, count or "no", "" if count == 1 else "s")]
    without = [one.username for one in answer.found if not one.newest]
    if without and len(answer.found) > 1:
        parts.append("none for {0}".format(", ".join(without[:3]) + (" and {0} more".format(len(without) - 3) if len(without) > 3 else "")))
    newest = [(one.newest.not_after, one.username) for one in answer.found if one.newest]
    if newest:
        not_after, username = min(newest)
        what = "the newest" if len(answer.found) == 1 else "{0} first: its newest".format(username)
        parts.append("{0} expires at {1} ({2} days left)".format(what, _time.iso(not_after), (not_after - answer.now) // _time.DAY))
    return "; ".join(parts)


def _user(one: Found, answer: Answer) -> Dict[str, Any]:
    newest = _shown.listed(one.newest, answer.now) if one.newest else None
    return {
        "project_id": one.project_id,
        "project_name": answer.projects[one.project_id],
        "username": one.username,
        "count": one.total,
        "newest_serial_number": newest["serial_number"] if newest else None,
        "newest_not_after": newest["not_after"] if newest else None,
        "days_left": newest["days_left"] if newest else None,
        "due": one.newest is not None and answer.question.is_due(one.newest, answer.now),
        "orphan_risk": one.total > 1,
        "missing": one.total == 0,
    }
