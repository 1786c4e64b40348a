# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is issued, what lies on disk, what the user reads and what the next run does: over HTTP, with every fault."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from ansible_collections.atlas.x509.plugins.module_utils import (
    _ensure,
    _file_options,
    _pem,
    _request,
    _results,
    _store,
    _time,
)
from ansible_collections.atlas.x509.plugins.module_utils._errors import (
    AtlasX509Error,
    KeyKept,
    NotIssued,
    OptionError,
    OutcomeUnknown,
    Refused,
    ServiceError,
    StoreError,
)
from connections import ACCOUNT, API_KEY, client, task_options
from fake_atlas import DEMO_PRIVATE_KEY, DEMO_PROJECT, certificates
from outcomes import known, lay, listed, posts
from patience import wait_for

POST = {"method": "POST", "path_contains": "/certs"}
GET = {"method": "GET"}


def asked(path, **changes):
    """The request of a user who gave these options."""
    given = {"username": "app", "project_id": DEMO_PROJECT, "path": str(path), **changes}
    return _request.request(task_options(_file_options.SPEC, _request.SPEC, **given), {})


def run(atlas, path, *, credentials=None, timeout=60, **options):
    """One run of the module, for real."""
    with client(atlas.url, credentials, retries=1, timeout=timeout) as one:
        request = asked(path, **options)
        return _ensure.carry_out(one, request, _ensure.survey(one, request))


def check(atlas, path, **options):
    """One run of the module, in check mode."""
    with client(atlas.url, retries=1) as one:
        request = asked(path, **options)
        return _ensure.foresee(one, request, _ensure.survey(one, request))


def failing(error, atlas, path, **options):
    with pytest.raises(AtlasX509Error) as caught:
        run(atlas, path, **options)
    assert caught.value.__class__ is error, f"{type(caught.value).__name__}: {caught.value}"
    return caught.value


def leftover(path):
    return path.parent / f".{path.name}.atlas-pending"


def files(directory):
    """Name, mode and content of everything there."""
    return {entry.name: (stat.S_IMODE(entry.lstat().st_mode), entry.read_bytes()) for entry in directory.iterdir()}


def issued(atlas):
    """What was issued over HTTP, in that order: two of one second are not listed in it."""
    by_serial = {str(one.serial): one for one in listed(atlas)}
    return [by_serial[entry.issued] for entry in atlas.state.journal if entry.issued]


@pytest.fixture
def path(tmp_path):
    (tmp_path / "etc").mkdir(0o700)
    return tmp_path / "etc" / "app.pem"


@pytest.fixture(autouse=True)
def _umask():
    """The worst there is: whatever is born readable stays so."""
    before = os.umask(0)
    yield
    os.umask(before)


