# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Log in to MongoDB with a PEM, with whichever client the host has: ``pymongo``, or else ``mongosh``.

Runs on managed hosts: Python 3.6 and later. ``pymongo`` is imported only when somebody asks for a login.
"""

import json
import os
import re
import shutil
import tempfile
import threading
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional
from urllib.parse import urlsplit

from ansible_collections.atlas.x509.plugins.module_utils._der import rfc4514
from ansible_collections.atlas.x509.plugins.module_utils._errors import OptionError, PemError

PATIENCE = 30
"""Seconds within which a server must be found; ``mongosh`` gets as long again to start."""

_MECHANISM, _SOURCE = "MONGODB-X509", "$external"
_STATUS = "connectionStatus"
_ASK = "JSON.stringify(db.getSiblingDB('{0}').runCommand({{{1}: 1}}))".format(_SOURCE, _STATUS)
_LONGEST_REASON = 300  # characters


class Trial(NamedTuple):
    """A login that must succeed: at which server. ``run`` is ``run_command`` of the module that asks for it, should a program log in."""

    uri: str
    run: Callable[..., Any]


class Client(NamedTuple):
    """What logs in: the module ``pymongo``, or the path of ``mongosh``. One of the two is None."""

    pymongo: Any = None
    mongosh: Optional[str] = None

    @property
    def name(self) -> str:
        """For messages."""
        return "pymongo" if self.pymongo else "mongosh"


def check_uri(uri: Optional[str]) -> Optional[str]:
    """The connection string as it was given, None for an empty one; :class:`OptionError` when it is none, or holds credentials of its own."""
    if not uri:
        return None
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise OptionError("verify_uri: not a connection string") from None  # not quoted: it may hold a password
    if parts.scheme not in ("mongodb", "mongodb+srv") or not parts.netloc:
        raise OptionError("verify_uri: write mongodb+srv://host/ or mongodb://host:port/")
    if "@" in uri:  # anywhere: before a password with a slash in it, the host ends
        raise OptionError("verify_uri: holds a login of its own; leave it out, the PEM is what logs in (an @ that belongs there is written %40)")
    return uri


def misplaced_secrets(uri: Optional[str]) -> List[str]:
    """What must be masked although it does not belong there: a password, which is refused, and which Ansible would show as it was given."""
    user, _colon, password = (uri or "").rpartition("@")[0].rpartition("://")[2].partition(":")
    return [value for value in (password or user,) if value]


def trial(uri: Optional[str], run: Callable[..., Any]) -> Optional[Trial]:
    """The login that is asked for, if any; :class:`OptionError` as in :func:`check_uri`."""
    checked = check_uri(uri)
    return Trial(checked, run) if checked else None


def client() -> Client:
    """The client of this machine; :class:`OptionError` when it has none."""
    try:
        import pymongo

        return Client(pymongo=pymongo)
    except ImportError:
        mongosh = shutil.which("mongosh")
    if mongosh:
        return Client(mongosh=mongosh)
    raise OptionError("verify_uri: this host has neither pymongo (for the Python that runs modules) nor mongosh, so no login can be tried")


def obstacle(uri: Optional[str]) -> Optional[str]:
    """Why no login could be tried from here, as a sentence; None when nothing speaks against it, or none is wanted."""
    try:
        if uri:
            client()
    except OptionError as error:
        return error.message
    return None


def log_in(trial: Trial, pem_path: str, username: Optional[str]) -> None:
    """Log in with the certificate and key in this file; :class:`PemError` when that fails, or somebody else is logged in then."""
    with_what = client()
    try:
        status = _by_pymongo(with_what.pymongo, trial.uri, pem_path) if with_what.pymongo else _by_mongosh(with_what.mongosh or "", trial, pem_path)
        users = [one["user"] for one in status["authInfo"]["authenticatedUsers"]]
    except _Failed as error:
        raise PemError("the login with it failed ({0}: {1})".format(with_what.name, error)) from None
    except (KeyError, TypeError, ValueError):
        raise PemError("the login with it failed ({0}: the server does not say who is logged in)".format(with_what.name)) from None
    if not users or (username and rfc4514((("CN", username),)) not in users):
        raise PemError("the login with it failed ({0}: the server sees {1})".format(with_what.name, ", ".join(users) or "nobody"))


class _Failed(Exception):
    """The client's own words."""


