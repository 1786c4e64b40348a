# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role costs in the steady state, beside the playbook that people write today.

    python -m benchmark role [--ssh 10 50] [--local 100 300 1000] [--repeat 2]

Both keep the same PEM on the same hosts, from the same service, in turn (A B A B ...): the role, and ``uri`` to list, ``uri`` to issue when
the list is empty, and ``copy`` with ``src``. Each figure is the median of its runs; read the ratios, the seconds are this machine's.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from fake_atlas import DEMO_PRIVATE_KEY, DEMO_PROJECT, DEMO_PUBLIC_KEY, FakeAtlas
from ssh_hosts import SshHosts, missing

from ._cost import BIN, cost
from ._table import table

CONTESTANTS = ("today", "role")
HEADING = ["", "wall s", "processor s", "processor s a host", "MB", "requests"]
LONGEST = 7200  # seconds, for a thousand hosts


class Run(NamedTuple):
    """One run of a playbook: seconds on the clock and of the processors, peak memory of a process in MB, requests to the service."""

    wall: float
    processor: float
    memory: float
    requests: int


class Fleet(NamedTuple):
    """Hosts by name with their variables. ``path`` is their directory as a template, ``files`` says where it lies on this machine."""

    kind: str
    hosts: dict[str, dict[str, Any]]
    path: str
    files: Callable[[str], Path]


def role_play(path: str, url: str) -> list[dict[str, Any]]:
    """The role, as the README has it."""
    connection = {"base_url": url, "project_id": DEMO_PROJECT, "public_api_key": DEMO_PUBLIC_KEY, "private_api_key": DEMO_PRIVATE_KEY}
    variables = {"user_cert_username": "app", "user_cert_path": path, "user_cert_connection": connection, "user_cert_parking_dir": "{{ playbook_dir }}/parking"}
    return [{"hosts": "all", "gather_facts": False, "roles": [{"role": "atlas.x509.user_cert", "vars": variables}]}]


def todays_play(path: str, url: str) -> list[dict[str, Any]]:
    """What people write without a collection."""
    certificates = f"{url}/api/atlas/v2/groups/{DEMO_PROJECT}/databaseUsers/app/certs"
    media_type = "application/vnd.atlas.2023-01-01+json"
    login = {"url_username": DEMO_PUBLIC_KEY, "url_password": DEMO_PRIVATE_KEY, "headers": {"Accept": media_type, "Content-Type": media_type}}
    once = {"delegate_to": "localhost", "run_once": True}
    pem = "{{ playbook_dir }}/today.pem"
    tasks = [
        {"name": "List", "ansible.builtin.uri": {"url": certificates, **login}, "register": "listed", **once},
        {
            "name": "Issue",
            "ansible.builtin.uri": {"url": certificates, "method": "POST", "body": {}, "body_format": "json", "status_code": 201,
                                    "return_content": True, **login},
            "register": "issued",
            "when": "listed.json.results | length == 0",
            "no_log": True,
            **once,
        },
        {
            "name": "Keep",
            "ansible.builtin.copy": {"content": "{{ issued.content }}", "dest": pem, "mode": "0600"},
            "when": "issued is not skipped",
            "no_log": True,
            **once,
        },
        {"name": "Place", "ansible.builtin.copy": {"src": pem, "dest": path, "mode": "0600"}},
    ]
    return [{"hosts": "all", "gather_facts": False, "tasks": tasks}]


PLAYS = {"role": role_play, "today": todays_play}


