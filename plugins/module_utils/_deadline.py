# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An end to a whole wait. The timeout of a socket begins anew with every byte, so whoever trickles is never too late for it."""

import os
import signal
import socket
import threading
import time
from types import TracebackType
from typing import Any, Dict, Optional, Type


class Deadline:
    """Use it with ``with``: when the time is over, the connection is shut down, which ends whatever waits for it.

    ``descriptor`` None is for a connection that is closed already. ``passed`` says that the time was over.
    """

    def __init__(self, descriptor: Optional[int], seconds: float) -> None:
        self.passed = False
        # A descriptor of our own: the number of one that somebody closes is soon another file's.
        self._connection = socket.socket(fileno=os.dup(descriptor)) if descriptor is not None else None
        self._seconds = seconds

    def __enter__(self) -> "Deadline":
        _watch.add(self, self._seconds)
        return self

    def __exit__(self, _kind: Optional[Type[BaseException]], _error: Optional[BaseException], _trace: Optional[TracebackType]) -> None:
        _watch.remove(self)
        if self._connection:
            self._connection.close()

    def end(self) -> None:
        """The time is over."""
        self.passed = True
        try:
            if self._connection:
                self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other side was faster


class _Watch:
    """One thread for the deadlines of all threads: one for each would cost more than the request that it guards."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._ends = {}  # type: Dict[Deadline, float]
        self._looks_at = 0.0
        self._thread = None  # type: Optional[threading.Thread]
        if hasattr(os, "register_at_fork"):  # Python 3.7
            os.register_at_fork(after_in_child=self.begin_anew)

    def begin_anew(self) -> None:
        """In a fork, which has not the thread, and may have its lock, taken for ever."""
        self._changed = threading.Condition()
        self._ends = {}
        self._thread = None

    def add(self, deadline: Deadline, seconds: float) -> None:
        with self._changed:
            end = self._ends[deadline] = time.monotonic() + seconds
            if self._thread is None or not self._thread.is_alive():
                self._start()
            elif end < self._looks_at:
                self._changed.notify()

    def remove(self, deadline: Deadline) -> None:
        """From now on, nothing happens to its connection."""
        with self._changed:
            self._ends.pop(deadline, None)

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._look, daemon=True)
        # A thread holds back what its maker holds back then, and one that holds back nothing takes every signal of the process: also
        # one that the thread which issues a certificate holds back.
        held = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)

    def _look(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for late in [one for one, end in self._ends.items() if end <= now]:
                    del self._ends[late]
                    late.end()
                self._looks_at = min(self._ends.values(), default=now + threading.TIMEOUT_MAX)
                self._changed.wait(min(self._looks_at - now, threading.TIMEOUT_MAX))


_watch = _Watch()


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
