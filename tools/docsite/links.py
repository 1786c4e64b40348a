# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Follow every link within a site: `python tools/docsite/links.py FOLDER` names those that lead to no file, or to no place in it. Asks no server."""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FOLLOWED = {"a": "href", "link": "href", "img": "src", "script": "src", "source": "src", "iframe": "src"}


class Page(HTMLParser):
    """The links of a page, and the places in it that a link can name."""

    def __init__(self, text: str) -> None:
        """Read it."""
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = {"", "top"}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect both."""
        values = {name: value for name, value in attrs if value}
        self.places |= {values[name] for name in ("id", "name") if name in values}
        if values.get(FOLLOWED.get(tag, "")):
            self.links.append(values[FOLLOWED[tag]])


def dead(site: Path) -> tuple[int, list[str]]:
    """How many links within the site there are, and those that lead nowhere, each with its page."""
    pages = {file: Page(file.read_text()) for file in sorted(site.rglob("*.html"))}
    count, found = 0, []
    for file, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            count += 1
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            target = target / "index.html" if target.is_dir() else target
            known = pages[target].places if target in pages else {"", unquote(parts.fragment)}
            if not target.is_file() or unquote(parts.fragment) not in known:
                found.append(f"{file.relative_to(site)}: {link}")
    return count, found


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1], "index.html").is_file():
        sys.exit("usage: python tools/docsite/links.py FOLDER, with a site in it")
    followed, nowhere = dead(Path(sys.argv[1]).resolve())
    print("\n".join(nowhere), f"{followed} links followed, {len(nowhere)} lead nowhere", sep="\n" if nowhere else "")
    sys.exit(bool(nowhere))
