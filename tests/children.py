# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work in a process of its own, which may be killed, become another user, or be looked at before each of its steps."""

from __future__ import annotations

import itertools
import os
import select
import signal
import warnings
from collections.abc import Callable
from typing import Any

from patience import LONGEST

STEPS = ("open", "write", "pwrite", "fsync", "ftruncate", "rename", "replace", "unlink", "link", "fchmod", "fchown", "mkdir", "close")
"""What changes a disk, and what a run does between two changes."""
Say = Callable[[str], Any]


class Child:
    """A process that runs ``work(say)``; the words that it says, and how it failed, can be read here."""

    def __init__(self, work: Callable[[Say], Any]) -> None:
        reading, writing = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads, from 3.12 on
            self.pid = os.fork()
        if not self.pid:
            code, write = 3, os.write  # the real one, whatever is done to os.write later
            try:
                os.close(reading)
                work(lambda word: write(writing, word.encode() + b"\n"))
                code = 0
            except BaseException as error:
                write(writing, f"{type(error).__name__}: {error}\n".encode())
            finally:
                os._exit(code)
        os.close(writing)
        self._pipe = open(reading, "rb", buffering=0)
        self.words: list[str] = []

    def until(self, word: str) -> None:
        """Wait until it has said so."""
        while word not in self.words:
            if not self._read():
                raise AssertionError(f"the other process ended: {self.words}")

    def ended(self) -> int:
        """Wait for its end; its exit code, negative for a signal."""
        while self._read():
            pass
        self._pipe.close()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self) -> int:
        os.kill(self.pid, signal.SIGKILL)
        return self.ended()

    def _read(self) -> str:
        assert select.select([self._pipe], [], [], LONGEST)[0], "the other process says nothing"
        said = str(self._pipe.read(4096), "utf-8")
        self.words += said.split("\n")[:-1]
        return said


def before_each_step(hook: Callable[[str], Any]) -> None:
    """From now on, and for the rest of this process, call the hook with the name of each step before it."""

    def stepped(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*positional: Any, **named: Any) -> Any:
            hook(name)
            return real(*positional, **named)

        return call

    for name in STEPS:
        setattr(os, name, stepped(name, getattr(os, name)))


def killed_at(number: int, work: Callable[[Say], Any]) -> Child | None:
    """Run the work in a process that is killed before the step of that number; None when it has no such step."""
    counted = itertools.count()

    def kill(_name: str) -> None:
        if next(counted) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def stepwise(say: Say) -> None:
        before_each_step(kill)
        work(say)

    child = Child(stepwise)
    code = child.ended()
    assert code in (0, -signal.SIGKILL), child.words
    return child if code else None
