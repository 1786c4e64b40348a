# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as one page that needs nothing but itself.

It is rendered here and not by Ansible's own templating, so that everything is escaped unless said otherwise, no name is ever taken for a template,
and ten thousand users take seconds. The browser runs the one style and the one script whose hashes the page names, and loads nothing.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from ansible_collections.atlas.x509.plugins.plugin_utils import _words
from ansible_collections.atlas.x509.plugins.plugin_utils._expiry import STATUSES, Report
from ansible_collections.atlas.x509.plugins.plugin_utils._timeline import timeline
from ansible_collections.atlas.x509.plugins.plugin_utils._visible import shortened, visible
from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).resolve().parents[2] / "roles" / "expiry_report" / "templates"


def page(found: Report, title: str, fingerprint: str) -> str:
    """The whole page."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(visible=visible, shortened=shortened, sha256=_sha256, date=_words.date, day=_words.day, days=_words.days)
    projects = sorted({(one.project, one.project_id) for one in found.users} | {(one.project, one.project_id) for one in found.unread})
    values: dict[str, Any] = {
        "report": found,
        "timeline": timeline(found),
        "title": title,
        "fingerprint": fingerprint,
        "statuses": STATUSES,
        "words": _words,
        "projects": projects,
        "number_of": {project_id: number for number, (_name, project_id) in enumerate(projects)},
    }
    return environment.get_template("page.html.j2").render(values)


def _sha256(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(str(text).encode()).digest()).decode()
