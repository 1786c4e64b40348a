# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the site in .build/site: the guides as they stand in docs/, and what antsibull-docs writes about every module, role and filter."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SOURCE, SITE = ROOT / ".build" / "docsite", ROOT / ".build" / "site"
HOME = "https://github.com/atlas-x509/atlas.x509/blob/main/"
GUIDES = ["getting-started", "rotation", "lost-or-leaked", "troubleshooting", "fleet", "awx", "report", "security", "performance", "design"]
WORKSHOP = ["architecture", "testing", "certification"]


def tree(caption: str, pages: list[str]) -> str:
    """A part of the menu."""
    return f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(pages) + "\n```\n"


def page(text: str) -> str:
    """A guide as the site needs it: what it names outside docs/ is found in the repository."""
    return re.sub(r"\]\(\.\./([^)]+)\)", rf"]({HOME}\1)", text)


def write_sources() -> None:
    """The guides and pictures, with the menu."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    SOURCE.mkdir(parents=True)
    for file in (ROOT / "docs").iterdir():
        if file.suffix == ".md":
            (SOURCE / file.name).write_text(page(file.read_text()))
        elif file.is_file():
            shutil.copy(file, SOURCE)
    shutil.copy(HERE / "conf.py", SOURCE)
    index = SOURCE / "README.md"
    menu = tree("Guides", GUIDES) + tree("Reference", ["Modules, roles and filters <reference/index>"]) + tree("Workshop", WORKSHOP)
    pictures = "\n![How a certificate gets to the hosts](flow.svg)\n\n![make demo in a terminal](terminal.svg)\n"
    (SOURCE / "index.md").write_text(index.read_text() + pictures + menu)
    index.unlink()


def run(*command: str) -> None:
    """End with the exit code of a tool that is not content."""
    environment = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])}
    ended = subprocess.run(command, cwd=SOURCE, env={**environment, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build" / "links")}, check=False)
    if ended.returncode:
        sys.exit(f"{command[0]} failed, as shown above")


def main() -> None:
    """The site, from nothing: a page that is left from an earlier run would hide a link that leads nowhere."""
    missing = {file.stem for file in (ROOT / "docs").glob("*.md")} - {"README", *GUIDES, *WORKSHOP}
    if missing:
        sys.exit(f"docsite: these guides are in no menu: {', '.join(sorted(missing))}")
    subprocess.run([sys.executable, str(ROOT / "tools" / "collection.py"), "link"], check=True, stdout=subprocess.DEVNULL)
    write_sources()
    reference = SOURCE / "reference"
    reference.mkdir(mode=0o700)
    run("antsibull-docs", "collection", "--use-current", "--squash-hierarchy", "--fail-on-error", "--dest-dir", str(reference), "atlas.x509")
    for file in reference.glob("*.rst"):  # the theme has a table of contents of its own beside the page, and shows an error for another one
        file.write_text(re.sub(r"^\.\. contents::\n(?: +.*\n)+", "", file.read_text(), flags=re.MULTILINE))
    shutil.rmtree(SITE, ignore_errors=True)
    run("sphinx-build", "--quiet", "--fail-on-warning", "--keep-going", "--builder", "html", str(SOURCE), str(SITE))
    print(SITE / "index.html")


if __name__ == "__main__":
    main()
