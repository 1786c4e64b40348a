# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every example of the README, the guides, the modules and the roles does what it says. `make examples` runs them all; the quick part is always run."""

from __future__ import annotations

import datetime as dt
import getpass
import json
import re
import shlex
import sys

import pytest
import yaml
from documents import ROOT, of_pages, of_plugins
from fake_atlas import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, DEMO_PROJECT, FakeAtlas

PAGES = of_pages()
EXAMPLES = [one for one in PAGES + of_plugins() if one.kind == "yaml"]
COMMANDS = [command for one in PAGES if one.kind == "console" for command in one.commands()]
MODULES = sorted(file.stem for file in (ROOT / "plugins" / "modules").glob("*.py"))

# Which commands are not run here, by how they begin, and why.
NOT_RUN = {
    "export ": "it sets the environment, which the tests set themselves",
    "ansible-galaxy collection install ": "it downloads; test_artifact.py installs the artefact instead",
    "pip install ": "it downloads; nox installs the same for each pair of the matrix",
    "make test": "that is what runs this",
    "make demo": "test_artifact.py runs the demonstration",
    "make benchmark-audit": "it takes minutes on an idle machine",
    "make benchmark-role": "it takes half an hour on an idle machine",
    ".venv/bin/nox ": "it takes minutes or hours",
    "cp ": "it copies what test_awx_setup.py sets AWX up from",
    "ansible-builder ": "it builds an image; test_execution_environment.py goes as far as one can without",
    "podman ": "it pushes an image",
    "ansible-playbook atlas.x509.awx_setup ": "test_awx_setup.py runs it with an AWX",
    "ansible-playbook atlas.x509.vault_kv ": "test_awx_vault.py runs it with a secret store",
    "mongosh ": "it needs a cluster; test_login.py logs in with the same PEM",
}
RUN = sorted({command for command in COMMANDS if not command.startswith(tuple(NOT_RUN))})

# Examples that need somebody who holds a certificate already; it has ten days left.
HELD = {
    "atlas_pem EXAMPLES",
    "atlas_pem_fetch EXAMPLES",
    "atlas_pem_info EXAMPLES",
    "docs/lost-or-leaked.md yaml 1",
    "docs/report.md yaml 2",
    "docs/rotation.md yaml 1",
    "docs/rotation.md yaml 2",
}
# How many certificates an example has issued when it is run for the first time.
ISSUES = {
    "README.md yaml 1": 1,
    "atlas_login EXAMPLES": 2,
    "atlas_user_cert EXAMPLES": 2,
    "docs/fleet.md yaml 1": 1,
    "docs/fleet.md yaml 2": 2,
    "docs/getting-started.md yaml 1": 1,
    "docs/lost-or-leaked.md yaml 1": 1,
    "docs/rotation.md yaml 1": 1,
    "docs/rotation.md yaml 2": 1,
    "docs/rotation.md yaml 3": 1,
    "role user_cert EXAMPLES": 2,
    "roles/user_cert/README.md yaml 1": 1,
}
HOSTS = ["web1", "web2", "monitor.example.org", "localhost"]
FOLDERS = ["etc/app", "etc/reporting", "etc/shop", "var/www/html", "var/lib/prometheus/node-exporter"]
OURS = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
VARIABLES = {
    "applications": ["app", "shop"],
    "vault_atlas_client_id": DEMO_CLIENT_ID,
    "vault_atlas_client_secret": DEMO_CLIENT_SECRET,
    "vaulted_client_secret": DEMO_CLIENT_SECRET,
}


