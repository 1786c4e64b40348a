# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Galaxy says when this artefact is uploaded: `python tools/galaxy.py ARTEFACT`, with a Python that has galaxy-importer and ansible-lint.

galaxy-importer ends with 0 whatever it found, so what it reports decides. And it gives ansible-lint three minutes, which on a busy machine
say nothing of the collection; here it has half an hour.
"""

from __future__ import annotations

import logging
import re
import sys

from galaxy_importer import main as importer
from galaxy_importer.loaders import collection

# The playbook that sets AWX up is for those who have awx.awx; Galaxy's ansible-lint has not. `make lint` looks at the rest of that playbook.
EXPECTED = re.compile(r"playbooks/awx_setup\.yml:\d+:\d+: syntax-check\[unknown-module\]: couldn't resolve module/action 'awx\.awx\.\w+'.*")


class _Patient(collection.Popen):  # type: ignore[misc]
    """Waits longer than it is told to."""

    def communicate(self, input=None, timeout=None):  # noqa: A002  # Popen's own name for it
        """As Popen does."""
        return super().communicate(input, timeout and 1800)


class _Complaints(logging.Handler):
    """Keeps what is a warning or worse, and not expected."""

    def __init__(self) -> None:
        """Nothing yet."""
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        if not EXPECTED.fullmatch(record.getMessage()):
            self.said.append(record.getMessage())


def main(artefact: str) -> str:
    """Import it; why it was not imported without a word, or nothing."""
    complaints = _Complaints()
    logging.getLogger("galaxy_importer").addHandler(complaints)
    collection.Popen = _Patient
    failed = importer.main([artefact])
    if complaints.said:
        return f"galaxy-importer is not content, see above: {len(complaints.said)} complaints"
    return "galaxy-importer imported nothing, see above" if failed else ""


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tools/galaxy.py ARTEFACT")
    sys.exit(main(sys.argv[1]) or 0)
