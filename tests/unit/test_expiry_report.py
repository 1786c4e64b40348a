# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report in its three formats, read back by parsers that are not ours."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from datetime import timedelta

import html5lib
import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.atlas.x509.plugins.filter.expiry_report import FilterModule, expiry_report
from ansible_collections.atlas.x509.plugins.plugin_utils import _expiry, _looks
from ansible_collections.atlas.x509.plugins.plugin_utils._timeline import timeline
from ansible_collections.atlas.x509.plugins.plugin_utils._visible import visible
from expiry import NOW, PAYMENTS, SEARCH, WAREHOUSE, Audit, incomplete, large, look, small
from markdown_it import MarkdownIt
from prometheus_client.parser import text_string_to_metric_families

NASTY = [
    "<script>alert(1)</script>",
    "</title></style></script><img src=x onerror=alert(1)>",
    "<!-- facts ",
    "--> facts",
    'a"b',
    "a'b",
    "a&amp;b",
    "back\\slash\\",
    "\\n is two signs",
    "line\nfeed",
    "carriage\r\nreturn",
    "next\u0085line\u2028separator",
    "nul\0bell\a",
    "tab\tbed",
    "a|b||c",
    "`code` ``more``",
    "[click](javascript:alert(1))",
    "![i](http://example.com/x.png)",
    "http://example.com www.example.com <http://example.com> me@example.com",
    "*bold* __strong__ ~~gone~~ # head",
    "- item",
    "# facts",
    "{{ 7 * 7 }} {% raw %} {# note #}",
    '} 1\natlas_x509_audit_success 0 {"',
    "app\u202etxt.exe",
    "zero\u200bwidth\ufeff",
    "\u2066isolated",
    "⟨U+202E⟩",
    "lone\ud800surrogate",
    " blanks  inside ",
    "日本語 ελληνικά עברית",
    "😀",
    "$x^2$ :smile: @team #123",
    "x" * 5000,
]


def page_of(audit, looks=None, **options):
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return parser.parse(expiry_report(audit.result, "html", looks, **options))


def text(element):
    return "".join(element.itertext())


def rows(page, table="users"):
    (found,) = [one for one in page.iter("table") if one.get("id") == table]
    return [[text(cell) for cell in row] for row in found.find("tbody")]


def series(audit, looks=None):
    written = expiry_report(audit.result, "prometheus", looks)
    families = list(text_string_to_metric_families(written))
    assert len({family.name for family in families}) == len(families)
    assert all(family.documentation and family.type == "gauge" for family in families)
    samples = [(sample.name.removeprefix("atlas_x509_"), tuple(sample.labels.items()), sample.value) for family in families for sample in family.samples]
    assert len({sample[:2] for sample in samples}) == len(samples), "a series stands twice"
    return {sample[:2]: sample[2] for sample in samples}


def tables(audit, looks=None):
    """The tables of the Markdown: for each the head, and each row as its cells' plain text. No cell may hold anything but text."""
    tokens = MarkdownIt("gfm-like").parse(expiry_report(audit.result, "markdown", looks))
    found, row = [], None
    for token in tokens:
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            row = []
        elif token.type == "tr_close":
            found[-1].append(row)
        elif token.type == "inline" and row is not None:
            assert {child.type for child in token.children} <= {"text", "text_special"}, token.content
            row.append("".join(child.content for child in token.children))
        elif token.type == "table_close":
            row = None
    assert all(len(one) == len(table[0]) for table in found for one in table)
    return found


def original(shown):
    """The name behind what a person is shown."""
    return re.sub("⟨U\\+([0-9A-F]{4,6})⟩", lambda match: chr(int(match.group(1), 16)), shown)


# Bad input


@pytest.mark.parametrize("name", NASTY)
def test_a_page_shows_any_name_as_a_name(name):
    audit = Audit(names={PAYMENTS: name})
    audit.user(name, 40)
    audit.fail(name + "!", name)
    page = page_of(audit, {name: look(audit.certificates[0], path="/" + name)}, title=name)
    (script,) = page.iter("script")
    assert not list(page.iter("img"))
    assert "alert" not in text(script)
    user = page.find(".//table[@id='users']/tbody/tr[2]/th")
    assert original(text(user.find("bdi"))) == name
    assert original(text(user.find("small/bdi"))) == name
    assert original(text(page.find(".//h1"))) == name
    assert original(text(page.find(".//table[@id='hosts']/tbody/tr/th/bdi"))) == name
    assert [original(text(one)) for one in page.iter("option")][1] == name
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\ufeff\0]", text(page))