class Machine:
    """A machine whose hosts are folders, so that an example can be run although it names /etc, another user, and services."""

    def __init__(self, folder, ansible, atlas):
        self.folder, self.atlas, self._ansible = folder, atlas, ansible
        self.serial = self.old = ""
        self.environment = {
            "MONGODB_ATLAS_BASE_URL": atlas.url,
            "MONGODB_ATLAS_PROJECT_ID": DEMO_PROJECT,
            "MONGODB_ATLAS_CLIENT_ID": DEMO_CLIENT_ID,
            "MONGODB_ATLAS_CLIENT_SECRET": DEMO_CLIENT_SECRET,
        }
        for host in HOSTS:
            for name in FOLDERS:
                (folder / host / name).mkdir(parents=True)
        atlas.call(atlas.state.add_credential, "service_account", "mdb_sa_id_64b7f0c2a1d3e4f5a6b7c8da", DEMO_CLIENT_SECRET)
        for user in ("app2", "reporting", "shop"):
            atlas.call(atlas.state.add_user, DEMO_PROJECT, user)
        groups = {"app": dict.fromkeys(HOSTS[:2], OURS), "monitoring": {HOSTS[2]: OURS}}
        (folder / "inventory").write_text(json.dumps({name: {"hosts": hosts} for name, hosts in groups.items()}))
        (folder / "variables.json").write_text(json.dumps(VARIABLES))

    def hold(self):
        """Both hosts, and the parking directory, hold a certificate of app that ends in ten days."""
        certificate = self.atlas.call(self.atlas.state.add_certificate, DEMO_PROJECT, "app", days_left=10)
        self.serial, self.old = str(certificate.serial), self.atlas.state.pem(certificate)
        for path in [*(self.folder / host / "etc/app/mongodb.pem" for host in HOSTS[:2]), self.folder / "home/.ansible/atlas_x509/app.pem"]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(0o600)
            path.write_text(self.old)

    def here(self, value, key=""):
        """A value of an example as it must be on this machine."""
        if isinstance(value, dict):
            # Services are none of ours; who is told, is.
            value = {("ansible.builtin.debug" if name == "ansible.builtin.service" else name): inner for name, inner in value.items()}
            value = {name: {"msg": "restarted"} if name == "ansible.builtin.debug" and "state" in inner else inner for name, inner in value.items()}
            return {name: self.here(inner, name) for name, inner in value.items() if name != "user_cert_reload"}
        if isinstance(value, list):
            return [self.here(inner, key) for inner in value]
        if key in ("become", "expiry_report_become"):
            return False
        if key.endswith(("owner", "group")) and value == "app":
            return getpass.getuser() if key.endswith("owner") else None
        if key.endswith("rotate_before"):
            return (dt.datetime.now(dt.timezone.utc) - dt.timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        if key == "serial_number":
            return self.serial
        return self.folders(value) if isinstance(value, str) else value

    def folders(self, text):
        """Paths of the system below the folder of the host, and the home of the test: ansible.builtin.copy looks into /etc/passwd for "~"."""
        text = re.sub(r"^~/", f"{self.folder}/home/", text)
        return re.sub(r"(?<![\w.}/])/(etc|var)/", rf"{self.folder}/{{{{ inventory_hostname }}}}/\1/", text)

    def write(self, example, name="play.yml"):
        """Put an example into a playbook."""
        plays = [{"gather_facts": False, **play} for play in self.here(example.plays())]
        (self.folder / name).write_text(yaml.safe_dump(plays))
        return name

    def run(self, *command, **options):
        output = self._ansible(*command, **options, **self.environment)
        assert "PRIVATE KEY" not in output
        assert DEMO_CLIENT_SECRET not in output
        return output

    def issued(self):
        return len([entry for entry in self.atlas.state.journal if entry.issued])


@pytest.fixture
def machine(tmp_path, ansible):
    with FakeAtlas() as atlas:
        yield Machine(tmp_path, ansible, atlas)


def of_ours(example):
    """The tasks and applications of roles in an example that are ours: the name without the collection, and what it is given."""
    found = []

    def look(items):
        for item in items:
            for inner in ("tasks", "block", "always", "roles", "handlers", "pre_tasks", "post_tasks"):
                look(item.get(inner, []))
            role = item.get("role") or item.get("ansible.builtin.include_role", {}).get("name", "")
            found.extend([(role.rpartition(".")[2], item.get("vars", {}))] if role.startswith("atlas.x509.") else [])
            found.extend((key.rpartition(".")[2], value or {}) for key, value in item.items() if key.startswith("atlas.x509."))

    look(example.plays())
    return found


def test_every_block_of_a_document_is_of_a_kind_that_some_test_runs():
    assert {one.kind for one in PAGES} == {"yaml", "console", "python"}
    assert len(EXAMPLES) > 15


def test_every_playbook_in_the_documents_is_one_that_ansible_reads(machine):
    books = [machine.write(one, f"{number}.yml") for number, one in enumerate(EXAMPLES)]
    output = machine.run("ansible-playbook", "-i", "inventory", "-e", "@variables.json", "--syntax-check", *books)
    assert len(re.findall(r"^playbook: ", output, re.MULTILINE)) == len(books)


def test_the_examples_use_options_and_variables_that_there_are(ansible):
    there = json.loads(ansible("ansible-doc", "--json", *(f"atlas.x509.{name}" for name in MODULES)))
    known = {name.rpartition(".")[2]: set(one["doc"]["options"]) for name, one in there.items()}
    for specs in ROOT.glob("roles/*/meta/argument_specs.yml"):
        known[specs.parents[1].name] = set(yaml.safe_load(specs.read_text())["argument_specs"]["main"]["options"])
    used = [(one.name, name, given) for one in EXAMPLES for name, given in of_ours(one)]
    assert {name for dummy, name, dummy in used} == set(known)
    for example, name, given in used:
        assert set(given) <= known[name], example


def test_every_command_in_the_documents_is_run_or_has_a_reason_not_to_be():
    assert [command for command in RUN if not command.startswith(("ansible ", "ansible-playbook "))] == []
    assert [start for start in NOT_RUN if not any(command.startswith(start) for command in COMMANDS)] == []


def test_every_target_of_make_in_the_documents_is_there():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for page in [*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")] for name in re.findall(r"(?:`|\$ )make ([a-z-]+)", page.read_text())}
    assert {"test", "demo"} <= named <= targets


def test_every_variable_that_is_exported_is_one_that_somebody_reads():
    readers = "".join(file.read_text() for folder in ("plugins", "playbooks", "awx") for file in (ROOT / folder).rglob("*.*") if file.suffix in (".py", ".yml"))
    exported = {name for command in COMMANDS if command.startswith("export ") for name in re.findall(r"(\w+)=", command)}
    assert exported
    assert [name for name in exported if name not in readers] == []


def test_the_example_in_python_runs():
    (block,) = [one for one in PAGES if one.kind == "python"]
    exec(compile(block.text, block.name, "exec"), {})


@pytest.mark.heavy
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one.name)
def test_an_example_runs_and_the_second_time_it_issues_nothing(machine, example):
    if example.name in HELD:
        machine.hold()
    book = machine.write(example)
    machine.run("ansible-playbook", "-i", "inventory", "-e", "@variables.json", book)
    assert machine.issued() == ISSUES.get(example.name, 0)
    if machine.issued() and example.name in HELD:
        assert machine.old not in {(machine.folder / host / "etc/app/mongodb.pem").read_text() for host in HOSTS[:2]}
    if machine.issued():
        machine.run("ansible-playbook", "-i", "inventory", book, "-e", "@variables.json")
        assert machine.issued() == ISSUES[example.name]


@pytest.mark.heavy
@pytest.mark.parametrize("command", RUN)
def test_a_command_runs(machine, command):
    (site,) = [one for one in EXAMPLES if one.name == "docs/getting-started.md yaml 1"]
    machine.write(site, "site.yml")
    if "reissue" in command:
        machine.atlas.call(machine.atlas.state.add_certificate, DEMO_PROJECT, "app", days_left=80)
    elif "atlas_pem_info" in command:
        machine.hold()
    program, *arguments = [machine.folders(word).replace("owner=app", f"owner={getpass.getuser()}") for word in shlex.split(command) if word != "-b"]
    output = machine.run(program, *arguments)
    assert "failed=1" not in output
    assert "FAILED" not in output


def test_the_names_in_the_tables_above_are_those_of_examples():
    names = {one.name for one in EXAMPLES}
    assert HELD | set(ISSUES) <= names
