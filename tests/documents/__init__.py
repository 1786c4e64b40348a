# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands in the documents: their files, the examples in them, and the messages of the code that they quote."""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "roles").glob("*/README.md")), ROOT / "tests" / "fake_atlas" / "README.md"]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    """A block of a document. ``name`` is the document and the number of the block in it, counted from 1 within its kind."""

    name: str
    kind: str
    text: str

    def plays(self) -> list[dict[str, Any]]:
        """The block as plays: tasks that stand alone get a play on the hosts of the application."""
        found = yaml.safe_load(self.text)
        tasks = [item for item in found if "hosts" not in item]
        return [item for item in found if "hosts" in item] + ([{"hosts": "app", "tasks": tasks}] if tasks else [])

    def commands(self) -> list[str]:
        """The commands behind the prompts, without their comments."""
        lines = [line.partition("$ ")[2] for line in self.text.splitlines() if line.startswith("$ ")]
        return [re.sub(r"\s+# .*$", "", line) for line in lines]


def of_pages() -> list[Example]:
    """The blocks of the README, the guides and the roles' READMEs."""
    found = []
    for page in PAGES:
        counts: dict[str, int] = {}
        for _indent, kind, text in FENCE.findall(page.read_text()):
            counts[kind] = counts.get(kind, 0) + 1
            found.append(Example(f"{page.relative_to(ROOT)} {kind} {counts[kind]}", kind, textwrap.dedent(text)))
    return found


def of_plugins() -> list[Example]:
    """The examples of the modules, filters and roles, which are one document each."""
    found = []
    for file in sorted([*(ROOT / "plugins" / "modules").glob("*.py"), *(ROOT / "plugins" / "filter").glob("*.py")]):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "EXAMPLES":
                found.append(Example(f"{file.stem} EXAMPLES", "yaml", ast.literal_eval(node.value)))
    for file in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml")):
        found.append(Example(f"role {file.parents[1].name} EXAMPLES", "yaml", yaml.safe_load(file.read_text())["argument_specs"]["main"]["examples"]))
    return found


def said_by_the_code() -> str:
    """All that the plugins and roles can say: every string of every plugin, and the roles as they stand."""
    texts = []
    for file in sorted((ROOT / "plugins").rglob("*.py")):
        tree = ast.parse(file.read_text())
        texts += [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    texts += [file.read_text() for file in sorted((ROOT / "roles").rglob("*.yml"))]
    return "\n".join(texts)
