# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Forks of one run that would all issue for one user: they take turns, and what one has done restrains the next."""

from __future__ import annotations

import threading

import pytest
from ansible_collections.atlas.x509.plugins.plugin_utils._turn import turn

ARGUMENTS = {"base_url": "https://example.com", "project_id": "64b7f0c2a1d3e4f5a6b7c8d9", "username": "app"}
ISSUED = {"changed": True, "decision": "issue"}
WISH = {"force": True, "on_orphan": "reissue"}


def take(folder, host, result, task="task", environment=(), **more):
    """The arguments that this host's module gets in its turn, after which it returns this result."""
    arguments = {**ARGUMENTS, **WISH, **more}
    with turn(str(folder), arguments, dict(environment), task, host) as mine:
        mine.restrain(arguments)
        mine.record(result)
    return {name: arguments[name] for name in WISH}


def test_the_first_one_does_as_it_was_told_and_the_next_one_may_no_longer_issue_in_any_case(tmp_path):
    assert take(tmp_path, "web1", dict(ISSUED)) == WISH
    assert take(tmp_path, "web2", {"changed": False}) == {"force": False, "on_orphan": "fail"}
    assert take(tmp_path, "web3", {"changed": False}) == {"force": False, "on_orphan": "fail"}


@pytest.mark.parametrize("result", [{"parked": "/etc/app/.mongodb.pem.atlas-pending"}, {"outcome_unknown": True}])
def test_one_that_could_not_be_put_in_place_or_was_lost_on_the_way_is_one_too(tmp_path, result):
    take(tmp_path, "web1", {"failed": True, **result})
    assert take(tmp_path, "web2", {}) == {"force": False, "on_orphan": "fail"}


@pytest.mark.parametrize("result", [{"failed": True}, {"changed": False, "decision": "keep"}, {"changed": True, "decision": "keep"}])
def test_only_an_issue_restrains_those_who_wait(tmp_path, result):
    take(tmp_path, "web1", result)
    assert take(tmp_path, "web2", {}) == WISH


@pytest.mark.parametrize(
    "other", [{"task": "another"}, {"username": "other"}, {"project_id": "64b7f0c2a1d3e4f5a6b7c8da"}, {"base_url": "https://example.org"}]
)
def test_another_task_user_project_or_service_is_another_matter(tmp_path, other):
    take(tmp_path, "web1", dict(ISSUED))
    assert take(tmp_path, "web2", {}, **other) == WISH


FROM_THE_ENVIRONMENT = {"MONGODB_ATLAS_PROJECT_ID": ARGUMENTS["project_id"], "MONGODB_ATLAS_BASE_URL": "https://example.com/"}


@pytest.mark.parametrize("said", [{}, {"base_url": None}, {"project_id": ""}, {"base_url": None, "project_id": None}], ids=str)
def test_it_does_not_matter_whether_an_option_or_the_environment_says_which_project_is_meant(tmp_path, said):
    take(tmp_path, "web1", dict(ISSUED))
    assert take(tmp_path, "web2", {}, environment=FROM_THE_ENVIRONMENT, **said) != WISH


def test_hosts_whose_environment_names_another_project_are_another_matter(tmp_path):
    take(tmp_path, "web1", dict(ISSUED), environment=FROM_THE_ENVIRONMENT, project_id=None)
    other = {**FROM_THE_ENVIRONMENT, "MONGODB_ATLAS_PROJECT_ID": "64b7f0c2a1d3e4f5a6b7c8da"}
    assert take(tmp_path, "web2", {}, environment=other, project_id=None) == WISH


def test_the_same_host_may_issue_again_as_in_a_loop(tmp_path):
    take(tmp_path, "web1", dict(ISSUED))
    assert take(tmp_path, "web1", {}) == WISH


def test_a_host_that_got_nothing_is_told_which_one_did_and_what_to_write(tmp_path):
    take(tmp_path, "web1", dict(ISSUED))
    refused = {"failed": True, "reason": "orphaned", "msg": "nobody holds it"}
    take(tmp_path, "web2", refused)
    assert refused["msg"].startswith("nobody holds it. This task has asked for one for this user already, for the host web1")
    assert "run_once: true" in refused["msg"]


def test_a_failure_of_another_kind_or_without_an_issue_is_told_as_it_is(tmp_path):
    for before in ([], [dict(ISSUED)]):
        for result in before:
            take(tmp_path, "web1", result)
        failures = [{"failed": True, "reason": "foreign_pem", "msg": "something else"}]
        if not before:
            failures.append({"failed": True, "reason": "orphaned", "msg": "something else"})
        for failure in failures:
            take(tmp_path, "web2", failure)
            assert failure["msg"] == "something else"


def test_nobody_has_a_turn_while_another_one_has(tmp_path):
    order = []

    def second():
        with turn(str(tmp_path), ARGUMENTS, {}, "task", "web2") as mine:
            order.append(mine.issuer)

    with turn(str(tmp_path), ARGUMENTS, {}, "task", "web1") as mine:
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        order.append("still the first")
        mine.record(dict(ISSUED))
    thread.join(30)
    assert order == ["still the first", "web1"]


def test_a_turn_ends_when_the_module_fails_badly(tmp_path):
    with pytest.raises(RuntimeError), turn(str(tmp_path), ARGUMENTS, {}, "task", "web1"):
        raise RuntimeError
    assert take(tmp_path, "web2", {}) == WISH
