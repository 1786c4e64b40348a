# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A key on disk: never lost and never readable by others, at any step, with any rival, on any disk."""

from __future__ import annotations

import datetime as dt
import errno
import fcntl
import functools
import grp
import itertools
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
import types
from pathlib import Path

import pytest
from ansible_collections.atlas.x509.plugins.module_utils import _pem, _store
from ansible_collections.atlas.x509.plugins.module_utils._errors import OptionError, StoreError
from ansible_collections.atlas.x509.plugins.module_utils._store import Attributes, Reservation, obstacle
from children import Child, before_each_step, killed_at
from cryptography.hazmat.primitives.asymmetric import ec
from disks import fill
from fake_atlas.certificates import Authority, key_pem
from hypothesis import given
from hypothesis import strategies as st
from outcomes import files

PROJECT = "64b7f0c2a1d3e4f5a6b7c8d9"
NOBODY, TEAM = 65534, 54321
LIMIT = 60
pytestmark = pytest.mark.usefixtures("time_limit")
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user or give files away")


@functools.cache
def pem(number):
    """The PEM of that number; each has a certificate and a key of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    start, end = dt.datetime(2026, 11, 22, 7), dt.datetime(2027, 2, 22, 8)
    return (Authority(PROJECT, 0).sign("app", 2**60 + number, start, end, key) + key_pem(key)).encode()


OLD, NEW, NEWER = pem(0), pem(1), pem(2)


PRIVATE = Attributes()


def issue(path, data=NEW, wanted=PRIVATE, backup=False, create_directory=False, said=lambda word: None):
    """What ``atlas_user_cert`` does with an answer that comes in pieces; the words say how far it is."""
    with Reservation(path, create_directory) as reservation:
        said("locked")
        reservation.set_aside()
        reservation.reserve_space()
        said("reserved")
        for start in range(0, len(data), 100):
            reservation.receive(data[start : start + 100])
        answer = reservation.received()
        said("received")
        reservation.stage(answer)
        kept = reservation.publish(wanted, backup)
        said("published")
    return kept


def as_nobody(work, groups=(NOBODY,)):
    """Do the work as another user, and raise what it raised."""
    # Dates need a module of Python's that is imported when the first is read; below a closed home that user cannot read it.
    dt.datetime.strptime("2026", "%Y")

    def lowered(say):
        os.setgroups(groups)
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        say("returned {0!r}".format(work()))

    child = Child(lowered)
    child.ended()
    return child.words[-1]


def rival(path):
    """Whether somebody else gets in at this moment."""

    def enter(say):
        _store.PATIENCE = 0.01
        try:
            with Reservation(path):
                say("in")
        except StoreError:
            say("kept out")

    child = Child(enter)
    child.ended()
    return child.words


def names(directory):
    return sorted(os.listdir(directory))


def contents(directory):
    """What lies in a directory and below, without the padding of a reservation."""
    return {file.read_bytes().rstrip(b"\0") for file in Path(directory).rglob("*") if file.is_file()}


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "app"
    made.mkdir(mode=0o755)
    return made


@pytest.fixture
def path(folder):
    """The path of a file that holds OLD, in a directory of its own."""
    file = folder / "mongodb.pem"
    file.write_bytes(OLD)
    file.chmod(0o600)
    return str(file)


@pytest.fixture
def reachable():
    """A directory that other users can reach, which pytest's are not."""
    with tempfile.TemporaryDirectory() as made:
        os.chmod(made, 0o755)
        yield made


@pytest.fixture
def freeze():
    """Make files and directories immutable (+i) or append-only (+a), until the end of the test."""
    frozen = []

    def chattr(flag, place):
        if not shutil.which("chattr") or subprocess.run(["chattr", "+" + flag, place], capture_output=True, check=False).returncode:
            pytest.skip("chattr does not work here")
        frozen.append((flag, place))

    yield chattr
    for flag, place in frozen:
        subprocess.run(["chattr", "-" + flag, place], check=True)


# The steps


def test_a_run_replaces_the_file_and_leaves_nothing_else(path, folder):
    issue(path)
    assert Path(path).read_bytes() == NEW
    assert names(folder) == ["mongodb.pem"]
    assert mode_of(path) == 0o600


def test_a_new_file_is_made_where_none_was(folder):
    assert issue(str(folder / "mongodb.pem")) is None
    assert names(folder) == ["mongodb.pem"]


def test_a_reservation_takes_space_of_its_own_and_counts_as_empty(path, folder):
    with Reservation(path) as reservation:
        reservation.reserve_space()
        found = os.stat(reservation.pending)
        assert found.st_size == found.st_blocks * 512 == _store.RESERVED >= _pem.MAX_SIZE
        assert _pem.look_at(reservation.pending).state == "empty"
    assert names(folder) == ["mongodb.pem"]


def test_each_piece_of_the_answer_is_on_disk_before_the_next_one_comes(path):
    with Reservation(path) as reservation:
        reservation.reserve_space()
        for start in range(0, len(NEW), 97):
            reservation.receive(NEW[start : start + 97])
            assert Path(reservation.pending).read_bytes().rstrip(b"\0") == NEW[: start + 97]
        assert reservation.received() == NEW
        assert Path(reservation.pending).read_bytes() == NEW
        assert reservation.received() == NEW


def test_what_was_received_and_not_published_stays(path, folder):
    with pytest.raises(ZeroDivisionError):
        with Reservation(path) as reservation:
            reservation.reserve_space()
            reservation.receive(NEW)
            raise ZeroDivisionError
    assert Path(_store.pending_path(path)).read_bytes().rstrip(b"\0") == NEW
    assert mode_of(_store.pending_path(path)) == 0o600
    assert Path(path).read_bytes() == OLD


def test_without_an_answer_nothing_stays(path, folder):
    with pytest.raises(ZeroDivisionError):
        with Reservation(path) as reservation:
            reservation.reserve_space()
            raise ZeroDivisionError
    assert names(folder) == ["mongodb.pem"]
    assert Path(path).read_bytes() == OLD


def test_what_is_staged_is_whole_and_private_and_not_yet_published(path, open_umask):
    with Reservation(path) as reservation:
        staged = reservation.stage(NEW)
        assert os.path.basename(staged) == ".mongodb.pem.atlas-new"
        assert Path(staged).read_bytes() == NEW
        assert mode_of(staged) == 0o600
        assert Path(path).read_bytes() == OLD
        reservation.unstage()
        assert not os.path.lexists(staged)
        reservation.unstage()


def test_what_a_dead_run_had_staged_is_replaced_and_a_link_there_is_not_followed(path, folder, tmp_path):
    with Reservation(path) as reservation:
        staged = Path(reservation.stage(NEW))
        staged.chmod(0o444)
        assert Path(reservation.stage(NEWER)).read_bytes() == NEWER
        staged.unlink()
        (tmp_path / "elsewhere").write_bytes(b"precious")
        staged.symlink_to(tmp_path / "elsewhere")
        reservation.stage(NEW)
        assert not staged.is_symlink()
        reservation.unstage()
    assert (tmp_path / "elsewhere").read_bytes() == b"precious"
    assert mode_of(tmp_path / "elsewhere") == 0o644


