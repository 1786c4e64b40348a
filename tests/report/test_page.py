# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page in a real browser: what it looks like (.build/report), whether everybody can use it, and whether it keeps its own rules."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from ansible_collections.atlas.x509.plugins.filter.expiry_report import expiry_report
from expiry import incomplete, large, small

sys.path.insert(0, str(Path(__file__).parent))
from browser import browser as start
from browser import missing

ROOT = Path(__file__).resolve().parents[2]
TAB = "\ue004"

pytestmark = [pytest.mark.heavy, pytest.mark.skipif(bool(missing()), reason=f"needs {' and '.join(missing())} (Debian: chromium, chromium-driver)")]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with start(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The pages, by name."""
    folder = tmp_path_factory.mktemp("pages")
    made = {}
    for name, (audit, looks) in {"small": small(), "incomplete": incomplete(), "large": (large(), {})}.items():
        made[name] = folder / f"{name}.html"
        made[name].write_text(expiry_report(audit.result, "html", looks), encoding="utf-8")
    return made


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [(name, width, scheme) for name in ("small", "incomplete") for width in (1280, 390) for scheme in ("light", "dark")]
    + [("large", 1280, "light"), ("large", 390, "dark")],
)
def test_the_page_fits_its_window_and_nothing_of_it_is_refused(chromium, pages, name, width, scheme):
    chromium.messages()
    chromium.open(pages[name], width, scheme=scheme)
    assert chromium.run("document.documentElement.scrollWidth") <= width
    assert chromium.run("matchMedia('(prefers-color-scheme: dark)').matches") is (scheme == "dark")
    assert chromium.run("performance.getEntriesByType('resource').length") == 0
    pictures = ROOT / ".build" / "report"
    pictures.mkdir(parents=True, exist_ok=True)
    chromium.picture(pictures / f"{name}-{width}-{scheme}.png")
    assert chromium.messages() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_that_keeps_people_from_using_the_page(chromium, pages, width, scheme):
    found = importlib.util.find_spec("axe_core_python")
    if not found:
        pytest.skip("needs axe-core-python (tests/report/requirements.txt)")
    (axe,) = Path(found.origin).parent.rglob("axe.min.js")
    chromium.open(pages["incomplete"], width, scheme=scheme)
    chromium.run(axe.read_text(encoding="utf-8") + "; 0")
    result = json.loads(chromium.run("axe.run().then(result => JSON.stringify({violations: result.violations, passes: result.passes.map(one => one.id)}))"))
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in result["violations"]] == []
    assert "color-contrast" in result["passes"]


def shown(chromium):
    return chromium.run("[...document.querySelectorAll('#users tbody tr')].filter(row => !row.hidden).map(row => row.cells[1].firstChild.textContent)")


def until(chromium, condition):
    """Wait, bounded, until the page says so."""
    wait = "new Promise((done) => { let left = 200; (function look() { if (%s || !left--) { done(%s); } else { setTimeout(look, 50); } }()); })"
    assert chromium.run(wait % (condition, condition)), condition


def test_the_filter_works_from_the_keyboard(chromium, pages):
    chromium.open(pages["incomplete"])
    everybody = shown(chromium)
    reached = []
    for _stroke in range(10):
        chromium.type(TAB)
        reached.append(chromium.run("document.activeElement.name || document.activeElement.className || document.activeElement.tagName"))
        if reached[-1] == "find":
            break
    assert reached[-1] == "find", reached
    assert chromium.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    chromium.type("ARCHI")
    until(chromium, "document.querySelector('output').value === '1 of 11 shown'")
    assert shown(chromium) == ["archive"]
    chromium.type(TAB)
    assert chromium.run("document.activeElement.name") == "project"
    chromium.type("S")
    until(chromium, "document.querySelector('output').value === '0 of 11 shown'")
    chromium.type(TAB)
    chromium.type(" ")
    until(chromium, "!document.querySelector('#users tbody tr[hidden]')")  # the browser empties the output by itself, and earlier
    assert shown(chromium) == everybody
    assert chromium.run("document.querySelector('output').value") == ""


def test_the_page_says_everything_without_its_script(chromium, pages):
    chromium.open(pages["incomplete"], script=False)
    assert chromium.run("document.getElementById('filter').hidden") is True
    assert len(shown(chromium)) == 11


def test_ten_thousand_users_can_be_filtered(chromium, pages):
    chromium.open(pages["large"])
    chromium.run("document.querySelector('[name=find]').focus()")
    chromium.type("00007")
    until(chromium, "document.querySelector('output').value.startsWith('1 of ')")
    assert shown(chromium) == ["service-00007"]
