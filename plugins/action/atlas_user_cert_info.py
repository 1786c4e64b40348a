# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools

from ansible import constants
from ansible.utils.display import Display
from ansible_collections.atlas.x509.plugins.action.atlas_user_cert import ActionModule as _ActionModule
from ansible_collections.atlas.x509.plugins.plugin_utils._progress import read_along
from ansible_collections.atlas.x509.plugins.plugin_utils._refusal import is_controller

display = Display()


class ActionModule(_ActionModule):
    """The same care: reading needs the credentials too. With ``-v`` it says how far a long audit is, while it runs."""

    issues = False

    def _execute_module(self, **arguments):
        if not self._can_read_along():
            return super()._execute_module(**arguments)
        show = functools.partial(display.v, host=self._task.delegate_to or self._play_context.remote_addr)
        with read_along(constants.DEFAULT_LOCAL_TMP, show) as path:
            arguments["module_args"] = dict(arguments["module_args"], progress_path=path)
            return super()._execute_module(**arguments)

    def _can_read_along(self):
        """The file must be on this machine, and somebody must want to see it."""
        return display.verbosity > 0 and is_controller(self._connection) and not self._task.async_val and not self._task.args.get("progress_path")