def test_a_disk_that_does_not_hold_what_was_written_is_noticed_before_the_rename(path, monkeypatch):
    write, pwrite = os.write, os.pwrite
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, b"\0" * len(data)))
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, offset: pwrite(descriptor, b"\0" * len(data), offset))
    with Reservation(path) as reservation:
        with pytest.raises(StoreError) as error:
            reservation.stage(NEW)
        assert error.value.message == "{0}/.mongodb.pem.atlas-new does not hold what was written to it".format(os.path.dirname(path))
    assert Path(path).read_bytes() == OLD


def test_a_disk_that_takes_little_at_a_time_gets_everything(path, monkeypatch):
    """POSIX lets every write be a short one; on a disk that fills up they are."""
    write, pwrite = os.write, os.pwrite
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:50]))
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, offset: pwrite(descriptor, data[:50], offset))
    with Reservation(path) as reservation:
        reservation.receive(NEW[:300])
        reservation.receive(NEW[300:])
        assert reservation.received() == NEW
        assert Path(reservation.pending).read_bytes() == NEW
        assert Path(reservation.stage(NEW)).read_bytes() == NEW
        reservation.unstage()


def test_the_last_run_is_forgotten_only_when_asked(path, folder):
    leave_behind(path, NEW)
    with Reservation(path):
        assert Path(_store.pending_path(path)).read_bytes() == NEW
    assert Path(_store.pending_path(path)).read_bytes() == NEW
    with Reservation(path) as reservation:
        reservation.discard()
    assert names(folder) == ["mongodb.pem"]


def leave_behind(path, data):
    """As a run that died."""
    with open(_store.pending_path(path), "wb") as file:
        file.write(data)
    os.chmod(_store.pending_path(path), 0o600)


@pytest.fixture
def far_away(monkeypatch):
    """A machine whose clock on the wall is a day ahead of Greenwich."""
    monkeypatch.setenv("TZ", "XXX-24")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_what_is_set_aside_has_the_moment_in_its_name_as_greenwich_has_it(path, far_away):
    leave_behind(path, NEW)
    with Reservation(path) as reservation:
        aside = reservation.set_aside()
    moment = dt.datetime.strptime(os.path.basename(aside), "mongodb.pem.unusable-%Y%m%dT%H%M%SZ")
    assert abs(moment - dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)) < dt.timedelta(minutes=10)


def test_what_cannot_be_read_is_not_taken_for_nothing(path, monkeypatch):
    leave_behind(path, NEW)

    def broken(*_unused):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with Reservation(path) as reservation:
        monkeypatch.setattr(os, "pread", broken)
        with pytest.raises(StoreError) as error:
            reservation.set_aside()
    assert error.value.message == "{0} cannot be read: Input/output error".format(_store.pending_path(path))
    assert Path(_store.pending_path(path)).read_bytes() == NEW


def test_a_reservation_knows_whether_it_was_published(path):
    with Reservation(path) as reservation:
        reservation.stage(NEW)
        assert reservation.is_published is False
        reservation.publish(PRIVATE, backup=False)
        assert reservation.is_published is True


def test_a_link_that_took_the_place_of_what_was_staged_is_not_followed(path, tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"precious")
    (tmp_path / "elsewhere").chmod(0o644)
    with Reservation(path) as reservation:
        staged = Path(reservation.stage(NEW))
        staged.unlink()
        staged.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(OSError):
            reservation.publish(PRIVATE, backup=False)
    assert mode_of(tmp_path / "elsewhere") == 0o644
    assert Path(path).read_bytes() == OLD


def test_what_was_left_behind_is_set_aside_under_a_name_that_says_so(path, folder):
    for data in (NEW, NEWER):  # twice within a second
        leave_behind(path, data)
        with Reservation(path) as reservation:
            aside = reservation.set_aside()
            assert Path(aside).read_bytes() == data
            assert mode_of(aside) == 0o600
            assert os.path.basename(aside).startswith("mongodb.pem.unusable-")
            assert reservation.set_aside() is None
            reservation.reserve_space()
    assert contents(folder) == {OLD, NEW, NEWER}
    assert len(names(folder)) == 3


def test_a_leftover_that_cannot_be_moved_is_an_error_and_stays(path, monkeypatch):
    leave_behind(path, NEW)

    def refuse(*_unused):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    with Reservation(path) as reservation:
        for name in ("rename", "replace", "link", "unlink"):
            monkeypatch.setattr(os, name, refuse)
        real = os.open
        monkeypatch.setattr(os, "open", lambda place, *more, **named: refuse() if "unusable" in str(place) else real(place, *more, **named))
        with pytest.raises(StoreError) as error:
            reservation.set_aside()
        monkeypatch.undo()
    told = re.escape("{0} cannot be moved to {1}.unusable-".format(_store.pending_path(path), path)) + r"\d{8}T\d{6}Z: Operation not permitted"
    assert re.fullmatch(told, error.value.message)
    assert Path(_store.pending_path(path)).read_bytes() == NEW


@pytest.mark.parametrize("empty", [b"", b"\0" * 1000, b" \n"])
def test_an_empty_reservation_is_not_set_aside(path, empty):
    leave_behind(path, empty)
    with Reservation(path) as reservation:
        assert reservation.set_aside() is None


def test_a_missing_directory_is_made_for_its_owner_only(folder, open_umask):
    path = folder / "a" / "b" / "c" / "mongodb.pem"
    issue(str(path), create_directory=True)
    assert path.read_bytes() == NEW
    for directory in (path.parent, path.parent.parent, path.parent.parent.parent):
        assert mode_of(directory) == 0o700
    assert mode_of(folder) == 0o755


def test_a_directory_is_not_made_unasked(folder):
    with pytest.raises(StoreError) as error:
        with Reservation(str(folder / "none" / "mongodb.pem")):
            pass
    assert error.value.message == "{0}/none cannot be written: No such file or directory".format(folder)
    assert names(folder) == []


# Modes and owners


@root_only
@pytest.mark.parametrize("wanted", [Attributes(), Attributes(0o640, NOBODY, TEAM), Attributes(0o400), Attributes(0o660, None, TEAM)])
def test_no_file_is_open_to_others_at_any_step(path, folder, wanted, open_umask):
    leave_behind(path, NEWER)
    os.chmod(_store.pending_path(path), 0o666)
    seen = set()

    def check(_name):
        for entry in os.scandir(folder):
            found = entry.stat(follow_symlinks=False)
            granted = stat.S_IMODE(found.st_mode)
            seen.add(entry.name)
            if entry.name in ignored:
                continue
            assert granted & 0o007 == 0, (entry.name, oct(granted))
            assert granted & 0o070 == 0 or (found.st_gid == TEAM and granted == wanted.mode), (entry.name, oct(granted))

    ignored = {os.path.basename(_store.pending_path(path))}  # open until it is ours

    def work(say):
        def locked(word):
            ignored.clear()
            check(word)

        before_each_step(check)
        issue(path, wanted=wanted, backup=True, said=locked)
        say("saw {0}".format(len(seen)))

    child = Child(work)
    assert child.ended() == 0, child.words
    assert child.words == ["saw 5"]  # the file, the reservation, what was set aside, the next PEM and the backup
    assert mode_of(path) == wanted.mode


