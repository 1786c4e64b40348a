# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest

from leaks.world import TALLY, World


@pytest.fixture
def world():
    with World() as made:
        yield made


def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        descriptor, os.environ[TALLY] = tempfile.mkstemp(prefix="leaks-", suffix=".jsonl")
        os.close(descriptor)


def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):
        Path(os.environ.pop(TALLY)).unlink()


def pytest_terminal_summary(terminalreporter):
    lines = Path(os.environ[TALLY]).read_text().splitlines() if TALLY in os.environ else []
    records = [json.loads(line) for line in lines]
    records = [record for record in records if not record["name"].startswith("planted")]
    if not records:
        return
    total = {key: sum(record[key] for record in records) for key in ("printed", "written", "files", "processes", "arguments", "polls")}
    findings = [finding for record in records for finding in record["findings"]]
    line = terminalreporter.write_line
    terminalreporter.section("search for leaks")
    line(f"{len(records)} runs of Ansible; up to {max(record['secrets'] for record in records)} secrets looked for in each")
    line(f"{total['printed']:,} bytes printed; {total['written']:,} bytes in {total['files']:,} files, during the runs and after them")
    line(f"{total['processes']:,} processes with {total['arguments']:,} different command lines, in {total['polls']:,} looks")
    line(f"{sum(len(record['private']) for record in records)} files held a secret while a task ran: 0600 or in a folder that is 0700, gone afterwards")
    line(f"secrets found: {len(findings)}")
    for record in records:
        for finding in record["findings"]:
            line(f"  {record['name']}: {finding['secret']} in {finding['channel']} ({finding['place']})")
