# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules as processes and a fake Atlas: what a test needs to break something for real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_atlas import FakeAtlas

from faults.world import Modules, Run, order


@pytest.fixture(scope="session")
def modules() -> Iterator[Modules]:
    started = Modules()
    yield started
    started.close()


@pytest.fixture
def atlas(running_atlas: FakeAtlas, small_keys: None) -> FakeAtlas:
    """A fresh one."""
    running_atlas.reset()
    return running_atlas


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory that everybody may enter, so that the modes of its files matter."""
    made = tmp_path / "etc"
    made.mkdir()
    made.chmod(0o755)
    return made


@pytest.fixture
def user_cert(atlas: FakeAtlas, modules: Modules, place: Path, tmp_path: Path) -> Callable[..., Run]:
    """Run ``atlas_user_cert``: ``user_cert(mode="0640", check=True, event={...})``."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def run(*, url: str = "", **options: Any) -> Run:
        return modules(order(url or atlas.url, place, elsewhere, **options))

    return run
