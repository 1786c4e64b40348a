# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No key and no credential in anything that Ansible prints, writes or passes around. `make leaks` runs all of it and prints the numbers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import ssh_hosts

from leaks import stories

heavy = pytest.mark.heavy
NETWORK = 32
LOUD = {"ANSIBLE_VERBOSITY": "5", "ANSIBLE_DISPLAY_TRACEBACK": "always", "ANSIBLE_DIFF_ALWAYS": "true"}


def assert_clean(record, *signs):
    """Nothing was found, and the run did what it should have: its output holds these signs."""
    assert record.findings == [], record.output[-3000:]
    for sign in signs:
        assert sign in record.output, f"{sign!r} is not in:\n{record.output[-6000:]}"
    assert record.processes > 2 and record.printed > 100 and record.secrets > 4
    assert not [path for path in record.private if not path.startswith(("home/", "scratch/", "hosts/"))]


ROLE = ("it failed", "atlas-pending")


def test_modules_and_role_say_nothing_at_the_highest_verbosity(world):
    plays = stories.modules(world, ("wrong_key",), full=False) + stories.role(world, (stories.BRING,), fault="")
    assert_clean(world.playbook("modules and role, -vvvvv", plays, **LOUD), "none_unexpired", "foreign_pem", "atlas-pending", "placed certificate")


@heavy
@pytest.mark.parametrize("verbosity", range(6))
def test_modules_and_role_say_nothing_at_any_verbosity(world, verbosity):
    """With all that modules do and every fault at the highest; representatives below, where Ansible says less of the same."""
    highest = verbosity == 5
    plays = stories.modules(world, tuple(stories.FAULTS) if highest else ("cut",), full=highest)
    plays += stories.role(world, by_variables=True) if highest else stories.role(world, (stories.BRING,))
    record = world.playbook(f"verbosity {verbosity}", plays, ANSIBLE_VERBOSITY=str(verbosity), ANSIBLE_DIFF_ALWAYS="true")
    assert_clean(record, "atlas-pending", "it failed")


@heavy
@pytest.mark.parametrize(("callback", "result_format"), [("default", "json"), ("default", "yaml"), ("minimal", "json"), ("oneline", "json")])
def test_no_display_of_results_says_it(world, callback, result_format):
    more = {"ANSIBLE_STDOUT_CALLBACK": callback, "ANSIBLE_CALLBACK_RESULT_FORMAT": result_format, "ANSIBLE_CALLBACK_FORMAT_PRETTY": "true"}
    record = world.playbook(f"{callback} callback, {result_format}", stories.modules(world, ("cut", "wrong_key"), full=False), **LOUD, **more)
    assert_clean(record, "atlas-pending")


@heavy
def test_check_mode_and_diff_say_nothing(world):
    plays = stories.modules(world, ("wrong_key",)) + stories.role(world)
    assert_clean(world.playbook("--check --diff", plays, "--check", "--diff", ANSIBLE_VERBOSITY="3"), "orphaned")


@heavy
def test_credentials_of_every_kind_right_and_wrong_are_never_said(world):
    assert_clean(world.playbook("credentials", stories.credentials(world), **LOUD), "https://host, without user")


@heavy
def test_credentials_in_a_vault_are_never_said(world):
    plays, secret, password = stories.role(world, (stories.BRING,), by_variables=True), world.vars_file, world.inputs / "password"
    password.write_text("a password\n")
    world.run("ansible-vault", "ansible-vault", "encrypt", "--vault-password-file", str(password), secret)
    assert world.api_key[1] not in Path(secret).read_text()
    assert_clean(world.playbook("vault", plays, "--vault-password-file", str(password), **LOUD), *ROLE)


@heavy
def test_credentials_in_the_environment_are_never_said(world):
    plays = stories.role(world, (stories.BRING,))
    for play in plays:
        play["module_defaults"] = {}
    record = world.playbook("environment", plays, **LOUD, **world.environment)
    assert_clean(record, *ROLE)
    assert record.environments == ["client secret"], "what the caller put there, and nothing else"


AD_HOC = {
    "list": ("atlas_user_cert_info", "username=app", ()),
    "issue": ("atlas_user_cert", "username=app path={pems}/app.pem", ("--diff",)),
    "check": ("atlas_user_cert", "username=app path={pems}/app.pem", ("--check", "--diff")),
    "in the background": ("atlas_user_cert", "username=app path={pems}/app.pem", ("-B", "60", "-P", "1")),
    "a file of each host": ("atlas_user_cert", "username=app path={pems}/app.pem", ("-t", "{scratch}/adhoc-tree")),
    "one line": ("atlas_user_cert", "username=app path={pems}/app.pem", ("-o",)),
    "refused": ("atlas_user_cert", "username=nobody path={pems}/app.pem", ()),
}


@pytest.mark.parametrize("way", [pytest.param(way, marks=() if way == "issue" else heavy) for way in AD_HOC])
def test_ad_hoc_commands_say_nothing(world, way):
    module, arguments, more = AD_HOC[way]
    places = {"pems": world.pems, "scratch": world.scratch}
    words = ["localhost", "-i", str(world.inventory()), "-m", f"atlas.x509.{module}", "-a", arguments.format(**places), *(one.format(**places) for one in more)]
    record = world.run(f"ad hoc: {way}", "ansible", *words, ANSIBLE_VERBOSITY="5", **world.environment)
    assert_clean(record, "localhost |")