class TestNothingGoesWrong:
    @pytest.mark.parametrize("version", ["v2", "v1.0"])
    @pytest.mark.parametrize("credentials", [API_KEY, ACCOUNT], ids=["key", "account"])
    def test_the_first_run_issues_and_the_second_changes_nothing(self, atlas, path, version, credentials):
        done = run(atlas, path, credentials=dict(credentials, api_version=version))
        made = listed(atlas)[0]
        assert (done.changed, done.path_is_current, done.replaced, done.warnings, done.backup_file) == (
            True,
            True,
            True,
            (),
            None,
        )
        assert done.plan.verdict.reason == "none_unexpired"
        assert done.certificate.serial == made.serial
        assert [one.serial for one in done.unexpired] == [made.serial]
        first = files(path.parent)
        assert first == {"app.pem": (0o600, atlas.state.pem(made).encode())}
        inode = path.stat().st_ino

        done = run(atlas, path, credentials=dict(credentials, api_version=version))
        assert (done.changed, done.path_is_current, done.certificate.serial, done.warnings) == (False, True, made.serial, ())
        assert (files(path.parent), path.stat().st_ino) == (first, inode)
        assert (len(listed(atlas)), posts(atlas)) == (1, 1)

    def test_a_run_that_keeps_reads_the_list_once(self, atlas, path):
        run(atlas, path)
        atlas.call(atlas.state.clear_journal)
        run(atlas, path)
        assert [entry.method for entry in atlas.state.journal] == ["GET"]

    def test_check_mode_of_the_first_run_writes_nothing_and_tells_the_truth(self, atlas, path):
        before = path.parent.stat()
        foreseen = check(atlas, path)
        assert (foreseen.changed, foreseen.certificate, foreseen.path_is_current, foreseen.unexpired) == (True, None, False, ())
        after = path.parent.stat()
        assert (files(path.parent), after.st_mtime_ns) == ({}, before.st_mtime_ns)
        assert posts(atlas) == 0
        done = run(atlas, path)
        assert (foreseen.changed, foreseen.plan.verdict) == (done.changed, done.plan.verdict)

    def test_check_mode_of_a_missing_parking_directory_does_not_make_it(self, atlas, tmp_path):
        path = tmp_path / "a" / "b" / "app.pem"
        assert check(atlas, path, create_directory=True).changed
        assert files(tmp_path) == {}
        run(atlas, path, create_directory=True)
        assert [stat.S_IMODE(one.stat().st_mode) for one in (path.parent, path.parent.parent, path)] == [0o700, 0o700, 0o600]

    def test_check_mode_sees_attributes_that_differ_and_leaves_them(self, atlas, path):
        run(atlas, path)
        assert not check(atlas, path).changed
        assert check(atlas, path, mode="0640").changed
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert run(atlas, path, mode="0640").changed
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        assert not run(atlas, path, mode="0640").changed
        assert posts(atlas) == 1

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            ({"force": True}, "forced"),
            ({"renew_before": "51d"}, "renewal_due"),
            ({"rotate_before": "2026-01-01"}, "rotation_asked"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_a_held_certificate_is_replaced_when_that_is_asked_for(self, atlas, path, options, reason):
        old, pem = known(atlas, days_left=50)
        if "rotate_before" in options:
            options = {"rotate_before": _time.iso(old.created_at + timedelta(hours=1, seconds=1))}
        lay(path, pem)
        done = run(atlas, path, backup=True, **options)
        assert (done.changed, done.plan.verdict.reason) == (True, reason)
        new = issued(atlas)[0]
        assert done.certificate.serial == new.serial != old.serial
        assert [one.serial for one in done.plan.superseded] == [old.serial]
        found = files(path.parent)
        assert found.pop("app.pem") == (0o600, atlas.state.pem(new).encode())
        assert found == {os.path.basename(done.backup_file): (0o600, pem)}
        if reason != "forced":
            assert not run(atlas, path, **options).changed

    def test_what_was_readable_for_others_is_not_when_it_is_replaced(self, atlas, path):
        dummy, pem = known(atlas)
        lay(path, pem, 0o644)
        run(atlas, path, force=True)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_orphans_stop_the_run_and_reissue_goes_on(self, atlas, path):
        orphan, dummy = known(atlas)
        error = failing(Refused, atlas, path)
        assert str(orphan.serial) in error.message
        assert "on_orphan: reissue" in error.message
        assert (posts(atlas), files(path.parent)) == (0, {})
        done = run(atlas, path, on_orphan="reissue")
        assert (done.plan.verdict.reason, len(listed(atlas))) == ("orphaned", 2)
        assert [one.serial for one in done.unexpired] == [one.serial for one in listed(atlas)]

    def test_a_foreign_file_stops_the_run_and_replace_keeps_it(self, atlas, path):
        lay(path, b"somebody's notes\n", 0o640)
        error = failing(Refused, atlas, path)
        assert error.plan.verdict.reason == "foreign_pem"
        assert files(path.parent) == {"app.pem": (0o640, b"somebody's notes\n")}
        done = run(atlas, path, on_foreign="replace")
        assert Path(done.backup_file).read_bytes() == b"somebody's notes\n"
        assert path.read_bytes() == atlas.state.pem(listed(atlas)[0]).encode()

    def test_too_many_are_refused_before_anything_is_written(self, atlas, path):
        for dummy in range(3):
            known(atlas)
        error = failing(Refused, atlas, path, on_orphan="reissue", max_unexpired=3)
        assert error.plan.verdict.reason == "too_many_unexpired"
        assert (posts(atlas), files(path.parent)) == (0, {})

    def test_a_moment_in_the_services_future_is_refused(self, atlas, path):
        error = failing(OptionError, atlas, path, rotate_before=_time.iso(_time.now() + timedelta(hours=2)))
        assert error.message.startswith("rotate_before:")
        assert (posts(atlas), files(path.parent)) == (0, {})

    def test_a_host_that_holds_it_is_enough(self, atlas, path):
        dummy, pem = known(atlas)
        lay(path, pem)
        hosts = {"web1": _results.look(_pem.look_at(str(path)))}
        path.unlink()
        done = run(atlas, path, hosts=hosts)
        assert (done.changed, done.path_is_current, done.plan.holders) == (False, False, ("web1",))
        assert (posts(atlas), files(path.parent)) == (0, {})


class Fault(NamedTuple):
    """A fault of the answer to the POST, and what is true afterwards.

    ``error`` None: none. ``issued``: how many certificates there are. ``parked``: whether the answer, or a part of it,
    is kept. ``then``: what the next run does about it: *issues* one, *adopts* what is kept, or *refuses*.
    """

    name: str
    rule: dict
    error: type | None
    issued: int
    parked: bool = False
    then: str = "issues"
    says: tuple = ()


def body(variant, **more):
    return {"action": "body", "variant": variant, **more}


SAFE, LOST = ("nothing was issued",), ("was lost",)
FAULTS = [
    Fault("dropped before", {"action": "drop_before"}, OutcomeUnknown, 0, says=LOST),
    Fault("reset before", {"action": "drop_before", "reset": True}, OutcomeUnknown, 0, says=LOST),
    Fault("dropped after", {"action": "drop_after"}, OutcomeUnknown, 1, then="refuses", says=LOST),
    Fault("reset after", {"action": "drop_after", "reset": True}, OutcomeUnknown, 1, then="refuses", says=LOST),
    Fault("no answer in time", {"action": "delay_answer", "seconds": 60}, OutcomeUnknown, 1, then="refuses", says=LOST),
    Fault("cut before the body", {"action": "cut", "after": 0}, OutcomeUnknown, 1, then="refuses", says=LOST),
    Fault("cut in the certificate", {"action": "cut", "after": 800}, KeyKept, 1, True, "refuses"),
    Fault("cut in the key", {"action": "cut", "after": 2500}, KeyKept, 1, True, "refuses"),
    Fault("reset in the key", {"action": "cut", "after": 2500, "reset": True}, KeyKept, 1, True, "refuses"),
    Fault("a trickle", {"action": "trickle", "bytes_per_second": 300}, KeyKept, 1, True, "refuses"),
    Fault("500", {"action": "status", "status": 500}, OutcomeUnknown, 0),
    Fault("503", {"action": "status", "status": 503}, OutcomeUnknown, 0),
    Fault("500 and issued", {"action": "issue_then_status", "status": 500}, OutcomeUnknown, 1, then="refuses"),
    Fault("503 and issued", {"action": "issue_then_status", "status": 503}, OutcomeUnknown, 1, then="refuses"),
    Fault("a page with 200", {"action": "html", "status": 200}, KeyKept, 0, True, says=("not a PEM",)),
    Fault("a page with 502", {"action": "html", "status": 502}, OutcomeUnknown, 0, says=("proxy",)),
    Fault("a page with 200 and issued", {"action": "issue_then_html", "status": 200}, KeyKept, 1, True, "refuses"),
    Fault("a page with 502 and issued", {"action": "issue_then_html", "status": 502}, OutcomeUnknown, 1, then="refuses"),
    Fault("429", {"action": "status", "status": 429, "retry_after": 1}, NotIssued, 0, says=SAFE),
    Fault(
        "maintenance",
        {"action": "status", "errorCode": "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES"},
        NotIssued,
        0,
        says=(*SAFE, "run again later"),
    ),
    Fault(
        "a role",
        {"action": "status", "errorCode": "USER_UNAUTHORIZED", "parameters": ["x"]},
        NotIssued,
        0,
        says=(*SAFE, "Project Owner"),
    ),
    Fault("elsewhere", {"action": "redirect", "location": "http://127.0.0.1:9/"}, NotIssued, 0, says=(*SAFE, "redirect")),
    Fault("empty", body("empty"), OutcomeUnknown, 1, then="refuses"),
    Fault("a certificate only", body("certificate_only"), KeyKept, 1, True, "refuses"),
    Fault("a key only", body("key_only"), KeyKept, 1, True, "refuses"),
    Fault("somebody else's", body("other_user"), KeyKept, 1, True, "refuses", ("CN=somebody-else",)),
    Fault("another key", body("wrong_key"), KeyKept, 1, True, "refuses"),
    Fault("another project", body("other_project"), KeyKept, 1, True, "refuses", ("f" * 24,)),
    Fault("an encrypted key", body("encrypted_key"), KeyKept, 1, True, "refuses", ("encrypted",)),
    Fault("garbage", body("garbage_bytes"), KeyKept, 1, True, "refuses", ("not a PEM",)),
    Fault("a good one and then 100 MB", body("huge"), KeyKept, 1, True, "adopts", ("larger than",)),
    Fault("as it should be", {"action": "delay", "seconds": 0}, None, 1),
    Fault("quoted", body("quoted"), None, 1),
    Fault("an envelope", body("envelope"), None, 1),
    Fault("CRLF", body("crlf"), None, 1),
    Fault("a chain behind the leaf", body("chain"), None, 1),
    Fault("a chain behind the key", body("chain", position="after_key"), None, 1),
    Fault("an EC key", body("ec_key"), None, 1),
]


@pytest.fixture(scope="session")
def key_material(key_pool):
    """Every 24 consecutive characters of every private key that the service hands out here."""
    lines = [line for key in key_pool for line in certificates.key_pem(key).splitlines() if "-" not in line]
    return {line[start : start + 24] for line in lines for start in range(len(line) - 23)}


def everything(error):
    return "\n".join(
        [
            "".join(traceback.format_exception(error)),
            repr(error),
            repr(error.args),
            repr(vars(error)),
            json.dumps(_results.failure(error), default=repr),
        ]
    )


@pytest.mark.usefixtures("small_keys")
class TestTheAnswerToThePost:
    @pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
    def test_it_is_kept_and_named_and_the_next_run_knows_what_to_do(self, atlas, path, fault, key_material):
        atlas.fault(match=POST, **fault.rule)
        if fault.error is None:
            done = run(atlas, path)
            assert (done.changed, done.warnings) == (True, ())
            assert (_pem.look_at(str(path)).state, _pem.look_at(str(path)).certificate.serial) == (
                "pair",
                listed(atlas)[0].serial,
            )
            assert b"\r" not in path.read_bytes()
            assert path.read_bytes().startswith(b"-----BEGIN CERTIFICATE-----\n")
            assert path.read_bytes().endswith(b"-----\n")
            assert [(name, mode) for name, (mode, dummy) in files(path.parent).items()] == [("app.pem", 0o600)]
        else:
            error = failing(fault.error, atlas, path, timeout=1)
            text = everything(error)
            assert not {text[start : start + 24] for start in range(len(text) - 23)} & key_material
            assert DEMO_PRIVATE_KEY not in text
            for words in fault.says:
                assert words in error.message
            assert not path.exists()
            kept = files(path.parent)
            if fault.parked:
                assert [(name, mode) for name, (mode, dummy) in kept.items()] == [(leftover(path).name, 0o600)]
                assert kept[leftover(path).name][1].strip(b"\0")
                assert str(leftover(path)) in error.message
                assert error.facts == {"parked": str(leftover(path))}
            else:
                assert kept == {}
            for one in listed(atlas):
                assert str(one.serial) in error.message, "the user must know which one was lost"
        assert (atlas.state.counters.issued, posts(atlas)) == (fault.issued, 1)

        atlas.call(atlas.state.faults.clear)
        if fault.then == "refuses":
            refusal = failing(Refused, atlas, path)
            assert refusal.plan.verdict.reason == "orphaned"
            assert str(listed(atlas)[0].serial) in refusal.message
            assert posts(atlas) == 1
            assert check(atlas, path, on_orphan="reissue").changed
            assert files(path.parent) == kept, "what is kept stays"
        else:
            again = run(atlas, path)
            assert again.changed == (fault.error is not None)
            assert posts(atlas) == 1 + (fault.error is not None and fault.then == "issues")
            assert again.certificate.serial == issued(atlas)[-1].serial
            assert _pem.look_at(str(path)).certificate.serial == again.certificate.serial
            assert not leftover(path).exists()
            assert {mode for mode, dummy in files(path.parent).values()} == {0o600}
            assert not run(atlas, path).changed

    @pytest.mark.parametrize(
        "fault",
        [fault for fault in FAULTS if fault.name in ("dropped after", "cut in the key", "another key")],
        ids=lambda fault: fault.name,
    )
    def test_with_reissue_the_next_run_issues_beside_it_and_keeps_what_was_kept(self, atlas, path, fault):
        atlas.fault(match=POST, **fault.rule)
        failing(fault.error, atlas, path)
        kept = [content for dummy, content in files(path.parent).values()]
        done = run(atlas, path, on_orphan="reissue")
        found = files(path.parent)
        assert found.pop("app.pem") == (0o600, atlas.state.pem(issued(atlas)[-1]).encode())
        assert list(found.values()) == [(0o600, content) for content in kept]
        assert all(name in done.warnings[0] for name in found)
        assert not run(atlas, path).changed

    @pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.error], ids=lambda fault: fault.name)
    def test_the_good_file_that_was_there_is_untouched_and_still_current(self, atlas, path, fault):
        dummy, pem = known(atlas)
        lay(path, pem, 0o640)
        inode = path.stat().st_ino
        atlas.fault(match=POST, **fault.rule)
        error = failing(fault.error, atlas, path, timeout=1, force=True)
        assert (path.stat().st_ino, files(path.parent)["app.pem"]) == (inode, (0o640, pem))
        assert set(files(path.parent)) == {"app.pem"} | ({leftover(path).name} if fault.parked else set())
        assert ("app.pem is as it was" in error.message) or not fault.parked or "was lost" in error.message
        assert (atlas.state.counters.issued, posts(atlas)) == (fault.issued, 1)
        atlas.call(atlas.state.faults.clear)
        again = run(atlas, path, mode="0640")
        assert posts(atlas) == 1
        assert again.changed == (fault.then == "adopts")
        if fault.parked and fault.then != "adopts":
            assert str(leftover(path)) in " ".join(again.warnings)

    def test_an_expired_one_is_parked_and_never_put_in_place(self, atlas, path):
        atlas.fault(match=POST, **body("expired"))
        error = failing(KeyKept, atlas, path)
        assert "expired at" in error.message
        assert str(listed(atlas)[0].serial) in error.message
        with pytest.raises(Refused) as caught:
            run(atlas, path)
        assert caught.value.plan.verdict.reason == "orphaned"
        assert not path.exists()
        assert posts(atlas) == 1

    @pytest.mark.parametrize("left", [1, 2, 26])
    def test_a_cut_that_spared_what_matters_costs_nothing(self, atlas, path, left):
        """Of the last 26 bytes, the key's last line, OpenSSL needs all but the line end: with them, the key is whole."""
        dummy, pem = known(atlas)
        size = len(pem)
        atlas.reset()
        atlas.fault("cut", after=size - left, match=POST)
        failing(KeyKept, atlas, path)
        assert leftover(path).read_bytes().rstrip(b"\0") == atlas.state.pem(listed(atlas)[0]).encode()[: size - left]
        if left == 1:
            assert run(atlas, path).changed
            assert path.read_bytes() == atlas.state.pem(listed(atlas)[0]).encode()
        assert posts(atlas) == 1

    def test_one_that_is_issued_after_we_stopped_waiting_was_not_called_not_issued(self, atlas, path):
        atlas.fault("delay", seconds=60, match=POST)
        error = failing(OutcomeUnknown, atlas, path, timeout=1)
        assert atlas.state.counters.issued == 0
        atlas.call(atlas.state.faults.clear)
        wait_for(lambda: atlas.state.counters.issued)
        assert atlas.state.counters.issued == 1
        assert "so nothing was issued" not in error.message
        assert failing(Refused, atlas, path).plan.verdict.reason == "orphaned"

    def test_when_the_list_cannot_be_read_either_the_user_is_told_so_with_both_reasons(self, atlas, path):
        atlas.fault("drop_after", match=POST)
        atlas.fault("status", status=503, match=GET, skip=2, times=None)
        error = failing(OutcomeUnknown, atlas, path)
        assert "closed without an answer" in error.message
        assert "is unknown" in error.message
        assert "HTTP 503" in error.message
        assert atlas.state.counters.issued == 1

    def test_the_reason_why_the_list_cannot_be_read_is_its_own(self, atlas, path):
        atlas.fault("delay_answer", seconds=60, match=POST)
        atlas.fault("drop_before", match=GET, skip=2, times=None)
        error = failing(OutcomeUnknown, atlas, path, timeout=1)
        assert error.message.count("no answer in time") == 1
        assert "closed without an answer" in error.message

    def test_with_reissue_a_lost_one_is_followed_by_one_more_and_both_are_named(self, atlas, path):
        atlas.fault("drop_after", match=POST)
        done = run(atlas, path, on_orphan="reissue")
        lost, placed = issued(atlas)
        assert done.certificate.serial == placed.serial
        assert any(str(lost.serial) in warning and "lost" in warning for warning in done.warnings)
        assert files(path.parent) == {"app.pem": (0o600, atlas.state.pem(placed).encode())}
        assert posts(atlas) == 2

    @pytest.mark.parametrize(
        ("rule", "reason"),
        [({"action": "status", "status": 429, "errorCode": "RATE_LIMITED"}, "limits the rate"), ({"action": "drop_before"}, "the answer")],
        ids=["refused", "lost too"],
    )
    def test_with_reissue_one_that_is_lost_is_named_whatever_becomes_of_the_next(self, atlas, path, rule, reason):
        atlas.fault("drop_after", match=POST)
        atlas.fault(match=POST, skip=1, **rule)
        error = failing(OutcomeUnknown, atlas, path, on_orphan="reissue")
        (lost,) = listed(atlas)
        assert f"{lost.serial} until" in error.message
        assert reason in error.message
        assert "nothing was issued" not in error.message
        assert (posts(atlas), files(path.parent), error.facts) == (2, {}, {"outcome_unknown": True})

    def test_with_reissue_one_that_is_lost_is_named_when_there_is_no_room_for_the_next(self, atlas, path, monkeypatch):
        rooms = iter([None, StoreError("path: no space is left")])

        def reserve_space(self):
            said = next(rooms)
            if said:
                raise said

        monkeypatch.setattr(_store.Reservation, "reserve_space", reserve_space)
        atlas.fault("drop_after", match=POST)
        error = failing(OutcomeUnknown, atlas, path, on_orphan="reissue")
        assert f"{listed(atlas)[0].serial} until" in error.message
        assert "no space is left" in error.message
        assert posts(atlas) == 1

    def test_with_reissue_two_that_are_lost_are_the_end(self, atlas, path):
        atlas.fault("drop_after", match=POST, times=None)
        error = failing(OutcomeUnknown, atlas, path, on_orphan="reissue")
        assert all(str(one.serial) in error.message for one in listed(atlas))
        assert posts(atlas) == 2

    @pytest.mark.parametrize(
        "rule", [{"action": "status", "status": 500}, {"action": "drop_before"}], ids=lambda rule: rule["action"]
    )
    def test_with_reissue_nothing_is_sent_again_while_nothing_new_is_listed(self, atlas, path, rule):
        atlas.fault(match=POST, times=None, **rule)
        failing(OutcomeUnknown, atlas, path, on_orphan="reissue")
        assert posts(atlas) == 1

    def test_with_reissue_the_cap_holds_for_the_second_one_too(self, atlas, path):
        """The first one counts: it lives on and cannot be revoked."""
        atlas.fault("drop_after", match=POST)
        with pytest.raises(AtlasX509Error):
            run(atlas, path, on_orphan="reissue", max_unexpired=1)
        assert posts(atlas) == 1

    def test_a_list_that_fails_after_placing_is_a_warning_and_not_a_failure(self, atlas, path):
        atlas.fault("status", status=500, match=GET, skip=2, times=None)
        done = run(atlas, path)
        assert done.changed
        assert "could not be read again" in done.warnings[-1]
        assert [one.serial for one in done.unexpired] == [listed(atlas)[0].serial]
        assert path.read_bytes() == atlas.state.pem(listed(atlas)[0]).encode()


