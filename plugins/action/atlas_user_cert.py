# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible_collections.atlas.x509.plugins.plugin_utils._refusal import is_controller, wrong_machine, wrong_strategy, wrong_user, wrong_wait
from ansible_collections.atlas.x509.plugins.plugin_utils._source import hide_source
from ansible_collections.atlas.x509.plugins.plugin_utils._turn import turn


class ActionModule(ActionBase):
    """Run the module where the credentials are, and nowhere else, one host after the other, and say where this run's login may lie."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        hide_source(self._task)
        reason = self.refusal(task_vars)
        if reason:
            return dict(result, failed=True, msg=reason)
        arguments = dict(self._task.args)
        if is_controller(self._connection):
            arguments["login_dir"] = constants.DEFAULT_LOCAL_TMP  # 0700, shared by the forks of this run, removed at its end
        result.update(self.execute(arguments, task_vars))
        given = result.get("invocation", {}).get("module_args", {})
        for option in ("hosts", "elsewhere"):
            if given.get(option):
                given[option] = "({0} looks)".format(len(given[option]))  # a job event need not hold them again
        return result

    def refusal(self, task_vars):
        """Why nothing may be sent; None when it may."""
        if "login_dir" in self._task.args:
            return "login_dir: is filled by the action plugin"
        reason = wrong_machine(self._task, self._connection) or wrong_user(self._task, self._becomes_another())
        if self._task.args.get("hosts") is not None:
            reason = reason or wrong_strategy(self._task)
        return reason or (wrong_wait(self._task, task_vars) if self.issues else None)

    def _becomes_another(self):
        """Whether Ansible will become another user for this task: not root as root, unless it is told to."""
        if not self._connection.become:
            return False
        return constants.BECOME_ALLOW_SAME_USER or self.get_become_option("become_user") != self._get_remote_user()

    @property
    def issues(self):
        """Whether this task may issue."""
        return not self._task.check_mode

    def execute(self, arguments, task_vars):
        """Run the module, in turn when it may issue."""
        if not self.issues:
            return self._module(arguments, task_vars)
        with turn(constants.DEFAULT_LOCAL_TMP, arguments, self._environment(), self._task._uuid, task_vars["inventory_hostname"]) as mine:
            mine.restrain(arguments)
            result = self._module(arguments, task_vars)
            mine.record(result)
        return result

    def _environment(self):
        """What the module will find around it, as far as that is known here: 'environment' may say another thing for each host."""
        more = {}
        self._compute_environment_string(more)
        return {**os.environ, **more}

    def _module(self, arguments, task_vars):
        wrap_async = self._task.async_val and not self._connection.has_native_async
        result = self._execute_module(module_name=self._task.action, module_args=arguments, task_vars=task_vars, wrap_async=wrap_async)
        if not wrap_async:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result
