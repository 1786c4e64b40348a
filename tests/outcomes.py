# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests judge by: what the service has issued and lists, and what lies in a directory."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from ansible_collections.atlas.x509.plugins.module_utils import _pem
from fake_atlas import DEMO_PROJECT, FakeAtlas


def files(directory: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and content, without the padding of a reservation, of every file there."""
    return {
        entry.name: (stat.S_IMODE(entry.lstat().st_mode), entry.read_bytes().rstrip(b"\0"))
        for entry in directory.iterdir()
        if entry.name != "filler"
    }


def usable(*directories: Path) -> set[int]:
    """The serial numbers whose certificate and key lie there, in whatever file and form."""
    looks = [_pem.look_at_answer(str(entry)) for directory in directories if directory.is_dir() for entry in directory.iterdir()]
    return {look.certificate.serial for look in looks if look.state == "pair" and look.certificate}


def listed(atlas: FakeAtlas, username: str = "app") -> list[Any]:
    """What Atlas lists for the user, oldest first."""
    return atlas.state.unexpired(atlas.state.projects[DEMO_PROJECT], username)


def pem_of(atlas: FakeAtlas, serial: int) -> bytes:
    """The certificate and key of one that Atlas lists."""
    return next(atlas.state.pem(one) for one in listed(atlas) if one.serial == serial).encode()


def known(atlas: FakeAtlas, **more: Any) -> tuple[Any, bytes]:
    """A certificate that Atlas lists already, and its PEM."""
    made = atlas.call(atlas.state.add_certificate, DEMO_PROJECT, "app", **{"days_left": 50, **more})
    return made, atlas.state.pem(made).encode()


def issued(atlas: FakeAtlas) -> list[int]:
    """The serial numbers of what was issued over HTTP, in that order."""
    return [int(entry.issued) for entry in atlas.state.journal if entry.issued]


def posts(atlas: FakeAtlas) -> int:
    """How many writes were sent."""
    return sum(1 for entry in atlas.state.journal if entry.method != "GET")


def lay(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Lay a file there."""
    path.write_bytes(content)
    path.chmod(mode)
