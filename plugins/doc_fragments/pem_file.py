# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of modules that put a PEM somewhere. Mirrors ``module_utils/_file_options.py``; a test compares the two."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  mode:
    description:
      - The permissions of the file, in octal and quoted, such as V('0600') or V('0640').
      - A mode that gives anything to everybody is refused, because the file holds a private key.
    type: raw
    default: '0600'
  owner:
    description:
      - The user who shall own the file, by name or number.
      - When it is not given, a file that is replaced keeps its owner.
    type: str
  group:
    description:
      - The group of the file, by name or number.
      - When it is not given, a file that is replaced keeps its group.
    type: str
  seuser:
    description: The user part of the SELinux context; the system's default for the path when not given.
    type: str
  serole:
    description: The role part of the SELinux context; the system's default for the path when not given.
    type: str
  setype:
    description: The type part of the SELinux context; the system's default for the path when not given.
    type: str
  selevel:
    description: The level part of the SELinux context; the system's default for the path when not given.
    type: str
  backup:
    description:
      - Whether to keep the file that is replaced, under a name with the date, with its owner and permissions.
      - A backup holds a private key that works until its certificate expires, and nothing removes backups by itself.
    type: bool
    default: false
  on_foreign:
    description:
      - What to do when the file holds something that is not a certificate of this user and project, such as another user's PEM or
        a private key alone.
      - V(fail) leaves it alone and fails. V(replace) replaces it and always keeps a backup.
    type: str
    choices: [fail, replace]
    default: fail
"""
