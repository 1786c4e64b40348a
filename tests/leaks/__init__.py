# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Search everything that Ansible prints, writes and passes around for keys and credentials (docs/security.md)."""
