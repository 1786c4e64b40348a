# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is documented is what is there: options, return values, fragments, examples, the action group."""

from __future__ import annotations

import base64
import functools
import importlib
import json
from pathlib import Path

import pytest
import yaml
from ansible.module_utils import basic
from ansible_collections.atlas.x509.plugins.module_utils import _audit, _file_options, _options, _request, _session
from fake_atlas import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, DEMO_PRIVATE_KEY, DEMO_PROJECT, DEMO_PUBLIC_KEY, DEMO_USER, FakeAtlas

ROOT = Path(importlib.import_module("ansible_collections.atlas.x509.plugins.module_utils._options").__file__).parents[2]
MODULES = sorted(file.stem for file in (ROOT / "plugins" / "modules").glob("*.py"))
API_MODULES = ["atlas_login", "atlas_user_cert", "atlas_user_cert_info"]
FRAGMENTS = sorted(file.stem for file in (ROOT / "plugins" / "doc_fragments").glob("*.py"))
ADDED_BY_ANSIBLE = {"changed", "failed", "invocation", "warnings", "deprecations", "diff", "exception"}
ADDED_FOR_A_PATH = {"uid", "gid", "owner", "group", "mode", "size", "state", "secontext"}
TYPES = {"str": str, "int": int, "bool": bool, "dict": dict, "list": list, "float": float}


def module_of(name):
    return importlib.import_module("ansible_collections.atlas.x509.plugins.modules." + name)


def fragment(name):
    """The options and attributes of a fragment, by the name that a module uses for it."""
    file, _dot, part = name.removeprefix("atlas.x509.").partition(".")
    plugin = importlib.import_module("ansible_collections.atlas.x509.plugins.doc_fragments." + file)
    return yaml.safe_load(getattr(plugin.ModuleDocFragment, (part or "documentation").upper()))


@functools.cache
def documentation(name):
    """The documentation of a module with its fragments."""
    own = yaml.safe_load(module_of(name).DOCUMENTATION)
    for used in own.get("extends_documentation_fragment", []):
        shared = fragment(used)
        for section in ("options", "attributes"):
            own[section] = {**(shared.get(section) or {}), **(own.get(section) or {})}
        for section in ("notes", "requirements"):
            own[section] = (own.get(section) or []) + shared.get(section, [])
    return own


def returns(name):
    return yaml.safe_load(module_of(name).RETURN)


class Asked(Exception):
    """The arguments with which a module sets up itself."""


def set_up(name, monkeypatch):
    """The arguments that the module gives to AnsibleModule."""

    def ask(*_unused, **arguments):
        raise Asked(arguments)

    module = module_of(name)
    monkeypatch.setattr(module, "AnsibleModule", ask)
    with pytest.raises(Asked) as asked:
        module.main()
    return asked.value.args[0]


def comparable(options):
    """What a documentation and an argument spec must agree on, with what either leaves out."""
    return {
        name: {
            "type": one.get("type", "str"),
            "required": one.get("required", False),
            "default": one.get("default"),
            "choices": list(one.get("choices") or []),
            "aliases": list(one.get("aliases") or []),
            "elements": one.get("elements"),
        }
        for name, one in options.items()
    }


# Options


@pytest.mark.parametrize(("name", "spec"), [("atlas.x509.atlas", _options.SPEC), ("atlas.x509.pem_file", _file_options.SPEC)])
def test_a_fragment_documents_exactly_the_options_of_its_spec(name, spec):
    assert comparable(fragment(name)["options"]) == comparable(spec)


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("atlas_user_cert", {**_options.SPEC, **_file_options.SPEC, **_request.SPEC}),
        ("atlas_user_cert_info", {**_options.SPEC, **_audit.SPEC}),
        ("atlas_login", {**_options.SPEC, **_session.SPEC}),
    ],
)
def test_a_module_documents_exactly_the_options_of_its_specs(name, spec):
    assert comparable(documentation(name)["options"]) == comparable(spec)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_takes_exactly_what_it_documents(name, monkeypatch):
    assert comparable(set_up(name, monkeypatch)["argument_spec"]) == comparable(documentation(name)["options"])


