# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What AWX accepts: the fields of each kind of object, and its rules for credential types, surveys, schedules and notifications."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

HIDDEN = "$encrypted$"
# A field is a type, or the kind that its number names.
KINDS: dict[str, dict[str, Any]] = {
    "organizations": {"name": str},
    "inventories": {"name": str, "organization": "organizations"},
    "credential_types": {"name": str, "description": str, "kind": str, "managed": bool, "inputs": dict, "injectors": dict},
    "credentials": {"name": str, "description": str, "organization": "organizations", "credential_type": "credential_types", "inputs": dict},
    "execution_environments": {"name": str, "description": str, "organization": "organizations", "image": str, "pull": str},
    "projects": {
        "name": str,
        "description": str,
        "organization": "organizations",
        "scm_type": str,
        "scm_url": str,
        "scm_branch": str,
        "default_environment": "execution_environments",
    },
    "notification_templates": {
        "name": str,
        "description": str,
        "organization": "organizations",
        "notification_type": str,
        "notification_configuration": dict,
    },
    "job_templates": {
        "name": str,
        "description": str,
        "organization": "organizations",
        "project": "projects",
        "playbook": str,
        "inventory": "inventories",
        "execution_environment": "execution_environments",
        "become_enabled": bool,
        "extra_vars": str,
        "ask_limit_on_launch": bool,
        "ask_job_type_on_launch": bool,
        "ask_diff_mode_on_launch": bool,
        "ask_job_slice_count_on_launch": bool,
        "allow_simultaneous": bool,
        "job_slice_count": int,
        "survey_enabled": bool,
    },
    "schedules": {"name": str, "description": str, "rrule": str, "unified_job_template": int, "enabled": bool},
}
_REQUIRED = {
    "credential_types": ("name", "kind"),
    "credentials": ("name", "organization", "credential_type"),
    "execution_environments": ("name", "image"),
    "projects": ("name", "organization", "scm_url"),
    "notification_templates": ("name", "organization", "notification_type"),
    "job_templates": ("name", "project", "playbook", "inventory"),
    "schedules": ("name", "rrule", "unified_job_template"),
}
_EMPTY = {str: "", bool: False, int: 1, dict: {}}
_NAME = re.compile(r"[a-zA-Z_]+[a-zA-Z0-9_]*\Z")
_SURVEY_TYPES: dict[str, Any] = {**dict.fromkeys(("text", "textarea", "password", "multiplechoice", "multiselect"), str), "integer": int, "float": (int, float)}


def defaults(kind: str) -> dict[str, Any]:
    """What an object has before anybody says more."""
    return {name: _EMPTY.get(what) for name, what in KINDS[kind].items()}


def _is(value: Any, wanted: type) -> bool:
    """JSON tells a truth from a number, Python's isinstance() does not."""
    return isinstance(value, wanted) and isinstance(value, bool) is (wanted is bool)


def problem(awx: Any, kind: str, item: dict[str, Any]) -> dict[str, Any] | None:
    """What is wrong with an object, as AWX answers it; None when nothing is."""
    for name, value in item.items():
        wanted = KINDS[kind].get(name)
        if wanted is None:
            return {name: [f"a {kind} has no such field"]}
        if isinstance(wanted, str):
            if value is not None and value not in awx.items[wanted]:
                return {name: [f'Invalid pk "{value}" - object does not exist.']}
        elif value is not None and not _is(value, wanted):
            return {name: ["Not a valid value."]}
    missing = {name: ["This field is required."] for name in _REQUIRED.get(kind, ()) if item.get(name) in (None, "")}
    more = _MORE.get(kind)
    said = missing or (more(awx, item) if more else None)
    return said if isinstance(said, dict) or said is None else {"__all__": [said]}


def credential_type_problem(inputs: dict[str, Any], injectors: dict[str, Any]) -> str | None:
    """AWX's schema of inputs and injectors, and its rule that a template names declared inputs only."""
    if set(inputs) - {"fields", "required"} or set(injectors) - {"env", "file", "extra_vars"}:
        return "Additional properties are not allowed"
    fields = inputs.get("fields", [])
    identities = [field.get("id", "") for field in fields]
    for field in fields:
        known = {"type", "format", "choices", "id", "label", "help_text", "multiline", "secret", "ask_at_runtime", "default"}
        if set(field) - known or not field.get("label") or not _NAME.match(field["id"]) or field["id"] == "tower":
            return f"the field {field} is not valid"
        if field.get("type", "string") not in ("string", "boolean") or (field.get("secret") and field.get("type") == "boolean"):
            return f"the type of {field} is not valid"
    if len(set(identities)) != len(identities) or set(inputs.get("required", [])) - set(identities):
        return "field IDs must be unique, and what is required must be one of them"
    sandbox = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    for name, template in injectors.get("env", {}).items():
        if not _NAME.match(name) or name.startswith("ANSIBLE_") or not template.isascii():
            return f"{name} cannot be injected"
        try:
            sandbox.from_string(template).render(dict.fromkeys(identities, "EXAMPLE"))
        except TemplateError as error:
            return f"{name} uses an undefined field ({error})"
    return None


