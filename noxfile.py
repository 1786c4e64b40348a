# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every supported pair of ansible-core and Python, and the judges that need an environment of their own.

    nox                     the tests on every supported pair, and with the lowest versions of everything
    nox -t ends             on the oldest and the newest pair only
    nox -t judges           what judges the collection: sanity on each ansible-core, documentation, Galaxy, licences
    nox -l                  all sessions; what comes after -- goes to pytest or ansible-test

An interpreter that is not there is reported as skipped, and is an error with CI=true.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tools"))

import collection
import interpreters
from matrix import NEWEST, OLDEST, PAIRS, SUPPORTED

nox.needs_version = ">=2025.2"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests", "lowest"]

# Names on PATH that run: the shims of pyenv do not.
os.environ["PATH"] = os.pathsep.join([str(interpreters.link()), os.environ.get("PATH", os.defpath)])

PYTEST = ("python", "-m", "pytest", "-m", "not heavy or rare", "-n", "auto", "--dist", "worksteal")


def pair(core: str, python: str):
    return nox.param(python, core, id=f"{core}-py{python}", tags=["ends"] if (core, python) in (OLDEST, NEWEST) else [])


@nox.session
@nox.parametrize("python,core", [pair(core, python) for core, python in PAIRS])
def tests(session: nox.Session, core: str) -> None:
    """Unit and integration tests, every Python that this ansible-core knows on managed hosts, the installed artefact."""
    session.install(f"ansible-core~={core}.0", "-r", "tools/requirements-test.txt")
    session.run(*PYTEST, *session.posargs)


@nox.session(python=OLDEST[1])
def lowest(session: nox.Session) -> None:
    """The same on the oldest pair, with the lowest versions of everything that a user installs; without the tests of the fake."""
    session.install("-c", "tools/requirements-lowest.txt", "ansible-core", "urllib3", "-r", "tools/requirements-test.txt")
    # The oldest urllib3 leaves sockets to the garbage collector, and uses what the ssl module of Python 3.10 would rather give up.
    quiet = ("-W", "ignore::pytest.PytestUnraisableExceptionWarning", "-W", "ignore:ssl.:DeprecationWarning")
    # What judges the fake itself are libraries of today: these ask too little, such as whether an answer came whole.
    session.run(*PYTEST, *quiet, "--ignore=tests/unit/fake_atlas", *session.posargs)


@nox.session(tags=["judges"])
@nox.parametrize("python,core", [nox.param(pythons.controller[-1], core, id=core) for core, pythons in SUPPORTED.items()])
def sanity(session: nox.Session, core: str) -> None:
    """ansible-test sanity, with no ignore file."""
    session.install(f"ansible-core~={core}.0")
    session.run("tools/sanity", *session.posargs, external=True, env={"BIN": session.bin})


@nox.session(python=NEWEST[1], tags=["judges"])
def documentation(session: nox.Session) -> None:
    """antsibull-docs: the documentation of every plugin and role, with every reference followed; then the site, with every link."""
    session.install(f"ansible-core~={NEWEST[0]}.0", "-r", "tools/requirements-site.txt")
    session.run("python", "tools/docsite/build.py")
    session.run("python", "tools/docsite/links.py", ".build/site")
    with session.chdir(mirror()):
        session.run("antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs", "all", "--disallow-unknown-collection-refs", ".")


@nox.session(python=NEWEST[1], tags=["judges"])
def galaxy(session: nox.Session) -> None:
    """galaxy-importer on the artefact, with not even a warning (but for one that tools/galaxy.py explains)."""
    session.install("ansible-core>=2.19", "ansible-lint", "galaxy-importer>=0.4.31")
    dist = Path(session.create_tmp())
    session.run("python", ROOT / "tools" / "build.py", dist)
    (artefact,) = dist.glob("*.tar.gz")
    with session.chdir(dist):
        session.run("python", ROOT / "tools" / "galaxy.py", artefact.name)


@nox.session(python=NEWEST[1], tags=["judges"])
def licences(session: nox.Session) -> None:
    """REUSE: every file says whose it is and under which licence."""
    session.install("reuse>=4")
    session.run("reuse", "lint", "--quiet")


@nox.session(python=NEWEST[1], tags=["judges"])
def builder(session: nox.Session) -> None:
    """ansible-builder finds the two libraries, with their lower bounds."""
    session.install("ansible-builder>=3.1")
    found = str(session.run("ansible-builder", "introspect", mirror().parents[2], silent=True))
    session.log(found)
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        if line and not line.startswith("#") and line not in found:
            session.error(f"ansible-builder does not see {line}")


def mirror() -> Path:
    """The files of the collection where such tools want them, .../ansible_collections/atlas/x509."""
    return collection.mirror() / collection.INSIDE