@pytest.mark.parametrize("name", NASTY)
def test_metrics_hold_any_name_as_it_is(name):
    audit = Audit(names={PAYMENTS: name})
    audit.user(name, 40)
    audit.fail(name + "!", name)
    found = series(audit, {name: look(audit.certificates[0], path=name)})
    labels = (("project_id", PAYMENTS), ("project", name), ("username", name))
    if "\ud800" in name:
        labels = tuple((key, value.replace("\ud800", "⟨U+D800⟩")) for key, value in labels)
    assert found["unexpired_certificates", labels] == 1
    assert found["audit_success", ()] == 1


@pytest.mark.parametrize("name", NASTY)
def test_markdown_shows_any_name_as_a_name(name):
    audit = Audit(names={PAYMENTS: name})
    audit.user(name, 40)
    audit.fail(name, name)
    failed, users, hosts = tables(audit, {name: look(audit.certificates[0], path=name)})
    wanted = name.strip(" ")  # a cell has no blanks at its ends
    assert [original(cell) for cell in failed[1]] == [wanted] * 3
    assert [original(cell) for cell in users[1][1:3]] == [wanted] * 2
    assert original(hosts[1][0]) == wanted


@pytest.mark.parametrize("form", ["html", "markdown", "prometheus"])
def test_every_report_can_be_written_as_utf_8_and_ends_with_its_facts(form):
    audit = Audit()
    for name in NASTY:
        audit.user(name, 40)
    written = expiry_report(audit.result, form)
    written.encode("utf-8")
    facts = [line for line in written.split("\n") if re.match("(<!--|#) facts ", line)]
    assert [line.removeprefix("<!-- ").removeprefix("# ").removesuffix(" -->") for line in facts] == [expiry_report(audit.result, "fingerprint")]


def test_two_names_never_look_the_same():
    assert len({visible(name) for name in [*NASTY, "app\u202e", "app⟨U+202E⟩", "app"]}) == len(NASTY) + 3


# What it says


def test_the_most_urgent_comes_first_and_what_is_not_known_before_everything():
    audit, looks = incomplete()
    names = [row[1] for row in rows(page_of(audit, looks))]
    assert names == [
        "backupWarehouse", "archivePayments", "billingPayments", "ledgerPayments", "crawlerSearch", "search-apiSearch", "invoicesPayments",
        "reportsWarehouse", "suggestSearch", "dashboardsWarehouse", "etlWarehouse",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("days", "status"), [(6.99, "critical"), (7, "warning"), (29.99, "warning"), (30, "fine"), (0, "critical"), (-1, "critical"), (700, "fine")]
)
def test_the_limits_are_whole_days_from_the_moment_of_the_audit(days, status):
    audit = Audit()
    audit.user("app", days)
    (user,) = _expiry.report(audit.result, [], _expiry.Limits()).users
    assert user.status == status


def test_a_host_on_an_older_certificate_is_as_urgent_as_that_one():
    audit, looks = small()
    found = _expiry.report(audit.result, _looks.from_hosts(looks), _expiry.Limits())
    (ledger,) = [user for user in found.users if user.username == "ledger"]
    assert (ledger.status, ledger.days_left) == ("warning", 88)
    assert [one.host for one in ledger.outdated] == ["ledger-2"]
    assert "on ledger-2: 7 Dec 2026" in text(page_of(audit, looks))
    assert "ledger-2 on another, until 7 Dec 2026" in expiry_report(audit.result, "markdown", looks)


def test_a_newest_certificate_that_no_host_holds_is_named():
    audit = Audit()
    audit.user("app", 20, 80)
    looks = {"web1": look(audit.certificates[0]), "web2": look(audit.certificates[0])}
    assert "None of the hosts asked holds the newest one" in text(page_of(audit, looks))
    labels = (("project_id", PAYMENTS), ("project", "Payments"), ("username", "app"), ("holds", "newest"))
    assert series(audit, looks)["user_hosts", labels] == 0


