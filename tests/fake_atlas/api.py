# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The routes of the Administration API: who may, what is asked, what is done."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from . import paging, variants, versions
from .errors import ERRORS, ApiError, api_error, validation_error
from .faults import Rule, Stage
from .limits import Bucket
from .routing import Endpoint, Target
from .state import Credential, JournalEntry, Project, State, User
from .wire import JSON, Answer, html_page

MAX_MONTHS = 24
_USUAL_CODES = {406: None, 410: "VERSION_GONE", 429: "RATE_LIMITED", 503: "SERVICE_UNAVAILABLE"}
_PROJECT_ID = re.compile(r"[0-9a-f]{24}")


@dataclass
class Call:
    """One authenticated request on its way through the API, with what fires after it was done."""

    state: State
    target: Target
    credential: Credential
    entry: JournalEntry
    headers: Mapping[str, str]
    body: bytes
    address: str
    base: str
    """Scheme and host as the client named them, for links."""
    content_type: str = JSON
    limits: dict[str, str] = field(default_factory=dict)
    """The headers of the rate limit, once it was looked at."""
    rules: list[Rule] = field(default_factory=list)

    def take_faults(self) -> None:
        """The request is good: let the late rules see it."""
        self.rules = self.state.faults.take(self.target, Stage.LATE)
        note_faults(self.entry, self.rules)

    def rule(self, action: str) -> Rule | None:
        """The late rule of this action, if one fired."""
        return next((rule for rule in self.rules if rule.action == action), None)

    def variant(self) -> str | None:
        """The variant of the body that a late rule asks for."""
        rule = self.rule("body")
        return rule.options["variant"] if rule else None


def note_faults(entry: JournalEntry, rules: list[Rule]) -> None:
    """Write into the journal what was done to a request."""
    if rules:
        entry.fault = "+".join(filter(None, (entry.fault, *(rule.action for rule in rules))))


def answer(call: Call) -> Answer:
    """Do what is asked; the rate limit's headers are on good and bad answers alike."""
    try:
        result = _handler(call)(call)
    except ApiError as error:
        error.headers.update(call.limits)
        raise
    result.headers.update(call.limits)
    return result


def error_answer(error: ApiError) -> Answer:
    """An error as the service writes it."""
    named = {} if error.code is None else {"X-Error-Code": error.code}
    return Answer(error.status, error.body(), headers={**named, **error.headers})


def injected_error(options: Mapping[str, Any]) -> ApiError:
    """The error that a ``status`` rule describes; what it leaves out comes from the table of errors."""
    parameters = options["parameters"] or []
    code = options["errorCode"] or _USUAL_CODES.get(options["status"], "UNEXPECTED_ERROR")
    status, template = ERRORS.get(code or "", (500, ""))
    try:
        detail = template.format(*parameters)
    except IndexError:  # a sentence about what was left out
        detail = ""
    error = ApiError(status, code, detail or None, parameters=parameters)
    error.status = options["status"] or error.status
    error.detail = options["detail"] or error.detail
    if options["retry_after"] is not None:
        error.headers["Retry-After"] = str(options["retry_after"])
    return error


def _handler(call: Call) -> Callable[[Call], Answer]:
    """The function for the request, after what is checked for all of them alike."""
    target = call.target
    if target.problem is not None:
        raise target.problem
    if target.endpoint is None or target.api_version is None:
        raise api_error("RESOURCE_NOT_FOUND", target.path)
    handlers = _HANDLERS[target.endpoint]
    if target.method not in handlers:
        allowed = {"Allow": ", ".join(sorted(handlers))}
        raise api_error("METHOD_NOT_ALLOWED", target.method, headers=allowed)
    call.content_type = versions.negotiate(target.api_version, call.headers.get("Accept"))
    if not call.credential.allows(call.address):
        raise api_error("IP_ADDRESS_NOT_ON_ACCESS_LIST", call.address)
    return handlers[target.method]


def _project(call: Call) -> Project:
    """The project of the path, if the credential may see it at all."""
    project_id = call.target.project_id or ""
    if not _PROJECT_ID.fullmatch(project_id):
        raise api_error("INVALID_GROUP_ID", project_id)
    project = call.state.projects.get(project_id)
    if project is None:
        raise api_error("GROUP_NOT_FOUND", project_id)
    if project.org_id != call.credential.org_id:
        raise api_error("USER_CANNOT_ACCESS_GROUP", project_id)
    if not call.credential.sees(project):
        raise api_error("NOT_IN_GROUP", project_id)
    if project.requires_access_list and call.credential.access_list is None:
        raise api_error("ORG_REQUIRES_ACCESS_LIST", call.address)
    return project


def _limited_project(call: Call) -> Project:
    """The project, and one request less in its bucket: the limit is on the certificates' endpoints only."""
    project = _project(call)
    limit = call.state.settings.rate_limit
    now = time.monotonic()
    bucket = call.state.buckets.setdefault(project.project_id, Bucket(limit.capacity, now))
    wait = bucket.take(limit, now)
    call.limits["Ratelimit-Limit"] = str(limit.capacity)
    call.limits["Ratelimit-Remaining"] = str(bucket.tokens)
    if wait is None:
        return project
    if limit.retry_after_header:
        call.limits["Retry-After"] = str(wait)
    path = call.target.path.lstrip("/")
    raise api_error("RATE_LIMITED_TOKEN_BUCKET", path, wait, limit.capacity, limit.refill, limit.period)