@pytest.mark.parametrize("mode", ["0600", "600", "0640", "0660", "0400", "0440", "0700", "0770", "0750", 0o600, 0o640, " 0600 "])
def test_a_mode_is_read_in_octal(mode):
    assert _store.parse_mode(mode) == (int(mode, 8) if isinstance(mode, str) else mode)


NO_MODE = "is no mode for a file that its owner reads; write it quoted, such as '0600' or '0640'"


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("0644", "mode: 0644 would let everybody on the machine at the private key; use 0600, or 0640 and a group"),
        ("0601", "mode: 0601 would let everybody on the machine at the private key; use 0600, or 0640 and a group"),
        ("0001", "mode: 0001 would let everybody on the machine at the private key; use 0600, or 0640 and a group"),
        ("rw", "mode: 'rw' is not an octal mode; write it quoted, such as '0600' or '0640'"),
        ("-0600", "mode: '-0600' is not an octal mode; write it quoted, such as '0600' or '0640'"),
        ("0000", f"mode: 0000 {NO_MODE}"),
        ("0200", f"mode: 0200 {NO_MODE}"),
        ("0460", f"mode: 0460 {NO_MODE}"),
        ("0620", f"mode: 0620 {NO_MODE}"),
        ("0710", f"mode: 0710 {NO_MODE}"),
        ("0730", f"mode: 0730 {NO_MODE}"),
        ("1600", f"mode: 1600 {NO_MODE}"),
        (0, f"mode: 0, which is 0000 in octal, {NO_MODE}"),
        (400, f"mode: 400, which is 0620 in octal, {NO_MODE}"),
        (440, f"mode: 440, which is 0670 in octal, {NO_MODE}"),
        (640, f"mode: 640, which is 1200 in octal, {NO_MODE}"),
    ],
)
def test_a_mode_that_will_not_do_is_told_why(mode, said):
    """A number in YAML without its zero is decimal: 400 is meant as 0400 and is 0620."""
    with pytest.raises(OptionError) as error:
        _store.parse_mode(mode)
    assert error.value.message == said


@pytest.mark.parametrize(
    "mode",
    ["0644", "0604", "0666", "0777", "0601", "0602", 0o644, "0000", "0200", "0040", 0, "1600", "4600", "2640", "7600", 600, 640]
    + ["u=rw", "", "rw", "preserve", "0o", "-0600", "-200", -128, None, True, False, 1.5, "08", "٠٦٠٠x", ["0600"]],
)
def test_a_mode_that_is_none_or_that_opens_the_key_is_refused(mode):
    with pytest.raises(OptionError, match="^mode: "):
        _store.parse_mode(mode)


@given(st.integers(-(2**40), 2**40) | st.text("01234567-+_ o", max_size=6) | st.text(max_size=6))
def test_any_mode_is_private_or_an_option_error(mode):
    try:
        bits = _store.parse_mode(mode)
    except OptionError:
        return
    assert 0o400 <= bits <= 0o770 and bits & 0o007 == 0 and bits & 0o400


def test_owner_and_group_are_found_by_name_and_by_number():
    user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(os.getegid())
    assert _store.attributes("0640", user.pw_name, group.gr_name) == Attributes(0o640, user.pw_uid, group.gr_gid)
    assert _store.attributes("0600", str(NOBODY), str(TEAM)) == Attributes(0o600, NOBODY, TEAM)
    assert _store.attributes("0600", None, None) == _store.attributes("0600", "", "") == Attributes()
    assert _store.attributes("0600", "0", "0") == Attributes(0o600, 0, 0)
    assert _store.attributes("0600", "4294967294", "4294967294") == Attributes(0o600, 2**32 - 2, 2**32 - 2)


@pytest.mark.parametrize("nobody", ["no-such-user-or-group", "-1", "²", "1 000", "0x10", "4294967295", "4294967296", "9" * 30, "9" * 5000])
def test_an_owner_or_group_who_cannot_be_is_an_option_error(nobody, path):
    """Otherwise it would be noticed after the POST: no system takes these numbers, and 2**32-1 means "leave it"."""
    with pytest.raises(OptionError, match="^owner: "):
        _store.attributes("0600", nobody, None)
    with pytest.raises(OptionError, match="^group: "):
        _store.attributes("0600", None, nobody)
    assert _store.inspect(path, "0600", nobody, None).obstacle.startswith("owner: ")


@root_only
def test_a_file_that_is_replaced_keeps_its_owner_and_group_unless_others_are_wanted(path):
    os.chown(path, NOBODY, TEAM)
    issue(path)
    assert (os.stat(path).st_uid, os.stat(path).st_gid) == (NOBODY, TEAM)
    issue(path, wanted=Attributes(0o640, gid=TEAM + 1))
    assert (os.stat(path).st_uid, os.stat(path).st_gid, mode_of(path)) == (NOBODY, TEAM + 1, 0o640)
    issue(path, wanted=Attributes(0o600, uid=0))
    assert (os.stat(path).st_uid, os.stat(path).st_gid, mode_of(path)) == (0, TEAM + 1, 0o600)


@root_only
def test_a_file_keeps_its_group_when_it_is_replaced_by_its_owner_who_is_not_root(reachable):
    """So the documentation of ``group`` says; without it the application loses the file at the first renewal."""
    os.chown(reachable, NOBODY, NOBODY)
    path = os.path.join(reachable, "mongodb.pem")
    Path(path).write_bytes(OLD)
    os.chmod(path, 0o640)
    os.chown(path, NOBODY, TEAM)
    assert as_nobody(lambda: issue(path, wanted=Attributes(0o640)), groups=(NOBODY, TEAM)) == "returned None"
    assert Path(path).read_bytes() == NEW
    assert os.stat(path).st_gid == TEAM


@root_only
def test_a_file_whose_owner_cannot_be_kept_is_not_replaced_in_silence(reachable):
    os.chown(reachable, NOBODY, NOBODY)
    path = os.path.join(reachable, "mongodb.pem")
    Path(path).write_bytes(OLD)
    os.chmod(path, 0o640)
    os.chown(path, TEAM, NOBODY)
    before = files(Path(reachable))
    assert "only root can give a file to another user" in as_nobody(lambda: obstacle(path, Attributes(0o640)))
    assert "Operation not permitted" in as_nobody(lambda: issue(path, wanted=Attributes(0o640)))
    assert (files(Path(reachable))["mongodb.pem"], os.stat(path).st_uid) == (before["mongodb.pem"], TEAM)


@root_only
def test_attributes_that_differ_are_named_and_set(path):
    assert _store.differing(path, Attributes()) == []
    assert _store.differing(path, Attributes(0o640, NOBODY, TEAM)) == ["mode", "owner", "group"]
    assert mode_of(path) == 0o600
    assert _store.apply_attributes(path, Attributes(0o640, NOBODY, TEAM)) == ["mode", "owner", "group"]
    assert (mode_of(path), os.stat(path).st_uid, os.stat(path).st_gid) == (0o640, NOBODY, TEAM)
    assert _store.apply_attributes(path, Attributes(0o640, NOBODY, TEAM)) == []
    assert _store.apply_attributes(path, Attributes(0o600)) == ["mode"]
    assert (os.stat(path).st_uid, os.stat(path).st_gid) == (NOBODY, TEAM)
    assert _store.apply_attributes(path, Attributes(uid=1)) == ["owner"]
    assert _store.apply_attributes(path, Attributes(gid=1)) == ["group"]
    assert (mode_of(path), os.stat(path).st_uid, os.stat(path).st_gid) == (0o600, 1, 1)
    assert Path(path).read_bytes() == OLD


