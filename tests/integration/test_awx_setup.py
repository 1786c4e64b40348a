# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""AWX as code: the files that an administrator imports keep AWX's rules, and the playbook that imports them is idempotent."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from fake_awx import TOKEN, FakeAwx, rules

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = ROOT / "playbooks" / "awx_setup.yml"
SETTINGS = ROOT / "awx" / "settings.yml"
SURVEY = yaml.safe_load((ROOT / "awx" / "survey.yml").read_text())
AWX = Path(os.environ.get("AWX_COLLECTIONS", ROOT / ".build" / "awx" / "collections"))
RECAP = re.compile(r"^localhost\s+: ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", re.MULTILINE)

needs_awx = pytest.mark.skipif(not (AWX / "ansible_collections" / "awx" / "awx").exists(), reason="needs the collection awx.awx: make awx")


@pytest.mark.parametrize("path", sorted((ROOT / "awx" / "credential_types").iterdir()), ids=lambda path: path.stem)
def test_a_credential_type_keeps_the_rules_of_awx_and_hides_its_secret(path):
    kind = yaml.safe_load(path.read_text())

    assert rules.problem(None, "credential_types", kind) is None
    assert [field["id"] for field in kind["inputs"]["fields"] if field.get("secret")] == [kind["inputs"]["required"][-1]]
    assert all(variable.startswith(("MONGODB_ATLAS_", "VAULT_")) for variable in kind["injectors"]["env"])


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("kind", "vault"),
        ("inputs", {"fields": [{"id": "client-id", "label": "x", "type": "string"}]}),
        ("inputs", {"fields": [{"id": "client_id", "label": "x", "type": "password"}]}),
        ("injectors", {"env": {"ANSIBLE_CONFIG": "x"}}),
        ("injectors", {"env": {"MONGODB_ATLAS_CLIENT_ID": "{{ client }}"}}),
    ],
)
def test_the_rules_of_awx_for_credential_types_refuse_what_awx_refuses(part, change):
    kind = yaml.safe_load((ROOT / "awx" / "credential_types" / "service_account.yml").read_text())

    assert rules.problem(None, "credential_types", {**kind, part: change})