@pytest.mark.usefixtures("small_keys")
class TestReads:
    @pytest.mark.parametrize(
        "rule",
        [
            {"action": "status", "status": 500},
            {"action": "status", "status": 401, "errorCode": "USER_UNAUTHORIZED", "parameters": ["x"]},
            {"action": "status", "status": 404, "errorCode": "USERNAME_NOT_FOUND", "parameters": ["x"]},
            {"action": "html", "status": 200},
            {"action": "html", "status": 404},
            {"action": "drop_before"},
            {"action": "drop_after", "reset": True},
            {"action": "cut", "after": 10},
            {"action": "body", "variant": "truncated_json"},
            {"action": "redirect", "location": "http://127.0.0.1:9/"},
        ],
        ids=lambda rule: f"{rule['action']} {rule.get('status', '')}",
    )
    @pytest.mark.parametrize("skip", [0, 1], ids=["at the first look", "under the lock"])
    def test_every_error_of_the_list_stops_the_run_with_nothing_issued_and_nothing_left(self, atlas, path, rule, skip):
        atlas.fault(match=GET, times=None, skip=skip, **rule)
        failing(ServiceError, atlas, path, on_orphan="reissue", force=True)
        assert (posts(atlas), files(path.parent)) == (0, {})

    def test_a_second_page_that_fails_is_not_a_short_list(self, atlas, path):
        def fill():
            for number in range(520):
                atlas.state.add_certificate(DEMO_PROJECT, "app", days_left=1 + number % 80)

        atlas.call(fill)
        lay(path, atlas.state.pem(listed(atlas)[-1]).encode())
        atlas.fault("status", status=500, match={"page": 2}, times=None)
        failing(ServiceError, atlas, path, on_orphan="reissue", max_unexpired=10000)
        assert posts(atlas) == 0


