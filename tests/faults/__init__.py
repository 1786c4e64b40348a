# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults made for real: processes killed, disks filled, connections cut; and what is true of the world afterwards."""
