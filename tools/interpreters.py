# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Pythons of this machine that really run, by version.

    python tools/interpreters.py         makes .build/python hold a link python3.N to each, and prints that folder

A name on PATH proves nothing: the shims of pyenv exist for every version and fail unless that one is active. ansible-test,
nox and Ansible's own discovery take such names at their word.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / ".build" / "python"
MINORS = range(6, 15)
# Without venv, as Debian ships it, an interpreter serves managed hosts but neither nox nor ansible-test. That of a virtual environment, which stands
# first on PATH within nox, is named by what it is a link to: it has libraries, and it goes away.
_PROBE = "import os, sys, {modules}; sys.version_info[:2] == (3, {minor}) and print(os.path.realpath(sys.executable))"


def find(modules: str = "ssl") -> dict[str, Path]:
    """``{"3.6": Path(...)}``: the first of each version that runs and has these modules."""
    found = {}
    folders = _folders()
    for minor in MINORS:
        for folder in folders:
            real = _run(folder / f"python3.{minor}", _PROBE.format(modules=modules, minor=minor))
            if real:
                found[f"3.{minor}"] = Path(real)
                break
    return found


def link() -> Path:
    """A folder with a link to each interpreter that can make virtual environments, for the front of PATH."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    found = {f"python{version}": path for version, path in find("venv").items()}
    for old in FOLDER.iterdir():
        if old.name not in found or Path(os.readlink(old)) != found[old.name]:
            old.unlink()
    for name, path in found.items():
        if not (FOLDER / name).is_symlink():
            (FOLDER / name).symlink_to(path)
    return FOLDER


def _folders() -> list[Path]:
    """The folders of PATH, then pyenv's, newest patch release first. Not its shims, nor our own links, which would come to point at themselves."""
    named = [Path(folder) for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder]
    root = _run(shutil.which("pyenv"), "root")
    if not root:
        return [folder for folder in named if folder != FOLDER]
    return [folder for folder in named if folder not in (FOLDER, Path(root, "shims"))] + sorted(Path(root).glob("versions/3.*/bin"), reverse=True)


def _run(program: Path | str | None, argument: str) -> str:
    """What it prints; nothing when it is not there or fails."""
    if not program or not os.access(program, os.X_OK):
        return ""
    command = [program, argument] if Path(program).name == "pyenv" else [program, "-c", argument]
    try:
        done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


if __name__ == "__main__":
    if len(sys.argv) != 1:
        sys.exit("usage: python tools/interpreters.py")
    print(link())
