# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Show this working tree to Ansible as the collection atlas.x509, whatever the folder of the clone is called.

    python tools/collection.py link      a symbolic link: what is edited is what runs (pytest, playbooks, ansible-lint)
    python tools/collection.py mirror    a copy: ansible-test wants a real directory, a build only what belongs to it

Each prints the folder that belongs into ANSIBLE_COLLECTIONS_PATH.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".build"
INSIDE = Path("ansible_collections", "atlas", "x509")

# For a tree without git: what .gitignore would have left out.
_CACHES = {".hypothesis", ".import_linter_cache", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__"}
NOT_OURS = _CACHES | {".ansible", ".build", ".nox", ".venv", "collections", "dist", "htmlcov"}
# Never copied: in the mirror they are ansible-test's own.
KEPT = (Path(".git"), Path("tests", "output"))


def link() -> Path:
    """Make .build/links/ansible_collections/atlas/x509 point at the working tree."""
    place = BUILD / "links" / INSIDE
    if not place.is_symlink() or Path(os.readlink(place)) != ROOT:
        place.parent.mkdir(parents=True, exist_ok=True)
        new = place.with_name(f".x509.{os.getpid()}")
        new.symlink_to(ROOT)
        new.replace(place)
    return BUILD / "links"


def mirror() -> Path:
    """Make .build/mirror/ansible_collections/atlas/x509 hold the files of the working tree, and no others."""
    place = BUILD / "mirror" / INSIDE
    place.mkdir(parents=True, exist_ok=True)
    with alone():
        wanted = set(files())
        for path in present(place):
            if path not in wanted:
                (place / path).unlink()
        for path in sorted(wanted):
            copy(ROOT / path, place / path)
        # Emptied folders would still count as targets and roles.
        for folder in sorted((p for p in place.rglob("*") if p.is_dir() and not p.is_symlink()), reverse=True):
            if not kept(folder.relative_to(place)) and not any(folder.iterdir()):
                folder.rmdir()
        # ansible-test asks the nearest git repository for its files; ours ignores .build, so the mirror gets one of its own.
        if not (place / ".git").exists() and shutil.which("git"):
            subprocess.run(["git", "init", "--quiet", str(place)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return BUILD / "mirror"


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One process at a time: tests that run side by side build from the same mirror, and whoever comes second finds nothing left to copy."""
    with open(BUILD / "mirror.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def files() -> list[Path]:
    """The files of the project: as git sees them, else as a walk finds them (an unpacked archive)."""
    git = ["git", "-C", str(ROOT)]
    try:
        top = subprocess.run([*git, "rev-parse", "--show-toplevel"], check=True, capture_output=True, text=True).stdout.strip()
        if Path(top).resolve() == ROOT:
            listed = subprocess.run([*git, "ls-files", "-coz", "--exclude-standard"], check=True, capture_output=True, text=True).stdout
            paths = {Path(name) for name in listed.split("\0") if name}
            return [path for path in paths if os.path.lexists(ROOT / path)]
    except (OSError, subprocess.CalledProcessError):
        pass
    return walk(ROOT, lambda path: path.name in NOT_OURS or kept(path))


def present(place: Path) -> list[Path]:
    """The files that the mirror holds already."""
    return walk(place, kept)


def kept(path: Path) -> bool:
    """Whether a path belongs to git or ansible-test."""
    return any(path == keep or keep in path.parents for keep in KEPT)


def walk(top: Path, skip: Callable[[Path], bool]) -> list[Path]:
    """All files below a folder, as paths from there, without the folders to skip."""
    found = []
    for here, folders, names in os.walk(top):
        below = Path(here).relative_to(top)
        linked = [name for name in folders if Path(here, name).is_symlink()]
        folders[:] = [name for name in folders if name not in linked and not skip(below / name)]
        found += [below / name for name in names + linked]
    return found


def copy(source: Path, target: Path) -> None:
    """Copy one file, unless the copy is the same already. It appears whole, for whoever reads there meanwhile."""
    status = source.lstat()
    if os.path.lexists(target):
        old = target.lstat()
        if (old.st_size, old.st_mtime_ns, old.st_mode) == (status.st_size, status.st_mtime_ns, status.st_mode):
            return
    target.parent.mkdir(parents=True, exist_ok=True)
    new = BUILD / f"copy.{os.getpid()}"
    shutil.copy2(source, new, follow_symlinks=False)
    new.replace(target)


if __name__ == "__main__":
    actions = {"link": link, "mirror": mirror}
    if len(sys.argv) != 2 or sys.argv[1] not in actions:
        sys.exit("usage: python tools/collection.py link|mirror")
    print(actions[sys.argv[1]]())