def test_no_option_stands_in_two_specs():
    names = [name for spec in (_options.SPEC, _file_options.SPEC, _request.SPEC) for name in spec]
    names += [alias for one in _options.SPEC.values() for alias in one.get("aliases", ())]
    assert len(names) == len(set(names))
    assert not set(_options.SPEC) & set(_audit.SPEC)


def test_a_module_repeats_no_option_of_its_fragments():
    for name in MODULES:
        own = yaml.safe_load(module_of(name).DOCUMENTATION)
        for used in own["extends_documentation_fragment"]:
            assert not set(own["options"]) & set(fragment(used).get("options") or {}), name


@pytest.mark.parametrize("name", MODULES)
def test_every_option_that_holds_a_secret_is_hidden_and_no_other(name, monkeypatch):
    spec = set_up(name, monkeypatch)["argument_spec"]
    hidden = {option for option, one in spec.items() if one.get("no_log")}
    assert hidden == {"private_api_key", "client_secret", "access_token", "content_base64", "pad_base64"} & set(spec)


@pytest.mark.parametrize("name", MODULES)
def test_every_option_has_words_and_a_default_that_is_one_of_its_choices(name):
    for option, one in documentation(name)["options"].items():
        assert one["description"], option
        assert "default" not in one or "choices" not in one or one["default"] in one["choices"], option
        assert not (one.get("required") and "default" in one), option


@pytest.mark.parametrize("name", MODULES)
def test_check_mode_is_documented_as_it_is(name, monkeypatch):
    support = documentation(name)["attributes"]["check_mode"]["support"]
    assert (support == "full") is set_up(name, monkeypatch)["supports_check_mode"]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_use_only_what_is_documented(name):
    known = documentation(name)["options"]
    names = set(known) | {alias for one in known.values() for alias in one.get("aliases", ())}
    found = []

    def look(tasks):
        for task in tasks:
            for inner in ("tasks", "block", "always"):
                look(task.get(inner, []))
            for key, value in task.items():
                if key == "atlas.x509." + name:
                    given = value or {}
                    found.append(given)
                    assert set(given) <= names
                    assert all(option in given for option, one in known.items() if one.get("required"))
                    assert all(given[option] in one["choices"] for option, one in known.items() if one.get("choices") and option in given)

    look(yaml.safe_load(module_of(name).EXAMPLES))
    assert found


# The action group


def test_every_module_that_talks_to_atlas_is_in_the_action_group_and_no_other(monkeypatch):
    group = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]["atlas"]
    talking = [name for name in MODULES if "private_api_key" in set_up(name, monkeypatch)["argument_spec"]]
    assert sorted(group) == talking == API_MODULES


@pytest.mark.parametrize("name", MODULES)
def test_the_documentation_says_which_action_group_a_module_is_in(name):
    membership = documentation(name)["attributes"].get("action_group", {}).get("membership", [])
    assert membership == (["atlas.x509.atlas"] if name in API_MODULES else [])


def test_every_fragment_is_used():
    used = {one.split(".")[2] for name in MODULES for one in yaml.safe_load(module_of(name).DOCUMENTATION)["extends_documentation_fragment"]}
    assert used == set(FRAGMENTS)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_documented_under_its_own_name(name):
    assert documentation(name)["module"] == name
    assert documentation(name)["version_added"]


# Return values


@pytest.fixture(scope="module")
def atlas():
    with FakeAtlas() as running:
        yield running


@pytest.fixture
def run(atlas, monkeypatch, capsys):
    """Run a module in this process, against a fresh fake; returns what Ansible would get."""
    atlas.reset()
    for variable in ("PROJECT_ID", "BASE_URL", "ACCESS_TOKEN", "CLIENT_ID", "CLIENT_SECRET", "PUBLIC_API_KEY", "PRIVATE_API_KEY", "PUBLIC_KEY", "PRIVATE_KEY"):
        monkeypatch.delenv("MONGODB_ATLAS_" + variable, raising=False)
    connection = {"project_id": DEMO_PROJECT, "public_api_key": DEMO_PUBLIC_KEY, "private_api_key": DEMO_PRIVATE_KEY, "base_url": atlas.url, "retries": 0}

    def ran(name, _check_mode=False, **options):
        if name in API_MODULES:
            options = {**connection, **options}
        options["_ansible_check_mode"] = _check_mode
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode())
        if hasattr(basic, "_ANSIBLE_PROFILE"):
            monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy")
        capsys.readouterr()
        with pytest.raises(SystemExit):
            module_of(name).main()
        return json.loads(capsys.readouterr().out)

    return ran


