# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two libraries that the API modules need, and the sentence for whoever lacks them.

They are imported when they are asked for, not with this file: what runs on managed hosts has neither, and
reading a list needs no cryptography.
"""

import importlib
import sys
from types import ModuleType

from ansible_collections.atlas.x509.plugins.module_utils._errors import MissingLibrary


def library(name: str) -> ModuleType:
    """The library of that name, or :class:`MissingLibrary` with the line that installs it for this very interpreter."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        distribution = name.partition(".")[0]
        raise MissingLibrary(
            "the Python library '{0}' is missing for {1} ({2}): install it with '{1} -m pip install {0}', or add '{0}' to the "
            "Python requirements of the execution environment".format(distribution, sys.executable or "python", error)
        ) from error
