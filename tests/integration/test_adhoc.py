# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One line in a shell, and one login per play: real commands, real HTTP to a fake Atlas."""

from __future__ import annotations

import getpass
import json
import os
import re
import socket
import stat
import sys
from pathlib import Path

import pytest
import yaml
from fake_atlas import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, DEMO_PROJECT, FakeAtlas
from plays import SECONDS
from ssh_hosts import SshHosts, missing
from surroundings import COLLECTIONS

ROOT = Path(__file__).resolve().parents[2]
MORE_COLLECTIONS = Path(os.environ.get("AWX_COLLECTIONS", ROOT / ".build" / "awx" / "collections"))
JSON_CALLBACK = MORE_COLLECTIONS / "ansible_collections" / "ansible" / "posix" / "plugins" / "callback" / "json.py"
ACCOUNT = {"MONGODB_ATLAS_CLIENT_ID": DEMO_CLIENT_ID, "MONGODB_ATLAS_CLIENT_SECRET": DEMO_CLIENT_SECRET}
HERE = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
ON_THE_CONTROLLER = {"delegate_to": "localhost", "run_once": True}
LOGIN = {"name": "Log in", "atlas.x509.atlas_login": {}, **ON_THE_CONTROLLER}
LOGOUT = {"name": "Log out", "atlas.x509.atlas_login": {"state": "absent"}, **ON_THE_CONTROLLER}
LIST = {"name": "List", "atlas.x509.atlas_user_cert_info": {"username": "app"}, **ON_THE_CONTROLLER}


@pytest.fixture
def atlas():
    with FakeAtlas() as running:
        yield running


class Shell:
    """What somebody types who has put the credentials into the environment."""

    def __init__(self, folder, ansible, atlas):
        self.folder = folder
        self.atlas = atlas
        self._ansible = ansible
        self.environment = {"MONGODB_ATLAS_BASE_URL": atlas.url, "MONGODB_ATLAS_PROJECT_ID": DEMO_PROJECT, **ACCOUNT}

    def ad_hoc(self, module, arguments, *more, hosts="localhost", fails=False, **environment):
        return self.run("ansible", hosts, "-m", "atlas.x509." + module, "-a", arguments, *more, fails=fails, **environment)

    def play(self, tasks, *more, hosts=("web1",), fails=False, seconds=SECONDS, environment=(), **keywords):
        """Run tasks on hosts that are this machine."""
        inventory = {"all": {"hosts": dict.fromkeys(hosts, HERE)}}
        play = {"hosts": ",".join(hosts), "gather_facts": False, "tasks": tasks, **keywords}
        (self.folder / "inventory.yml").write_text(yaml.safe_dump(inventory))
        (self.folder / "play.yml").write_text(yaml.safe_dump([play]))
        return self.run("ansible-playbook", "-i", "inventory.yml", "play.yml", *more, fails=fails, seconds=seconds, **dict(environment))

    def run(self, *command, fails=False, seconds=SECONDS, **environment):
        output = self._ansible(*command, fails=fails, seconds=seconds, **{**self.environment, **environment})
        assert "PRIVATE KEY" not in output
        assert DEMO_CLIENT_SECRET not in output
        assert "fake." not in output, "a token was shown"
        return output

    def tokens(self):
        counters = self.atlas.state.counters
        return counters.tokens_made, counters.tokens_revoked

    def files(self):
        """What is left in the directories that Ansible has for its runs."""
        return [path for path in (self.folder / "home" / ".ansible" / "tmp").rglob("*") if path.is_file()]


@pytest.fixture
def shell(tmp_path, ansible, atlas):
    return Shell(tmp_path, ansible, atlas)


def role(user, folder):
    """Apply the role for one user to the hosts of the play."""
    variables = {"user_cert_username": user, "user_cert_path": f"{folder}/{user}.pem", "user_cert_parking_dir": f"{folder}/parking"}
    return {"name": f"Keep {user}", "ansible.builtin.include_role": {"name": "atlas.x509.user_cert"}, "vars": variables}


# One login per play