@pytest.mark.usefixtures("small_keys")
class TestWhatAnEarlierRunLeft:
    """It died after the answer was on disk and before it was in place."""

    def test_a_good_pair_is_put_in_place_and_nothing_is_issued(self, atlas, path):
        made, pem = known(atlas)
        lay(leftover(path), pem)
        foreseen = check(atlas, path)
        assert (foreseen.changed, foreseen.path_is_current, foreseen.certificate.serial) == (True, True, made.serial)
        assert files(path.parent) == {leftover(path).name: (0o600, pem)}
        done = run(atlas, path)
        assert (done.changed, done.replaced, done.certificate.serial) == (True, True, made.serial)
        assert files(path.parent) == {"app.pem": (0o600, pem)}
        assert not run(atlas, path).changed
        assert posts(atlas) == 0

    @pytest.mark.parametrize("form", ["padded", "crlf", "quoted", "envelope"])
    def test_a_good_pair_is_put_in_place_in_whatever_form_atlas_sent_it(self, atlas, path, form):
        """What is kept is what came, to the byte; a run that lives accepts all of these."""
        made, pem = known(atlas)
        forms = {
            "padded": pem + b"\0" * (_store.RESERVED - len(pem)),
            "crlf": pem.replace(b"\n", b"\r\n"),
            "quoted": json.dumps(pem.decode()).encode(),
            "envelope": json.dumps({"status": 201, "content": pem.decode()}).encode(),
        }
        lay(leftover(path), forms[form])
        assert check(atlas, path).changed
        done = run(atlas, path)
        assert (done.changed, done.certificate.serial) == (True, made.serial)
        assert files(path.parent) == {"app.pem": (0o600, pem)}
        assert posts(atlas) == 0

    def test_what_came_behind_a_good_pair_does_not_go_into_the_file(self, atlas, path):
        made, pem = known(atlas)
        lay(leftover(path), pem + b"x" * 3000)
        done = run(atlas, path)
        assert done.certificate.serial == made.serial
        assert path.read_bytes() == pem

    def test_it_replaces_an_older_one_with_a_backup_when_that_is_asked_for(self, atlas, path):
        dummy, old = known(atlas, days_left=20)
        dummy, new = known(atlas, days_left=80)
        lay(path, old)
        lay(leftover(path), new)
        done = run(atlas, path, backup=True)
        found = files(path.parent)
        assert found.pop("app.pem") == (0o600, new)
        assert found == {os.path.basename(done.backup_file): (0o600, old)}
        assert posts(atlas) == 0

    def test_the_same_as_in_place_is_discarded(self, atlas, path):
        dummy, pem = known(atlas)
        lay(path, pem)
        lay(leftover(path), pem)
        assert not check(atlas, path).changed
        assert set(files(path.parent)) == {"app.pem", leftover(path).name}
        assert not run(atlas, path).changed
        assert files(path.parent) == {"app.pem": (0o600, pem)}

    def test_the_same_as_in_place_is_not_kept_as_unusable_when_another_is_issued(self, atlas, path):
        dummy, pem = known(atlas)
        lay(path, pem)
        lay(leftover(path), pem)
        done = run(atlas, path, force=True)
        assert set(files(path.parent)) == {"app.pem"}
        assert done.warnings == ()

    def test_an_older_one_than_in_place_is_left_with_a_warning(self, atlas, path):
        dummy, old = known(atlas, days_left=20)
        dummy, new = known(atlas, days_left=80)
        lay(path, new)
        lay(leftover(path), old)
        done = run(atlas, path)
        assert not done.changed
        assert str(leftover(path)) in done.warnings[0]
        assert files(path.parent) == {"app.pem": (0o600, new), leftover(path).name: (0o600, old)}

    @pytest.mark.parametrize("content", [b"", b"\0" * _store.RESERVED, b"\n \n"], ids=["empty", "reserved", "blank"])
    def test_a_reservation_that_never_got_an_answer_is_taken_over(self, atlas, path, content):
        lay(leftover(path), content)
        done = run(atlas, path)
        assert (done.changed, done.warnings) == (True, ())
        assert set(files(path.parent)) == {"app.pem"}

    def test_what_is_of_no_use_is_moved_aside_and_named_before_another_is_issued(self, atlas, path):
        lay(leftover(path), b"<html>a proxy</html>")
        done = run(atlas, path)
        aside = next(name for name in files(path.parent) if "unusable" in name)
        assert aside in done.warnings[0]
        assert files(path.parent)[aside] == (0o600, b"<html>a proxy</html>")
        assert posts(atlas) == 1

    def test_a_refusal_names_what_is_kept_beside_the_path(self, atlas, path):
        """A key that was cut may still be mended by hand, by somebody who knows that it is there."""
        dummy, pem = known(atlas)
        lay(leftover(path), pem[:-300])
        assert str(leftover(path)) in failing(Refused, atlas, path).message

    @pytest.mark.parametrize(
        "rule",
        [
            {"action": "status", "errorCode": "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES"},
            {"action": "status", "status": 503},
            {"action": "drop_before"},
        ],
        ids=lambda rule: rule.get("errorCode") or str(rule.get("status", rule["action"])),
    )
    def test_the_only_holder_of_a_key_is_not_moved_away_for_one_that_is_then_not_issued(self, atlas, path, rule):
        """No run leaves less than the run before: the next one must find the current certificate as this one did."""
        made, pem = known(atlas, days_left=5)
        lay(leftover(path), pem)
        atlas.fault(match=POST, **rule)
        with pytest.raises(ServiceError):
            run(atlas, path, renew_before="10d")
        done = run(atlas, path)
        assert (done.plan.verdict.reason, done.certificate.serial) == ("held", made.serial)
        assert path.read_bytes() == pem

    def test_the_only_holder_of_a_key_is_not_called_unusable_when_it_is_renewed(self, atlas, path):
        made, pem = known(atlas, days_left=5)
        lay(leftover(path), pem)
        done = run(atlas, path, renew_before="10d")
        assert done.certificate.serial != made.serial
        assert not [name for name in files(path.parent) if "unusable" in name]

    def test_a_good_pair_that_cannot_be_put_in_place_stays_and_is_named(self, atlas, path):
        dummy, pem = known(atlas)
        lay(leftover(path), pem)
        (path.parent / ".app.pem.atlas-new").mkdir()
        error = failing(StoreError, atlas, path)
        assert str(leftover(path)) in error.message
        assert leftover(path).read_bytes() == pem
        (path.parent / ".app.pem.atlas-new").rmdir()
        assert run(atlas, path).changed
        assert files(path.parent) == {"app.pem": (0o600, pem)}

    def test_an_answer_that_cannot_be_put_in_place_stays_and_is_named(self, atlas, path):
        """Whatever keeps the next file from being written keeps it from being removed, too."""
        (path.parent / ".app.pem.atlas-new").mkdir()
        with pytest.raises(AtlasX509Error) as caught:
            run(atlas, path)
        for one in listed(atlas):
            assert leftover(path).read_bytes() == atlas.state.pem(one).encode()
            assert str(leftover(path)) in caught.value.message
        (path.parent / ".app.pem.atlas-new").rmdir()
        assert run(atlas, path).changed
        assert posts(atlas) == 1

    def test_a_half_written_next_file_of_a_run_that_died_is_no_hindrance(self, atlas, path):
        lay(path.parent / ".app.pem.atlas-new", b"half of")
        assert run(atlas, path).changed
        assert set(files(path.parent)) == {"app.pem"}


