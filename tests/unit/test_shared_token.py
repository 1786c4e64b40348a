# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One login for the tasks of a run: real files and locks, real HTTP to the fake, clients as each task has one of its own."""

from __future__ import annotations

import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.atlas.x509.plugins.module_utils import _options, _session
from ansible_collections.atlas.x509.plugins.module_utils._client import Client
from ansible_collections.atlas.x509.plugins.module_utils._errors import ServiceError, StoreError
from ansible_collections.atlas.x509.plugins.module_utils._issue import issue
from ansible_collections.atlas.x509.plugins.module_utils._shared_token import MARGIN, Taken, Token
from connections import ACCOUNT, task_options
from fake_atlas import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, DEMO_PRIVATE_KEY, DEMO_PROJECT, DEMO_PUBLIC_KEY


@pytest.fixture
def task(atlas, tmp_path):
    """The client of one task. Credentials are options unless ``environment`` holds them."""

    def made(environment=None, **options):
        credentials = {} if environment else ACCOUNT
        given = task_options(**{"base_url": atlas.url, "retries": 0, "login_dir": str(tmp_path), **credentials, **options})
        return Client(_options.connection(given, environment or {}), sleep=lambda _seconds: None)

    return made


def log(task, state, **options):
    with task(**options) as client:
        return _session.ensure(client, state)


def read(task, **options):
    with task(**options) as client:
        return client.certificates(DEMO_PROJECT, "app")


def tokens(atlas):
    return atlas.state.counters.tokens_made, atlas.state.counters.tokens_revoked


def file_of(folder):
    (found,) = folder.iterdir()
    return found


class TestOneLogin:
    def test_it_serves_every_task_and_is_revoked_at_the_end(self, atlas, task):
        assert log(task, "present").logged_in
        for _task in range(3):
            read(task)
        assert tokens(atlas) == (1, 0)
        assert log(task, "absent") == ("logged out", False, ())
        assert tokens(atlas) == (1, 1)
        assert not atlas.state.tokens

    def test_it_is_found_by_the_credentials_wherever_they_come_from(self, atlas, task):
        log(task, "present", environment={"MONGODB_ATLAS_CLIENT_ID": DEMO_CLIENT_ID, "MONGODB_ATLAS_CLIENT_SECRET": DEMO_CLIENT_SECRET})
        read(task)
        assert tokens(atlas) == (1, 0)

    def test_a_second_login_of_the_run_finds_the_first(self, atlas, task):
        log(task, "present")
        assert log(task, "present").message == "this run is logged in already"
        assert tokens(atlas) == (1, 0)

    def test_tasks_that_log_in_at_once_make_one_token(self, atlas, task):
        with ThreadPoolExecutor(8) as pool:
            assert all(outcome.logged_in for outcome in pool.map(lambda _: log(task, "present"), range(8)))
        assert tokens(atlas) == (1, 0)

    def test_without_it_every_task_logs_in_and_out_by_itself(self, atlas, task, tmp_path):
        for _task in range(2):
            read(task)
        assert tokens(atlas) == (2, 2)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("given", [{"client_secret": "another-secret"}, {"client_id": "mdb_sa_id_another"}])
    def test_other_credentials_do_not_get_it(self, atlas, task, given):
        log(task, "present")
        with pytest.raises(ServiceError):
            read(task, **given)
        assert atlas.state.counters.lists == 0

    def test_a_given_token_wins(self, atlas, task):
        log(task, "present")
        ready = atlas.call(atlas.state.add_token, next(iter(atlas.state.tokens.values())).account, ready_made=True)
        atlas.call(atlas.state.tokens.pop, next(iter(atlas.state.tokens)))
        read(task, access_token=ready.value)
        assert tokens(atlas) == (1, 0)

    def test_other_kinds_of_credentials_need_none(self, atlas, task, tmp_path):
        key = {"public_api_key": DEMO_PUBLIC_KEY, "private_api_key": DEMO_PRIVATE_KEY, "client_id": None, "client_secret": None}
        assert log(task, "present", **key) == ("nothing to do: only a service account logs in, and other credentials are given", False, ())
        assert log(task, "absent", **key).message == "nothing to do: this run is not logged in"
        assert (atlas.state.counters.requests, list(tmp_path.iterdir())) == (0, [])