def test_an_owner_that_stays_is_not_even_asked_for(path, monkeypatch):
    """Not every file system lets one be set, and who is not root may set a mode all the same."""

    def refuse(*_unused):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "fchown", refuse)
    found = os.stat(path)
    assert _store.apply_attributes(path, Attributes(0o640)) == ["mode"]
    assert _store.apply_attributes(path, Attributes(0o600, found.st_uid, found.st_gid)) == ["mode"]
    issue(path)
    assert Path(path).read_bytes() == NEW


@root_only
def test_an_owner_who_is_refused_is_a_store_error(reachable):
    path = os.path.join(reachable, "mongodb.pem")
    Path(path).write_bytes(OLD)
    os.chmod(path, 0o644)
    said = as_nobody(lambda: _store.apply_attributes(path, Attributes(0o600)))
    assert said == "StoreError: {0}: cannot set mode: Operation not permitted".format(path)
    assert "StoreError" in as_nobody(lambda: _store.apply_attributes(path, Attributes(0o644, NOBODY, TEAM)))


def test_a_mode_that_is_refused_is_a_store_error(path, monkeypatch):
    def refuse(*_unused):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "fchmod", refuse)
    with pytest.raises(StoreError) as error:
        _store.apply_attributes(path, Attributes(0o640))
    assert error.value.message == "{0}: cannot set mode: Operation not permitted".format(path)
    assert mode_of(path) == 0o600


def test_attributes_of_a_fifo_are_set_without_waiting_for_a_writer(folder):
    """What took the place of the file since it was looked at."""
    os.mkfifo(folder / "fifo", 0o600)
    assert _store.apply_attributes(str(folder / "fifo"), Attributes(0o640)) == ["mode"]


def test_attributes_are_not_set_through_a_link(path, folder):
    link = str(folder / "link")
    os.symlink(path, link)
    with pytest.raises(StoreError):
        _store.apply_attributes(link, Attributes(0o640))
    assert mode_of(path) == 0o600


# Backups


@root_only
def test_a_backup_keeps_content_owner_and_mode(path, folder):
    os.chown(path, NOBODY, TEAM)
    os.chmod(path, 0o440)
    backup = issue(path, wanted=Attributes(0o600, 0, 0), backup=True)
    assert Path(backup).read_bytes() == OLD
    assert (mode_of(backup), os.stat(backup).st_uid, os.stat(backup).st_gid) == (0o440, NOBODY, TEAM)
    assert os.path.basename(backup).startswith("mongodb.pem.") and backup.endswith("~")
    assert names(folder) == sorted(["mongodb.pem", os.path.basename(backup)])
    assert (mode_of(path), os.stat(path).st_uid) == (0o600, 0)


def test_no_backup_overwrites_another_one_of_the_same_second(path, folder, monkeypatch):
    monkeypatch.setattr(time, "strftime", lambda *_unused: "2026-11-22@08:00:00")
    backups = [issue(path, pem(number), backup=True) for number in range(1, 5)]
    assert len(set(backups)) == 4
    assert [Path(backup).read_bytes() for backup in backups] == [pem(number) for number in range(4)]
    assert names(folder) == sorted(["mongodb.pem"] + [os.path.basename(backup) for backup in backups])


def test_a_backup_is_named_as_ansible_names_it(path, monkeypatch):
    """``path.pid.date@time~``; and one that stands in its way keeps its name."""
    backup = issue(path, backup=True)
    pid, moment = re.fullmatch(re.escape(path) + r"\.(\d+)\.(\d{4}-\d\d-\d\d@\d\d:\d\d:\d\d)~", backup).groups()
    assert int(pid) == os.getpid()
    assert abs(dt.datetime.strptime(moment, "%Y-%m-%d@%H:%M:%S") - dt.datetime.now()) < dt.timedelta(minutes=10)
    monkeypatch.setattr(time, "strftime", lambda *_unused: moment)
    assert issue(path, backup=True) == backup + "~"


def test_the_backup_of_a_link_is_a_link(path, tmp_path):
    """It took the place of the file since that was looked at; what it leads to is not ours to give a second name."""
    (tmp_path / "elsewhere").write_bytes(b"precious")
    os.unlink(path)
    os.symlink(tmp_path / "elsewhere", path)
    assert os.path.islink(issue(path, backup=True))
    assert os.stat(tmp_path / "elsewhere").st_nlink == 1


def test_there_is_no_backup_of_nothing(folder):
    assert issue(str(folder / "mongodb.pem"), backup=True) is None
    assert names(folder) == ["mongodb.pem"]


@root_only
def test_a_backup_without_hard_links_keeps_content_owner_and_mode_too(path, monkeypatch, open_umask):
    def refuse(*_unused, **_named):
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    os.chown(path, NOBODY, TEAM)
    os.chmod(path, 0o640)
    backup = issue(path, backup=True)
    assert Path(backup).read_bytes() == OLD
    assert mode_of(backup) & 0o007 == 0
    assert (os.stat(backup).st_uid, os.stat(backup).st_gid) == (NOBODY, TEAM)
    assert mode_of(backup) == 0o640


# Kills


@pytest.mark.parametrize("backup", [False, True], ids=["plain", "with a backup"])
def test_a_kill_at_any_step_loses_nothing_and_the_next_run_heals(tmp_path, backup, open_umask, monkeypatch):
    monkeypatch.setattr(_store, "PATIENCE", 0)  # whoever finds it locked fails at once
    for number in itertools.count():
        folder = tmp_path / str(number)
        folder.mkdir(mode=0o755)
        path = folder / "mongodb.pem"
        path.write_bytes(OLD)
        path.chmod(0o600)
        child = killed_at(number, lambda say, path=path: issue(str(path), backup=backup, said=say))
        if child is None:
            break
        assert path.read_bytes() in (OLD, NEW), number
        assert "published" not in child.words or path.read_bytes() == NEW
        assert all(mode_of(folder / name) == 0o600 for name in names(folder)), number
        if "received" in child.words:
            assert NEW in contents(folder), number
        assert not backup or OLD in contents(folder), number
        unplaced = "received" in child.words and path.read_bytes() != NEW
        issue(str(path), NEWER)
        assert path.read_bytes() == NEWER
        assert not any(name.startswith(".") for name in names(folder)), (number, names(folder))
        assert not unplaced or NEW in contents(folder), number
        shutil.rmtree(folder)
    assert number > 25  # or nothing was tried


