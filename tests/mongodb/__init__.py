# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A MongoDB to log in to with X.509, on loopback: SecantusDB, a wire-compatible server, behind TLS.

It trusts one authority (that of a project of the fake Atlas) and knows the users that it is given.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_PATIENCE = 60  # seconds; it listens after one or two


class MongoDB:
    """``with MongoDB(authority_pem, ["CN=app"]) as mongodb``: ``mongodb.uri`` is ready for a client that trusts this machine's server."""

    def __init__(self, authority: str, users: list[str]) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="mongodb-")
        self.folder = Path(self._scratch.name)
        self._users = users
        self._process: subprocess.Popen[str] | None = None
        (self.folder / "clients.pem").write_text(authority)

    def __enter__(self) -> MongoDB:
        command = [sys.executable, "-m", "mongodb.serve", str(self.folder), json.dumps(self._users)]
        with open(self.folder / "log", "wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=Path(__file__).resolve().parents[1],
                stdin=subprocess.PIPE,  # the server ends when this does, whatever becomes of us
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        listens = select.select([self._process.stdout], [], [], _PATIENCE)[0]
        address = self._process.stdout.readline().strip() if listens else ""
        if not address:
            said = (self.folder / "log").read_text() or f"it said nothing in {_PATIENCE} s"
            self.__exit__()
            raise RuntimeError(f"MongoDB did not start: {said}")
        self.address = address
        return self

    def __exit__(self, *_exception: Any) -> None:
        if self._process:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe:
                    pipe.close()
            try:
                self._process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._scratch.cleanup()

    @property
    def uri(self) -> str:
        """Where it is, and whom to trust for its server certificate."""
        return f"mongodb://{self.address}/?directConnection=true&tlsCAFile={self.folder}/server-ca.pem"
