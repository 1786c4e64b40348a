# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two libraries that the API modules need, and the sentence for whoever lacks them.

They are imported when they are asked for, not with this file: what runs on managed hosts has neither, and
reading a list needs no cryptography.
"""

import importlib
import re
import sys
from types import ModuleType

from ansible_collections.atlas.x509.plugins.module_utils._errors import MissingLibrary

# The oldest that the tests run with. requests 2.28 takes 1.21.1 as well, and what an untested one makes of a lost answer nobody knows.
_URLLIB3 = (1, 26)


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


def requests() -> ModuleType:
    """``requests``, or :class:`MissingLibrary` when it works with a urllib3 that may lose an answer unnoticed."""
    found = library("requests")
    version = str(found.packages.urllib3.__version__)
    if tuple(int(number) for number in re.findall("[0-9]+", version)[:2]) < _URLLIB3:
        raise MissingLibrary(
            "urllib3 {0}, which the Python library 'requests' works with for {1}, is too old: only from {2} on is it tested that no answer is lost "
            "unnoticed, and a private key is sent only once. Update it with '{1} -m pip install --upgrade \"urllib3>={2}\"', or add 'urllib3>={2}' to the "
            "Python requirements of the execution environment".format(version, sys.executable or "python", ".".join(map(str, _URLLIB3)))
        )
    return found
