# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.atlas.x509.plugins.action.atlas_user_cert import ActionModule as _ActionModule


class ActionModule(_ActionModule):
    """The same care: reading needs the credentials too."""