def check(documented, returned, where=""):
    """Hold returned values against their documentation: nothing else, and of that type."""
    for key, value in returned.items():
        assert key in documented, where + key
        kind = documented[key]["type"]
        assert value is None or isinstance(value, TYPES[kind]), where + key
        assert not (kind == "int" and isinstance(value, bool)), where + key
        for inner in [value] if kind == "dict" else value if kind == "list" and documented[key].get("elements") == "dict" else []:
            if inner and "contains" in documented[key]:
                check(documented[key]["contains"], inner, where + key + ".")
                assert set(inner) == set(documented[key]["contains"]), where + key
            elif inner and isinstance(documented[key].get("sample"), list):
                assert set(inner) == set(documented[key]["sample"][0]), where + key
        if kind == "list" and documented[key].get("elements") == "str":
            assert all(isinstance(inner, str) for inner in value), where + key


def of_ours(result):
    """Without what AnsibleModule adds, to everything and to a path."""
    added = ADDED_BY_ANSIBLE | (ADDED_FOR_A_PATH if "path" in result else set())
    return {key: value for key, value in result.items() if key not in added}


def user_cert_results(run, atlas, folder):
    """A result of each kind that atlas_user_cert has."""
    path = str(folder / "app.pem")
    same = {"username": DEMO_USER, "path": path}
    results = {"foreseen": run("atlas_user_cert", _check_mode=True, **same)}
    results["issued"] = run("atlas_user_cert", **same)
    results["held"] = run("atlas_user_cert", **same)
    look = run("atlas_pem_info", path=path)
    hosts = {"web1": look, "web2": run("atlas_pem_info", path=str(folder / "none.pem")), "web3": {"unreachable": True}}
    results["with hosts"] = run("atlas_user_cert", hosts=hosts, **same)
    results["with a backup"] = run("atlas_user_cert", force=True, backup=True, **same)
    results["orphaned"] = run("atlas_user_cert", username=DEMO_USER, path=str(folder / "other.pem"))
    (folder / "foreign.pem").write_text("remember the milk")
    results["foreign"] = run("atlas_user_cert", username=DEMO_USER, path=str(folder / "foreign.pem"))
    results["unknown user"] = run("atlas_user_cert", username="nobody", path=str(folder / "nobody.pem"))
    results["wrong option"] = run("atlas_user_cert", username=DEMO_USER, path=str(folder / "none" / "app.pem"))
    atlas.fault("body", variant="wrong_key", match={"method": "POST"})
    results["kept"] = run("atlas_user_cert", force=True, username=DEMO_USER, path=path)
    atlas.fault("drop_after", match={"method": "POST"})
    results["lost"] = run("atlas_user_cert", force=True, username=DEMO_USER, path=str(folder / "lost.pem"))
    return results


def test_atlas_user_cert_returns_what_it_documents_and_nothing_else(run, atlas, tmp_path):
    documented, seen = returns("atlas_user_cert"), set()
    results = user_cert_results(run, atlas, tmp_path)
    for name, result in results.items():
        ours = of_ours(result)
        check(documented, ours, name + ": ")
        seen |= set(ours)
    assert seen == set(documented)
    failed = {name for name, result in results.items() if result.get("failed")}
    assert failed == {"orphaned", "foreign", "unknown user", "wrong option", "kept", "lost"}


def test_atlas_user_cert_returns_always_what_it_says_that_it_returns_always(run, atlas, tmp_path):
    documented = returns("atlas_user_cert")
    for name, result in user_cert_results(run, atlas, tmp_path).items():
        decided = "decision" in result
        for key, one in documented.items():
            when = one["returned"]
            if when == "always" or (when == "success" and not result.get("failed")):
                assert key in result, (name, key)
            if when == "success" and result.get("failed"):
                assert key not in result, (name, key)
            if when == "when a decision was reached":
                assert (key in result) is decided, (name, key)
            if when.endswith("O(hosts) is given"):
                assert (key in result) is (name == "with hosts"), (name, key)


