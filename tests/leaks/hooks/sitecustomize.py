# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Loaded by every Python of a run. What goes to the system's log goes to a file, where it is searched; and LEAKS_BREAK makes a library raise,
inside the module's own process, an exception whose message holds as much as it can get at, or kills that process when it holds a key.
"""

import os
import signal
import sys
import syslog

_MODULE = "AnsiballZ_atlas_"


def _to_file(*arguments):
    with open(os.environ["LEAKS_SYSLOG"], "a", encoding="utf-8") as log:
        log.write("{0}\n".format(arguments[-1]))


def _raising(make):
    def raises(*arguments, **_more):
        raise make(*arguments)

    return raises


def _of_a_request(kind):
    """An exception of that kind with everything that a request holds: in its message, as an attribute and in its cause."""

    def make(_session, request, *_more):
        text = "{0} {1} {2} {3}".format(request.method, request.url, dict(request.headers), request.body)
        error = kind(text)
        error.request = request
        error.__cause__ = ValueError(text)
        return error

    return make


def _broken(point):
    import requests

    text = "{0!r}".format
    return {
        "send, by our own mistake": (requests.Session, "send", _of_a_request(KeyError)),
        "send, by requests": (requests.Session, "send", _of_a_request(requests.exceptions.InvalidHeader)),
        "send, by urllib3": (requests.Session, "send", _of_a_request(requests.packages.urllib3.exceptions.LocationParseError)),
        "digest": ("hashlib", "new", lambda *given: ValueError(text(given))),
        "basic": ("base64", "b64encode", lambda *given: ValueError(text(given))),
        "answer": ("json", "loads", lambda *given: RuntimeError(text(given))),
        "keep": ("os", "pwrite", lambda *given: RuntimeError(text([bytes(one) if isinstance(one, memoryview) else one for one in given]))),
        "check": ("cryptography.hazmat.primitives.serialization", "load_pem_private_key", lambda *given: RuntimeError(text(given))),
        "killed": ("cryptography.hazmat.primitives.serialization", "load_pem_private_key", lambda *_given: os.kill(os.getpid(), signal.SIGKILL)),
        "arrive": ("base64", "b64decode", lambda *given: RuntimeError(text(given))),
    }[point]


if os.environ.get("LEAKS_SYSLOG"):
    syslog.syslog = _to_file

if os.environ.get("LEAKS_BREAK") and any(_MODULE in argument for argument in getattr(sys, "orig_argv", [])):
    import importlib

    _place, _name, _make = _broken(os.environ["LEAKS_BREAK"])
    # Ansible uses some of these itself; what is broken is broken for our own code.
    _place = importlib.import_module(_place) if isinstance(_place, str) else _place
    _whole = getattr(_place, _name)

    def _broken_for_us(*arguments, **more):
        if _name == "send" or os.path.join("ansible_collections", "atlas") in sys._getframe(1).f_code.co_filename:
            return _raising(_make)(*arguments, **more)
        return _whole(*arguments, **more)

    setattr(_place, _name, _broken_for_us)