@pytest.mark.usefixtures("small_keys")
class TestTheClock:
    @pytest.mark.parametrize("shift", [3600, -3600, 365 * 86400, -365 * 86400], ids=["+1h", "-1h", "+1y", "-1y"])
    def test_dates_are_judged_by_the_services_clock_and_the_difference_is_named(self, atlas, path, shift):
        atlas.call(atlas.state.change_settings, clock_shift=shift)
        done = run(atlas, path)
        assert done.changed
        assert f"{abs(shift) // 60} minutes" in done.warnings[0] or f"{abs(shift) // 60 - 1} minutes" in done.warnings[0]
        assert ("behind" if shift > 0 else "ahead") in done.warnings[0]
        again = run(atlas, path, renew_before="30d")
        assert (again.changed, posts(atlas)) == (False, 1)
        assert check(atlas, path).warnings == again.warnings

    @pytest.mark.parametrize("shift", [365 * 86400, -365 * 86400], ids=["+1y", "-1y"])
    def test_renewal_is_due_when_it_is_by_the_services_clock(self, atlas, path, shift):
        atlas.call(atlas.state.change_settings, clock_shift=shift)
        dummy, pem = known(atlas, days_left=20)
        lay(path, pem)
        assert not run(atlas, path, renew_before="19d").changed
        assert run(atlas, path, renew_before="21d").plan.verdict.reason == "renewal_due"

    def test_an_expired_answer_is_one_that_the_service_calls_so(self, atlas, path):
        """By this machine's clock it is valid for another year."""
        atlas.call(atlas.state.change_settings, clock_shift=365 * 86400)
        atlas.fault(match=POST, **body("expired"))
        assert "expired" in failing(KeyKept, atlas, path).message

    @pytest.mark.parametrize("shift", [0, 240, -240])
    def test_a_few_minutes_are_not_worth_a_warning(self, atlas, path, shift):
        atlas.call(atlas.state.change_settings, clock_shift=shift)
        assert run(atlas, path).warnings == ()

    def test_a_rotation_asked_for_this_minute_is_judged_by_the_services_clock(self, atlas, path):
        atlas.call(atlas.state.change_settings, clock_shift=-7200)
        error = failing(OptionError, atlas, path, rotate_before=_time.iso(_time.now() - timedelta(hours=1)))
        assert "service's clock" in error.message


