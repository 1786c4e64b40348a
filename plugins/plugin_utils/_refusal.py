# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task must not do, and why: known on the controller, before anything is sent."""

from __future__ import annotations

from typing import Any


def is_controller(connection: Any) -> bool:
    """Whether what runs over this connection runs on the machine where Ansible runs."""
    return getattr(connection, "transport", "").rpartition(".")[2] == "local"


def wrong_machine(task: Any, connection: Any) -> str | None:
    """Why a module that holds credentials must not run there; None when it may.

    It may run on the controller, and wherever the task was delegated to: that is written down by somebody who meant it. Run by mistake
    against a group of hosts, it would send the credentials to each of them, and each would issue a certificate.
    """
    if is_controller(connection) or task.delegate_to:
        return None
    return (
        "{0} works with the credentials of Atlas, so it runs on the controller and not on the hosts of the play: "
        "write 'delegate_to: localhost' and 'run_once: true' on the task (ad hoc: 'ansible localhost -m ...'), or delegate it to the machine "
        "that may have the credentials. Nothing was sent"
    ).format(task.action)


def wrong_strategy(task: Any) -> str | None:
    """Why a decision for many hosts cannot be made under the play's strategy; None when it can."""
    strategy = str(getattr(getattr(task._parent, "_play", None), "strategy", ""))
    if strategy.rpartition(".")[2] not in ("free", "host_pinned"):
        return None
    return (
        "the play has 'strategy: {0}', under which hosts do not wait for each other: each would ask for a certificate of its own. "
        "Apply the role in a play with the strategy linear. Nothing was sent"
    ).format(strategy)


def wrong_wait(task: Any, task_vars: dict[str, Any]) -> str | None:
    """Why a task that nobody waits for must not issue for several hosts; None when it may."""
    hosts = len(task_vars.get("ansible_play_hosts_all") or ())
    if not task.async_val or task.run_once or hosts < 2:
        return None
    return (
        "'async' lets the {0} hosts of the play ask for a certificate at the same moment, and each would get one of its own: "
        "write run_once: true, or leave async out. Nothing was sent"
    ).format(hosts)


def wrong_user(task: Any, becomes_another: bool) -> str | None:
    """Why a task that is to become nobody else must not run when Ansible makes it; None when it may.

    Only ``-e`` beats the ``ansible_become: false`` of a task. The PEM would be kept by root, where nothing on the controller can read it.
    """
    if task.vars.get("ansible_become") is not False or not becomes_another:
        return None
    return (
        "'-e ansible_become=true' makes the tasks on the controller become another user too, and nothing beats it: "
        "write 'become: true' in the play, --become on the command line, or ansible_become in the inventory. Nothing was sent"
    )
