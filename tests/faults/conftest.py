# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules as processes, a fake Atlas, and small disks: what a test needs to break something for real."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from fake_atlas import FakeAtlas, certificates, variants

from faults.world import Modules, Run, order


@pytest.fixture(scope="session")
def modules() -> Iterator[Modules]:
    started = Modules()
    yield started
    started.close()


@pytest.fixture(scope="session")
def running_atlas() -> Iterator[FakeAtlas]:
    with FakeAtlas() as running:
        yield running


@pytest.fixture(scope="session")
def key_pool() -> list[rsa.RSAPrivateKey]:
    return [rsa.generate_private_key(public_exponent=65537, key_size=2048) for dummy in range(3)]


@pytest.fixture
def atlas(running_atlas: FakeAtlas, key_pool: list[rsa.RSAPrivateKey], monkeypatch: pytest.MonkeyPatch) -> FakeAtlas:
    """A fresh one. It hands out smaller keys than the real one: checking one of 4096 bits takes a third of a second."""
    for module in (certificates, variants):
        monkeypatch.setattr(module, "leaf_key", lambda index: key_pool[index % len(key_pool)])
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


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mount a small file system; it is gone after the test."""
    mounted: list[Path] = []

    def mount(kilobytes: int = 1024) -> Path:
        made = tmp_path / f"disk{len(mounted)}"
        made.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k,nr_inodes=100,mode=0755", "tmpfs", str(made)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("a tmpfs cannot be mounted here")
        mounted.append(made)
        return made

    yield mount
    for made in mounted:
        subprocess.run(["umount", "-l", str(made)], capture_output=True, check=False)  # a test may have done so itself
