# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guides quote what the code says, and every link in them leads somewhere."""

from __future__ import annotations

import html
import re

import pytest
from ansible_collections.atlas.x509.plugins.module_utils import _advice, _decision
from docsite import build, links
from documents import PAGES, ROOT, said_by_the_code

GUIDE = (ROOT / "docs" / "troubleshooting.md").read_text()
ROWS = re.findall(r"^\| (.+?) \|", GUIDE.replace("| it says | it means | do |", "").replace("| it says (`reason`) | it means | do |", ""), re.MULTILINE)
QUOTED = [message for row in ROWS for message in re.findall(r"`([^`]+)`", row)]
OF_ANSIBLE = "couldn't resolve module/action 'atlas.x509."
SAID = said_by_the_code()
SENTENCES = {*_advice._BY_CODE.values(), *_advice._BY_STATUS.values()}
SENTENCES |= {text for name, text in vars(_advice).items() if re.fullmatch("_[A-Z_]+", name) and isinstance(text, str)}


def pieces(message):
    """The words of a message between what differs."""
    return [piece.strip() for piece in message.split("…") if len(piece.strip()) > 3]


def slug(title):
    return re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-")


def test_the_guide_quotes_many_messages():
    assert len(QUOTED) > 60


@pytest.mark.parametrize("message", QUOTED)
def test_a_message_in_the_guide_is_one_that_the_code_says(message):
    if message != OF_ANSIBLE:
        assert pieces(message)
        assert [piece for piece in pieces(message) if piece not in SAID] == []


def test_a_message_that_nobody_says_is_found():
    assert "the certificate was revoked" not in SAID


@pytest.mark.parametrize("template", sorted(SENTENCES))
def test_every_sentence_for_what_atlas_says_is_in_the_guide(template):
    assert "`" + re.sub(r"\{[a-z_]+\}", "…", template) + "`" in GUIDE


def test_every_reason_to_refuse_is_in_the_guide():
    names = [rule.__name__ for rule in _decision.GUARDS] + ["orphaned", "foreign_pem"]
    assert [name for name in names if f"(`{name}`)" not in GUIDE] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_documents_leads_to_a_file_and_a_heading(page):
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("https://", "http://")):
            continue
        path, dummy, heading = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if heading:
            assert heading in map(slug, re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)), target


# The site


def test_every_guide_is_in_the_menu_of_the_site():
    assert {page.stem for page in (ROOT / "docs").glob("*.md")} - {"README"} == {*build.GUIDES, *build.WORKSHOP}


def test_on_the_site_a_link_out_of_the_documents_leads_to_the_repository():
    assert build.page("[rules](../roles/x.yml), [fleets](fleet.md#privileges)") == f"[rules]({build.HOME}roles/x.yml), [fleets](fleet.md#privileges)"


def test_a_link_to_a_page_or_a_heading_that_is_not_there_is_found(tmp_path):
    targets = ["other.html#there", "other.html#gone", "https://example.com/x", "#top"]
    (tmp_path / "index.html").write_text("".join(f'<a href="{target}">x</a>' for target in targets) + '<img src="gone.png">')
    (tmp_path / "other.html").write_text('<h1 id="there">There</h1>')
    count, dead = links.dead(tmp_path.resolve())
    assert count == 4
    assert dead == ["index.html: other.html#gone", "index.html: gone.png"]


def test_the_readme_shows_how_it_flows_the_terminal_and_the_report():
    shown = re.findall(r"!\[[^\]]+\]\([^)\s]+/docs/([^)]+)\)", (ROOT / "README.md").read_text())
    assert shown == ["flow.svg", "terminal.svg", "report.png"]


def test_the_picture_of_the_terminal_is_of_the_demonstration_as_it_is():
    """`make pictures` draws it again."""
    drawn = html.unescape((ROOT / "docs" / "terminal.svg").read_text())
    titles = re.findall(r"^title '([23]\. .*)'", (ROOT / "demo" / "run").read_text(), re.MULTILINE)
    assert re.findall(r">== (.*?)</text>", drawn) == titles
    tasks = set(re.findall(r">  (\S.*?) +(?:ok|changed) +\S.*?</text>", drawn)) - {"Validating arguments against arg spec 'main'"}
    role = "".join(file.read_text() for file in (ROOT / "roles" / "user_cert" / "tasks").glob("*.yml"))
    assert len(tasks) > 3
    assert [task for task in tasks if f"- name: {task}\n" not in role] == []


def test_contributing_takes_ten_lines():
    assert re.findall(r"^(\d+)\. ", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE) == [str(number) for number in range(1, 11)]