def test_the_documented_decisions_and_reasons_are_the_ones_that_there_are(run, atlas, tmp_path):
    words = json.dumps(returns("atlas_user_cert"))
    for name, result in user_cert_results(run, atlas, tmp_path).items():
        if "decision" in result:
            assert "V({0})".format(result["decision"]) in words, name
            assert "V({0})".format(result["reason"]) in words, name


def test_atlas_user_cert_info_returns_what_it_documents_and_nothing_else(run, atlas):
    documented, seen = returns("atlas_user_cert_info"), set()
    atlas.call(atlas.state.add_certificate, DEMO_PROJECT, DEMO_USER, days_left=10)
    for options in ({"username": DEMO_USER}, {}, {"usernames": [DEMO_USER, "nobody"], "expires_within": "30d"}, {"username": "nobody"}):
        result = run("atlas_user_cert_info", **options)
        ours = of_ours(result)
        if result.get("failed"):
            assert ours.pop("msg")  # Ansible documents it for every failure
        check(documented, ours)
        seen |= set(ours)
    assert seen == set(documented)


def test_atlas_login_returns_what_it_documents_and_nothing_else(run, atlas, tmp_path):
    documented, seen = returns("atlas_login"), set()
    account = {"public_api_key": None, "private_api_key": None, "client_id": DEMO_CLIENT_ID, "login_dir": str(tmp_path)}
    for secret in (DEMO_CLIENT_SECRET, "another-secret"):
        result = run("atlas_login", client_secret=secret, **account)
        assert not result["changed"] if "changed" in result else result["failed"]
        check(documented, of_ours(result))
        seen |= set(of_ours(result))
    assert seen == set(documented)
    (token,) = atlas.state.tokens
    assert token not in json.dumps(run("atlas_login", client_secret=DEMO_CLIENT_SECRET, **account))


def test_atlas_pem_info_returns_what_it_documents_and_nothing_else(run, tmp_path):
    path = tmp_path / "app.pem"
    run("atlas_user_cert", username=DEMO_USER, path=str(path))
    documented = returns("atlas_pem_info")
    for where in (path, tmp_path / "none.pem", tmp_path):
        result = run("atlas_pem_info", path=str(where), mode="0640")
        assert set(of_ours(result)) == set(documented)
        check(documented, of_ours(result))


def test_atlas_pem_returns_what_it_documents_and_nothing_else(run, tmp_path):
    documented, seen, source = returns("atlas_pem"), set(), tmp_path / "source.pem"
    run("atlas_user_cert", username=DEMO_USER, path=str(source))
    same = {"path": str(tmp_path / "app.pem"), "src": str(source), "content_base64": base64.b64encode(source.read_bytes()).decode()}
    (tmp_path / "app.pem").write_text("remember the milk")
    for more in ({}, {"on_foreign": "replace"}, {}, {"mode": "0640"}, {"_check_mode": True}):
        ours = of_ours(run("atlas_pem", **{**same, **more}))
        check(documented, ours)
        seen |= set(ours)
    assert seen == set(documented)


@pytest.mark.parametrize("name", MODULES)
def test_every_return_value_has_words_a_type_and_a_sample_of_that_type(name):
    def look(values, where):
        for key, one in values.items():
            assert one["description"] and one["returned"], where + key
            assert one["type"] in TYPES, where + key
            assert "contains" in one or isinstance(one["sample"], TYPES[one["type"]]), where + key
            assert one["type"] != "list" or one["elements"], where + key
            look(one.get("contains", {}), where + key + ".")

    look(returns(name), name + ".")


@pytest.mark.parametrize("role", sorted(path.parent.parent.name for path in ROOT.glob("roles/*/meta/argument_specs.yml")))
def test_the_argument_spec_of_a_role_holds_no_template(role):
    """Ansible templates all of it, the descriptions too: one that names a group fails every play whose inventory has no such group."""
    assert "{{" not in (ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text()
