# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An end to a wait, for real sockets. What it means for an answer that trickles is in test_http.py."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time

import pytest
from ansible_collections.atlas.x509.plugins.module_utils import _deadline
from ansible_collections.atlas.x509.plugins.module_utils._deadline import Deadline

SOON, NEVER, PATIENCE = 0.05, 3600, 30


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    ours.settimeout(PATIENCE)
    with ours, theirs:
        yield ours, theirs


@pytest.fixture(autouse=True)
def watch(monkeypatch):
    """One of our own, so that no other test's thread is looked at."""
    monkeypatch.setattr(_deadline, "_watch", _deadline._Watch())


def watchers():
    return [thread for thread in threading.enumerate() if thread is _deadline._watch._thread]


def test_whoever_waits_for_the_connection_stops_waiting_when_the_time_is_over(pair):
    ours, _theirs = pair
    with Deadline(ours.fileno(), SOON) as deadline:
        assert ours.recv(1) == b""
    assert deadline.passed


def test_nothing_happens_to_what_is_in_time(pair):
    ours, theirs = pair
    with Deadline(ours.fileno(), SOON) as deadline:
        pass
    time.sleep(4 * SOON)
    theirs.sendall(b"x")
    assert ours.recv(1) == b"x"
    assert not deadline.passed


def test_one_that_ends_earlier_than_those_under_way_is_kept(pair):
    ours, _theirs = pair
    with Deadline(None, NEVER) as long, Deadline(ours.fileno(), SOON) as short:
        assert ours.recv(1) == b""
    assert (long.passed, short.passed) == (False, True)


def test_the_one_after_one_that_passed_is_kept(pair):
    test_whoever_waits_for_the_connection_stops_waiting_when_the_time_is_over(pair)
    ours, theirs = socket.socketpair()
    test_whoever_waits_for_the_connection_stops_waiting_when_the_time_is_over((ours, theirs))
    ours.close()
    theirs.close()


def test_a_connection_that_is_closed_already_has_a_deadline_too():
    with Deadline(None, SOON) as deadline:
        end = time.monotonic() + PATIENCE
        while not deadline.passed and time.monotonic() < end:
            time.sleep(SOON / 10)
    assert deadline.passed


def in_a_fork(succeeds):
    """Where no thread of another test is."""
    child = os.fork()
    if not child:
        signal.alarm(PATIENCE)
        try:
            os._exit(0 if succeeds() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_one_thread_watches_over_all_and_no_descriptor_is_left_over(pair):
    ours, _theirs = pair

    def watches():
        with Deadline(ours.fileno(), NEVER):
            before, threads = os.listdir("/proc/self/fd"), threading.enumerate()
            for dummy in range(20):
                with Deadline(ours.fileno(), NEVER), Deadline(ours.fileno(), NEVER):
                    pass
            same = (os.listdir("/proc/self/fd"), threading.enumerate()) == (before, threads)
        return same and len(watchers()) == 1 and _deadline._watch._ends == {}

    assert in_a_fork(watches)


def test_a_fork_watches_for_itself(pair):
    """The thread of its parent is not there."""
    ours, _theirs = pair
    with Deadline(None, NEVER):
        pass

    def gives_up():
        with Deadline(ours.fileno(), SOON) as deadline:
            ours.recv(1)
        return deadline.passed

    assert in_a_fork(gives_up)


def test_a_fork_has_not_the_lock_that_a_thread_of_its_parent_holds(pair):
    ours, _theirs = pair

    def gives_up():
        with Deadline(ours.fileno(), SOON) as deadline:
            ours.recv(1)
        return deadline.passed

    with _deadline._watch._changed:
        assert in_a_fork(gives_up)


def test_a_signal_that_somebody_holds_back_waits_although_there_is_a_watch():
    """Between the request for a certificate and the answer on disk, nothing may interrupt the run."""

    def waits():
        taken = []
        signal.signal(signal.SIGUSR1, lambda *_unused: taken.append("taken"))
        with Deadline(None, NEVER):
            held = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(SOON)
            before = list(taken)
            signal.pthread_sigmask(signal.SIG_SETMASK, held)
        return (before, taken) == ([], ["taken"])

    assert in_a_fork(waits)
