# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What things cost, side by side in one run: ``python -m benchmark NAME``. docs/performance.md explains the columns."""