FIND = {"paths": "~/.ansible/tmp", "patterns": "atlas_login-*", "recurse": True}
LOOK_AT_THE_LOGIN = [
    {"name": "Find", "ansible.builtin.find": FIND, "register": "found", **ON_THE_CONTROLLER},
    {"name": "Look", "ansible.builtin.stat": {"path": "{{ found.files[0].path | dirname }}"}, "register": "directory", **ON_THE_CONTROLLER},
    {
        "name": "Only the user who runs Ansible can read the token",
        "ansible.builtin.assert": {"that": ["found.files | map(attribute='mode') | list == ['0600']", "directory.stat.mode == '0700'"]},
        **ON_THE_CONTROLLER,
    },
]


@pytest.mark.rare
def test_one_login_serves_every_task_and_every_application_of_the_role_and_no_output_or_file_keeps_it(shell):
    """The service allows one login a minute here, so that a second one fails."""
    shell.atlas.state.settings.token_requests_per_minute = 1
    for user in ("alpha", "beta"):
        shell.atlas.call(shell.atlas.state.add_user, DEMO_PROJECT, user)
    tasks = [LOGIN, LIST, role("alpha", shell.folder), *LOOK_AT_THE_LOGIN, role("beta", shell.folder)]
    shell.play(tasks, "-vvv", post_tasks=[LOGOUT], module_defaults={"group/atlas.x509.atlas": {"retries": 0}})
    assert shell.tokens() == (1, 1)
    assert not shell.atlas.state.tokens
    assert shell.atlas.state.counters.issued == 2
    assert shell.files() == []


@pytest.mark.heavy
def test_without_it_the_second_task_meets_the_limit_of_logins(shell):
    shell.atlas.state.settings.token_requests_per_minute = 1
    output = shell.play([LIST, LIST], module_defaults={"group/atlas.x509.atlas": {"retries": 0}}, fails=True)
    assert "HTTP 429" in output
    assert shell.tokens() == (1, 1)


@pytest.mark.parametrize("strategy", ["linear", pytest.param("free", marks=pytest.mark.heavy)])
def test_forks_that_log_in_at_once_in_check_mode_too_make_one_login(shell, strategy):
    everywhere = [{key: value for key, value in task.items() if key not in ON_THE_CONTROLLER} for task in (LOGIN, LIST)]
    account = {"client_id": DEMO_CLIENT_ID, "client_secret": "{{ vaulted }}", "base_url": shell.atlas.url, "project_id": DEMO_PROJECT}
    password = shell.folder / "password"
    password.write_text("correct horse battery staple")
    vaulted = shell.folder / "vaulted.yml"
    vaulted.write_text(yaml.safe_dump({"vaulted": DEMO_CLIENT_SECRET}))
    shell.run("ansible-vault", "encrypt", "--vault-password-file", password, vaulted)
    assert DEMO_CLIENT_SECRET not in vaulted.read_text()

    names = [f"web{number}" for number in range(3)]
    output = shell.play(
        everywhere, "--check", "--vault-password-file", password, "-f", "3",
        hosts=names, strategy=strategy, vars_files=["vaulted.yml"], module_defaults={"group/atlas.x509.atlas": account},
        environment=dict.fromkeys(ACCOUNT, ""),
    )  # fmt: skip
    assert len(re.findall(r"ok=2 +changed=0 .* failed=0", output)) == 3
    assert shell.tokens() == (1, 0)
    assert shell.atlas.state.counters.lists == 3


@pytest.mark.heavy
def test_a_token_that_a_task_has_made_can_be_used_by_all(shell):
    make = {
        "name": "Make a token",
        "ansible.builtin.uri": {
            "url": f"{shell.atlas.url}/api/oauth/token",
            "method": "POST",
            "body_format": "form-urlencoded",
            "body": {"grant_type": "client_credentials"},
            "url_username": DEMO_CLIENT_ID,
            "url_password": DEMO_CLIENT_SECRET,
            "force_basic_auth": True,
        },
        "no_log": True,
        "register": "made",
        **ON_THE_CONTROLLER,
    }
    defaults = {"group/atlas.x509.atlas": {"access_token": "{{ made.json.access_token }}"}}
    shell.play([make, {"name": "Use it", "module_defaults": defaults, "block": [LOGIN, LIST, LIST]}], "-v")
    assert shell.tokens() == (1, 0)
    assert shell.atlas.state.counters.lists == 2