def test_what_a_host_holds_is_told_by_project_user_and_serial_number():
    audit = Audit()
    newest = audit.user("app", 20, 80)
    other_project = {**newest, "project_id": WAREHOUSE}
    looks = {
        "newest": look(newest),
        "older": look(audit.certificates[0]),
        "unlisted": look({**newest, "serial_number": "1"}),
        "unknown": look(other_project),
        "nothing": look(None, state="absent"),
        "unasked": {"failed": True, "msg": "no sudo"},
        "keyless": look(newest, state="certificate_only"),
        "gone": {},
    }
    found = _expiry.report(audit.result, _looks.from_hosts(looks), _expiry.Limits())
    assert {one.host: one.holding for one in found.held} == {**{name: name for name in list(looks)[:6]}, "keyless": "nothing", "gone": "unasked"}
    assert [one.host for user in found.users for one in user.held] == ["unlisted", "older", "newest"]
    assert not found.is_complete


def test_a_play_that_looks_at_no_host_says_nothing_of_hosts():
    audit, dummy = small()
    nobody = {"web1": {"changed": False, "results": [], "skipped": True}, "web2": {}}
    assert expiry_report(audit.result, "html", nobody) == expiry_report(audit.result, "html")
    assert not list(page_of(audit).iterfind(".//table[@id='hosts']"))


def test_what_could_not_be_read_is_loud_in_every_format():
    audit, looks = incomplete()
    audit.fail(None, "the users of this project may not be listed", SEARCH)
    page = page_of(audit, looks)
    alarm = text(page.find(".//*[@id='incomplete']"))
    assert "INCOMPLETE" in text(page.find(".//title"))
    markdown = expiry_report(audit.result, "markdown", looks)
    for words in ("backup", "may not be listed", "all users", "pay-3", "No route to host"):
        assert words in alarm
        assert words in markdown.partition("## Users")[0]
    found = series(audit, looks)
    assert found["audit_failures", ()] == 2
    assert found["audit_failed", (("project_id", SEARCH), ("project", "Search"), ("username", ""))] == 1
    assert found["host_files", (("holds", "unasked"),)] == 1
    assert expiry_report(audit.result, "summary", looks).startswith("INCOMPLETE. ")
    assert not page_of(small()[0]).findall(".//*[@id='incomplete']")


def test_a_user_without_a_certificate_is_a_zero_and_no_gap():
    audit = Audit()
    audit.user("app")
    labels = (("project_id", PAYMENTS), ("project", "Payments"), ("username", "app"))
    found = series(audit)
    assert found["unexpired_certificates", labels] == 0
    assert ("certificate_expiry_timestamp_seconds", labels) not in found


def test_an_expiry_is_a_unix_timestamp():
    audit = Audit()
    audit.user("app", 12.5)
    (value,) = [value for (name, _labels), value in series(audit).items() if name == "certificate_expiry_timestamp_seconds"]
    assert value == (NOW + timedelta(days=12.5)).timestamp()


def test_an_audit_that_never_succeeded_is_a_zero():
    (family,) = text_string_to_metric_families(expiry_report({}, "failing"))
    assert (family.name, [sample.value for sample in family.samples]) == ("atlas_x509_audit_success", [0])


def test_an_empty_audit_makes_reports_too():
    audit = Audit(names={})
    assert rows(page_of(audit)) == []
    assert series(audit)["users", ()] == 0
    assert tables(audit)[0][1:] == []


# Whether it changed


def test_time_that_passes_changes_no_fingerprint_and_everything_else_does():
    def facts(now=NOW, days=40.5, name="app", more=None, title="t", **looks):
        audit = Audit(now)
        audit.user(name, days - (now - NOW) / timedelta(days=1))
        if more:
            audit.fail(more, "gone")
        return expiry_report(audit.result, "fingerprint", looks, title=title)

    same = facts()
    assert facts(NOW + timedelta(days=3)) == same
    others = [facts(NOW + timedelta(days=20)), facts(days=41), facts(name="app2"), facts(more="x"), facts(title="u"), facts(web1=look(None, state="absent"))]
    assert len({same, *others}) == len(others) + 1


# The page


