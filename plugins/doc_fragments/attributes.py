# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The attributes that modules of this collection share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
"""

    CHANGES = r"""
attributes:
  check_mode:
    description: Reads the same, decides the same and says the same, and writes nothing.
    support: full
  diff_mode:
    description: Shows the serial number and the dates before and after. Never a key.
    support: full
"""

    INFO = r"""
attributes:
  check_mode:
    description: The module changes nothing, so it does in check mode what it always does.
    support: full
  diff_mode:
    description: The module changes nothing, so there is nothing to show.
    support: none
"""