@pytest.mark.heavy
def test_a_login_that_is_refused_says_so_once(shell):
    output = shell.play([LOGIN, LIST], fails=True, environment={"MONGODB_ATLAS_CLIENT_SECRET": "another-secret"})
    assert "HTTP 401" in output
    assert shell.atlas.state.counters.lists == 0
    assert shell.files() == []


@pytest.mark.heavy
def test_the_place_of_the_login_is_not_for_users_to_choose(shell):
    output = shell.ad_hoc("atlas_user_cert_info", "username=app login_dir=/tmp", fails=True)
    assert "login_dir: is filled by the action plugin" in output
    assert shell.atlas.state.counters.requests == 0


@pytest.mark.heavy
def test_sixty_applications_of_the_role_need_one_login_and_not_sixty(shell):
    """In the steady state, in which applications follow each other most quickly. What happens without it: the test of the limit above."""
    users = [f"app{number}" for number in range(60)]
    for user in users:
        shell.atlas.call(shell.atlas.state.add_user, DEMO_PROJECT, user)
        path = shell.folder / f"{user}.pem"
        path.write_text(shell.atlas.state.pem(shell.atlas.call(shell.atlas.state.add_certificate, DEMO_PROJECT, user, days_left=80)))
        path.chmod(0o600)
    output = shell.play([LOGIN, *[role(user, shell.folder) for user in users], LOGOUT], seconds=3000)
    assert re.search("changed=0 .* failed=0", output)
    assert shell.tokens() == (1, 1)
    assert shell.atlas.state.counters.lists == 60
    assert not shell.atlas.state.tokens


# Ad hoc


def test_a_list_is_readable_fits_on_a_line_and_can_be_piped(shell):
    for days in (79.5, 9.5):  # issued in this order: what is listed first at Atlas is not the newest
        shell.atlas.call(shell.atlas.state.add_certificate, DEMO_PROJECT, "app", days_left=days)
    shell.atlas.call(shell.atlas.state.add_user, DEMO_PROJECT, "late")
    output = shell.ad_hoc("atlas_user_cert_info", "usernames=app,late", "-o", "-t", "out")
    (line,) = [line for line in output.splitlines() if line.startswith("localhost | SUCCESS => ")]
    assert len(line) < 1600, "two certificates and two users"
    result = json.loads(line.partition(" => ")[2])
    assert [one["days_left"] for one in result["certificates"]] == [9, 79]
    assert [(one["username"], one["count"], one["days_left"]) for one in result["users"]] == [("app", 2, 79), ("late", 0, None)]
    (file,) = (shell.folder / "out").iterdir()
    kept = json.loads(file.read_text())
    assert (file.name, kept["certificates"], kept["users"]) == ("localhost", result["certificates"], result["users"])

    output = shell.ad_hoc("atlas_user_cert_info", "username=app", ANSIBLE_CALLBACK_RESULT_FORMAT="yaml")
    assert re.search(r"^ +days_left: 9$(.|\n)*^ +days_left: 79$", output, re.MULTILINE), "readable, the newest last"
    assert re.search(r"msg: .?app: 2 unexpired certificates; the newest expires at \S+Z \(79 days left\)", re.sub(r"\s+", " ", output))
    assert shell.tokens() == (2, 2)


