# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One line in a shell, and one login per play: real commands, real HTTP to a fake Atlas."""

from __future__ import annotations

import re
import sys

import pytest
import yaml
from fake_atlas import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, DEMO_PROJECT, FakeAtlas

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

    def play(self, tasks, *more, hosts=("web1",), fails=False, seconds=300, environment=(), **keywords):
        """Run tasks on hosts that are this machine."""
        inventory = {"all": {"hosts": dict.fromkeys(hosts, HERE)}}
        play = {"hosts": "all", "gather_facts": False, "tasks": tasks, **keywords}
        (self.folder / "inventory.yml").write_text(yaml.safe_dump(inventory))
        (self.folder / "play.yml").write_text(yaml.safe_dump([play]))
        return self.run("ansible-playbook", "-i", "inventory.yml", "play.yml", *more, fails=fails, seconds=seconds, **dict(environment))

    def run(self, *command, fails=False, seconds=300, **environment):
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


def test_a_login_that_is_refused_says_so_once(shell):
    output = shell.play([LOGIN, LIST], fails=True, environment={"MONGODB_ATLAS_CLIENT_SECRET": "another-secret"})
    assert "HTTP 401" in output
    assert shell.atlas.state.counters.lists == 0
    assert shell.files() == []


def test_the_place_of_the_login_is_not_for_users_to_choose(shell):
    output = shell.ad_hoc("atlas_user_cert_info", "username=app login_dir=/tmp", fails=True)
    assert "login_dir: is filled by the action plugin" in output
    assert shell.atlas.state.counters.requests == 0


@pytest.mark.heavy
@pytest.mark.parametrize("logged_in", [True, False])
def test_sixty_applications_of_the_role_stay_below_fifty_logins_a_minute(shell, logged_in):
    """The fake's limit is the real one. Without a login, the same play is slowed down by it: the control."""
    users = [f"app{number}" for number in range(60)]
    for user in users:
        shell.atlas.call(shell.atlas.state.add_user, DEMO_PROJECT, user)
    around = ([LOGIN], [LOGOUT]) if logged_in else ([], [])
    tasks = [role(user, shell.folder) for user in users]
    shell.play(around[0] + tasks + around[1], seconds=1500)
    made, revoked = shell.tokens()
    assert made == revoked == (1 if logged_in else 120)
    assert shell.atlas.state.counters.issued == 60
    assert not shell.atlas.state.tokens