@pytest.mark.parametrize("when", ["locked", "reserved", "received"])
def test_an_answer_that_a_killed_run_received_is_still_there_after_the_next_run(path, folder, when):
    def work(say):
        def stop(word):
            say(word)
            if word == when:
                os.kill(os.getpid(), signal.SIGKILL)

        issue(path, said=stop)

    assert Child(work).ended() == -signal.SIGKILL
    assert Path(path).read_bytes() == OLD
    issue(path, NEWER)
    assert contents(folder) == ({NEWER, NEW} if when == "received" else {NEWER})


def test_the_lock_of_a_killed_process_does_not_block(path, folder, monkeypatch):
    def work(say):
        with Reservation(path) as reservation:
            reservation.reserve_space()
            say("locked")
            time.sleep(LIMIT)

    child = Child(work)
    child.until("locked")
    assert rival(path) == ["kept out"]
    assert child.kill() == -signal.SIGKILL
    monkeypatch.setattr(_store, "PATIENCE", 0)  # whoever finds it locked fails at once
    issue(path)
    assert names(folder) == ["mongodb.pem"]


# Rivals


def test_ten_rivals_succeed_one_after_the_other_and_leave_nothing(path, folder):
    inside = folder.parent / "inside"

    def work(number):
        def run(say):
            def alone(word):
                if word == "locked":
                    inside.mkdir()  # fails when somebody else is in
                if word == "published":
                    inside.rmdir()

            issue(path, pem(number), backup=True, said=alone)

        return run

    pems = {pem(number) for number in range(10, 20)}
    children = [Child(work(number)) for number in range(10, 20)]
    assert [(child.ended(), child.words) for child in children] == [(0, [])] * 10
    assert Path(path).read_bytes() in pems
    assert contents(folder) == {OLD} | pems
    assert len(names(folder)) == 11 and not any(name.startswith(".") for name in names(folder))


def test_a_rival_that_never_ends_is_waited_for_only_so_long(path, monkeypatch):
    def work(say):
        with Reservation(path):
            say("locked")
            time.sleep(LIMIT)

    child = Child(work)
    child.until("locked")
    monkeypatch.setattr(_store, "PATIENCE", 0.2)
    with pytest.raises(StoreError) as error:
        with Reservation(path):
            pass
    assert error.value.message == "another run has been working on {0} for 0 seconds".format(path)
    assert child.kill() == -signal.SIGKILL, "it was still at work"
    assert Path(path).read_bytes() == OLD


def test_who_waits_goes_on_when_the_other_run_is_done(path, folder, monkeypatch):
    waiting, go_on = os.pipe()
    flock, found_locked = fcntl.flock, []

    def work(say):
        os.close(go_on)
        with Reservation(path) as reservation:
            reservation.reserve_space()
            say("locked")
            os.read(waiting, 1)
            say("done")

    def noticed(descriptor, kind):
        try:
            flock(descriptor, kind)
        except OSError:
            found_locked.append("done" in child.words)
            if len(found_locked) == 3:
                os.write(go_on, b".")
                child.until("done")
            raise

    child = Child(work)
    child.until("locked")
    monkeypatch.setattr(fcntl, "flock", noticed)
    try:
        issue(path)
    finally:
        os.close(waiting)
        os.close(go_on)
    assert found_locked[:3] == [False] * 3, "it came back to look until the other one was done"
    assert child.ended() == 0
    assert Path(path).read_bytes() == NEW
    assert names(folder) == ["mongodb.pem"]


def test_a_file_system_without_locks_is_an_error_and_not_a_run_without_a_lock(path, monkeypatch):
    def refuse(*_unused):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StoreError) as error:
        issue(path)
    assert error.value.message == "{0} cannot be locked: No locks available; choose a place whose file system has locks".format(path)
    assert Path(path).read_bytes() == OLD


def test_a_file_system_without_permissions_is_refused_before_anything_is_kept_there(path, folder, monkeypatch):
    """As FAT is mounted: everybody may read each file, and the mode that is asked for is forgotten."""
    Path(_store.pending_path(path)).touch()
    os.chmod(_store.pending_path(path), 0o644)
    monkeypatch.setattr(os, "fchmod", lambda *_unused: None)
    with pytest.raises(StoreError) as error:
        issue(path)
    assert error.value.message == "{0} does not keep permissions, so others could read the private key; choose another place".format(folder)
    assert Path(path).read_bytes() == OLD
    assert names(folder) == ["mongodb.pem"]


def test_two_runs_may_make_the_same_directory(folder, monkeypatch):
    real = os.mkdir

    def late(name, mode=0o777):
        real(name, mode)
        real(name, mode)  # fails: a rival was there first

    monkeypatch.setattr(os, "mkdir", late)
    issue(str(folder / "a" / "b" / "mongodb.pem"), create_directory=True)
    assert (folder / "a" / "b" / "mongodb.pem").read_bytes() == NEW


def rivals_at_every_step(work, path):
    """At which steps of the work, between its beginning and its end, somebody else got in."""

    def watched(say):
        state = {"on": False}

        def invite(name):
            if state["on"]:
                state["on"] = False
                if rival(path) != ["kept out"]:
                    say("a rival got in before {0}".format(name))
                state["on"] = True

        before_each_step(invite)
        work(lambda on: state.update(on=on))

    child = Child(watched)
    assert child.ended() == 0, child.words
    return child.words


def test_no_rival_gets_in_at_any_step_of_a_run(path):
    def work(watch):
        issue(path, said=lambda word: watch(word != "published"))

    assert rivals_at_every_step(work, path) == []


def test_no_rival_gets_in_while_a_leftover_is_set_aside(path):
    """It would decide on its own, while this run goes on with what it decided before: two certificates for one need."""
    leave_behind(path, NEWER)

    def work(watch):
        with Reservation(path) as reservation:
            watch(True)
            reservation.set_aside()
            reservation.reserve_space()
            watch(False)

    assert rivals_at_every_step(work, path) == []


# Without writing


@pytest.fixture
def at_work(path):
    """Another run holds the reservation, until it is told to go."""

    def work(say):
        with Reservation(path) as reservation:
            reservation.reserve_space()
            say("locked")
            os.read(waiting, 1)

    waiting, go = os.pipe()
    child = Child(work)
    child.until("locked")
    yield lambda: os.write(go, b".")
    os.write(go, b".")
    assert child.ended() == 0, child.words
    os.close(waiting)
    os.close(go)


def test_who_only_looks_waits_for_a_run_that_is_at_work_and_only_so_long(path, folder, at_work, monkeypatch):
    monkeypatch.setattr(_store, "PATIENCE", 0.2)
    with pytest.raises(StoreError) as error:
        _store.await_rival(path)
    assert error.value.message == "another run has been working on {0} for 0 seconds".format(path)
    assert names(folder) == [".mongodb.pem.atlas-pending", "mongodb.pem"]
    monkeypatch.setattr(_store, "PATIENCE", float(LIMIT))
    at_work()
    _store.await_rival(path)
    assert names(folder) == ["mongodb.pem"] or rival(path) == ["in"], "it has let go"


