# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs as AWX runs them: ansible-runner on a private data directory, with credentials that AWX's own injector renders.

Each job has a home that is gone afterwards, a project that it cannot write, an inventory that is a script, the survey's answers as
extra variables, and no privileges. Its user is another one than the test's where the test may choose (:func:`as_another_user`).
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from awx_plugins.interfaces._temporary_private_api import ManagedCredentialType
from awx_plugins.interfaces._temporary_private_credential_api import Credential
from awx_plugins.interfaces._temporary_private_inject_api import inject_credential
from plays import SECONDS, kill

ROOT = Path(__file__).resolve().parents[2]
CREDENTIAL_TYPES = ROOT / "awx" / "credential_types"
UID = 4711
"""No user of this machine; an execution environment has one that is in no image either."""


@functools.cache
def as_another_user() -> tuple[str, ...]:
    """What to put before a command so that it runs as :data:`UID`, with no privilege but, where Python lies in root's home, that to
    read it; empty where that is not to be had (not root)."""
    for capabilities in ("-all", "-all,+dac_read_search"):
        sets = (f"--inh-caps={capabilities}", f"--ambient-caps={capabilities}", f"--bounding-set={capabilities}")
        prefix = ("setpriv", "--reuid", str(UID), "--regid", "0", "--clear-groups", *sets)
        if os.geteuid() == 0 and shutil.which("setpriv"):
            # A child of a child: setpriv itself reads the first program with more rights than that one has.
            again = "subprocess.call([sys.executable, '-c', 'import ansible, requests'])"
            # Whoever looks for a program asks access(2), for which no privilege counts: in a folder for root alone there is none.
            trial = f"import os, subprocess, sys; sys.exit({again} or not os.access(sys.argv[1], os.X_OK))"
            playbook = str(Path(sys.executable).with_name("ansible-playbook"))
            if subprocess.run([*prefix, sys.executable, "-c", trial, playbook], cwd="/", check=False, capture_output=True).returncode == 0:
                return prefix
    return ()


