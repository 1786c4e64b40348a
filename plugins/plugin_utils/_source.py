# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Ansible shows of the source of a task that failed.

Since ansible-core 2.19 that is the arguments of an ad hoc line, as they were given, or some lines of the playbook, and nothing in them is masked.
"""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.atlas.x509.plugins.module_utils._options import SECRET_NAMES


def hide_source(task: Any) -> None:
    """Let Ansible show no source for this task, here in its worker, when a secret is written out in it. Templates of secrets may be shown."""
    secrets = [str(task.args[name]) for name in SECRET_NAMES if task.args.get(name)]
    if secrets and any(secret in _source(task) for secret in secrets):
        task._ds = None


def _source(task: Any) -> str:
    """The task as it stands, and the file around it: of the lines before it some are shown too."""
    path = str(task.get_path() or "").rpartition(":")[0]
    if not os.path.isfile(path):
        return str(task.get_ds())
    with open(path, encoding="utf-8", errors="replace") as file:
        return str(task.get_ds()) + file.read()
