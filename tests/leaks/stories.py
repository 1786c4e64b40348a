# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the runs do: plays that let every module and the role succeed, change nothing, foresee, refuse and fail in every way."""

from __future__ import annotations

from typing import Any

from .world import World

Play = dict[str, Any]

FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "dropped": ("drop_before", {}),
    "dropped-after-issuing": ("drop_after", {}),
    "reset-after-issuing": ("drop_after", {"reset": True}),
    "cut": ("cut", {"after": 4000}),
    "failed-500": ("issue_then_status", {"status": 500}),
    "failed-503": ("issue_then_status", {"status": 503}),
    "late-proxy-page": ("issue_then_html", {"status": 502}),
    "proxy-page": ("html", {"status": 502}),
    "proxy-page-200": ("html", {"status": 200}),
    "proxy-page-403": ("issue_then_html", {"status": 403}),
    "silent": ("delay_answer", {"seconds": 3}),
    "trickling": ("trickle", {"bytes_per_second": 2000}),
    "reset": ("cut", {"after": 4000, "reset": True}),
    "limited": ("status", {"status": 429}),
    "maintenance": ("status", {"status": 405}),
    "redirect": ("redirect", {"location": "https://elsewhere.invalid/"}),
    **{
        variant: ("body", {"variant": variant})
        for variant in "empty certificate_only key_only other_user wrong_key expired other_project quoted envelope crlf chain ec_key encrypted_key "
        "garbage_bytes".split()
    },
    "huge": ("body", {"variant": "huge", "size": 2**20}),
}
"""What can happen to the answer of the POST, by the name of the user whom it befalls."""

LATE = ("silent", "trickling")
REPRESENTATIVE = ("dropped-after-issuing", "cut", "late-proxy-page", "wrong_key")


def modules(world: World, faults: tuple[str, ...] = REPRESENTATIVE, full: bool = True) -> list[Play]:
    """One play on the controller: each module, and every way to fail of the one that issues."""
    path = world.pems / "modules"
    path.mkdir(exist_ok=True)
    _troubles(world, path)
    tasks = [
        _issue("Foresee", path, "app", check_mode=True, diff=True),
        _issue("Issue", path, "app", diff=True),
        _issue("Refuse: a foreign file", path, "foreign"),
        _issue("The API key is wrong", path, "denied", private_api_key="{{ the_wrong_one }}"),
        _task("Place, in the background", "atlas_pem", src=f"{path}/app.pem", path=f"{path}/later.pem", async_=60),
    ]
    if full:
        tasks += [
            _issue("Keep", path, "app"),
            _issue("Issue once more", path, "app", force=True, backup=True),
            _issue("Refuse: nobody holds the key", path, "orphan"),
            _issue("The token is wrong", path, "denied", access_token="{{ the_wrong_one }}"),
            _issue("The list is a proxy's page", path, "no-list", retries=0),
            _task("List", "atlas_user_cert_info", username="app"),
            _task("Look", "atlas_pem_info", path=f"{path}/app.pem", username="app"),
            _task("Place", "atlas_pem", src=f"{path}/app.pem", path=f"{path}/placed.pem", diff=True),
            _task("Place what is foreign", "atlas_pem", src=f"{path}/moved-away.pem", path=f"{path}/placed.pem"),
        ]
    for name in faults:
        action, options = FAULTS[name]
        tasks.append(_issue(f"The answer: {name}", path, world.user(name, action, **options), retries=0, timeout=1 if name in LATE else 60))
    return [_play("localhost", world, tasks)]


def credentials(world: World) -> list[Play]:
    """A service account and a token as options; wrong ones; one that may only read."""
    path = world.pems / "credentials"
    path.mkdir(exist_ok=True)
    for name in ("by-account", "by-token"):
        world.user(name)
    common = {"base_url": world.connection["base_url"], "project_id": world.connection["project_id"]}
    account = {"client_id": world.account[0], "client_secret": "{{ the_secret }}"}
    tasks = [
        _issue("With a service account", path, "by-account", **account),
        _issue("Keep, with a service account", path, "by-account", **account),
        _issue("With a token", path, "by-token", access_token="{{ the_token }}"),
        _issue("The client secret is wrong", path, "by-token", **{**account, "client_secret": "{{ the_wrong_one }}"}),
        _issue("Half a service account", path, "by-token", client_secret="{{ the_secret }}"),
        _issue("Two kinds at once", path, "by-token", **account, private_api_key="{{ the_key }}", public_api_key=world.api_key[0]),
        _issue("Blanks in a secret", path, "by-token", access_token="{{ the_token }} x"),
        _issue("A number that is none", path, "by-token", access_token="{{ the_token }}", timeout="soon"),
        _issue("A password in the URL", path, "by-token", **dict(account, base_url="https://user:{{ the_wrong_one }}@127.0.0.1:1")),
        _issue("An option that is none", path, "by-token", access_token="{{ the_token }}", no_such_option=True),
        _task("List all, with a service account", "atlas_user_cert_info", **account),
    ]
    play = _play("localhost", world, tasks)
    play["module_defaults"] = {"group/atlas.x509.atlas": common}
    return [play]


FORESEE, ISSUE, BRING = ("web1", True), ("web1", False), ("app", False)
"""What the role does on which hosts: foresee the first certificate, issue it for one host, bring it from there to the other."""


