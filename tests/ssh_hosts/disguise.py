# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host shows below /etc instead of this machine's: accounts that exist on hosts only, and services."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

AUTHORIZED = "/etc/ssh/authorized_keys"
"""Where the key lies that logs in to every account; a directory of its own is mounted there."""
_FIRST_UID = 61000
_SERVICE = """\
#!/bin/sh
# A service in the style of System V that runs, and notes what else it is told. With a broken configuration it refuses that.
[ "$1" = status ] && exit 0
[ ! -e {path}/{name}.broken ] || {{ echo "the configuration of {name} is broken" >&2; exit 1; }}
echo "$1" >>{path}/{name}.told
"""


class Disguise:
    """Mounted over the files of the same name in the hosts' own namespaces; this machine's are not touched.

    ``accounts`` may become root with sudo and have a group of the same name; ``services`` are init scripts that append what they are told to
    ``<name>.told`` in the host's directory, and refuse while ``<name>.broken`` is there.
    """

    def __init__(self, accounts: tuple[str, ...] = (), services: tuple[str, ...] = ()) -> None:
        self.uids = {name: _FIRST_UID + number for number, name in enumerate(accounts)}
        self._services = services
        self.mounts: dict[str, Path] = {}

    def prepare(self, folder: Path, path: Path, key: str) -> None:
        """Write what is mounted, into this folder; ``path`` is the directory of the hosts, ``key`` opens every account."""
        folder.mkdir()
        self._file(folder, "passwd", (f"{name}:x:{uid}:{uid}::{path}/{name}:/bin/sh" for name, uid in self.uids.items()))
        self._file(folder, "group", (f"{name}:x:{uid}:" for name, uid in self.uids.items()))
        self._file(folder, "shadow", (f"{name}:*:1::::::" for name in self.uids), 0o640)
        if Path("/etc/sudoers").exists():
            self._file(folder, "sudoers", (f"{name} ALL=(ALL:ALL) NOPASSWD: ALL" for name in self.uids), 0o440, start="")
        self._folder(folder, "ssh", {Path(AUTHORIZED).name: key})
        if self._services:
            self._folder(folder, "init.d", {name: _SERVICE.format(path=path, name=name) for name in self._services})

    def make_homes(self, files: Path) -> None:
        """A home for every account in the directory of a host."""
        for name, uid in self.uids.items():
            (files / name).mkdir()
            os.chown(files / name, uid, uid)

    def _file(self, folder: Path, name: str, lines: Iterable[str], mode: int = 0o644, start: str | None = None) -> None:
        text = Path("/etc", name).read_text() if start is None else start
        (folder / name).write_text(text + "".join(f"{line}\n" for line in lines))
        (folder / name).chmod(mode)
        self.mounts[f"/etc/{name}"] = folder / name

    def _folder(self, folder: Path, name: str, files: dict[str, str]) -> None:
        (folder / name).mkdir()
        for file, text in files.items():
            (folder / name / file).write_text(text)
            (folder / name / file).chmod(0o755)
        self.mounts[f"/etc/{name}"] = folder / name