def test_who_only_looks_holds_up_nobody_and_leaves_everything(path, folder):
    """Several may look at once; a leftover stays, and so does what is no reservation at all."""
    _store.await_rival(path)
    assert names(folder) == ["mongodb.pem"]
    leave_behind(path, NEW)
    pending = _store.pending_path(path)
    before, open_before = os.stat(pending), len(os.listdir("/dev/fd"))
    with open(pending) as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        _store.await_rival(path)
    after = os.stat(pending)
    assert (before.st_ino, before.st_mtime_ns, before.st_mode) == (after.st_ino, after.st_mtime_ns, after.st_mode)
    assert len(os.listdir("/dev/fd")) == open_before
    assert rival(path) == ["in"]
    os.unlink(pending)
    os.mkfifo(pending)
    began = time.monotonic()
    _store.await_rival(path)
    assert time.monotonic() - began < LIMIT / 2, "it waited for a writer, until the alarm"
    os.unlink(pending)
    os.symlink(folder / "nowhere", pending)
    _store.await_rival(path)
    assert names(folder) == [".mongodb.pem.atlas-pending", "mongodb.pem"]


@pytest.mark.parametrize(("data", "goes"), [(b"", True), (b"\0" * _store.RESERVED, True), (NEW, False), (NEW[:100], False)])
def test_an_empty_reservation_that_nobody_holds_is_swept_away_and_what_was_staged_with_any(path, folder, data, goes):
    _store.sweep(path)
    leave_behind(path, data)
    Path(_store.staged_path(path)).write_bytes(NEW)
    open_before = len(os.listdir("/dev/fd"))
    _store.sweep(path)
    assert names(folder) == (["mongodb.pem"] if goes else [".mongodb.pem.atlas-pending", "mongodb.pem"])
    assert len(os.listdir("/dev/fd")) == open_before
    assert Path(path).read_bytes() == OLD


def test_a_reservation_that_somebody_holds_is_not_swept_away(path, folder, at_work):
    began = time.monotonic()
    _store.sweep(path)
    assert time.monotonic() - began < LIMIT / 2, "it does not wait"
    assert names(folder) == [".mongodb.pem.atlas-pending", "mongodb.pem"]


def test_a_reservation_that_was_exchanged_meanwhile_is_not_swept_away(path, folder, monkeypatch):
    """Between the open and the lock another run has taken a new one, and is at work with it."""
    leave_behind(path, b"")
    real = fcntl.flock

    def late(descriptor, kind):
        os.unlink(_store.pending_path(path))
        leave_behind(path, b"")
        real(descriptor, kind)

    monkeypatch.setattr(fcntl, "flock", late)
    _store.sweep(path)
    assert names(folder) == [".mongodb.pem.atlas-pending", "mongodb.pem"]


@pytest.mark.parametrize("kind", ["link", "fifo", "directory"])
def test_what_is_no_reservation_is_not_swept_away(path, folder, kind):
    pending = Path(_store.pending_path(path))
    (folder / "empty").touch()
    {"link": lambda: pending.symlink_to(folder / "empty"), "fifo": lambda: os.mkfifo(pending), "directory": pending.mkdir}[kind]()
    began = time.monotonic()
    _store.sweep(path)
    assert time.monotonic() - began < LIMIT / 2, "it waited for a writer, until the alarm"
    assert names(folder) == [".mongodb.pem.atlas-pending", "empty", "mongodb.pem"]


# Disks that fail