@pytest.mark.heavy
@pytest.mark.skipif(not JSON_CALLBACK.exists(), reason="needs the collection ansible.posix: make adhoc")
def test_the_json_callback_gives_json_from_beginning_to_end_and_no_secret(shell):
    callback = {
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(map(str, (COLLECTIONS, MORE_COLLECTIONS))),
        "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true",
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",  # the test reads both outputs as one
    }

    def result_of(*words, **more):
        (play,) = json.loads(shell.ad_hoc(*words, **callback, **more))["plays"]
        return play["tasks"][0]["hosts"]["localhost"]

    issued = result_of("atlas_user_cert", f"username=app path={shell.folder}/mongodb.pem client_id={DEMO_CLIENT_ID} client_secret={DEMO_CLIENT_SECRET}", "-D")
    assert issued["changed"] and issued["decision"] == "issue"
    listed = result_of("atlas_user_cert_info", "username=app")
    assert listed["certificates"][-1]["serial_number"] == issued["certificate"]["serial_number"]
    refused = result_of("atlas_user_cert_info", "username=nobody-of-that-name", fails=True)
    assert refused["failed"] and "there is no database user" in refused["msg"]


def test_one_line_keeps_a_certificate_and_check_mode_says_the_same(shell):
    path = shell.folder / "mongodb.pem"
    words = f"username=app path={path} owner={getpass.getuser()} renew_before=30d"
    said = shell.ad_hoc("atlas_user_cert", words, "-C", "-D")
    assert not path.exists()
    assert shell.atlas.state.counters.posts == 0
    done = shell.ad_hoc("atlas_user_cert", words, "-D")
    (serial,) = [entry.issued for entry in shell.atlas.state.journal if entry.issued]
    for output, there in ((said, "(issued by Atlas in the real run)"), (done, str(serial))):
        assert f"+serial_number: {there}\n" in output
        assert "+reason: none_unexpired" in output
    foreseen, true = (json.loads(output.partition("localhost | CHANGED => ")[2]) for output in (said, done))
    same = {"changed", "decision", "reason", "path", "orphaned", "superseded"}
    assert {name: foreseen[name] for name in same} == {name: true[name] for name in same}
    assert foreseen["msg"] == "app: would issue a certificate, because Atlas lists no unexpired certificate"
    assert true["msg"].startswith(foreseen["msg"].replace("would issue a certificate", f"issued certificate {serial}"))
    again = shell.ad_hoc("atlas_user_cert", words, "-C", "-D")
    assert "localhost | SUCCESS => " in again
    assert "serial_number:" not in again
    assert shell.atlas.state.counters.issued == 1


@pytest.mark.heavy
def test_a_long_audit_says_how_far_it_is_with_v_and_only_then(shell):
    """Six lists, one after the other, each answered after a second: long enough for a word every two seconds."""
    users = [f"app{number}" for number in range(6)]
    for user in users:
        shell.atlas.call(shell.atlas.state.add_user, DEMO_PROJECT, user)
    shell.atlas.fault("delay", seconds=1, match={"method": "GET"}, times=None)
    words = f"usernames={','.join(users)} concurrency=1"
    no_inventory = {"ANSIBLE_INVENTORY_UNPARSED_WARNING": "false"}  # of which Ansible would warn
    quiet = shell.ad_hoc("atlas_user_cert_info", words, **no_inventory)
    watched = shell.ad_hoc("atlas_user_cert_info", words, "-v", **no_inventory)
    told = re.findall(r"^<[^>]+> ([1-5]) of 6 lists read", watched, re.MULTILINE)
    assert told and told == sorted(told)
    assert watched.index("lists read") < watched.index("localhost | SUCCESS => ")
    assert "lists read" not in quiet
    assert "WARNING" not in quiet + watched
    assert '"total_count": 0' in quiet
    assert shell.files() == []


class Door:
    """A place where ssh would knock: it counts, and lets nobody in."""

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        return self

    def __exit__(self, *_exception):
        self._listener.close()

    def knocks(self):
        try:
            self._listener.accept()[0].close()
        except BlockingIOError:
            return 0
        return 1 + self.knocks()


