# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Execution environments: what ansible-builder finds in the collection, and what somebody reads whose environment lacks a library."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
import yaml
from fake_atlas import DEMO_PRIVATE_KEY, DEMO_PROJECT, DEMO_PUBLIC_KEY, FakeAtlas

ROOT = Path(__file__).resolve().parents[2]
CREDENTIALS = {"MONGODB_ATLAS_PUBLIC_API_KEY": DEMO_PUBLIC_KEY, "MONGODB_ATLAS_PRIVATE_API_KEY": DEMO_PRIVATE_KEY}
BUILDER = Path(sys.executable).parent / "ansible-builder"

needs_builder = pytest.mark.skipif(not BUILDER.exists(), reason="needs ansible-builder, which needs Python 3.11 or newer")


@needs_builder
def test_ansible_builder_accepts_the_example(ansible, tmp_path):
    definition = ROOT / "awx" / "execution-environment.yml"
    ansible("ansible-builder", "create", "--file", definition, "--context", tmp_path / "context", "--output-filename", "Containerfile")

    stated = yaml.safe_load(definition.read_text())
    assert stated["images"]["base_image"]["name"] in (tmp_path / "context" / "Containerfile").read_text()
    wanted = yaml.safe_load((tmp_path / "context" / "_build" / "requirements.yml").read_text())
    assert wanted == stated["dependencies"]["galaxy"]


@needs_builder
def test_ansible_builder_finds_what_the_collection_needs_and_nothing_else(ansible):
    mirror = subprocess.run([sys.executable, ROOT / "tools" / "collection.py", "mirror"], check=True, capture_output=True, text=True).stdout.strip()

    found = yaml.safe_load(ansible("ansible-builder", "introspect", mirror))

    needed = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert {name.split(">")[0] for name in needed} == {"requests", "cryptography"}
    assert sorted(line.partition("#")[0].strip() for line in found["python"]) == sorted(needed)
    assert not found.get("system"), "wheels need no system packages"


@pytest.fixture
def bare(tmp_path):
    """An interpreter that has no library but those that are linked to it."""
    venv.create(tmp_path / "bare", with_pip=False)
    python = tmp_path / "bare" / "bin" / "python"
    site = subprocess.run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], check=True, capture_output=True, text=True)
    return python, Path(site.stdout.strip())


@pytest.mark.heavy
def test_an_environment_with_the_two_libraries_and_what_they_bring_is_enough(ansible, bare, tmp_path):
    python, site = bare
    for name in _with_dependencies("requests", "cryptography"):
        for file in {entry.parts[0] for entry in importlib.metadata.files(name) or () if entry.parts[0] not in ("..", "__pycache__")}:
            if not (site / file).exists():
                (site / file).symlink_to(Path(sysconfig.get_path("purelib")) / file)
    with FakeAtlas() as atlas:
        output = ansible(
            "ansible", "localhost", "-m", "atlas.x509.atlas_user_cert", "-e", f"ansible_python_interpreter={python}",
            "-a", f"username=app path={tmp_path}/app.pem project_id={DEMO_PROJECT} base_url={atlas.url}",
            **CREDENTIALS,
        )  # fmt: skip
    assert '"decision": "issue"' in output


def _with_dependencies(*names):
    """These distributions and all that they need without extras, as their metadata say."""
    found = []
    for name in (wanted := list(names)):
        found.append(name)
        for line in importlib.metadata.requires(name) or ():
            needed = re.match(r"[\w.-]+", line).group()
            if "extra ==" not in line and needed not in wanted and _is_installed(needed):
                wanted.append(needed)
    return found


def _is_installed(name):
    """What is not is meant for another Python."""
    try:
        return bool(importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return False


@pytest.mark.parametrize("lacks", ["requests", "cryptography"])
def test_an_environment_that_lacks_a_library_says_which_and_the_line_to_add(ansible, bare, tmp_path, lacks):
    python, site = bare
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith(lacks) and path.suffix != ".pth":
            (site / path.name).symlink_to(path)
    with FakeAtlas() as atlas:
        output = ansible(
            "ansible", "localhost", "-m", "atlas.x509.atlas_user_cert", "-e", f"ansible_python_interpreter={python}",
            "-a", f"username=app path={tmp_path}/app.pem project_id={DEMO_PROJECT} base_url={atlas.url}",
            fails=True, **CREDENTIALS,
        )
        assert not [entry for entry in atlas.state.journal if entry.method == "POST"]

    assert f"the Python library '{lacks}' is missing for {python}" in output
    assert f"install it with '{python} -m pip install {lacks}'" in output
    assert f"add '{lacks}' to the Python requirements of the execution environment" in output
    assert "Traceback" not in output