@pytest.fixture
def failing(path, tmp_path, monkeypatch):
    """Let one function of ``os`` fail for the reservation of ``path`` alone; elsewhere there is another disk."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))

    def fail(name):
        real = getattr(os, name)
        broken = os.stat(_store.pending_path(path))

        def call(descriptor, *more):
            if os.path.samestat(os.fstat(descriptor), broken):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return real(descriptor, *more)

        monkeypatch.setattr(os, name, call)

    fail.elsewhere = elsewhere
    return fail


def test_an_answer_that_is_kept_elsewhere_has_the_name_of_its_file_and_a_second_failure_says_so(path, failing, monkeypatch):
    with Reservation(path) as reservation:
        reservation.reserve_space()
        failing("pwrite")
        reservation.receive(NEW)
        kept = os.path.basename(reservation.pending)
        assert kept.startswith("mongodb.pem") and kept.endswith(".atlas-pending")
        monkeypatch.setattr(os, "pwrite", lambda *_unused: os.close(-1))
        with pytest.raises(StoreError) as error:
            reservation.receive(NEW)
        assert error.value.message == "{0} cannot be written either".format(reservation.pending)
        monkeypatch.undo()


@pytest.mark.parametrize(("name", "pieces"), [("pwrite", 0), ("pwrite", 1), ("pwrite", 3), ("fsync", 3), ("ftruncate", 3)])
def test_an_answer_that_the_disk_refuses_is_kept_elsewhere(path, failing, open_umask, name, pieces):
    with Reservation(path) as reservation:
        reservation.reserve_space()
        for number, start in enumerate(range(0, len(NEW), 300)):
            if number == pieces:
                failing(name)
            reservation.receive(NEW[start : start + 300])
        assert reservation.received() == NEW
        assert Path(reservation.pending).read_bytes() == NEW
        assert mode_of(reservation.pending) == 0o600
        kept = reservation.pending
    assert Path(kept).read_bytes() == NEW
    assert Path(kept).parent == failing.elsewhere
    assert Path(path).read_bytes() == OLD


def test_an_answer_kept_elsewhere_is_published_all_the_same_and_nothing_is_left_anywhere(path, folder, failing):
    with Reservation(path) as reservation:
        reservation.reserve_space()
        reservation.receive(NEW[:300])
        failing("pwrite")
        reservation.receive(NEW[300:])
        reservation.stage(reservation.received())
        reservation.publish(Attributes(), False)
    assert Path(path).read_bytes() == NEW
    assert names(failing.elsewhere) == []
    assert names(folder) == ["mongodb.pem"]


def test_an_answer_kept_elsewhere_is_still_locked(path, failing):
    """A rival would see a certificate at Atlas that nobody holds."""
    with Reservation(path) as reservation:
        reservation.reserve_space()
        failing("pwrite")
        reservation.receive(NEW)
        assert rival(path) == ["kept out"]


def test_a_full_disk_is_noticed_without_writing(disk):
    place = disk()
    path = str(place / "mongodb.pem")
    assert obstacle(path, Attributes()) is None
    fill(place)
    assert obstacle(path, Attributes()) == "path: no space is left in {0}".format(place)
    assert names(place) == ["filler"]


def test_a_disk_that_filled_up_fails_the_reservation_and_leaves_nothing(disk):
    for leave in (0, 4096, 20000):
        place = disk()
        path = place / "mongodb.pem"
        path.write_bytes(OLD)
        fill(place, leave)
        with pytest.raises(StoreError) as error:
            issue(str(path))
        assert error.value.message == "{0} cannot take a PEM: No space left on device".format(place)
        assert path.read_bytes() == OLD
        assert names(place) == ["filler", "mongodb.pem"]


def test_an_answer_fits_on_a_disk_that_filled_up_after_the_reservation(disk):
    place = disk()
    path = str(place / "mongodb.pem")
    answer = (NEW * 100)[: _pem.MAX_SIZE]
    with Reservation(path) as reservation:
        reservation.reserve_space()
        fill(place)
        for start in range(0, len(answer), 1000):
            reservation.receive(answer[start : start + 1000])
        assert reservation.received() == answer
        assert reservation.pending == _store.pending_path(path)
        assert Path(reservation.pending).read_bytes() == answer
        with pytest.raises(OSError):
            reservation.stage(answer)
        reservation.unstage()
    assert Path(_store.pending_path(path)).read_bytes() == answer
    assert names(place) == [".mongodb.pem.atlas-pending", "filler"]


def test_a_disk_without_room_for_two_more_names_is_an_obstacle(disk):
    """The reservation takes one and the next PEM another: with one left, the second would fail after the POST."""
    for free in (0, 1):
        place = disk(inodes=20)
        while os.statvfs(place).f_favail > free:
            (place / str(len(names(place)))).touch()
        assert obstacle(str(place / "mongodb.pem"), Attributes()), free


# Obstacles


def test_a_good_place_has_no_obstacle(path, folder):
    assert obstacle(path, Attributes()) is None
    assert obstacle(str(folder / "new.pem"), Attributes()) is None
    assert obstacle(str(folder / "a" / "b.pem"), Attributes(), create_directory=True) is None
    assert names(folder) == ["mongodb.pem"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("directory", "path: {path} is a directory; give the path of the file"),
        ("link", "path: {path} is a symbolic link to file; give the path of the file itself"),
        ("dangling", "path: {path} is a symbolic link to nowhere; give the path of the file itself"),
        ("fifo", "path: {path} is not a regular file"),
        ("socket", "path: {path} is not a regular file"),
        ("", "path: '{path}' is not the absolute path of a file"),
        ("none/x.pem", "path: the directory {folder}/none does not exist"),
        ("file/x.pem", "path: {folder}/file is not a directory"),
        ("file/y/x.pem", "path: the directory {folder}/file/y does not exist"),
        ("dangling/x.pem", "path: {folder}/dangling is not a directory"),
        ("everybody/x.pem", "path: everybody may write in {folder}/everybody, so anybody could exchange the PEM"),
        ("directory/..", "path: {path} is a directory; give the path of the file"),
        ("x" * 256, "path: the name '" + "x" * 256 + "' is too long: the files that stand beside it have longer ones"),
    ],
)
def test_what_cannot_be_replaced_is_an_obstacle_that_is_named(folder, monkeypatch, name, words):
    (folder / "directory").mkdir()
    (folder / "file").touch()
    (folder / "link").symlink_to("file")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "everybody").mkdir()
    (folder / "everybody").chmod(0o777)
    os.mkfifo(folder / "fifo")
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    before = names(folder)
    wanted = "{0}/{1}".format(folder, name)
    assert obstacle(wanted, Attributes()) == words.format(path=wanted, folder=folder)
    assert names(folder) == before


@pytest.mark.parametrize("path", ["mongodb.pem", "", "./x", "~/x", "/"])
def test_only_absolute_paths_are_taken(path):
    assert "is not the absolute path of a file" in obstacle(path, Attributes())


def test_a_directory_that_everybody_shares_will_do_when_it_is_sticky(folder):
    folder.chmod(0o1777)
    assert obstacle(str(folder / "mongodb.pem"), Attributes()) is None


def test_a_directory_to_be_made_is_judged_by_what_is_there(folder):
    (folder / "everybody").mkdir()
    (folder / "everybody").chmod(0o777)
    (folder / "file").touch()
    for name, said in (
        ("everybody/a/b/x.pem", "path: everybody may write in {0}/everybody, so anybody could exchange the PEM"),
        ("file/a/b/x.pem", "path: {0}/file is not a directory"),
        ("a/" + "x" * 250, "path: the name '" + "x" * 250 + "' is too long: the files that stand beside it have longer ones"),
    ):
        assert obstacle(str(folder / name), Attributes(), create_directory=True) == said.format(folder)
    assert names(folder) == ["everybody", "file"]


@root_only
def test_a_device_is_an_obstacle(folder):
    """One of its own: the machine's may have been replaced by a file, which is what this is about."""
    os.mknod(folder / "mongodb.pem", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    assert "is not a regular file" in obstacle(str(folder / "mongodb.pem"), Attributes())


def test_a_name_leaves_forty_characters_for_those_beside_it(folder):
    assert obstacle(str(folder / ("x" * 215)), Attributes()) is None
    assert "is too long" in obstacle(str(folder / ("x" * 216)), Attributes())


@pytest.mark.parametrize(
    ("room", "said"),
    [
        ({}, None),
        ({"f_bavail": 32}, None),
        ({"f_bavail": 31}, "path: no space is left in {0}"),
        ({"f_bavail": 0}, "path: no space is left in {0}"),
        ({"f_favail": 4}, None),
        ({"f_favail": 3}, "path: no inodes are left in {0}"),
        ({"f_files": 0, "f_favail": 0}, None),
    ],
    ids=str,
)
def test_space_for_two_answers_and_four_files_will_do_and_less_will_not(folder, monkeypatch, room, said):
    """The answer is kept once as it came and once as a PEM; some file systems, such as btrfs, count no files."""
    found = {"f_bavail": 1000, "f_frsize": 4096, "f_files": 1000, "f_favail": 1000, **room}
    monkeypatch.setattr(os, "statvfs", lambda _path: types.SimpleNamespace(**found))
    assert obstacle(str(folder / "new.pem"), Attributes()) == (said.format(folder) if said else None)


def test_a_file_that_cannot_even_be_looked_at_is_an_obstacle(path, monkeypatch):
    real = os.lstat

    def broken(place, *more, **named):
        if place == path:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(place, *more, **named)

    monkeypatch.setattr(os, "lstat", broken)
    assert obstacle(path, Attributes()) == "path: {0}: Input/output error".format(path)


@root_only
def test_what_may_be_written_is_judged_by_the_effective_user(reachable):
    """A process that has lowered its effective user alone is still root to a careless question."""
    path = os.path.join(reachable, "mongodb.pem")

    def lowered(say):
        os.seteuid(NOBODY)
        say(str(obstacle(path, Attributes())))

    child = Child(lowered)
    child.ended()
    assert child.words == ["path: the directory {0} may not be written, and this runs as uid {1}".format(reachable, NOBODY)]


@pytest.mark.parametrize("length", [200, 225, 240, 255])
def test_a_name_that_is_too_long_for_its_helpers_is_an_obstacle(folder, length):
    """The reservation, the backup and the next PEM have longer names; a backup comes after the POST."""
    path = str(folder / ("x" * length))
    Path(path).write_bytes(OLD)
    if obstacle(path, Attributes()) is None:
        assert issue(path, backup=True)
        assert Path(path).read_bytes() == NEW


@root_only
def test_what_only_root_may_do_is_an_obstacle_for_others(reachable):
    path = os.path.join(reachable, "mongodb.pem")
    assert as_nobody(lambda: obstacle(path, Attributes())) == (
        "returned 'path: the directory {0} may not be written, and this runs as uid {1}'".format(reachable, NOBODY)
    )
    os.chown(reachable, NOBODY, NOBODY)
    assert as_nobody(lambda: obstacle(path, Attributes())) == "returned None"
    assert as_nobody(lambda: obstacle(path, Attributes(uid=NOBODY, gid=NOBODY))) == "returned None"
    assert "only root can give a file to another user" in as_nobody(lambda: obstacle(path, Attributes(uid=0)))
    assert "who is not in the group" in as_nobody(lambda: obstacle(path, Attributes(gid=TEAM)))
    assert as_nobody(lambda: obstacle(path, Attributes(gid=TEAM)), (NOBODY, TEAM)) == "returned None"
    assert obstacle(path, Attributes(uid=0, gid=TEAM)) is None
    assert os.listdir(reachable) == []


def test_what_only_root_may_do_is_told_by_the_effective_user(path, monkeypatch):
    user, groups = os.geteuid() + 1000, [os.getegid(), TEAM]
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(os, "getgroups", lambda: groups)
    owner = "owner: only root can give a file to another user (or leave it to one), and this runs as uid {0}".format(user)
    group = "group: this runs as uid {0}, who is not in the group {1}".format(user, TEAM + 1)
    for wanted, words in (
        (Attributes(), None),
        (Attributes(uid=user, gid=TEAM), None),
        (Attributes(gid=os.getegid()), None),
        (Attributes(uid=user + 1), owner),
        (Attributes(gid=TEAM + 1), group),
    ):
        assert obstacle(str(Path(path).parent / "new.pem"), wanted) == words
        assert obstacle(str(Path(path).parent / "a" / "new.pem"), wanted, create_directory=True) == words
    assert obstacle(path, Attributes()) == owner, "it belongs to another one, and would have to stay with him"
    assert obstacle(path, Attributes(uid=user)) is None


def test_a_file_system_without_flags_has_nothing_frozen(path, monkeypatch):
    def refuse(*_unused):
        raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))

    monkeypatch.setattr(fcntl, "ioctl", refuse)
    assert obstacle(path, Attributes()) is None


