# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write every result as a callback gets it, before any of Ansible's own displays shortens it: what a plugin of a user may store."""

from __future__ import annotations

import json
import os

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: everything
type: aggregate
short_description: Every result, whole
description: Appends every result to the file that LEAKS_EVENTS names, as JSON.
"""


class CallbackModule(CallbackBase):
    """Appends to the file that LEAKS_EVENTS names."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "everything"
    CALLBACK_NEEDS_ENABLED = True

    def v2_on_any(self, *arguments, **_more):
        with open(os.environ["LEAKS_EVENTS"], "a", encoding="utf-8") as events:
            for argument in arguments:
                result = getattr(argument, "_result", None)
                if result is not None:
                    events.write(json.dumps(result, default=repr) + "\n")
