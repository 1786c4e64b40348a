# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What partner certification asks of files that no other judge reads (docs/certification.md goes through all of it)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def load(path):
    return yaml.safe_load((ROOT / path).read_text())


@pytest.mark.parametrize("section", ["Requirements", "Installation", "Changelog", "Support", "License"])
def test_the_readme_has_the_section(section):
    assert re.search(rf"^## {section}$", README, re.MULTILINE)


def test_every_link_of_the_readme_is_a_full_url():
    """Automation Hub and Galaxy show the README without the files beside it."""
    targets = re.findall(r"\]\(([^)]+)\)", README)
    assert targets
    assert [target for target in targets if not target.startswith("https://")] == []


def test_links_of_the_readme_into_the_repository_lead_to_files_and_headings_that_are_there():
    home = re.escape(load("galaxy.yml")["repository"]) + r"/(?:blob|tree|raw)/main/"
    links = re.findall(home + r"([^)#>\s]+)(?:#([^)>\s]+))?", README)
    assert links
    for path, heading in links:
        assert (ROOT / path).exists(), path
        if heading:
            headings = re.findall(r"^#+ (.*)$", (ROOT / path).read_text(), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings}, heading


def test_the_installation_installs_no_ansible_with_pip_and_comes_from_automation_hub():
    assert not re.search(r"pip install [^\n]*\bansible", README)
    assert "Automation Hub" in README.partition("\n## Installation\n")[2].partition("\n## ")[0]


def test_every_role_has_a_readme_without_which_galaxy_does_not_import_the_collection():
    roles = list((ROOT / "roles").iterdir())
    assert roles
    assert [role.name for role in roles if not (role / "README.md").is_file()] == []


def test_the_licence_is_named_once_in_the_metadata():
    galaxy = load("galaxy.yml")
    assert galaxy["license"] == ["GPL-3.0-or-later"]
    assert "license_file" not in galaxy
    assert galaxy["dependencies"] == {}


def test_no_judge_is_told_to_look_away():
    assert not list((ROOT / "tests").glob("sanity/ignore*"))
    assert not (ROOT / ".ansible-lint-ignore").exists()
    lint = load(".ansible-lint")
    assert lint["profile"] == "production"
    assert not lint.get("skip_list")
    assert lint["warn_list"] == []
    assert not {path.split("/")[0] for path in lint["exclude_paths"]} & {"plugins", "roles", "demo", "meta"}
    for path in (ROOT / "roles").rglob("*.yml"):
        assert "noqa" not in path.read_text(), path


def test_pylint_is_excused_nowhere():
    assert [path.name for path in (ROOT / "plugins").rglob("*.py") if re.search(r"pylint:\s*(disable|skip)", path.read_text())] == []


def test_everything_that_a_user_can_name_is_in_the_changelog_once():
    there = {
        *(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")),
        *(f"{path.stem} (filter)" for path in (ROOT / "plugins" / "filter").glob("*.py")),
        *(f"{path.stem} (playbook)" for path in (ROOT / "playbooks").glob("*.yml")),
        *(f"{path.name} (role)" for path in (ROOT / "roles").iterdir()),
    }
    releases = load("changelogs/changelog.yaml")["releases"].values()
    told = [one["name"] for release in releases for one in release.get("modules", [])]
    for kind in ("plugins", "objects"):
        told += [f"{one['name']} ({what})" for release in releases for what, those in release.get(kind, {}).items() for one in those]
    assert sorted(told) == sorted(there)
    shown = (ROOT / "CHANGELOG.md").read_text().replace("\\", "")
    assert [name for name in there if f"* atlas.x509.{name.partition(' ')[0]} - " not in shown] == []