class Bench:
    """One fleet, one service for each contestant, and a PEM that lies on every host before anything is measured."""

    def __init__(self, folder: Path, fleet: Fleet) -> None:
        self._folder = folder
        self._fleet = fleet
        (folder / "inventory.json").write_text(json.dumps({"all": {"hosts": fleet.hosts}}))

    def compare(self, repeat: int) -> dict[str, list[Run]]:
        """The steady state of both, in turn."""
        with contextlib.ExitStack() as services:
            atlases = {}
            for who in CONTESTANTS:
                atlases[who] = services.enter_context(FakeAtlas())
                self._prepare(who, atlases[who])
            runs: dict[str, list[Run]] = {who: [] for who in CONTESTANTS}
            for _turn in range(repeat):
                for who in CONTESTANTS:
                    runs[who].append(self._measure(who, atlases[who]))
        return runs

    def executions(self) -> dict[str, float]:
        """How often a module is run on a host in the steady state: an interpreter that leaves a mark for each."""
        marks, wrapper = self._folder / "marks", self._folder / "python"
        wrapper.write_text(f"#!/bin/sh\necho >>{marks}\nexec {sys.executable} \"$@\"\n")
        wrapper.chmod(0o700)
        counted = {}
        for who in CONTESTANTS:
            with FakeAtlas() as atlas:
                self._prepare(who, atlas)
                marks.unlink(missing_ok=True)
                self._measure(who, atlas, "-e", f"ansible_python_interpreter={wrapper}")
                counted[who] = len(marks.read_bytes()) / len(self._fleet.hosts)
        return counted

    def _prepare(self, who: str, atlas: FakeAtlas) -> None:
        """The playbook, and what it would have issued and placed: to have it do so on a thousand hosts takes longer than what is measured."""
        path = self._fleet.path + f"/{who}.pem"
        (self._folder / f"{who}.yml").write_text(yaml.safe_dump(PLAYS[who](path, atlas.url)))
        certificate = atlas.call(atlas.state.add_certificate, DEMO_PROJECT, "app", days_left=60)
        pem = atlas.state.pem(certificate)
        (self._folder / f"{who}.pem").write_text(pem)
        for host in self._fleet.hosts:
            file = self._fleet.files(host) / f"{who}.pem"
            file.write_text(pem)
            file.chmod(0o600)

    def _measure(self, who: str, atlas: FakeAtlas, *arguments: str) -> Run:
        """One run. RuntimeError when it fails or changes something."""
        before = atlas.state.counters.requests
        command = [str(BIN / "ansible-playbook"), "-i", str(self._folder / "inventory.json"), str(self._folder / f"{who}.yml"), *arguments]
        found = cost(command, LONGEST, ANSIBLE_PIPELINING="true", ANSIBLE_FORKS="10")
        if re.search(r"changed=[1-9]", found.output):
            raise RuntimeError(f"{who} changed something\n{found.output[-3000:]}")
        return Run(found.wall, found.cpu, found.memory, atlas.state.counters.requests - before)


@contextlib.contextmanager
def local_fleet(count: int) -> Iterator[tuple[Path, Fleet]]:
    """Hosts that are folders of this machine."""
    with scratch() as folder:
        hosts = {f"host{number:04}": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable} for number in range(count)}
        for name in hosts:
            (folder / "hosts" / name).mkdir(parents=True)
        yield folder, Fleet("local", hosts, f"{folder}/hosts/{{{{ inventory_hostname }}}}", lambda name: folder / "hosts" / name)


@contextlib.contextmanager
def ssh_fleet(count: int) -> Iterator[tuple[Path, Fleet]]:
    """Hosts with an sshd of their own."""
    with scratch() as folder, SshHosts(folder / "ssh", [f"host{number:04}" for number in range(count)]) as hosts:
        yield folder, Fleet("ssh", hosts.inventory, str(hosts.path), hosts.files)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def summary(results: list[tuple[str, int, dict[str, list[Run]]]]) -> str:
    """Three rows for each fleet: the medians of both, and their ratios."""
    rows: list[list[str]] = []
    for kind, count, runs in results:
        medians = {who: Run(*(statistics.median(values) for values in zip(*runs[who], strict=True))) for who in CONTESTANTS}
        for who, one in medians.items():
            seconds = [f"{one.wall:.1f}", f"{one.processor:.1f}", f"{one.processor / count:.3f}"]
            rows.append([f"{count} {kind}, {who}", *seconds, f"{one.memory:.0f}", f"{one.requests:g}"])
        wall, processor, memory = (getattr(medians["role"], field) / getattr(medians["today"], field) for field in ("wall", "processor", "memory"))
        rows.append([f"{count} {kind}, *role / today*", f"*{wall:.2f}*", f"*{processor:.2f}*", "", f"*{memory:.2f}*", ""])
    return table(HEADING, rows)


def main() -> None:
    """Measure what was asked for, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ssh", type=int, nargs="*", default=[10, 50], help="numbers of hosts over SSH")
    parser.add_argument("--local", type=int, nargs="*", default=[100, 300, 1000], help="numbers of hosts with local connections")
    parser.add_argument("--repeat", type=int, default=2, help="runs of each that are measured")
    arguments = parser.parse_args()
    results = []
    with local_fleet(10) as (folder, fleet):
        counted = Bench(folder, fleet).executions()
    for kind, fleets, sizes in (("ssh", ssh_fleet, arguments.ssh), ("local", local_fleet, arguments.local)):
        if kind == "ssh" and sizes and missing():
            print(f"no hosts over SSH: {missing()}", file=sys.stderr)
            continue
        for count in sizes:
            with fleets(count) as (folder, fleet):
                results.append((kind, count, Bench(folder, fleet).compare(arguments.repeat)))
            print(f"{count} {kind}: done", file=sys.stderr)
    print(summary(results))
    print("\nModule executions a host and run, those on the controller shared out: " + ", ".join(f"{who} {counted[who]:g}" for who in CONTESTANTS))


if __name__ == "__main__":
    main()