@pytest.mark.parametrize(
    ("module", "credentials", "more"),
    [
        ("atlas_user_cert", "", ["--become"]),
        pytest.param("atlas_user_cert", f" client_id={DEMO_CLIENT_ID} client_secret={DEMO_CLIENT_SECRET} force=true", [], marks=pytest.mark.heavy),
        pytest.param("atlas_user_cert_info", "", ["-C"], marks=pytest.mark.heavy),
        pytest.param("atlas_login", "", [], marks=pytest.mark.heavy),
    ],
)
def test_by_mistake_against_a_group_of_hosts_it_is_refused_and_nobody_is_even_called(shell, module, credentials, more):
    own = {"atlas_user_cert": "username=app path=/etc/app/mongodb.pem", "atlas_user_cert_info": "username=app", "atlas_login": ""}
    with Door() as door:
        group = {"web": {"hosts": dict.fromkeys(("web1", "web2", "web3")), "vars": {"ansible_host": "127.0.0.1", "ansible_port": door.port}}}
        (shell.folder / "inventory.yml").write_text(yaml.safe_dump(group))
        output = shell.ad_hoc(module, own[module] + credentials, "-i", "inventory.yml", *more, hosts="web", fails=True)
        assert door.knocks() == 0, "the connection was opened"
        shell.run("ansible", "web", "-i", "inventory.yml", "-m", "ansible.builtin.ping", fails=True, ANSIBLE_SSH_RETRIES="0")
        assert door.knocks() > 0, "this would have shown nothing"
    assert output.count(f'"msg": "atlas.x509.{module} works with the credentials of Atlas, so it runs on the controller') == 3
    assert shell.atlas.state.counters.requests == 0


@pytest.mark.heavy
def test_what_ansible_shows_of_a_line_or_a_playbook_that_failed_holds_no_secret(shell):
    """ansible-core 2.19 and later show the source of a task that fails: so with the secret in front, and on one line, and just before the task."""
    secret = "mdb_sa_sk_0f-Nobody"
    account = {"client_secret": secret, "client_id": DEMO_CLIENT_ID}
    words = " ".join(f"{name}={value}" for name, value in account.items())
    said = [
        shell.ad_hoc("atlas_user_cert_info", words, fails=True),
        shell.ad_hoc("atlas_user_cert_info", words, "-i", "somewhere,", hosts="somewhere", fails=True),
    ]
    inline = f"- hosts: localhost\n  gather_facts: false\n  tasks:\n    - atlas.x509.atlas_login: {json.dumps(account)}\n"
    before = "- hosts: localhost\n  gather_facts: false\n  module_defaults:\n    group/atlas.x509.atlas:\n"
    before += f"      client_id: {DEMO_CLIENT_ID}\n      client_secret: {secret}\n  tasks:\n    - atlas.x509.atlas_user_cert_info:\n"
    for number, text in enumerate((inline, before)):
        (shell.folder / f"{number}.yml").write_text(text)
        said.append(shell.run("ansible-playbook", f"{number}.yml", fails=True))
    assert ["does not know this service account" in output for output in said] == [True, False, True, True]
    assert [output for output in said if secret[:14] in output] == []


ALL_AT_ONCE = {"atlas.x509.atlas_user_cert": {"username": "app", "path": "{{ folder }}/{{ file | default(inventory_hostname) }}.pem"}}


@pytest.mark.parametrize(
    ("file", "more", "outcome"),
    [
        pytest.param("same", {"force": True}, {"ok": 3, "failed": 0}, marks=pytest.mark.heavy),
        (None, {"on_orphan": "reissue"}, {"ok": 1, "failed": 2}),
    ],
)
def test_hosts_that_are_this_machine_get_one_certificate_and_not_one_each(shell, file, more, outcome):
    """All three ask at the same moment, with options that would issue in any case."""
    shell.atlas.fault("delay", seconds=1, match={"method": "POST"}, times=None)
    task = {"name": "Ask", "atlas.x509.atlas_user_cert": {**ALL_AT_ONCE["atlas.x509.atlas_user_cert"], **more}}
    variables = {"folder": str(shell.folder), **({"file": file} if file else {})}
    output = shell.play([task], "-f", "3", hosts=["web1", "web2", "web3"], vars=variables, fails=bool(outcome["failed"]))
    assert shell.atlas.state.counters.issued == 1
    assert len(list(shell.folder.glob("*.pem"))) == 1
    assert len(re.findall(r": ok=1 ", output)) == outcome["ok"]
    assert len(re.findall(r"and it does not issue one for each host: write run_once: true", output)) >= outcome["failed"]