# One run in a process of its own: it says "ready", waits for a line, runs, and tells how it went.
SCRIPT = """
import signal
for one in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
    signal.signal(one, signal.SIG_DFL)  # whoever started the tests may have had them ignored
signal.signal(signal.SIGINT, signal.default_int_handler)
import json, sys
from ansible_collections.atlas.x509.plugins.module_utils import _client, _ensure, _errors, _options, _request, _verify
_verify.readers()
connection, options = json.loads(sys.argv[1])
client = _client.Client(_options.connection(connection, {}), sleep=lambda seconds: None)
request = _request.request(options, {})
print("ready", flush=True)
sys.stdin.readline()
try:
    done = _ensure.carry_out(client, request, _ensure.survey(client, request))
    told = {"changed": done.changed, "serial": done.certificate.serial, "current": done.path_is_current, "warnings": done.warnings}
except _errors.AtlasX509Error as error:
    told = {"error": type(error).__name__, "message": error.message}
client._transport.close()
print(json.dumps(told), flush=True)
"""


def start(atlas, path, **changes):
    connection = task_options(base_url=atlas.url, **API_KEY)
    request = task_options(_file_options.SPEC, _request.SPEC, username="app", project_id=DEMO_PROJECT, path=str(path), **changes)
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, json.dumps([connection, request])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, sys.path))),
    )


