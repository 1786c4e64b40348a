# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where to read on when something went wrong."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
seealso:
  - name: Troubleshooting by message
    description: What each message means, and what to do.
    link: https://github.com/atlas-x509/atlas.x509/blob/main/docs/troubleshooting.md
  - name: A key is lost, or leaked
    description: What to do, in which order.
    link: https://github.com/atlas-x509/atlas.x509/blob/main/docs/lost-or-leaked.md
"""