def _list_groups(call: Call) -> Answer:
    projects = [known for known in call.state.projects.values() if call.credential.sees(known)]
    return _list(
        call,
        projects,
        lambda project: {
            "id": project.project_id,
            "name": project.name,
            "orgId": project.org_id,
            "links": [{"href": f"{call.base}{call.target.path}/{project.project_id}", "rel": "self"}],
        },
    )


def _list_users(call: Call) -> Answer:
    project = _project(call)

    def listed(user: User) -> dict[str, Any]:
        name = quote(user.username, safe="")
        link = f"{call.base}{call.target.path}/{user.database_name}/{name}"
        return user.listed(project.project_id, link)

    return _list(call, list(project.users.values()), listed)


def _list_certificates(call: Call) -> Answer:
    project = _limited_project(call)
    username = _known_user(call, project)
    unexpired = call.state.unexpired(project, username)
    return _list(call, unexpired, lambda certificate: certificate.listed())


def _list(call: Call, items: list[Any], listed: Callable[[Any], dict[str, Any]]) -> Answer:
    wanted = paging.options(call.target, is_list=True)
    call.take_faults()
    document = paging.page(wanted, call.base, call.target.path, items, call.variant() == "duplicate_page")
    document["results"] = [listed(item) for item in document["results"]]
    body = wanted.dump(document)
    if call.variant() == "truncated_json":
        body = body[: len(body) // 2]
    return Answer(200, body, call.content_type)


def _create_certificate(call: Call) -> Answer:
    project = _limited_project(call)
    state, target = call.state, call.target
    wanted = paging.options(target, is_list=False)
    versions.check_body_type(target.api_version or "", call.headers.get("Content-Type"))
    if call.credential.role != "owner":
        raise api_error("USER_UNAUTHORIZED", project.project_id)
    months = _months(call.body)
    username = _known_user(call, project)
    if project.self_managed_x509:
        raise api_error("CANNOT_GENERATE_CERT_IF_ADVANCED_X509", project.project_id)
    if project.users[username].x509_type != "MANAGED":
        raise api_error("USER_NOT_MANAGED_X509", username)
    allowed = state.settings.certificates_per_user
    if allowed is not None and len(state.unexpired(project, username)) >= allowed:
        raise api_error("ATLAS_GENERATED_CERTS_LIMIT_EXCEEDED", username)
    call.take_faults()
    return _issue(call, project, username, months, wanted)


def _issue(call: Call, project: Project, username: str, months: int, wanted: paging.Options) -> Answer:
    """From here on a certificate exists, whatever the client hears of it."""
    state = call.state
    body_rule = call.rule("body")
    if body_rule is None or body_rule.options["issue"]:
        certificate = state.issue(project, username, months)
        call.entry.issued = str(certificate.serial)
    else:
        certificate = state.draft(project, username, months)
    if rule := call.rule("issue_then_status"):
        raise injected_error(rule.options)
    if rule := call.rule("issue_then_html"):
        return html_page(rule.options["status"])
    if body_rule is not None:
        streamed = body_rule.options["size"] if call.variant() == "huge" else 0
        body = variants.create_body(body_rule, state, certificate)
        return Answer(201, body, call.content_type, streamed=streamed)
    pem = state.pem(certificate)
    if wanted.envelope:
        return Answer(201, wanted.dump({"status": 201, "content": pem}), call.content_type)
    return Answer(201, pem.encode(), call.content_type)


def _known_user(call: Call, project: Project) -> str:
    username = call.target.username or ""
    if username not in project.users:
        raise api_error("USERNAME_NOT_FOUND", username)
    return username


def _months(body: bytes) -> int:
    try:
        document = json.loads(body)
    except ValueError:
        raise validation_error("The request body is not valid JSON.") from None
    if not isinstance(document, dict):
        raise validation_error("The request body is not a JSON object.")
    for name in document:
        if name != "monthsUntilExpiration":
            raise api_error("INVALID_ATTRIBUTE", name)
    months = document.get("monthsUntilExpiration", 3)
    if not isinstance(months, int) or isinstance(months, bool):
        raise validation_error(
            "Validation of the request body failed.",
            {"monthsUntilExpiration": "must be an integer"},
        )
    if months < 1:
        raise api_error("ATTRIBUTE_NEGATIVE_OR_ZERO", "monthsUntilExpiration")
    if months > MAX_MONTHS:
        raise api_error("CERT_EXPIRY_CANNOT_EXCEED_TWO_YEARS")
    return months


_HANDLERS: dict[Endpoint, dict[str, Callable[[Call], Answer]]] = {
    Endpoint.GROUPS: {"GET": _list_groups},
    Endpoint.USERS: {"GET": _list_users},
    Endpoint.CERTS: {"GET": _list_certificates, "POST": _create_certificate},
}