def go(children):
    """Let all of them run at once."""
    for child in children:
        assert child.stdout.readline() == "ready\n", child.stderr.read()
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()


def begun(atlas, path):
    """One that runs."""
    child = start(atlas, path)
    go([child])
    return child


def told_by(children):
    """What each tells at its end."""
    told = []
    for child in children:
        out, err = child.communicate(timeout=60)
        assert child.returncode == 0, err
        told.append(json.loads(out))
    return told


@pytest.mark.usefixtures("small_keys")
class TestRivals:
    def test_ten_at_once_for_one_path_issue_one_and_all_are_content(self, atlas, path):
        atlas.fault("delay", seconds=0.2, match=POST)
        children = [start(atlas, path) for dummy in range(10)]
        go(children)
        told = told_by(children)
        made = listed(atlas)
        assert (len(made), posts(atlas)) == (1, 1)
        assert [one.get("error") for one in told] == [None] * 10, [one.get("message") for one in told if "error" in one][:1]
        assert {(one["serial"], one["current"]) for one in told} == {(made[0].serial, True)}
        assert sum(one["changed"] for one in told) == 1
        assert files(path.parent) == {"app.pem": (0o600, atlas.state.pem(made[0]).encode())}

    def test_a_run_that_comes_while_the_answer_is_under_way_waits_for_it_instead_of_calling_it_an_orphan(self, atlas, path):
        atlas.fault("delay_answer", seconds=0.6, match=POST)
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(run, atlas, path)
            wait_for(lambda: atlas.state.counters.issued)
            second = run(atlas, path)
            assert first.result().changed
        assert not second.changed
        assert second.certificate.serial == listed(atlas)[0].serial

    def test_two_paths_for_one_user_at_once_each_name_what_the_other_did(self, atlas, path):
        asking = atlas.fault("delay", seconds=60, match=POST, times=2)
        answering = atlas.fault("delay_answer", seconds=60, match=POST, times=2)
        with ThreadPoolExecutor(2) as pool:
            runs = [pool.submit(run, atlas, path.parent / name) for name in ("one.pem", "two.pem")]
            wait_for(lambda: asking.fired == 2)  # both have seen an empty list
            atlas.call(asking.cleared.set)
            wait_for(lambda: len(issued(atlas)) == 2)
            atlas.call(answering.cleared.set)
            done = [one.result() for one in runs]
        serials = {one.certificate.serial for one in done}
        assert serials == {one.serial for one in listed(atlas)}
        for one in done:
            other = (serials - {one.certificate.serial}).pop()
            assert any(str(other) in warning and "another run" in warning for warning in one.warnings)
            assert {known.serial for known in one.unexpired} == serials

    def test_a_lock_that_a_killed_run_left_does_not_block(self, atlas, path, monkeypatch):
        atlas.fault("delay", seconds=60, match=POST)
        child = begun(atlas, path)
        wait_for(lambda: atlas.state.counters.posts)
        child.kill()
        child.communicate(timeout=10)
        assert leftover(path).exists()
        monkeypatch.setattr(_store, "PATIENCE", 0)  # whoever finds it locked fails at once
        assert run(atlas, path).changed
        assert set(files(path.parent)) == {"app.pem"}