def _by_pymongo(pymongo: Any, uri: str, pem_path: str) -> Dict[str, Any]:
    try:
        connection = pymongo.MongoClient(
            uri,
            tls=True,
            tlsCertificateKeyFile=pem_path,
            authMechanism=_MECHANISM,
            authSource=_SOURCE,
            serverSelectionTimeoutMS=PATIENCE * 1000,
            appname="atlas.x509",
        )
        try:
            return dict(connection[_SOURCE].command(_STATUS))
        finally:
            connection.close()
    except Exception as error:  # noqa: BLE001
        # Not only PyMongoError: a missing dnspython, a bad option and a broken CA file each have errors of their own.
        raise _Failed(_first_line(str(error)) or type(error).__name__) from None


def _by_mongosh(program: str, trial: Trial, pem_path: str) -> Dict[str, Any]:
    # It keeps a history and a log in its home.
    home = tempfile.mkdtemp()
    command = [
        program, trial.uri, "--quiet", "--norc", "--tls", "--tlsCertificateKeyFile", pem_path, "--authenticationMechanism", _MECHANISM,
        "--authenticationDatabase", _SOURCE, "--eval", _ASK,
    ]  # fmt: skip
    limit = _Limit(2 * PATIENCE)
    try:
        with _no_input():
            code, out, err = trial.run(
                command,
                environ_update={"HOME": home, "MONGOSH_FORCE_DISABLE_TELEMETRY_FOR_TESTING": "1"},
                expand_user_and_vars=False,  # a dollar in a path or in the connection string is just that
                before_communicate_callback=limit.watch,
                handle_exceptions=False,
            )
    except OSError as error:
        raise _Failed(error.strerror or "it cannot be run") from None
    finally:
        limit.lift()
        shutil.rmtree(home, ignore_errors=True)
    if limit.passed:
        raise _Failed("no answer within {0} s".format(2 * PATIENCE))
    if code != 0:
        raise _Failed(_first_line(err) or _first_line(out) or "it ended with {0}".format(code))
    status = json.loads((out.strip().splitlines() or [""])[-1])
    return status if isinstance(status, dict) else {}


@contextmanager
def _no_input() -> Iterator[None]:
    """Let a program that is started now find nothing to read, where it would inherit the standard input of the module.

    Not by ``data`` of ``run_command``: one that ends at once breaks the pipe, and what it said would be lost.
    """
    own, nothing = os.dup(0), os.open(os.devnull, os.O_RDONLY)
    try:
        os.dup2(nothing, 0)
        yield
    finally:
        os.dup2(own, 0)
        os.close(own)
        os.close(nothing)


class _Limit:
    """The end, in seconds, of a program that does not find its own: ``run_command`` would wait for ever."""

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._seconds = seconds
        self._timer = None  # type: Optional[threading.Timer]

    def watch(self, process: Any) -> None:
        """From now on."""
        self._timer = threading.Timer(self._seconds, self._end, [process])
        self._timer.daemon = True
        self._timer.start()

    def lift(self) -> None:
        """It has ended, or it never began."""
        if self._timer:
            self._timer.cancel()

    def _end(self, process: Any) -> None:
        self.passed = True
        process.kill()


def _first_line(text: str) -> str:
    """Without what pymongo adds: the whole answer of the server, and every server it looked for."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return re.split(r", full error: |, Timeout: ", lines[0])[0][:_LONGEST_REASON] if lines else ""