def test_the_page_loads_nothing_and_runs_only_its_own_style_and_script():
    audit, looks = incomplete()
    page = page_of(audit, looks)
    (policy,) = [one.get("content") for one in page.iter("meta") if one.get("http-equiv")]
    allowed = dict(part.split(" ", 1) for part in policy.split("; "))
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        (element,) = page.iter(tag)
        digest = base64.b64encode(hashlib.sha256(text(element).encode()).digest()).decode()
        assert allowed[directive] == f"'sha256-{digest}'"
    assert allowed["default-src"] == "'none'"
    for element in page.iter():
        attributes = element.attrib if isinstance(element.tag, str) else {}
        assert not {"src", "srcset", "action", "style", "background", "poster"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
        assert attributes.get("href", "#").startswith("#")
    (style,) = page.iter("style")
    assert "url(" not in text(style)
    assert "@import" not in text(style)


def test_the_tables_have_heads_and_every_row_as_many_cells():
    audit, looks = incomplete()
    page = page_of(audit, looks)
    for table in page.iter("table"):
        head = table.findall("thead/tr/th")
        assert all(cell.get("scope") == "col" for cell in head)
        assert table.find("caption") is not None
        for row in table.findall("tbody/tr"):
            assert len(row) == len(head)
            assert len([cell for cell in row if cell.get("scope") == "row"]) == 1


def contrast(one, other):
    """The contrast of two colors, by WCAG 2."""

    def luminance(color):
        digits = color[1:] if len(color) == 7 else "".join(2 * digit for digit in color[1:])
        parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_every_color_of_words_has_contrast_enough_in_light_and_dark():
    (style,) = page_of(small()[0]).iter("style")
    themes = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]+)", block)) for block in re.findall(r":root \{(.*?)\}", text(style), re.DOTALL)]
    assert len(themes) == 2
    for colors in themes:
        grounds = [colors["page"], colors["card"], colors["tint-critical"], colors["tint-warning"]]
        for words in ("ink", "quiet", "unread", "missing", "critical", "warning", "fine"):
            assert min(contrast(colors[words], ground) for ground in grounds) >= 4.5, words
        assert contrast(colors["unread"], colors["tint-unread"]) >= 4.5
        assert contrast(colors["ink"], colors["tint-unread"]) >= 4.5
        for shape in ("bar-critical", "bar-warning", "bar-fine", "focus"):
            assert contrast(colors[shape], colors["card"]) >= (3 if shape == "focus" else 2), shape


# The picture


def picture(audit):
    return timeline(_expiry.report(audit.result, [], _expiry.Limits()))


def test_few_users_have_a_lane_each_and_many_share_bars():
    audit, dummy = incomplete()
    few = picture(audit)
    assert (len(few.lanes), len(few.bars)) == (11, 0)
    many = picture(large(500, 5))
    assert not many.lanes
    assert 5 < len(many.bars) <= 60
    assert sum(one.size for one in many.bars) == 499
    assert all(0 <= one.x <= one.x + one.width <= 100 for one in many.bars)
    assert all(sum(piece.height for piece in one.pieces) <= 168 for one in many.bars)


@pytest.mark.parametrize("days", [0.01, 1, 20, 100, 365, 730, 3650])
def test_the_axis_has_a_few_marks_however_long_it_is(days):
    audit = Audit()
    audit.user("app", days)
    found = picture(audit)
    assert 3 <= len(found.ticks) <= 42
    assert all(0 <= tick.x < 100 for tick in found.ticks)
    assert [tick.x for tick in found.ticks] == sorted({tick.x for tick in found.ticks})


def test_ten_thousand_users_make_pages_of_bounded_size_in_time_that_grows_with_them():
    size, seconds = {}, {}
    for users in (1_000, 10_000):
        audit = large(users).result
        start = time.process_time()
        size[users] = len(expiry_report(audit, "html").encode())
        seconds[users] = time.process_time() - start
    assert size[10_000] < 5_000_000
    assert size[10_000] < 11 * size[1_000]
    assert seconds[10_000] < 30 * seconds[1_000]


# The filter


def test_the_filter_says_what_is_wrong_with_what_it_was_given():
    audit = small()[0].result
    assert FilterModule().filters() == {"expiry_report": expiry_report}
    for arguments, words in [
        ((audit, "pdf"), "no format"),
        (({"msg": "failed"}, "html"), "not what atlas_user_cert_info"),
        ((audit, "html", {"web1": {"state": "pair", "certificate": {"serial_number": 1}}}), "not what atlas_user_cert_info"),
        ((audit, "html", {}, 5, 7), "critical_days"),
        ((audit, "html", {}, 30, 0), "critical_days"),
        ((audit, "html", {}, "30d"), "warning_days: '30d' is not a number of days"),
        ((audit, "html", {}, 30, None), "critical_days: 'None' is not a number of days"),
    ]:
        with pytest.raises(AnsibleFilterError, match=words):
            expiry_report(*arguments)
