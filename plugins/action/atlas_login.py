# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.atlas.x509.plugins.action.atlas_user_cert import ActionModule as _ActionModule
from ansible_collections.atlas.x509.plugins.plugin_utils._refusal import is_controller


class ActionModule(_ActionModule):
    """The same care, and only on the controller: the tasks of a run share its directory there, and nothing on another machine."""

    _supports_async = False
    issues = False

    def refusal(self, task_vars):
        reason = super().refusal(task_vars)
        if reason or is_controller(self._connection):
            return reason
        return (
            "the login is shared on the controller, so it cannot be delegated to {0}; a task that is delegated there logs in by itself. "
            "Nothing was sent"
        ).format(self._task.delegate_to)
