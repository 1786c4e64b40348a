# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One login for all tasks of a run of Ansible: the token lies in a file of the run's own directory, never in a result.

The file is its own lock: who makes a token does so while the others wait, and they find it made. It is written in place, so that it stays
its maker's, whoever renews it. A file that was removed says that the run has logged out.
"""

import fcntl
import hashlib
import json
import os
import stat
import time
from contextlib import contextmanager
from typing import Callable, Iterator, NamedTuple, Optional

from ansible_collections.atlas.x509.plugins.module_utils._options import Connection

MARGIN = 60
"""Seconds. A token that ends sooner is not used for another task."""


class Token(NamedTuple):
    """A token, and the moment at which it ends, in seconds of this machine's clock. Never printed."""

    value: str
    ends: float

    def __repr__(self) -> str:
        return "Token(until {0})".format(self.ends)


class Taken(NamedTuple):
    """A token to work with. ``kept`` is False for one that could not be written down, so that nobody else will revoke it."""

    value: str
    made: bool
    kept: bool

    def __repr__(self) -> str:
        return "Taken(made={0}, kept={1})".format(self.made, self.kept)


class SharedToken:
    """The file of one service account at one service, in a directory that only its user may enter."""

    def __init__(self, directory: str, connection: Connection) -> None:
        account = json.dumps([connection.base_url, connection.credentials.public, connection.credentials.secret])
        name = "atlas_login-{0}".format(hashlib.sha256(account.encode("utf-8")).hexdigest()[:32])
        self._path = os.path.join(directory, name)

    def open(self) -> None:
        """Say that the tasks of this run share a token from now on. :class:`OSError` when the directory cannot be written to."""
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))

    def take(self, refused: str, make: Callable[[], Token]) -> Optional[Taken]:
        """The token that the run shares, or a new one when it ends soon or is ``refused``; None when the run shares none."""
        try:
            with self._locked() as descriptor:
                found = _read(descriptor)
                if found and found.value != refused and found.ends - time.time() > MARGIN:
                    return Taken(found.value, made=False, kept=True)
                made = make()
                return Taken(made.value, made=True, kept=_write(descriptor, made))
        except OSError:  # none, removed in the meantime, or another user's
            return None

    def remove(self) -> Optional[str]:
        """Forget the token, and return it so that it can be revoked; None when there is none."""
        try:
            with self._locked() as descriptor:
                found = _read(descriptor)
                os.unlink(self._path)
                return found.value if found else None
        except FileNotFoundError:
            return None

    @contextmanager
    def _locked(self) -> Iterator[int]:
        descriptor = os.open(self._path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            status = os.fstat(descriptor)
            if status.st_nlink == 0:
                raise FileNotFoundError(self._path)  # the run has logged out while we waited
            if not stat.S_ISREG(status.st_mode) or stat.S_IMODE(status.st_mode) & 0o077:
                raise PermissionError(self._path)
            yield descriptor
        finally:
            os.close(descriptor)


def _read(descriptor: int) -> Optional[Token]:
    """None for a file that holds no token yet, or half of one."""
    try:
        value, ends = json.loads(os.pread(descriptor, 65536, 0).decode("utf-8"))
        return Token(str(value), float(ends))
    except (TypeError, ValueError):
        return None


def _write(descriptor: int, token: Token) -> bool:
    try:
        os.ftruncate(descriptor, 0)
        content = json.dumps(token).encode("utf-8")
        return os.pwrite(descriptor, content, 0) == len(content)
    except OSError:
        return False
