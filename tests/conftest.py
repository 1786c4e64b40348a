# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Let plain `pytest` find the collection: pyproject.toml names the folder, this makes the link in it. Here and not in a hook, because the
# conftest.py of a folder that is named on the command line is loaded before the first hook is called, and may import the collection.
if "PYTEST_XDIST_WORKER" not in os.environ:
    subprocess.run([sys.executable, str(ROOT / "tools" / "collection.py"), "link"], check=True, stdout=subprocess.DEVNULL)
# A proxy or an authority of the user's own has nothing to do with what is on this machine; what tests start inherits that there is none.
for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "requests_ca_bundle", "curl_ca_bundle"):
    os.environ.pop(name, None)
    os.environ.pop(name.upper(), None)
# Python remembers that the folder was not there a moment ago.
importlib.invalidate_caches()


def pytest_itemcollected(item: pytest.Item) -> None:
    """What is rare is heavy: left out unless it is asked for."""
    if item.get_closest_marker("rare"):
        item.add_marker("heavy")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """For `-n auto`: one more than there are cores, because many tests wait for an end of their patience. More than four gain nothing."""
    asked_for = os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS")
    return int(asked_for) if asked_for else min((os.cpu_count() or 1) + 1, 4)


@pytest.fixture
def run_command(monkeypatch):
    """How modules start programs: that of a real AnsibleModule."""
    from ansible.module_utils import basic

    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", b'{"ANSIBLE_MODULE_ARGS": {}}')
    if hasattr(basic, "_ANSIBLE_PROFILE"):
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy")
    return basic.AnsibleModule({}).run_command


@pytest.fixture(scope="session")
def running_atlas():
    """One fake service for all tests of a process that do not need one of their own."""
    from fake_atlas import FakeAtlas

    with FakeAtlas() as running:
        yield running


@pytest.fixture(scope="session")
def key_pool():
    """RSA keys that are half as long as the real ones: to check one of 4096 bits takes a third of a second."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    return [rsa.generate_private_key(public_exponent=65537, key_size=2048) for dummy in range(3)]


@pytest.fixture
def small_keys(key_pool, monkeypatch):
    """The service hands these out."""
    from fake_atlas import certificates, variants

    for module in (certificates, variants):
        monkeypatch.setattr(module, "leaf_key", lambda index: key_pool[index % len(key_pool)])


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mount one of that many kilobytes and files, which belongs to whoever runs the test; it is gone afterwards."""
    mounted: list[Path] = []

    def mount(kilobytes: int = 1024, inodes: int = 100) -> Path:
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k,nr_inodes={inodes},mode=0755", "tmpfs", str(place)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("a tmpfs cannot be mounted here")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)  # a test may have done so itself
