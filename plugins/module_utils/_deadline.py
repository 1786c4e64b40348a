# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An end to a whole wait. The timeout of a socket begins anew with every byte, so whoever trickles is never too late for it."""

import os
import socket
import threading
from types import TracebackType
from typing import Any, Optional, Type


class Deadline:
    """Use it with ``with``: when the time is over, the connection is shut down, which ends whatever waits for it.

    ``descriptor`` None is for a connection that is closed already. ``passed`` says that the time was over.
    """

    def __init__(self, descriptor: Optional[int], seconds: float) -> None:
        self.passed = False
        # A descriptor of our own: the number of one that somebody closes is soon another file's.
        self._connection = socket.socket(fileno=os.dup(descriptor)) if descriptor is not None else None
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> "Deadline":
        self._timer.start()
        return self

    def __exit__(self, _kind: Optional[Type[BaseException]], _error: Optional[BaseException], _trace: Optional[TracebackType]) -> None:
        self._timer.cancel()
        self._timer.join()
        if self._connection:
            self._connection.close()

    def _end(self) -> None:
        self.passed = True
        try:
            if self._connection:
                self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other side was faster


def of_response(raw: Any, seconds: float) -> Deadline:
    """The deadline of a body that is yet to be read; ``raw`` is the response of urllib3."""
    try:
        descriptor = raw.fileno()
    except (AttributeError, OSError, ValueError):  # it has no body, or all of it is here
        descriptor = None
    return Deadline(descriptor, seconds)


def bound_heads(manager: Any, seconds: float) -> None:
    """Let no connection of this pool manager of urllib3 wait longer for the status and the headers of an answer."""
    manager.pool_classes_by_scheme = {
        scheme: _bounded(pool, seconds) for scheme, pool in manager.pool_classes_by_scheme.items()
    }


def _bounded(pool: Any, seconds: float) -> Any:
    class Connection(pool.ConnectionCls):  # type: ignore[misc]
        def getresponse(self, *positional: Any, **named: Any) -> Any:
            with Deadline(self.sock.fileno(), seconds) as deadline:
                try:
                    answer = super().getresponse(*positional, **named)
                except Exception:
                    if not deadline.passed:
                        raise
                    answer = None
            if deadline.passed:  # also of an answer: to the library, the end of the connection is the end of the head
                if answer is not None:
                    answer.close()
                raise socket.timeout("the head of the answer was not complete in time")
            return answer

    return type(pool.__name__, (pool,), {"ConnectionCls": Connection})
