# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tools/build.py makes: the same bytes anywhere, installs offline, holds what a user needs and nothing else, and does the main job."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import collection
import pytest

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = {
    "CHANGELOG.md",
    "COPYING",
    "FILES.json",
    "MANIFEST.json",
    "README.md",
    "SECURITY.md",
    "awx",
    "bindep.txt",
    "changelogs",
    "docs",
    "meta",
    "playbooks",
    "plugins",
    "requirements.txt",
    "roles",
}


# What setting up, testing, building and editing leave in a clone, and where people put virtual environments.
LITTER = [
    *(f"{name}/bin/python" for name in (".venv", ".nox/lowest", "venv", "env")),
    *(f"{name}/x" for name in (".ansible", ".build/mirror", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache", "htmlcov", "tests/output")),
    *("collections/ansible_collections/awx/awx/x", "dist/atlas-x509-1.0.0.tar.gz", "plugins/modules/__pycache__/x.pyc", "roles/user_cert/.x.swp"),
    *("atlas-x509-0.9.0.tar.gz", ".coverage", ".venv.log", "changelogs/.plugin-cache.yaml", "docs/.DS_Store"),
]


def build(root, folder, **environment):
    """Build it as `make build` does; the artefact, which is the file whose SHA-256 was printed."""
    command = [sys.executable, root / "tools" / "build.py", folder]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **environment}).stdout
    digest, path = printed.split()
    assert hashlib.sha256(Path(path).read_bytes()).hexdigest() == digest
    return Path(path)


def clone(folder):
    """The files of the project, without git; in another order on the disk than they have here."""
    for path in sorted(collection.files(), reverse=True):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, folder / path, follow_symlinks=False)
    return folder


@pytest.fixture(scope="module")
def artefact(tmp_path_factory):
    return build(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture
def installed(artefact, ansible, tmp_path):
    """The folder of collections into which it was installed, offline. The working tree is out of sight: it would count as installed already."""
    folder = tmp_path / "installed"
    ansible("ansible-galaxy", "collection", "install", "--offline", artefact, ANSIBLE_COLLECTIONS_PATH=str(folder))
    return folder


def test_the_artefact_holds_only_what_a_user_needs(artefact):
    with tarfile.open(artefact) as archive:
        names = archive.getnames()
    assert {name.split("/")[0] for name in names} == EXPECTED
    assert [name for name in names if name.startswith("changelogs/")] == ["changelogs/changelog.yaml"]
    assert not [name for name in names if "/." in name or name.endswith(".pyc")]


def test_a_plain_build_in_a_clone_that_was_used_holds_the_same(artefact, ansible, tmp_path):
    """`ansible-galaxy collection build` knows nothing of git: a virtual environment and the output of tests are left out by galaxy.yml alone."""
    used = clone(tmp_path / "clone")
    for path in LITTER:
        (used / path).parent.mkdir(parents=True, exist_ok=True)
        (used / path).write_text("left behind")
    ansible("ansible-galaxy", "collection", "build", "--output-path", tmp_path / "out", used)
    (built,) = (tmp_path / "out").glob("*.tar.gz")
    with tarfile.open(built) as plain, tarfile.open(artefact) as ours:
        assert sorted(set(plain.getnames()) - {"."}) == sorted(ours.getnames())


def test_the_same_files_make_the_same_bytes_elsewhere_later_and_without_git(artefact, tmp_path):
    copy = clone(tmp_path / "copy")
    # Other dates, other modes.
    for number, path in enumerate(collection.files()):
        if not (copy / path).is_symlink():
            (copy / path).chmod(0o700 if os.access(ROOT / path, os.X_OK) else 0o600)
            os.utime(copy / path, (number, number))
    again = build(copy, tmp_path / "dist", TZ="Pacific/Auckland")
    assert again.name == artefact.name
    assert again.read_bytes() == artefact.read_bytes()


def test_processes_that_fill_the_mirror_at_the_same_time_do_not_meet(tmp_path):
    """As workers of pytest do in a fresh clone."""
    command = [sys.executable, clone(tmp_path / "clone") / "tools" / "collection.py", "mirror"]
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for _number in range(3)]
    said = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said


def test_the_artefact_installs_offline_and_ansible_finds_its_modules_and_its_role(installed, ansible):
    here = {"ANSIBLE_COLLECTIONS_PATH": str(installed)}
    listed = ansible("ansible-doc", "-t", "module", "--list", "atlas.x509", **here)
    modules = {line.split()[0] for line in listed.splitlines() if line.startswith("atlas.x509.")}
    assert modules == {f"atlas.x509.{path.stem}" for path in (ROOT / "plugins" / "modules").glob("*.py")}
    assert "user_cert_username" in ansible("ansible-doc", "-t", "role", "atlas.x509.user_cert", **here)


def test_what_was_installed_is_what_the_manifest_vouches_for(installed, ansible):
    verified = ansible("ansible-galaxy", "collection", "verify", "--offline", "atlas.x509", ANSIBLE_COLLECTIONS_PATH=str(installed))
    assert "Successfully verified" in verified, verified


@pytest.mark.rare
def test_the_demonstration_runs_from_the_installed_artefact(installed):
    """It issues one certificate in four runs; the working tree serves only the fake Atlas and the playbook."""
    environment = {
        "DEMO_COLLECTIONS_PATH": str(installed),
        "HOME": os.environ.get("HOME", "/"),
        "LC_ALL": "C.UTF-8",
        "http_proxy": "http://127.0.0.1:9",  # nobody listens there, and nobody is asked
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
    }
    done = subprocess.run(
        [ROOT / "demo" / "run"],
        env=environment,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout
    counts = [line.rpartition(": ")[2] for line in done.stdout.splitlines() if line.startswith("Certificates issued so far")]
    assert counts == ["0", "1", "1", "1"], done.stdout
    assert "PRIVATE KEY" not in done.stdout


def test_the_artefact_holds_no_private_key(artefact):
    key = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\"'\\n]*[A-Za-z0-9+/]{24}")
    assert key.search((ROOT / "tests" / "fake_atlas" / "key_pool.pem").read_bytes()), "the search finds none where one is"
    with tarfile.open(artefact) as archive:
        files = [member for member in archive if member.isfile()]
        found = [member.name for member in files if key.search(archive.extractfile(member).read())]
    assert files and found == []