def role(world: World, steps: tuple[tuple[str, bool], ...] = (FORESEE, ISSUE, BRING), fault: str = "wrong_key", by_variables: bool = False) -> list[Play]:
    """Plays with the role: these steps, and at the end one that fails because the answer of the POST is bad (none without a ``fault``)."""
    for name in ("web1", "web2"):
        if name not in world.hosts:
            world.host(name)
    _add_user(world, "role-user")
    given = {"user_cert_parking_dir": f"{world.pems}/parking", **({"user_cert_connection": world.connection} if by_variables else {})}
    plays = [{**_play(hosts, world, [_role("role-user", check)], by_variables), "vars": given} for hosts, check in steps]
    if fault:
        action, options = FAULTS[fault]
        bad = {"user_cert_path": f"{world.pems}/{{{{ inventory_hostname }}}}-bad/mongodb.pem", **given}
        for host in world.hosts:
            (world.pems / f"{host}-bad").mkdir(exist_ok=True)
        tasks = [_role(world.user(f"role-{fault}", action, **options))]
        plays.append({**_play("web1", world, tasks, by_variables), "vars": bad})
    for play in plays[1:]:
        play["gather_facts"] = False
    return plays


def login(world: World) -> list[Play]:
    """One login for the tasks of a run: used, refused and taken back; then one that nobody takes back, which is the run's last."""
    (role_play,) = role(world, (BRING,), fault="")
    _add_user(world, "app")
    common = {"base_url": world.connection["base_url"], "project_id": world.connection["project_id"]}
    account = {"client_id": world.account[0], "client_secret": "{{ the_secret }}"}
    log_in = [
        _task("Log in", "atlas_login"),
        _task("Log in again", "atlas_login"),
        _task("The client secret is wrong", "atlas_login", client_secret="{{ the_wrong_one }}"),
        _task("List, with the login", "atlas_user_cert_info"),
        _issue("Issue, with the login", world.pems, "app"),
    ]
    plays = [_play("localhost", world, log_in), role_play, _play("localhost", world, [_task("Log out", "atlas_login", state="absent"), log_in[0]])]
    for play in plays:
        play["module_defaults"] = {"group/atlas.x509.atlas": {**common, **account}}
    return plays


def report(world: World) -> list[Play]:
    """The role that reports, on two hosts with a PEM: into files that are searched."""
    for name in ("reported", "never-issued"):
        world.user(name)
    world.hold(world.host("web1"), "reported", days_left=5)
    world.host("web2")
    files = {f"expiry_report_{kind}": f"{world.scratch}/what.{end}" for kind, end in (("html", "html"), ("prometheus", "prom"), ("markdown", "md"))}
    given = {"expiry_report_paths": ["{{ user_cert_path }}"], "expiry_report_connection": world.connection, **files}
    apply = {"name": "Report", "ansible.builtin.include_role": {"name": "atlas.x509.expiry_report"}}
    wrong = {"expiry_report_connection": {**world.connection, "private_api_key": "{{ the_wrong_one }}"}}
    refused = {"name": "Report in vain", "block": [{**apply, "vars": wrong}], "rescue": [{"name": "Go on", "ansible.builtin.debug": {"msg": "it failed"}}]}
    return [{**_play("app", world, [apply, refused], bare=True), "vars": given}]


def _troubles(world: World, path: Any) -> None:
    _add_user(world, "app")
    for name in ("orphan", "foreign", "denied"):
        world.user(name)
    world.user("no-list", "html", status=502, match={"method": "GET"})
    world.hold(path / "orphan.pem", "orphan", days_left=50)
    (path / "orphan.pem").rename(path / "moved-away.pem")
    world.hold(path / "foreign.pem", "denied", days_left=50)


def _add_user(world: World, name: str) -> None:
    if name not in world.atlas.state.project(world.connection["project_id"]).users:
        world.user(name)


def _play(hosts: str, world: World, tasks: list[Play], bare: bool = False) -> Play:
    return {
        "name": f"On {hosts}",
        "hosts": hosts,
        "gather_facts": True,
        "gather_subset": ["!all", "!min", "user"],
        "module_defaults": {} if bare else {"group/atlas.x509.atlas": world.connection},
        "vars_files": [world.vars_file],
        "tasks": tasks,
    }


def _issue(name: str, folder: Any, username: str, **options: Any) -> Play:
    return _task(name, "atlas_user_cert", username=username, path=f"{folder}/{username}.pem", **options)


def _task(name: str, module: str, async_: int = 0, check_mode: bool | None = None, diff: bool | None = None, **options: Any) -> Play:
    task = {"name": name, f"atlas.x509.{module}": options, "ignore_errors": True}
    task.update({key: value for key, value in (("check_mode", check_mode), ("diff", diff)) if value is not None})
    return {**task, "async": async_, "poll": 1} if async_ else task


def _role(username: str, check_mode: bool = False) -> Play:
    apply = {"apply": {"check_mode": True, "diff": True}} if check_mode else {}
    return {
        "name": f"Keep the certificate of {username}",
        "block": [
            {"name": "Apply the role", "ansible.builtin.include_role": {"name": "atlas.x509.user_cert", **apply}, "vars": {"user_cert_username": username}}
        ],
        "rescue": [{"name": "Go on", "ansible.builtin.debug": {"msg": "it failed"}}],
    }