def test_the_survey_keeps_the_rules_of_awx_and_asks_for_variables_that_exist():
    options = yaml.safe_load((ROOT / "roles" / "user_cert" / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]

    assert rules.survey_problem(SURVEY) is None
    asked = {question["variable"] for question in SURVEY["spec"]}
    assert asked - set(options) == {"certificate_hosts"}
    assert asked >= {f"user_cert_{name}" for name in ("username", "renew_before", "rotate_before", "on_orphan")}
    assert {question["variable"]: question["choices"] for question in SURVEY["spec"] if question["type"] == "multiplechoice"} == {
        "user_cert_on_orphan": ["fail", "reissue"],
        "user_cert_on_foreign": ["fail", "replace"],
    }


@pytest.mark.parametrize(
    "change",
    [
        {"default": "other"},
        {"choices": []},
        {"required": "true"},
        {"type": "choice"},
        {"min": "1"},
        {"variable": "user_cert_username"},
    ],
    ids=str,
)
def test_the_rules_of_awx_for_surveys_refuse_what_awx_refuses(change):
    spec = [{**question, **change} if question["variable"] == "user_cert_on_orphan" else question for question in SURVEY["spec"]]

    assert rules.survey_problem({**SURVEY, "spec": spec})


def test_the_settings_name_playbooks_that_exist_and_variables_of_the_role():
    settings = yaml.safe_load(SETTINGS.read_text())
    options = yaml.safe_load((ROOT / "roles" / "user_cert" / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]

    for playbook in (settings["awx_project"]["keep_playbook"], settings["awx_project"]["report_playbook"]):
        assert re.search(r"^- +(name: .*\n +)?hosts:", (ROOT / playbook).read_text(), re.MULTILINE), "AWX would not offer it"
    assert set(settings["awx_keep"]["variables"]) <= set(options)
    assert set(settings["awx_keep"]["answers"]) <= {question["variable"] for question in SURVEY["spec"]}
    for job in ("awx_keep", "awx_report"):
        assert rules.rrule_problem(settings[job]["rrule"]) is None


@needs_awx
@pytest.mark.heavy
def test_every_argument_is_one_that_the_modules_of_awx_awx_have():
    (play,) = yaml.safe_load(PLAYBOOK.read_text())
    calls = [(task, name) for task in play["tasks"] for name in task if name.startswith("awx.awx.")]
    assert len(calls) == len(play["tasks"]) - 1, "all but the one that looks through the settings"
    for task, module in calls:
        spec = argument_spec(module)
        unknown = set(task[module]) - set(spec)
        assert not unknown, f"{module}: {unknown}"
        literal = {name: value for name, value in task[module].items() if not isinstance(value, str) or "{{" not in value}
        relaxed = {name: {**option, "required": False} for name, option in spec.items()}
        assert not ArgumentSpecValidator(relaxed).validate(literal).error_messages, module


def argument_spec(module):
    """The argument specification that stands in the source of a module."""
    source = AWX / "ansible_collections" / "awx" / "awx" / "plugins" / "modules" / f"{module.split('.')[-1]}.py"
    tree = ast.parse(source.read_text())
    (call,) = (node.value for node in ast.walk(tree) if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "argument_spec")
    names = {"KIND_CHOICES": dict.fromkeys(("ssh", "vault", "net", "scm", "cloud", "insights"), "")}
    return eval(compile(ast.Expression(call), str(source), "eval"), {"dict": dict, "list": list}, names)


@needs_awx
@pytest.mark.heavy
def test_awx_is_set_up_once_and_a_second_run_changes_nothing(ansible):
    with somebodys_awx() as awx:
        first = set_up(ansible, awx)
        assert int(first[0]) > 0
        keep = awx.named("job_templates", "Keep MongoDB certificates")
        report = awx.named("job_templates", "Report MongoDB certificates that expire")
        assert (keep["allow_simultaneous"], keep["job_slice_count"], keep["ask_job_slice_count_on_launch"]) == (False, 1, False)
        assert len(awx.associated[keep["id"], "credentials"]) == 2
        assert len(awx.associated[keep["id"], "notification_templates_error"]) == len(awx.associated[report["id"], "notification_templates_error"]) == 1
        answers = {question["variable"]: question["default"] for question in awx.surveys[keep["id"]]["spec"]}
        assert answers["user_cert_username"] == "app" and answers["user_cert_months_until_expiration"] == 3
        kinds = {name: awx.named("credential_types", name) for name in ("MongoDB Atlas service account", "MongoDB Atlas API key")}
        for file, kind in zip(("service_account", "api_key"), kinds.values()):
            stated = yaml.safe_load((ROOT / "awx" / "credential_types" / f"{file}.yml").read_text())
            assert (kind["inputs"], kind["injectors"]) == (stated["inputs"], stated["injectors"])
        credential = awx.named("credentials", "MongoDB Atlas production")
        assert credential["inputs"]["client_secret"] == "mdb_sa_sk_secret-of-nobody"
        assert {item["unified_job_template"] for item in awx.items["schedules"].values()} == {keep["id"], report["id"]}

        before = {kind: dict(items) for kind, items in awx.items.items()}
        assert set_up(ansible, awx) == ("0", "0", "0")
        assert awx.items == before

        assert int(set_up(ansible, awx, "-e", '{"awx_report": {"name": "Report MongoDB certificates that expire", "days": 21, '
                                              '"rrule": "DTSTART;TZID=UTC:20260101T080000 RRULE:FREQ=DAILY;INTERVAL=1"}}')[0]) == 1


@needs_awx
@pytest.mark.heavy
def test_behind_the_gateway_of_automation_platform_one_more_variable_says_where_the_controller_is(ansible):
    variable, prefix = "CONTROLLER_OPTIONAL_API_URLPATTERN_PREFIX", "/api/controller/"
    assert f"`{variable}={prefix}`" in (ROOT / "docs" / "awx.md").read_text()
    with somebodys_awx(f"{prefix}v2/") as awx:
        assert int(set_up(ansible, awx, **{variable: prefix})[0]) > 0
        assert len(awx.items["schedules"]) == 2


REISSUE = {"awx_keep": {**yaml.safe_load(SETTINGS.read_text())["awx_keep"], "answers": {"user_cert_on_orphan": "reissue"}}}


@needs_awx
@pytest.mark.heavy
@pytest.mark.parametrize(
    ("environment", "variables", "words"),
    [
        ({"MONGODB_ATLAS_CLIENT_SECRET": ""}, {}, "awx_atlas_credential: client_secret is empty"),
        ({"CONTROLLER_HOST": ""}, {}, "CONTROLLER_HOST is not set"),
        ({}, REISSUE, "awx_keep: user_cert_on_orphan: reissue would issue at every run"),
    ],
)
def test_settings_that_would_do_harm_at_night_are_refused_before_anything_is_made(ansible, environment, variables, words):
    with somebodys_awx() as awx:
        output = run_set_up(ansible, awx, "-e", json.dumps(variables), fails=True, **environment)
        assert awx.writes == []
    assert words in output and "Nothing was changed in AWX" in output


@contextlib.contextmanager
def somebodys_awx(prefix="/api/v2/"):
    """What an administrator has who begins."""
    with FakeAwx([f"playbooks/{path.name}" for path in (ROOT / "playbooks").glob("*.yml")], prefix) as awx:
        organization = awx.add("organizations", name="Default")
        awx.add("inventories", name="Production", organization=organization)
        machine = awx.add("credential_types", name="Machine", kind="ssh")
        awx.add("credentials", name="Production hosts", organization=organization, credential_type=machine)
        yield awx


def set_up(ansible, awx, *arguments, **environment):
    """Run the playbook; (changed, unreachable, failed)."""
    return RECAP.search(run_set_up(ansible, awx, *arguments, **environment)).groups()


def run_set_up(ansible, awx, *arguments, fails=False, **environment):
    """Run the playbook as docs/awx.md has it."""
    collections = os.pathsep.join([str(ROOT / ".build" / "links"), str(AWX)])
    given = {
        "ANSIBLE_COLLECTIONS_PATH": collections,
        "CONTROLLER_HOST": awx.url,
        "CONTROLLER_OAUTH_TOKEN": TOKEN,
        "MONGODB_ATLAS_CLIENT_ID": "mdb_sa_id_0123456789abcdef01234567",
        "MONGODB_ATLAS_CLIENT_SECRET": "mdb_sa_sk_secret-of-nobody",
    }
    output = ansible("ansible-playbook", "atlas.x509.awx_setup", "-e", f"@{SETTINGS}", *arguments, fails=fails, **{**given, **environment})
    assert "mdb_sa_sk_secret-of-nobody" not in output
    return output