@pytest.mark.usefixtures("small_keys")
class TestSignals:
    @pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"])
    def test_an_interrupt_while_the_answer_is_under_way_waits_until_it_is_on_disk(self, atlas, path, name):
        atlas.fault("delay_answer", seconds=60, match=POST)
        child = begun(atlas, path)
        wait_for(lambda: atlas.state.counters.issued)
        child.send_signal(getattr(signal, name))
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.5)
        atlas.call(atlas.state.faults.clear)
        child.communicate(timeout=60)
        assert child.returncode != 0
        pem = atlas.state.pem(listed(atlas)[0]).encode()
        found = files(path.parent)
        assert pem in {content for dummy, content in found.values()}
        assert {mode for mode, dummy in found.values()} == {0o600}
        again = run(atlas, path)
        assert (again.certificate.serial, posts(atlas)) == (listed(atlas)[0].serial, 1)
        assert files(path.parent) == {"app.pem": (0o600, pem)}

    def test_the_signals_work_again_afterwards(self, atlas, path):
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        run(atlas, path)
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
        atlas.fault("drop_after", match=POST)
        failing(OutcomeUnknown, atlas, path, force=True)
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before

    def test_a_kill_at_any_moment_of_the_post_leaves_what_the_next_run_needs(self, atlas, path):
        """The answer trickles, and the process dies in the middle of it: what came lies there, and the orphan is named."""
        atlas.fault("trickle", bytes_per_second=400, match=POST)
        child = begun(atlas, path)
        wait_for(lambda: leftover(path).exists() and leftover(path).read_bytes().startswith(b"-----BEGIN"))
        child.kill()
        child.communicate(timeout=10)
        kept = leftover(path).read_bytes().rstrip(b"\0")
        whole = atlas.state.pem(listed(atlas)[0]).encode()
        assert kept
        assert whole.startswith(kept)
        assert str(listed(atlas)[0].serial) in failing(Refused, atlas, path).message
        assert leftover(path).read_bytes().rstrip(b"\0") == kept