def survey_problem(survey: dict[str, Any]) -> str | None:
    """What AWX says about a survey; None when it takes it."""
    for name, wanted in (("name", str), ("description", str), ("spec", list)):
        if not isinstance(survey.get(name), wanted):
            return f"Field '{name}' is missing from survey spec, or of another type."
    seen = set()
    for question in survey["spec"]:
        said = _question_problem(question)
        if said or question["variable"] in seen:
            return said or f"'variable' '{question['variable']}' duplicated"
        seen.add(question["variable"])
    return None if seen else "'spec' doesn't contain any items."


def _question_problem(question: dict[str, Any]) -> str | None:
    for name, wanted in (("type", str), ("question_name", str), ("variable", str), ("required", bool)):
        if not isinstance(question.get(name), wanted):
            return f"'{name}' missing from survey question {question}, or of another type"
    kind, default = question["type"], question.get("default", "")
    if kind not in _SURVEY_TYPES:
        return f"'{kind}' is not one of the allowed question types"
    if default != "" and (not isinstance(default, _SURVEY_TYPES[kind]) or isinstance(default, bool)):
        return f"Default value {default!r} of {question['variable']} is of another type"
    if any(question.get(limit) is not None and not isinstance(question[limit], int) for limit in ("min", "max")):
        return f"a limit of {question['variable']} is no integer"
    if kind in ("multiplechoice", "multiselect"):
        choices = question.get("choices")
        choices = choices.splitlines() if isinstance(choices, str) else choices
        if not choices:
            return f"{question['variable']} must specify choices"
        if any(one not in choices for one in default.splitlines()) or (kind == "multiplechoice" and len(default.splitlines()) > 1):
            return "Default choice must be answered from the choices listed."
    return None


def rrule_problem(rule: str) -> str | None:
    """What AWX says about the rule of a schedule."""
    starts = re.findall(r"DTSTART(?:;[^:]+)?:[0-9]+T[0-9]+Z?", rule)
    if len(starts) != 1 or re.match(r"DTSTART:[0-9]+T[0-9]+ ", rule):
        return "One DTSTART with a time zone is required in rrule"
    rules = re.findall(r"RULE:[^\s]*", rule)
    if not rules or any("INTERVAL" not in one or "SECONDLY" in one for one in rules) or "EXDATE" in rule or "RDATE" in rule:
        return "INTERVAL required in rrule"
    return None


def with_hidden_secrets(awx: Any, kind: str, item: dict[str, Any]) -> dict[str, Any]:
    """An object as AWX shows it."""
    if kind != "credentials":
        return item
    fields = awx.items["credential_types"][item["credential_type"]]["inputs"].get("fields", [])
    secret = {field["id"] for field in fields if field.get("secret")}
    return {**item, "inputs": {name: HIDDEN if name in secret and value else value for name, value in item["inputs"].items()}}


def with_kept_secrets(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """A change in which what is hidden stands for what is there."""
    if "inputs" not in new:
        return new
    return {**new, "inputs": {name: old["inputs"].get(name) if value == HIDDEN else value for name, value in new["inputs"].items()}}


def _credential_type_problem(_awx: Any, item: dict[str, Any]) -> dict[str, Any] | str | None:
    if item["kind"] not in ("cloud", "net"):
        return {"kind": ["Must be cloud or net"]}
    return credential_type_problem(item["inputs"], item["injectors"])


def _credential_problem(awx: Any, item: dict[str, Any]) -> dict[str, Any] | None:
    inputs = awx.items["credential_types"][item["credential_type"]]["inputs"]
    unknown = set(item["inputs"]) - {field["id"] for field in inputs.get("fields", [])}
    return {"inputs": {name: ["not an input of this type"] for name in unknown}} if unknown else None


def _job_template_problem(awx: Any, item: dict[str, Any]) -> dict[str, Any] | None:
    if item["playbook"] not in awx.playbooks:
        return {"playbook": ["Playbook not found for project."]}
    if not isinstance(json.loads(item["extra_vars"] or "{}"), dict):
        return {"extra_vars": ["Must be valid JSON or YAML."]}
    return None


def _notification_problem(_awx: Any, item: dict[str, Any]) -> dict[str, Any] | None:
    known = {"url": str, "http_method": str, "disable_ssl_verification": bool, "username": str, "password": str, "headers": dict}
    given = item["notification_configuration"]
    wrong = [name for name in {**known, **given} if name not in known or not _is(given.get(name), known[name])]
    return {"__all__": [f"Configuration fields missing or of another type: {wrong}"]} if item["notification_type"] == "webhook" and wrong else None


_MORE: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "credential_types": _credential_type_problem,
    "credentials": _credential_problem,
    "job_templates": _job_template_problem,
    "notification_templates": _notification_problem,
    "schedules": lambda _awx, item: rrule_problem(item["rrule"]),
}
