# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a file that holds a key, and its SELinux context."""

from __future__ import annotations

import pytest
from ansible_collections.atlas.x509.plugins.module_utils import _file_options, _store


class Host:
    """A module on a host with SELinux: the context of one file, and what is usual for its path."""

    def __init__(self, context, usual, enabled=True, **params):
        self.params = dict.fromkeys(("mode", "owner", "group", "seuser", "serole", "setype", "selevel"))
        self.params.update(params)
        self.context, self._usual, self._enabled = list(context), usual, enabled

    def selinux_enabled(self):
        return self._enabled

    def selinux_default_context(self, path):
        assert path == "/etc/app/mongodb.pem"
        return self._usual

    def load_file_common_arguments(self, params, path=None):
        wanted = [params["seuser"], params["serole"], params["setype"]]
        return {"path": path, "secontext": wanted + [params["selevel"]] if len(self._usual) == 4 else wanted}

    def set_context_if_different(self, path, context, changed):
        wanted = [new or old for new, old in zip(context, self.context, strict=True)]
        changed, self.context = changed or wanted != self.context, wanted
        return changed


PARENT = ["unconfined_u", "object_r", "etc_t", "s0"]
USUAL = ["system_u", "object_r", "cert_t", "s0"]


def labelled(host, fresh):
    return _file_options.label(host, "/etc/app/mongodb.pem", fresh)


def test_without_selinux_nothing_happens():
    host = Host(PARENT, [None] * 4, enabled=False, setype="mongod_t")
    assert labelled(host, True) is labelled(host, False) is False
    assert host.context == PARENT


def test_a_fresh_file_gets_what_is_usual_for_its_path():
    host = Host(PARENT, USUAL)
    assert labelled(host, True) is True
    assert host.context == USUAL
    assert labelled(host, True) is False


def test_what_was_asked_for_wins_over_what_is_usual():
    host = Host(PARENT, USUAL, setype="mongod_t", selevel="s0:c1")
    assert labelled(host, True) is True
    assert host.context == ["system_u", "object_r", "mongod_t", "s0:c1"]


def test_of_a_file_that_was_there_only_what_was_asked_for_changes():
    host = Host(PARENT, USUAL, setype="mongod_t")
    assert labelled(host, False) is True
    assert host.context == ["unconfined_u", "object_r", "mongod_t", "s0"]
    assert labelled(host, False) is False


def test_a_file_that_was_there_and_of_which_nothing_was_asked_stays_as_it_is():
    host = Host(PARENT, USUAL)
    assert labelled(host, False) is False
    assert host.context == PARENT


@pytest.mark.parametrize("usual", [[None, None, None, None], [None, None, None]], ids=["with levels", "without"])
def test_a_path_for_which_nothing_is_usual_keeps_its_context(usual):
    host = Host(PARENT[: len(usual)], usual)
    assert labelled(host, True) is False
    assert host.context == PARENT[: len(usual)]


def test_a_policy_without_levels_has_three_parts():
    host = Host(PARENT[:3], USUAL[:3], setype="mongod_t")
    assert labelled(host, True) is True
    assert host.context == ["system_u", "object_r", "mongod_t"]


def test_the_default_mode_is_one_that_lets_nobody_else_read():
    assert _store.parse_mode(_file_options.SPEC["mode"]["default"]) == 0o600


def test_by_default_nothing_foreign_is_replaced():
    assert _file_options.SPEC["on_foreign"]["default"] == "fail"