class TestTheEndOfAToken:
    def test_one_that_the_service_no_longer_takes_is_renewed_for_all_and_a_write_behind_it_is_done_once(self, atlas, task):
        log(task, "present")
        atlas.call(atlas.state.tokens.clear)
        with task() as client:
            issue(client, DEMO_PROJECT, "app", 3, [].append)
        read(task)
        assert tokens(atlas) == (2, 0)
        assert atlas.state.counters.issued == 1
        log(task, "absent")
        assert not atlas.state.tokens

    def test_one_that_ends_soon_is_renewed_before_it_is_used(self, atlas, task):
        atlas.state.settings.token_lifetime = MARGIN - 1
        log(task, "present")
        atlas.state.settings.token_lifetime = 3600
        read(task)
        read(task)
        assert tokens(atlas) == (2, 0)

    def test_tasks_that_notice_at_once_renew_it_once(self, atlas, task):
        log(task, "present")
        atlas.call(atlas.state.tokens.clear)
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(lambda _: read(task), range(8))) == [[]] * 8
        assert tokens(atlas) == (2, 0)

    def test_a_task_that_still_runs_after_the_logout_goes_on_with_a_login_of_its_own(self, atlas, task, tmp_path):
        log(task, "present")
        with task() as client:
            client.certificates(DEMO_PROJECT, "app")
            log(task, "absent")
            client.certificates(DEMO_PROJECT, "app")
            assert tokens(atlas) == (2, 1)
        assert tokens(atlas) == (2, 2)
        assert list(tmp_path.iterdir()) == []

    def test_a_logout_that_the_service_does_not_hear_says_so(self, atlas, task, tmp_path):
        log(task, "present")
        atlas.fault("status", status=503, match={"path_contains": "/oauth/revoke"})
        outcome = log(task, "absent")
        assert outcome.warnings == ("the service did not take the token back; it ends by itself within the hour",)
        assert list(tmp_path.iterdir()) == []

    def test_a_logout_without_a_login_is_fine(self, atlas, task):
        assert log(task, "absent").message == "nothing to do: this run is not logged in"
        assert atlas.state.counters.requests == 0


class TestTheFile:
    def test_only_its_user_can_read_it_and_its_name_tells_nothing(self, task, tmp_path):
        log(task, "present")
        path = file_of(tmp_path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert DEMO_CLIENT_ID not in path.name
        assert DEMO_CLIENT_SECRET not in path.read_text()

    @pytest.mark.parametrize("content", ["", "[", "[]", "{}", '["fake.half', '[1, "x"]', "null", '["a", 9e99, 1]'])
    def test_what_is_no_token_is_replaced_by_one(self, atlas, task, tmp_path, content):
        log(task, "present")
        atlas.call(atlas.state.tokens.clear)
        file_of(tmp_path).write_text(content)
        read(task)
        read(task)
        assert tokens(atlas) == (2, 0)

    def test_a_renewal_leaves_it_to_its_owner(self, atlas, task, tmp_path):
        """A task that runs as root must not take it away from those that do not."""
        log(task, "present")
        before = file_of(tmp_path).stat().st_ino
        atlas.call(atlas.state.tokens.clear)
        read(task)
        assert file_of(tmp_path).stat().st_ino == before

    @pytest.mark.parametrize("spoil", ["readable", "link", "directory"])
    def test_one_that_is_not_the_runs_own_is_not_trusted(self, atlas, task, tmp_path, spoil):
        log(task, "present")
        path = file_of(tmp_path)
        if spoil == "readable":
            path.chmod(0o640)
        else:
            path.rename(tmp_path / "moved")
            path.symlink_to(tmp_path / "moved") if spoil == "link" else path.mkdir()
        read(task)
        assert tokens(atlas) == (2, 1), "the task made a login of its own, and ended it"

    def test_no_room_for_it_is_said_in_words(self, atlas, task, tmp_path):
        with pytest.raises(StoreError, match="run this task as the user who runs Ansible"):
            log(task, "present", login_dir=str(tmp_path / "none"))
        assert tokens(atlas) == (0, 0)

    def test_a_token_that_cannot_be_written_down_is_revoked_by_the_task_that_made_it(self, atlas, task, monkeypatch):
        log(task, "present")
        atlas.call(atlas.state.tokens.clear)

        def full(*_arguments):
            raise OSError(28, os.strerror(28))

        monkeypatch.setattr(os, "pwrite", full)
        read(task)
        assert tokens(atlas) == (2, 1)
        with pytest.raises(StoreError, match="cannot be kept"):
            log(task, "present")
        assert tokens(atlas) == (3, 2)

    def test_who_waits_for_the_lock_while_the_run_logs_out_finds_no_login(self, atlas, task, tmp_path, monkeypatch):
        log(task, "present")
        path = file_of(tmp_path)
        opened = os.open

        def opened_and_removed(name, *arguments):
            descriptor = opened(name, *arguments)
            if name == str(path) and path.exists():
                path.unlink()
            return descriptor

        monkeypatch.setattr(os, "open", opened_and_removed)
        read(task)
        assert tokens(atlas) == (2, 1)


def test_neither_a_token_nor_its_file_prints_it():
    assert "secret" not in repr(Token("secret", time.time())) + repr(Taken("secret", True, True))
    assert "secret" not in str(Token("secret", 1.0))
