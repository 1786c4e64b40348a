# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small world with secrets of its own: a fake Atlas, a home, hosts that are folders; one command runs in it, watched, and then everything is searched."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import surroundings
import yaml
from fake_atlas import DEMO_PROJECT, FakeAtlas
from fake_atlas.certificates import key_pem, leaf_key

from .needles import Needles

HERE = Path(__file__).resolve().parent
TALLY = "LEAKS_TALLY"
"""The environment variable that names the file for the numbers of this session, which its workers share."""
_RESPONSE = re.compile(r'response="([^"]+)"')
_POOL = 14
_KEYS = Needles()
Search = Callable[[bytes], set[str]]


@dataclass
class Finding:
    """One secret in one place where it must not be."""

    channel: str
    place: str
    secret: str


@dataclass
class Record:
    """What one run was searched for, and what was found. Sizes are in bytes."""

    name: str
    output: str = ""
    code: int = 0
    secrets: int = 0
    printed: int = 0
    files: int = 0
    written: int = 0
    processes: int = 0
    arguments: int = 0
    polls: int = 0
    findings: list[Finding] = field(default_factory=list)
    private: list[str] = field(default_factory=list)
    """Files that held a secret while the run lasted, readable by their owner only, and gone at its end."""
    environments: list[str] = field(default_factory=list)
    """The secrets in environments of processes: those that the caller put there."""

    def report(self, channel: str, place: str, names: set[str]) -> None:
        """Note what was found there, once."""
        new = [Finding(channel, place, secret) for secret in sorted(names)]
        self.findings += [finding for finding in new if finding not in self.findings]