@heavy
def test_the_job_events_of_ansible_runner_hold_nothing(world):
    """As AWX runs a job: the credentials in the environment."""
    plays = stories.role(world)
    for play in plays:
        play["module_defaults"] = {}
    record, artifacts = world.runner("ansible-runner", plays, "-vvvvv", **world.environment)
    assert len(list((artifacts / "job_events").glob("*.json"))) > 50
    assert record.findings == []
    assert record.environments == ["client secret"], "what the caller put there, which ansible-runner writes down, and nothing else"
    assert "it failed" in record.output


needs_hosts = pytest.mark.skipif(bool(ssh_hosts.missing()), reason=ssh_hosts.missing() or "")


@heavy
@needs_hosts
@pytest.mark.parametrize("pipelining", ["false", "true"], ids=["files", "pipelining"])
def test_nothing_is_said_over_ssh(world, pipelining):
    with ssh_hosts.SshHosts(world.folder / "hosts", ["web1", "web2"], network=NETWORK) as hosts:
        for name, variables in hosts.inventory.items():
            (hosts.files(name) / "pems").mkdir()
            (world.pems / f"{name}-bad").mkdir()
            world.hosts[name] = dict(variables, user_cert_path=f"{hosts.path}/pems/mongodb.pem")
        world.also = [process.pid for process in hosts._processes.values()]
        more = {"ANSIBLE_PIPELINING": pipelining, "ANSIBLE_VERBOSITY": "5", "ANSIBLE_DIFF_ALWAYS": "true"}
        assert_clean(world.playbook(f"ssh, pipelining {pipelining}", stories.role(world, (stories.ISSUE, stories.BRING)), **more), *ROLE)


def becoming(method, place):
    """Variables that let the tasks on a host become nobody, who is on every machine; why not, when that cannot be."""
    if os.geteuid() != 0 or not shutil.which(method):
        pytest.skip(f"needs root and {method}")
    python = shutil.which("python3", path="/usr/bin:/bin")
    if not python:
        pytest.skip("needs a Python for everybody, in /usr/bin")
    place.chmod(0o700)
    shutil.chown(place, "nobody")
    flags = {"ansible_become_flags": "-s /bin/sh"} if method == "su" else {}
    return {"ansible_become": True, "ansible_become_user": "nobody", "ansible_become_method": method, "ansible_python_interpreter": python, **flags}


@heavy
@pytest.mark.parametrize(("method", "pipelining"), [("sudo", "false"), ("su", "true")])
def test_nothing_is_said_when_tasks_become_another_user(world, method, pipelining):
    # Instead of /var/tmp, which is not searched; and instead of a home, which nobody has not.
    system, theirs = world.home / "system", world.home / "nobody"
    system.mkdir()
    system.chmod(0o1777)
    theirs.mkdir(mode=0o700)
    for name in ("web1", "web2"):
        place = world.host(name).parent
        world.hosts[name].update(becoming(method, place), ansible_remote_tmp=str(theirs))
    shutil.chown(theirs, "nobody")
    more = {"ANSIBLE_PIPELINING": pipelining, "ANSIBLE_VERBOSITY": "5", "ANSIBLE_SYSTEM_TMPDIRS": str(system)}
    record = world.playbook(f"become by {method}, pipelining {pipelining}", stories.role(world, (stories.ISSUE, stories.BRING)), **more)
    assert_clean(record, "placed certificate")


BUG = "a bug in atlas.x509"
BREAKS = {
    "send, by our own mistake": ("key", "KeyError in", BUG),
    "send, by requests": ("key", "cannot reach http://127.0.0.1"),
    "send, by urllib3": ("key", "LocationParseError in", BUG),
    "digest": ("key", "ValueError in", BUG),
    "basic": ("account", "ValueError in", BUG),
    "answer": ("account", "RuntimeError in", BUG),
    "keep": ("key", "RuntimeError in", BUG),
    "check": ("key", "cryptography cannot read what it sent (RuntimeError)"),
    "arrive": ("place", "RuntimeError in", BUG),
    "killed": ("key", "localhost"),
}


@pytest.mark.parametrize("point", [pytest.param(point, marks=() if point == "digest" else heavy) for point in BREAKS])
def test_an_exception_that_nobody_foresaw_is_told_without_its_message(world, point):
    """The message of each of these holds headers, bodies, secrets or a PEM; see hooks/sitecustomize.py. One is killed, and Ansible tells of it."""
    account = {"client_id": world.account[0], "client_secret": "{{ the_secret }}", "public_api_key": "", "private_api_key": ""}
    kind, *signs = BREAKS[point]
    if kind == "place":
        world.hold(world.pems / "app.pem", "app", days_left=50)
        task = {"atlas.x509.atlas_pem": {"src": f"{world.pems}/app.pem", "path": f"{world.pems}/placed.pem"}}
    else:
        more = account if kind == "account" else {}
        task = {"atlas.x509.atlas_user_cert": {"username": "app", "path": f"{world.pems}/app.pem", "retries": 0, **more}}
    play = {"hosts": "localhost", "gather_facts": False, "vars_files": [world.vars_file], "module_defaults": {"group/atlas.x509.atlas": world.connection}}
    record = world.playbook(f"broken: {point}", [{**play, "tasks": [{"name": "Fail", **task}]}], LEAKS_BREAK=point, **LOUD)
    assert record.code != 0
    assert (world.pems / ".app.pem.atlas-pending").exists() is (point in ("check", "killed")), "it had the key in its hands"
    assert_clean(record, *signs)
