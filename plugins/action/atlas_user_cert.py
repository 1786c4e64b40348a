# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible_collections.atlas.x509.plugins.plugin_utils._refusal import is_controller, wrong_machine, wrong_strategy


class ActionModule(ActionBase):
    """Run the module where the credentials are, and nowhere else, and say where this run's login may lie."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        reason = self.refusal()
        if reason:
            return dict(result, failed=True, msg=reason)
        arguments = dict(self._task.args)
        if is_controller(self._connection):
            arguments["login_dir"] = constants.DEFAULT_LOCAL_TMP  # 0700, shared by the forks of this run, removed at its end
        wrap_async = self._task.async_val and not self._connection.has_native_async
        result.update(self._execute_module(module_name=self._task.action, module_args=arguments, task_vars=task_vars, wrap_async=wrap_async))
        given = result.get("invocation", {}).get("module_args", {})
        for option in ("hosts", "elsewhere"):
            if given.get(option):
                given[option] = "({0} looks)".format(len(given[option]))  # a job event need not hold them again
        if not wrap_async:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def refusal(self):
        """Why nothing may be sent; None when it may."""
        if "login_dir" in self._task.args:
            return "login_dir: is filled by the action plugin"
        return wrong_machine(self._task, self._connection) or (wrong_strategy(self._task) if self._task.args.get("hosts") is not None else None)