class Job:
    """A job that was started. :meth:`end` waits for it; what it left is then in ``events``, ``output`` and ``status``."""

    def __init__(self, controller: Controller, name: str, private: Path) -> None:
        self.controller = controller
        self.name = name
        self.private = private
        self.safe_environment: dict[str, Any] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self.artifacts = private / "artifacts" / name

    def start(self, *command: str, stdin: Any = subprocess.DEVNULL, stdout: Any = None) -> Job:
        """Start a command of ansible-runner; what it says itself goes into a file of its own."""
        with open(self.controller.folder / f"{self.name}.log", "ab") as log:
            self.process = subprocess.Popen(
                [*as_another_user(), str(Path(sys.executable).parent / "ansible-runner"), *command],
                cwd=self.controller.folder,
                env=self.controller.environment,
                stdin=stdin,
                stdout=stdout or log,
                stderr=log,
                start_new_session=True,
            )
        return self

    def end(self) -> Job:
        """Wait for the end; the home goes with it, as the container does."""
        try:
            self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the job hangs: {self.output}") from None
        self.controller.forget_home(self)
        return self

    def kill(self) -> Job:
        """Kill the job with everything that it has started, as the end of its container does."""
        kill(self.process.pid)
        self.process.wait(30)
        self.controller.forget_home(self)
        return self

    @property
    def status(self) -> str:
        """``successful``, ``failed``, or empty when it has not ended."""
        path = self.artifacts / "status"
        return path.read_text() if path.exists() else ""

    @property
    def output(self) -> str:
        """What Ansible printed, without its colours, and what ansible-runner said."""
        path = self.artifacts / "stdout"
        said = (self.controller.folder / f"{self.name}.log").read_text()
        return re.sub(r"\x1b\[[0-9;]*m", "", (path.read_text() if path.exists() else "") + said)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The job events, in order: what AWX keeps in its database, and shows."""
        paths = sorted((self.artifacts / "job_events").glob("*-*.json"), key=lambda path: int(path.name.split("-")[0]))
        return [json.loads(path.read_text()) for path in paths]

    @property
    def hosts(self) -> dict[str, str]:
        """What each host of the inventory came to (localhost, when it is empty), as {host: "ok" | "changed" | "failed"}."""
        totals = [event["event_data"] for event in self.events if event["event"] == "playbook_on_stats"]
        if not totals:
            raise AssertionError(f"the job has no totals: {self.output}")
        bad = {**totals[0]["failures"], **totals[0]["dark"]}
        meant = [host for host in totals[0]["processed"] if host in self.controller.inventory or not self.controller.inventory]
        return {host: "failed" if host in bad else "changed" if host in totals[0]["changed"] else "ok" for host in meant}

    def everything(self) -> str:
        """All that AWX would keep of this job: its events and its output, read whole."""
        kept = [path.read_text() for path in sorted((self.artifacts / "job_events").glob("*.json"))]
        return "\n".join([*kept, self.output])


class Controller:
    """What AWX is to its jobs: it makes their private data directories, runs them, and sees their homes vanish."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.inventory: dict[str, dict[str, Any]] = {}
        self.credentials: list[tuple[str, dict[str, Any]]] = []
        self._count = 0
        self.allow(folder)

    def credential(self, kind: str, **inputs: str) -> None:
        """Give all jobs a credential: the file of its type, and the inputs that somebody filled in."""
        self.credentials.append((kind, inputs))

    def job(self, playbook: str, answers: dict[str, Any] | None = None, arguments: str = "", seen_as: Path | None = None) -> Job:
        """A job that has everything but was not started. ``seen_as`` is where it finds its directory, when that is on another node."""
        self._count += 1
        private = self.folder / f"job{self._count}"
        for name in ("project", "inventory", "env", "artifacts", "home"):
            (private / name).mkdir(parents=True)
        job = Job(self, f"job{self._count}", private)
        shutil.copy(ROOT / "playbooks" / f"{playbook}.yml", private / "project")
        self._write_inventory(private)
        environment, more = self._inject(job, private, seen_as or private)
        (private / "env" / "envvars").write_text(json.dumps(environment))
        (private / "env" / "survey.json").write_text(json.dumps(answers or {}))
        (private / "env" / "cmdline").write_text(" ".join([f"-e @{seen_as or private}/env/survey.json", *more, arguments]))
        self.allow(private)
        # Read-only here; a node gets a copy, which ansible-runner has to unpack into it.
        for path in [] if seen_as else [private / "project", *(private / "project").iterdir()]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        return job

    def run(self, playbook: str, answers: dict[str, Any] | None = None, arguments: str = "") -> Job:
        """Run a job to its end."""
        job = self.job(playbook, answers, arguments)
        return job.start("run", str(job.private), "-p", f"{playbook}.yml", "--ident", job.name).end()

    def run_on_a_node(self, playbook: str, answers: dict[str, Any] | None = None) -> Job:
        """Run a job on another node, the way it reaches it: as a stream there, and a stream back."""
        node = self.folder / f"node{self._count + 1}"
        node.mkdir()
        job = self.job(playbook, answers, seen_as=node)
        there, back = self.folder / f"{job.name}.there", self.folder / f"{job.name}.back"
        self.allow(node)
        for command, source, target in (
            (("transmit", str(job.private), "-p", f"{playbook}.yml", "--ident", job.name), None, there),
            (("worker", "--private-data-dir", str(node)), there, back),
            (("process", str(job.private), "--ident", job.name), back, None),
        ):
            with open(source or os.devnull, "rb") as stdin, open(target or os.devnull, "wb") as stdout:
                job.start(*command, stdin=stdin, stdout=stdout).end()
        shutil.rmtree(node)
        return job

    def forget_home(self, job: Job) -> None:
        """The home of a job goes with its container."""
        shutil.rmtree(job.private / "home", ignore_errors=True)

    def _inject(self, job: Job, private: Path, seen_as: Path) -> tuple[dict[str, Any], list[str]]:
        """The environment as AWX makes it, and what it adds to the command line."""
        environment: dict[str, Any] = {
            "ANSIBLE_FORCE_COLOR": "True",
            "ANSIBLE_HOST_KEY_CHECKING": "False",
            "ANSIBLE_RETRY_FILES_ENABLED": "False",
            "ANSIBLE_UNSAFE_WRITES": "1",
            "AWX_PRIVATE_DATA_DIR": str(seen_as),
            "HOME": str(seen_as / "home"),
            "ANSIBLE_HOME": str(seen_as / "home" / ".ansible"),
            # What an execution environment has in its password file, and this machine has not: where the home of this user is.
            "ANSIBLE_REMOTE_TMP": str(seen_as / "home" / ".ansible" / "tmp"),
            "USER": "runner",
            "JOB_ID": job.name.removeprefix("job"),
        }
        arguments: list[str] = []
        for name, inputs in self.credentials:
            kind = yaml.safe_load((CREDENTIAL_TYPES / f"{name}.yml").read_text())
            stated = ManagedCredentialType(name, kind["name"], kind["kind"], kind["inputs"], kind["injectors"])
            inject_credential(stated, Credential(inputs), environment, job.safe_environment, arguments, str(private), container_root=seen_as)
        return environment, arguments

    def _write_inventory(self, private: Path) -> None:
        document = {"_meta": {"hostvars": self.inventory}, "all": {"children": ["app"]}, "app": {"hosts": list(self.inventory)}}
        script = private / "inventory" / "hosts"
        script.write_text(f"#!{sys.executable}\nprint({json.dumps(document)!r})\n")
        script.chmod(0o555)

    @staticmethod
    def allow(folder: Path) -> None:
        """Give what was made here to the user of the jobs."""
        for path in [folder, *folder.rglob("*")] if as_another_user() else []:
            os.chown(path, UID, 0)