class World:
    """``with World() as world: world.run("ansible", …)``. Everything below ``folder`` is searched but ``inputs`` (what the user wrote) and ``pems`` (where
    a key is meant to be). ``others`` are secrets of the user beside those of Atlas; ``common`` are credentials that occur elsewhere on purpose, so that
    nobody looks for them."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp())  # a short name: ansible-core 2.21 makes a socket below it
        self.folder.chmod(0o711)  # for a user that tasks become
        self.inputs, self.pems, self.scratch, self.home = (self._make(name) for name in ("inputs", "pems", "scratch", "home"))
        self.inputs.chmod(0o700)
        (self.inputs / "ansible.cfg").touch()
        (self.scratch / "syslog").touch()
        (self.scratch / "syslog").chmod(0o666)  # as to the system's log, everybody may write to it
        self.api_key = ("pub" + secrets.token_hex(3), "-".join(secrets.token_hex(length) for length in (4, 2, 2, 2, 6)) + "/+%")
        self.account = ("mdb_sa_id_" + secrets.token_hex(12), "mdb_sa_sk_" + secrets.token_urlsafe(30) + "/+%&=")
        self.wrong = "wrong-" + secrets.token_hex(20)
        self.token = ""
        self.hosts: dict[str, dict[str, Any]] = {}
        self.also: list[int] = []
        self.more: dict[str, str] = {}
        self.others: dict[str, str] = {}
        self.common: set[str] = set()
        self._atlas = FakeAtlas(
            {
                "credentials": [
                    {"kind": "api_key", "identity": self.api_key[0], "secret": self.api_key[1]},
                    {"kind": "service_account", "identity": self.account[0], "secret": self.account[1]},
                ]
            }
        )
        self._given: list[str] = []
        self.given_to_runner: list[str] = []
        self.environment_written: Path | None = None  # ansible-runner's own record of the environment that its caller gave it

    def __enter__(self) -> World:
        self.atlas = self._atlas.__enter__()
        account = self.atlas.state.credential(self.account[0], "service_account")
        self.token = self.atlas.call(self.atlas.state.add_token, account, ready_made=True).value
        return self

    def __exit__(self, *_exception: object) -> None:
        self._atlas.__exit__(*_exception)
        shutil.rmtree(self.folder)

    @property
    def connection(self) -> dict[str, Any]:
        """Connection options with the API key. Secrets are variables, in a file of their own: what is written in a playbook, Ansible quotes."""
        return {"base_url": self.atlas.url, "project_id": DEMO_PROJECT, "public_api_key": self.api_key[0], "private_api_key": "{{ the_key }}"}

    @property
    def vars_file(self) -> str:
        """The file with the secrets, by name."""
        return str(self.write("secrets.yml", {"the_key": self.api_key[1], "the_secret": self.account[1], "the_token": self.token, "the_wrong_one": self.wrong}))

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a service account."""
        names = {"BASE_URL": self.atlas.url, "PROJECT_ID": DEMO_PROJECT, "CLIENT_ID": self.account[0], "CLIENT_SECRET": self.account[1]}
        return {f"MONGODB_ATLAS_{name}": value for name, value in names.items()}

    def user(self, name: str, fault: str = "", **options: Any) -> str:
        """A database user, whose certificates come with that fault."""
        self.atlas.call(self.atlas.state.add_user, DEMO_PROJECT, name)
        if fault:
            match = {"username": name, **options.pop("match", {"method": "POST"})}
            self.atlas.fault(fault, match=match, times=None, **options)
        return name

    def hold(self, path: Path, name: str, **age: Any) -> None:
        """Put a PEM that the service has issued in the past at the path."""
        certificate = self.atlas.call(self.atlas.state.add_certificate, DEMO_PROJECT, name, **age)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.atlas.state.pem(certificate))
        path.chmod(0o600)

    def host(self, name: str, **variables: Any) -> Path:
        """A host that is a folder of this machine; returns where its PEM goes."""
        place = self.pems / name
        place.mkdir()
        here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "user_cert_path": f"{place}/mongodb.pem"}
        self.hosts[name] = {**here, **variables}
        return place / "mongodb.pem"

    def inventory(self) -> Path:
        """The inventory of these hosts."""
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        return self.write("inventory.yml", {"all": {"hosts": {"localhost": local}, "children": {"app": {"hosts": self.hosts}}}})

    def write(self, name: str, document: Any) -> Path:
        """An input of the run, in YAML: what the user wrote, secrets included."""
        path = self.inputs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(document, sort_keys=False))
        return path

    def playbook(self, name: str, plays: list[dict[str, Any]], *arguments: str, **environment: str) -> Record:
        """Run the plays."""
        return self.run(name, "ansible-playbook", "-i", str(self.inventory()), str(self.write("play.yml", plays)), *arguments, **environment)

    def runner(self, name: str, plays: list[dict[str, Any]], *arguments: str, **given: str) -> tuple[Record, Path]:
        """Run the plays as AWX does, with ansible-runner and ``given`` in the environment of the job; also the folder of the job's artifacts."""
        data = self.folder / "runner"
        (data / "env").mkdir(parents=True)
        for kind, document in (("settings", {"suppress_env_files": True}), ("envvars", given)):
            (data / "env" / kind).symlink_to(self.write(kind, document))
        words = ["run", str(data), "-p", str(self.write("play.yml", plays)), "--inventory", str(self.inventory()), "--ident", "job", *arguments]
        artifacts = data / "artifacts" / "job"
        self.given_to_runner, self.environment_written = list(given.values()), artifacts / "command"
        return self.run(name, "ansible-runner", *words), artifacts

    def run(self, name: str, program: str, *arguments: str, seconds: int = 3600, **environment: str) -> Record:
        """Run one program of the virtual environment, watched; search; write the numbers down."""
        report = self.folder / "report"
        shutil.rmtree(report, ignore_errors=True)
        environment = {**self._environment(), **environment}
        self._given = [value for key, value in environment.items() if key.startswith("MONGODB_ATLAS_") or value in self.others.values()]
        self._given += self.given_to_runner
        program = program if os.path.isabs(program) else str(Path(sys.executable).parent / program)
        pids = ",".join(map(str, self.also))
        subprocess.run(
            [sys.executable, str(HERE / "watch.py"), str(report), str(seconds), str(self.folder), pids, "--", program, *arguments],
            cwd=self.scratch,
            env=environment,
            stdin=subprocess.DEVNULL,
            check=False,
            timeout=seconds + 60,
        )
        record = self._search(name, report)
        with open(os.environ.get(TALLY, os.devnull), "a", encoding="utf-8") as tally:
            tally.write(json.dumps({**asdict(record), "output": ""}) + "\n")
        return record

    def _environment(self) -> dict[str, str]:
        return {
            **surroundings.clean(self.inputs / "ansible.cfg", self.home, self.scratch),
            "ANSIBLE_HOME": str(self.home / ".ansible"),
            "ANSIBLE_REMOTE_TMP": str(self.home / "remote"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_DEPRECATION_WARNINGS": "false",
            "ANSIBLE_NOCOWS": "true",
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.home / "cp"),
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.junit,ansible.builtin.tree,everything",
            "ANSIBLE_CALLBACK_TREE_DIR": str(self.scratch / "tree"),
            "JUNIT_OUTPUT_DIR": str(self.scratch / "junit"),
            "LEAKS_EVENTS": str(self.scratch / "events.jsonl"),
            "LEAKS_SYSLOG": str(self.scratch / "syslog"),
            "ANSIBLE_LOG_PATH": str(self.scratch / "ansible.log"),
            "ANSIBLE_CACHE_PLUGIN": "jsonfile",
            "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(self.scratch / "facts"),
            "PYTHONPATH": str(HERE / "hooks"),
            **self.more,
        }

    def _search(self, name: str, report: Path) -> Record:
        keys, texts = self._needles()
        summary = json.loads((report / "summary.json").read_text())
        printed = (report / "output").read_bytes()
        record = Record(name, printed.decode(errors="replace"), summary["code"], len(keys.names) + len(texts.names), len(printed))
        record.processes, record.arguments, record.polls = (summary[key] for key in ("processes", "arguments", "polls"))

        def search(data: bytes) -> set[str]:
            return keys.find(data) | texts.find(data)

        record.report("printed", "output", search(printed))
        record.report("arguments", "cmdline", search((report / "cmdline").read_bytes()))
        in_environments = search((report / "environ").read_bytes())
        mine = {secret for secret in in_environments if texts.value(secret) in self._given}
        record.environments = sorted(mine)
        record.report("environment", "environ", in_environments - mine)
        self._search_what_is_left(record, report, search)
        self._search_what_was_there(record, report, search, summary["files"])
        return record

    def _search_what_is_left(self, record: Record, report: Path, search: Search) -> None:
        for path in self.folder.rglob("*"):
            if path.is_file() and not path.is_symlink() and report not in path.parents and not self._is_meant(path):
                data = path.read_bytes()
                record.files, record.written = record.files + 1, record.written + len(data)
                found = search(data)
                if path == self.environment_written:
                    found -= set(record.environments)
                record.report("left", str(path.relative_to(self.folder)), found)

    def _search_what_was_there(self, record: Record, report: Path, search: Search, files: list[dict[str, Any]]) -> None:
        """What others could read at any moment, and what held a secret for a moment; the inputs are the user's own."""
        left = {finding.place for finding in record.findings if finding.channel == "left"}
        found: dict[str, set[str]] = {}
        for seen in files:
            path = Path(seen["path"])
            if self.inputs in path.parents:
                continue
            record.files += 1
            where = str(path.relative_to(self.folder))
            for content in seen["contents"]:
                if content not in found:
                    data = (report / "contents" / content).read_bytes()
                    found[content] = search(data)
                    record.written += len(data)
                if seen["open"]:
                    record.report("readable", where, found[content])
                elif found[content] and not self._is_meant(path) and path != self.environment_written and where not in [*left, *record.private]:
                    record.private.append(where)

    def _needles(self) -> tuple[Needles, Needles]:
        """All keys that the fake issues, and those in files where they are meant to be; the credentials, tokens and signatures of this world."""
        if not _KEYS.names:
            for index in range(_POOL):
                _KEYS.add_keys(key_pem(leaf_key(index)))
        for path in self.folder.rglob("*"):
            if path.is_file() and self._is_meant(path) and self.inputs not in path.parents:
                _KEYS.add_keys(path.read_bytes().decode("latin-1"))
        texts = Needles()
        given = {"API key": self.api_key[1], "client secret": self.account[1], "wrong secret": self.wrong, "access token": self.token, **self.others}
        for name, secret in given.items():
            if name not in self.common:
                texts.add_text(name, secret)
        for number, header in enumerate(self.atlas.state.authorizations):
            scheme, _blank, rest = header.partition(" ")
            values = _RESPONSE.findall(rest) if scheme == "Digest" else [rest]
            for value in values:
                texts.add_text(f"{scheme} {number}", value)
        return _KEYS, texts

    def _is_meant(self, path: Path) -> bool:
        """Whether a key may be there: the inputs, the PEMs, what stands beside them, and where the role parks one."""
        return bool({"inputs", "pems"} & set(path.relative_to(self.folder).parts))

    def _make(self, name: str) -> Path:
        (self.folder / name).mkdir()
        return self.folder / name
