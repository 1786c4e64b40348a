# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Change one thing at a time in the code that decides, issues and stores, and see whether a test notices (mutmut).

    python tools/mutation.py                          every module from the start
    python tools/mutation.py decision pem             these alone
    python tools/mutation.py --survivors store        again what survived or was not tried, after tests were added
    python tools/mutation.py --report                 try nothing, print what is known

Ends with a table, and with 1 when a mutant survived that docs/testing.md does not explain. What was changed is kept in .build/mutation.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import collection
from collection import ROOT

HERE = ROOT / ".build" / "mutation"
INSIDE = collection.INSIDE
ROOM = INSIDE / "plugins" / "module_utils"
EXPLANATIONS = ROOT / "docs" / "testing.md"

# What the tests of a module need beside it.
NEEDED = ("plugins/", "tests/", "tools/", "pyproject.toml/", "meta/")


class Target(NamedTuple):
    """A module, the tests that have to notice, and the functions that are changed (none: all)."""

    module: str
    tests: tuple[str, ...]
    functions: tuple[str, ...] = ()


TARGETS = {
    "decision": Target("_decision", ("test_decision.py",)),
    "client": Target(
        "_client",
        ("test_client.py::TestTheWriteOnTheWire",),
        ("Client._authentication", "Client.post", "Client.refusal", "Client.unreachable", "Client.certificates_path", "Client._base"),
    ),
    "issue": Target("_issue", ("test_client.py::TestTheWriteOnTheWire",)),
    "http": Target(
        "_http",
        ("test_http.py", "test_client.py::TestTheWriteOnTheWire"),
        (
            "Transport.exchange", "Transport._try_again", "Transport._send", "Transport._pieces", "Transport._late", "_next_piece", "_never_sent",
            "_reason", "_chain",
        ),
    ),
    "pem": Target("_pem", ("test_pem.py",)),
    "store": Target("_store", ("test_store.py",)),
}  # fmt: skip


class Mutant(NamedTuple):
    """One change: where it is, what came of it, and the lines that it takes away and puts in."""

    target: str
    key: str
    function: str
    status: str
    removed: str
    added: str

    def __str__(self) -> str:
        """As docs/testing.md names it."""
        return f"`{self.function}`: `{self.removed}` → `{self.added}`"