@root_only
def test_a_directory_that_is_hidden_from_us_is_not_called_missing(reachable):
    os.makedirs(os.path.join(reachable, "shut", "app"))
    os.chmod(os.path.join(reachable, "shut"), 0o700)
    path = os.path.join(reachable, "shut", "app", "mongodb.pem")
    for create in (False, True):
        assert "app cannot be reached, and this runs as uid {0}".format(NOBODY) in as_nobody(lambda: obstacle(path, Attributes(), create))  # noqa: B023
    assert obstacle(path, Attributes()) is None


@root_only
def test_a_file_that_may_be_replaced_but_not_read_is_no_obstacle(reachable):
    os.chown(reachable, NOBODY, NOBODY)
    path = os.path.join(reachable, "mongodb.pem")
    Path(path).write_bytes(OLD)
    os.chmod(path, 0o000)
    os.chown(path, NOBODY, NOBODY)
    assert as_nobody(lambda: obstacle(path, Attributes())) == "returned None"
    assert as_nobody(lambda: _pem.look_at(path).describe()) == "returned 'something that may not be read'"


@root_only
@pytest.mark.parametrize("flag", ["i", "a"])
def test_what_chattr_forbids_is_an_obstacle(path, folder, freeze, flag):
    freeze(flag, path)
    assert obstacle(path, Attributes()) == "path: {0} is immutable (chattr)".format(path)
    with pytest.raises(OSError):
        issue(path)
    assert Path(path).read_bytes() == OLD


@root_only
@pytest.mark.parametrize("flag", ["i", "a"])
def test_a_directory_that_chattr_froze_is_an_obstacle(path, folder, freeze, flag):
    freeze(flag, folder)
    assert obstacle(path, Attributes()) == "path: the directory {0} may not be written".format(folder)
    assert names(folder) == ["mongodb.pem"]


def test_a_read_only_disk_is_an_obstacle_even_for_root(disk):
    place = disk()
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)
    path = str(place / "mongodb.pem")
    assert obstacle(path, Attributes()) == "path: the directory {0} may not be written".format(place)
    with pytest.raises(StoreError, match="Read-only file system"):
        issue(path)


def test_an_inspection_says_what_speaks_against_the_place_and_what_differs(path, folder):
    os.chmod(path, 0o640)
    assert _store.inspect(path, "0600", None, None) == (None, ["mode"])
    assert _store.inspect(path, "0640", str(os.geteuid()), None) == (None, [])
    assert _store.inspect(str(folder / "none.pem"), "0600", None, None) == (None, [])
    assert _store.inspect(str(folder / "none" / "x.pem"), "0600", None, None).obstacle.startswith("path: ")
    assert _store.inspect(path, "0600", "no-such-user", None) == ("owner: there is no user 'no-such-user' here", [])
    assert _store.inspect(path, "0600", None, "no-such-group") == ("group: there is no group 'no-such-group' here", [])
    assert _store.inspect(path, "0644", None, None).obstacle.startswith("mode: ")


# A reservation that is somebody else's


@pytest.mark.parametrize("kind", ["link", "dangling link", "hard link", "fifo", "directory", "other's"])
def test_a_reservation_that_is_not_ours_is_refused_and_left_alone(path, folder, tmp_path, kind):
    pending, target = Path(_store.pending_path(path)), tmp_path / "target"
    target.write_bytes(b"precious")
    target.chmod(0o644)
    if kind == "link":
        pending.symlink_to(target)
    elif kind == "dangling link":
        pending.symlink_to(tmp_path / "nowhere")
    elif kind == "hard link":
        os.link(target, pending)
    elif kind == "fifo":
        os.mkfifo(pending, 0o644)
    elif kind == "directory":
        pending.mkdir(mode=0o755)
    elif os.geteuid() == 0:
        pending.write_bytes(b"precious")
        pending.chmod(0o644)
        os.chown(pending, 1, 1)
    else:
        pytest.skip("only root can make a file of another user")
    before = os.lstat(pending)
    with pytest.raises(StoreError) as error:
        issue(path)
    if kind == "other's":
        assert "belongs to uid 1, and this runs as uid 0. It may hold the only copy of a private key" in error.value.message
    if kind in ("hard link", "fifo"):
        assert error.value.message == "{0} is not a file of ours; look at it and remove it".format(pending)
    after = os.lstat(pending)
    assert (before.st_ino, before.st_mode, before.st_uid, before.st_size) == (after.st_ino, after.st_mode, after.st_uid, after.st_size)
    assert target.read_bytes() == b"precious" and mode_of(target) == 0o644
    assert not (tmp_path / "nowhere").exists()
    assert Path(path).read_bytes() == OLD
    assert names(folder) == [".mongodb.pem.atlas-pending", "mongodb.pem"]


def test_a_reservation_of_ours_that_was_open_to_others_is_closed_to_them(path):
    leave_behind(path, b"")
    os.chmod(_store.pending_path(path), 0o666)
    with Reservation(path) as reservation:
        assert mode_of(reservation.pending) == 0o600


def test_a_reservation_leaves_no_file_open(path):
    before = len(os.listdir("/dev/fd"))
    issue(path, backup=True)
    leave_behind(path, NEWER)
    issue(path)
    os.unlink(path)
    os.mkdir(_store.pending_path(path))
    with pytest.raises(StoreError):
        issue(path)
    assert len(os.listdir("/dev/fd")) == before
