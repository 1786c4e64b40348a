# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mutmut with two habits of ours. Started by tools/mutation.py, in the folder that it has prepared; arguments are mutmut's.

Texts that people read are left alone. And a mutant does not start pytest: tests are collected once, and its process is forked behind that.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import libcst as cst
import mutmut.__main__ as mutmut_cli
import pytest
from _pytest.config import _prepareconfig
from mutmut.configuration import config
from mutmut.mutation import mutators
from mutmut.runners.harness import PytestRunner
from mutmut.state import state
from mutmut.utils.file_utils import change_cwd
from mutmut.workers.isolation import ForkRunner

# Of the first of two passes: a test that takes longer, or tries many cases, is left to the second.
QUICK = os.environ.get("MUTATION_PASS") == "quick"
PATIENCE = 4.0  # seconds; on a busy machine all take longer


def words_that_code_reads(node: cst.BaseString) -> Iterable[cst.BaseString]:
    """Mutate a state, a reason or a header; a text with a blank in it is a message."""
    return [] if isinstance(node, cst.SimpleString) and " " in node.value else mutators.operator_string(node)


class Collected(PytestRunner):
    """Runs tests that were collected before the fork, the quickest first, until one fails."""

    _session: pytest.Session | None = None

    def run_tests(self, *, mutant_name: str | None, tests: Iterable[str]) -> int:
        """0 when all pass and 1 when one fails, as pytest says it; 35, suspicious to mutmut, when it is we who fail."""
        session = self._collect()
        if mutant_name is None:
            return self._run_in_fork(session, tests)
        try:
            return self._run(session, tests)
        except Exception:  # noqa: BLE001 - whatever it is, no test failed
            return 35

    def _collect(self) -> pytest.Session:
        if self._session is None:
            # Without -s, every mutant counted as killed: pytest's capture belongs to the process before the fork.
            arguments = ["--rootdir=.", "--tb=native", "-q", "-s", *config().pytest_add_cli_args]
            with change_cwd("mutants"):
                setup = _prepareconfig([*arguments, *config().pytest_add_cli_args_test_selection])
                setup._do_configure()
                self._session = pytest.Session.from_config(setup)
                setup.hook.pytest_sessionstart(session=self._session)
                self._session.perform_collect()
        return self._session

    def _run(self, session: pytest.Session, tests: Iterable[str]) -> int:
        named, durations = set(tests), state().duration_by_test
        # What a test does in a child that it forks, mutmut does not see: the second pass asks also those that seem to have nothing to do with it.
        items = [item for item in session.items if not QUICK or ((not named or item.nodeid in named) and not is_slow(item))]
        items.sort(key=lambda item: (bool(named) and item.nodeid not in named, durations.get(item.nodeid, 0)))
        with change_cwd("mutants"):
            for item, following in zip(items, [*items[1:], None], strict=False):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if session.testsfailed:
                    return 1
        return 0

    def _run_in_fork(self, session: pytest.Session, tests: Iterable[str]) -> int:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = self._run(session, tests)
            finally:
                os._exit(status)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def is_slow(item: pytest.Item) -> bool:
    """Whether a test is left to the second pass."""
    return item.get_closest_marker("hypothesis") is not None or state().duration_by_test.get(item.nodeid, 0) > PATIENCE


def forking_runner(max_workers: int = 1) -> ForkRunner:
    """In the place of mutmut's own."""
    return ForkRunner(max_workers, Collected())


mutators.mutation_operators[:] = [
    (kind, words_that_code_reads if operator is mutators.operator_string else operator) for kind, operator in mutators.mutation_operators
]
mutmut_cli.get_mutant_runner = forking_runner

if __name__ == "__main__":
    mutmut_cli.cli()
