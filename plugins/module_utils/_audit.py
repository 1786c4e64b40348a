# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``atlas_user_cert_info`` asks: the certificates of one user, of several, or of all managed users of a project."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from ansible_collections.atlas.x509.plugins.module_utils import _options, _results, _time
from ansible_collections.atlas.x509.plugins.module_utils._certificate import Certificate
from ansible_collections.atlas.x509.plugins.module_utils._client import Client
from ansible_collections.atlas.x509.plugins.module_utils._decision import renew_at

SPEC = {
    "username": {"type": "str"},
    "usernames": {"type": "list", "elements": "str"},
    "expires_within": {"type": "str"},
}  # type: Dict[str, Dict[str, Any]]

CONCURRENCY = 8
"""Lists that are read side by side. One takes about as long as the way to the service and back."""


class Question(NamedTuple):
    """``usernames`` is None for all managed users of the project, ``expires_within`` for certificates of any age."""

    project_id: str
    usernames: Optional[Tuple[str, ...]]
    expires_within: Optional[_time.Span]


class Answer(NamedTuple):
    """The lists, by user in the order of the question, each with the one issued last at the end."""

    question: Question
    users: Tuple[Tuple[str, Tuple[Certificate, ...]], ...]
    now: datetime


def question(options: Mapping[str, Any], environment: Mapping[str, str]) -> Question:
    """The question in these options; :class:`OptionError` names the first one that is wrong. Nothing is sent."""
    names = None  # type: Optional[Tuple[str, ...]]
    if options["username"] is not None:
        names = (_options.username(options["username"]),)
    elif options["usernames"] is not None:
        names = tuple(dict.fromkeys(_options.username(name, "usernames") for name in options["usernames"]))
    within = options["expires_within"]
    span = _time.parse_span(within, "expires_within") if within else None
    return Question(_options.project_id(options, environment), names, span)


def ask(client: Client, asked: Question) -> Answer:
    """Read every list, several side by side. One that fails fails the question: a missing list must not look like an empty one."""
    names = list(asked.usernames) if asked.usernames is not None else client.managed_users(asked.project_id)
    if not names:
        return Answer(asked, (), client.now())
    first = client.certificates(asked.project_id, names[0])  # alone, so that one challenge or login serves all
    with ThreadPoolExecutor(max_workers=CONCURRENCY) as pool:
        rest = list(pool.map(lambda name: client.certificates(asked.project_id, name), names[1:]))
    lists = [tuple(one) for one in [first] + rest]
    return Answer(asked, tuple(zip(names, lists)), client.now())


def report(answer: Answer) -> Dict[str, Any]:
    """The return values."""
    certificates = []  # type: List[Dict[str, Any]]
    users = []  # type: List[Dict[str, Any]]
    owner = {"project_id": answer.question.project_id}
    for username, found in answer.users:
        newest = _results.listed(found[-1], answer.now) if found else None
        users.append(
            dict(
                owner,
                username=username,
                count=len(found),
                newest_not_after=newest["not_after"] if newest else None,
                days_left=newest["days_left"] if newest else None,
            )
        )
        certificates.extend(dict(owner, username=username, **_results.listed(one, answer.now)) for one in found if _is_wanted(one, answer))
    return {"certificates": certificates, "users": users, "total_count": len(certificates)}


def _is_wanted(one: Certificate, answer: Answer) -> bool:
    span = answer.question.expires_within
    return span is None or answer.now >= renew_at(one, span)