def main() -> int:
    """Try the mutants of the modules that were named, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="MODULE", help=f"{', '.join(TARGETS)}; default: all")
    parser.add_argument("--survivors", action="store_true", help="only those that survived the last run or were not tried")
    parser.add_argument("--report", action="store_true", help="try nothing, print what is known")
    parser.add_argument("--quick", action="store_true", help="without the tests that take long")
    parser.add_argument("--children", type=int, default=os.cpu_count() or 2, help="mutants side by side")
    wish = parser.parse_args()
    names = wish.targets or list(TARGETS)
    if unknown := set(names) - set(TARGETS):
        parser.error(f"no such module: {', '.join(sorted(unknown))}")
    for name in names:
        if not wish.report:
            print(f"\n== {name} ==", flush=True)
            run(name, wish.children, wish.survivors, ("quick",) if wish.quick else ("quick", "whole"))
    return report(names)


def run(name: str, children: int, survivors: bool, passes: tuple[str, ...]) -> None:
    """Try the mutants of one module, in a process of its own: it loads the mutated code. What survives the quick tests meets the slow ones."""
    workspace = prepare(name, again=survivors)
    for which in passes:
        chosen = [mutant.key for mutant in mutants(name) if mutant.status not in ("killed", "timeout")] if survivors else patterns(name)
        if chosen or not survivors:
            command = [sys.executable, str(ROOT / "tools" / "mutation_child.py"), "run", "--max-children", str(children), *chosen]
            with open(workspace / "mutmut.log", "wb") as log:  # it draws a wheel that turns
                ended = subprocess.run(command, cwd=workspace, env={**os.environ, "MUTATION_PASS": which}, check=False, stdout=log, stderr=log)
            if ended.returncode:
                sys.exit(f"mutmut ended with {ended.returncode} on {name}: {workspace}/mutmut.log")
        survivors = True


def prepare(name: str, again: bool) -> Path:
    """A folder for mutmut: it sees the working tree through a link, and changes a copy in ``mutants``."""
    workspace, target = HERE / name, TARGETS[name]
    if not again:
        shutil.rmtree(workspace, ignore_errors=True)
    link, copy = workspace / INSIDE, workspace / "mutants" / INSIDE
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(ROOT)
    for path in collection.files():
        if f"{path}/".startswith(NEEDED) and path != Path("plugins", "module_utils", f"{target.module}.py"):
            collection.copy(ROOT / path, copy / path)
    tests = "\n    ".join(str(INSIDE / "tests" / "unit" / test) for test in target.tests)
    (workspace / "setup.cfg").write_text(
        textwrap.dedent("""\
        [mutmut]
        source_paths = {source}
        pytest_add_cli_args_test_selection =
            {tests}
        pytest_add_cli_args =
            -p
            no:cacheprovider
        use_git_change_detection = false
        timeout_constant = 30
        """).format(source=ROOM / f"{target.module}.py", tests=tests)
    )  # fmt: skip
    return workspace


def patterns(name: str) -> list[str]:
    """The mutants to try, as mutmut names them."""
    module = ".".join((ROOM / TARGETS[name].module).parts)
    return [f"{module}.{mangled(function)}*" for function in TARGETS[name].functions]


def mangled(function: str) -> str:
    """``Client.issue`` as mutmut writes it, ``xǁClientǁissue``."""
    owner, dot, method = function.rpartition(".")
    return f"xǁ{owner}ǁ{method}" if dot else f"x_{function}"


def mutants(name: str) -> Iterator[Mutant]:
    """What is known of each mutant of one module."""
    workspace, target = HERE / name, TARGETS[name]
    if not (workspace / "mutants").is_dir():
        return
    os.chdir(workspace)
    from mutmut.configuration import reset_config
    from mutmut.mutation.data import MutantLineSpans, SourceFileMutationData
    from mutmut.stats import status_by_exit_code
    from mutmut.utils.format_utils import orig_function_and_class_names_from_key

    reset_config()
    path = ROOM / f"{target.module}.py"
    data, spans = SourceFileMutationData(path=path), MutantLineSpans.load(path)
    data.load()
    for key, code in data.exit_code_by_key.items():
        method, owner = orig_function_and_class_names_from_key(key)
        function = f"{owner}.{method}" if owner else method
        if spans is None or (target.functions and function not in target.functions):
            continue
        mutant = key.rpartition(".")[2]
        before, after = spans.read_function_sources([re.sub(r"_\d+$", "_orig", mutant), mutant])
        status = status_by_exit_code[code]
        yield Mutant(name, key, f"{target.module}.{function}", status, *difference(before, after))


def difference(before: str, after: str) -> tuple[str, str]:
    """The lines that a mutant takes away and puts in, in one line each; not the name of the function."""
    lines = list(difflib.ndiff(unnamed(before), unnamed(after)))
    removed = " ".join(line[2:].strip() for line in lines if line.startswith("- "))
    added = " ".join(line[2:].strip() for line in lines if line.startswith("+ "))
    return removed, added


def unnamed(source: str) -> list[str]:
    """The lines of a function without its mangled name."""
    return re.sub(r"def x[_ǁ]\S*?__mutmut_(orig|\d+)", "def function", source).strip().splitlines()


def report(names: list[str]) -> int:
    """Print the table and every survivor that has no explanation."""
    page = EXPLANATIONS.read_text()
    tried = [mutant for name in names for mutant in mutants(name)]
    explained = {mutant.key for mutant in tried if mutant.status == "survived" and str(mutant) in page}
    print("\n| module | mutants | killed | timeout | survived, explained | survived | other |\n|---|---|---|---|---|---|---|")
    for name in names:
        counts = Counter("explained" if mutant.key in explained else mutant.status for mutant in tried if mutant.target == name)
        other = sum(counts.values()) - sum(counts[known] for known in ("killed", "timeout", "explained", "survived"))
        print(f"| `{TARGETS[name].module}` | {sum(counts.values())} | {counts['killed']} | {counts['timeout']} "
              f"| {counts['explained']} | {counts['survived']} | {other} |")  # fmt: skip
    left = [mutant for mutant in tried if mutant.status not in ("killed", "timeout") and mutant.key not in explained]
    for mutant in left:
        print(f"* {mutant}: {mutant.status} ({mutant.key.rpartition('.')[2]})")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
