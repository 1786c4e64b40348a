# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of every module that puts a PEM somewhere. Runs on managed hosts: standard library only."""

from itertools import zip_longest
from typing import Any, Dict

ATTRIBUTES = {
    "mode": {"type": "raw", "default": "0600"},
    "owner": {"type": "str"},
    "group": {"type": "str"},
}  # type: Dict[str, Dict[str, Any]]

SPEC = dict(
    ATTRIBUTES,
    seuser={"type": "str"},
    serole={"type": "str"},
    setype={"type": "str"},
    selevel={"type": "str"},
    backup={"type": "bool", "default": False},
    on_foreign={"type": "str", "choices": ["fail", "replace"], "default": "fail"},
)  # type: Dict[str, Dict[str, Any]]


def label(module: Any, path: str, fresh: bool) -> bool:
    """Give the file at path its SELinux context; True when that changed it. Without SELinux nothing happens.

    ``fresh`` is for a file that a rename put there: it has the context of its old name, so what was not asked for
    becomes the default for the new one.
    """
    if not module.selinux_enabled():
        return False
    context = module.load_file_common_arguments(module.params, path)["secontext"]
    if fresh:
        context = [asked or usual for asked, usual in zip_longest(context, module.selinux_default_context(path))]
    return bool(module.set_context_if_different(path, context, False))
