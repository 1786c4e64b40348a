# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A line for each task that did something, for a demonstration that fits on a screen."""

from __future__ import annotations

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: brief
type: stdout
short_description: A line for each task
description: Shows what each task did on which hosts, in one line, and the messages of the role.
"""

COLOURS = {"ok": "green", "changed": "yellow", "failed": "red", "unreachable": "red"}

# What these do is nothing that a person waits for.
BOOKKEEPING = ("include_tasks", "set_fact")


class CallbackModule(CallbackBase):
    """Collects the hosts of a task, and shows them when the next one starts."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "brief"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._task = None
        self._hosts = {}

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._show()
        self._task = task

    def v2_runner_on_ok(self, result):
        if result._task.action in ("ansible.builtin.debug", "debug"):
            self._hosts = {}
            self._display.display("  {0}".format(result._result["msg"]), color="cyan")
        elif result._task.action.rpartition(".")[2] not in BOOKKEEPING:
            self._note("changed" if result._result.get("changed") else "ok", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._note("failed", result)
        self._display.display("  {0}: {1}".format(result._host.get_name(), result._result.get("msg")), color="red")

    def v2_runner_on_unreachable(self, result):
        self._note("unreachable", result)

    def v2_playbook_on_stats(self, stats):
        self._show()
        hosts = sorted(stats.processed)
        self._display.display("")
        for host in hosts:
            summary = stats.summarize(host)
            status = "failed" if summary["failures"] or summary["unreachable"] else "changed" if summary["changed"] else "ok"
            self._display.display("  {0}: {1}".format(host, "unchanged" if status == "ok" else status), color=COLOURS[status])

    def _note(self, status, result):
        where = "(on the controller)" if result._task.delegate_to == "localhost" else result._host.get_name()
        self._hosts.setdefault(status, []).append(where)

    def _show(self):
        name = self._task.get_name().rpartition(" : ")[2].partition(" - ")[0] if self._task else ""
        for status, hosts in sorted(self._hosts.items()):
            self._display.display("  {0:<52} {1:<8} {2}".format(name[:52], status, " ".join(sorted(hosts))), color=COLOURS[status])
        self._hosts = {}
