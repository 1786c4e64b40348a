# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/architecture.md says what the contracts of import-linter say, and both name every file. `make lint` holds the code against them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

tomllib = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()


def rooms_of_the_contract():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (rooms,) = (contract for contract in contracts if contract["id"] == "rooms")
    return [re.findall(r"\w+", layer) for layer in rooms["layers"]]


def rooms_of_the_page():
    table = PAGE.partition("## The work")[2].partition("\n## ")[0]
    cells = [line.split("|")[2] for line in table.splitlines() if line.startswith("|")]
    return [re.findall(r"`(\w+)`", cell) for cell in cells if "`" in cell]


def test_the_page_draws_the_rooms_that_import_linter_checks():
    assert rooms_of_the_page() == rooms_of_the_contract()


def test_every_file_has_its_room():
    files = {path.stem for path in (ROOT / "plugins" / "module_utils").glob("*.py")}
    assert files == {name for room in rooms_of_the_contract() for name in room}


TESTED_WITH = {
    "_issue": "_client",
    "_lists": "_audit",
    "_oauth": "_client",
    "_session": "_shared_token",
    "_shown": "_results",
    "_sweep": "_audit",
}


def test_the_tests_mirror_the_files():
    """A file without tests of its own name is tested through the one that is made of it."""
    files = {path.stem for path in (ROOT / "plugins" / "module_utils").glob("*.py")}
    tested = {path.stem.removeprefix("test") for path in Path(__file__).parent.glob("test_*.py")}
    assert files - tested == set(TESTED_WITH)
    for name, through in TESTED_WITH.items():
        assert through in tested, through
        used = (ROOT / "plugins" / "module_utils" / f"{through}.py").read_text() + Path(__file__).with_name(f"test{through}.py").read_text()
        assert re.search(rf"\b{name}\b", used), f"{through} has nothing to do with {name}"


def test_every_folder_with_code_is_on_the_page():
    folders = {path.parent for path in (ROOT / "plugins").rglob("*.py")} | set((ROOT / "roles").iterdir()) | {ROOT / "tests" / "fake_atlas"}
    assert {f"{folder.relative_to(ROOT)}/" for folder in folders} == set(re.findall(r"^\|[^|]*\| `([^`]+/)` \|", PAGE, re.MULTILINE))
