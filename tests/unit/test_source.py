# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether Ansible may show the source of a task that fails."""

from __future__ import annotations

import pytest
from ansible_collections.atlas.x509.plugins.plugin_utils._source import hide_source

SECRET = "mdb_sa_sk_0f-Nobody"


class Task:
    """As much of a task as matters: its options as they turned out, its source, and where that is."""

    def __init__(self, source, path="", **args):
        self.args, self._ds, self._path = args, source, path

    def get_ds(self):
        return self._ds

    def get_path(self):
        return self._path


@pytest.mark.parametrize("option", ["client_secret", "private_api_key", "private_key", "access_token"])
def test_a_secret_that_is_written_out_hides_the_source(option):
    task = Task({"args": {option: SECRET}}, **{option: SECRET})
    hide_source(task)
    assert task.get_ds() is None


def test_a_secret_elsewhere_in_the_file_hides_it_too_because_lines_around_are_shown(tmp_path):
    (tmp_path / "play.yml").write_text(f"client_secret: {SECRET}\n")
    task = Task({"args": {}}, f"{tmp_path}/play.yml:7", client_secret=SECRET)
    hide_source(task)
    assert task.get_ds() is None


@pytest.mark.parametrize("args", [{}, {"client_secret": None}, {"client_secret": SECRET}, {"username": "app"}], ids=str)
def test_templates_of_secrets_and_tasks_without_any_are_shown_as_ever(tmp_path, args):
    (tmp_path / "play.yml").write_text("client_secret: '{{ vaulted }}'\n")
    source = {"args": {"client_secret": "{{ vaulted }}", "username": "app"}}
    for path in (f"{tmp_path}/play.yml:7", f"{tmp_path}/gone.yml:7", "", None):
        task = Task(source, path, **args)
        hide_source(task)
        assert task.get_ds() is source