@pytest.mark.heavy
def test_hosts_that_are_this_machine_with_a_project_each_get_one_certificate_for_each_project(shell):
    """Their environment says which project is meant, and in each there is a certificate already, whose key nobody holds."""
    other = shell.atlas.call(shell.atlas.state.add_project, None, "billing").project_id
    shell.atlas.call(shell.atlas.state.add_user, other, "app")
    for project in (DEMO_PROJECT, other):
        shell.atlas.call(shell.atlas.state.add_certificate, project, "app", days_left=80)
    which = {"MONGODB_ATLAS_PROJECT_ID": f"{{{{ '{other}' if inventory_hostname == 'web3' else '{DEMO_PROJECT}' }}}}"}
    ask = {**ALL_AT_ONCE["atlas.x509.atlas_user_cert"], "force": True, "path": f"{shell.folder}/{{{{ inventory_hostname }}}}.pem"}
    task = {"name": "Ask", "atlas.x509.atlas_user_cert": ask, "environment": which}
    output = shell.play([task], "-f", "3", hosts=["web1", "web2", "web3"], fails=True)
    issued = [entry.project_id for entry in shell.atlas.state.journal if entry.issued]
    assert sorted(issued) == sorted([DEMO_PROJECT, other]), output


@pytest.mark.heavy
def test_a_group_that_is_made_local_on_the_command_line_gets_one_certificate_too(shell):
    group = {"web": {"hosts": dict.fromkeys(("web1", "web2", "web3")), "vars": {"ansible_python_interpreter": sys.executable}}}
    (shell.folder / "inventory.yml").write_text(yaml.safe_dump(group))
    words = f"username=app force=true path={shell.folder}/mongodb.pem"
    output = shell.ad_hoc("atlas_user_cert", words, "-i", "inventory.yml", "-c", "local", "-f", "3", hosts="web")
    assert shell.atlas.state.counters.issued == 1
    assert len(re.findall(r"^web\d \| CHANGED => ", output, re.MULTILINE)) == 1
    assert len(re.findall(r"^web\d \| SUCCESS => ", output, re.MULTILINE)) == 2


@pytest.mark.heavy
def test_what_nobody_waits_for_does_not_issue_for_several_hosts(shell):
    task = {"name": "Ask", **ALL_AT_ONCE, "async": 60, "poll": 0}
    output = shell.play([task], hosts=["web1", "web2"], vars={"folder": str(shell.folder)}, fails=True)
    assert "'async' lets the 2 hosts of the play ask for a certificate at the same moment" in output
    assert shell.atlas.state.counters.requests == 0


# A machine that reaches the service, for a controller that does not


@pytest.mark.heavy
@pytest.mark.skipif(missing() is not None, reason=f"hosts over SSH: {missing()}")
def test_a_task_can_be_delegated_to_a_bastion_on_purpose_and_logs_in_there_by_itself(shell):
    with SshHosts(shell.folder / "ssh", ["bastion"], network=43) as hosts:
        (shell.folder / "bastion.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts.inventory}}))
        there = {"delegate_to": "bastion", "run_once": True}
        account = {"client_id": DEMO_CLIENT_ID, "client_secret": DEMO_CLIENT_SECRET, "base_url": shell.atlas.url, "project_id": DEMO_PROJECT}
        tasks = [
            LOGIN,
            {"name": "Ask", "atlas.x509.atlas_user_cert": {"username": "app", "path": f"{hosts.path}/mongodb.pem"}, **there},
            LOGOUT,
            {"name": "Log in", "atlas.x509.atlas_login": {}, **there, "ignore_errors": True},
        ]
        defaults = {"group/atlas.x509.atlas": account}
        output = shell.play(tasks, "-vvv", "-i", "bastion.yml", hosts=["web1"], module_defaults=defaults, become=True)
        assert stat.S_IMODE((hosts.files("bastion") / "mongodb.pem").stat().st_mode) == 0o600
    assert "the login is shared on the controller, so it cannot be delegated to bastion" in output
    assert shell.atlas.state.counters.issued == 1
    assert shell.tokens() == (2, 2)
