# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What `ansible-galaxy collection build` makes: installs offline, and holds what a user needs and nothing else."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = {
    "CHANGELOG.md",
    "COPYING",
    "FILES.json",
    "MANIFEST.json",
    "README.md",
    "bindep.txt",
    "changelogs",
    "docs",
    "meta",
    "plugins",
    "requirements.txt",
    "roles",
}


def test_built_artifact_installs_and_holds_only_what_a_user_needs(ansible, tmp_path):
    mirror = subprocess.run([sys.executable, ROOT / "tools" / "collection.py", "mirror"], check=True, capture_output=True, text=True).stdout.strip()
    ansible("ansible-galaxy", "collection", "build", "--output-path", tmp_path, Path(mirror, "ansible_collections", "atlas", "x509"))
    (built,) = tmp_path.glob("atlas-x509-*.tar.gz")
    with tarfile.open(built) as archive:
        names = [name for name in archive.getnames() if name != "."]

    assert {name.split("/")[0] for name in names} == EXPECTED
    assert [name for name in names if name.startswith("changelogs/")] == ["changelogs/changelog.yaml"]
    assert not [name for name in names if "/." in name or name.endswith(".pyc")]

    # The working tree out of sight: it would count as installed already.
    installed = {"ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "installed")}
    ansible("ansible-galaxy", "collection", "install", "--offline", built, **installed)
    listed = ansible("ansible-doc", "-t", "module", "--list", "atlas.x509", **installed)
    modules = {line.split()[0] for line in listed.splitlines() if line.startswith("atlas.x509.")}
    assert modules == {f"atlas.x509.{path.stem}" for path in (ROOT / "plugins" / "modules").glob("*.py")}
