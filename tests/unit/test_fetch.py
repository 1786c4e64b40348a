# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bringing a PEM back from a host: nothing readable on the way, nothing lost at the end of it."""

from __future__ import annotations

import datetime as dt
import functools
import os
import stat
from pathlib import Path

import pytest
from ansible_collections.atlas.x509.plugins.module_utils import _fetch, _pem, _shown, _store
from ansible_collections.atlas.x509.plugins.module_utils._errors import AtlasX509Error, PemError, StoreError
from cryptography.hazmat.primitives.asymmetric import ec
from disks import fill
from fake_atlas.certificates import Authority, key_pem
from hypothesis import given
from hypothesis import strategies as st

PROJECT = "64b7f0c2a1d3e4f5a6b7c8d9"


@functools.cache
def key(number):
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def certificate(number=0, user="app"):
    start, end = dt.datetime(2026, 11, 22, 7), dt.datetime(2027, 2, 22, 8)
    return Authority(PROJECT, 0).sign(user, 2**60 + number, start, end, key(number)).encode()


def pem(number=0, user="app"):
    return certificate(number, user) + key_pem(key(number)).encode()


def said_of(data):
    """What ``atlas_pem_fetch`` returns about a PEM."""
    return _shown.certificate(_pem.first_certificate(data))


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


@pytest.fixture
def dest(tmp_path):
    return tmp_path / "parked" / "app.pem"


@given(st.binary(max_size=200), st.binary(min_size=200, max_size=300))
def test_a_veil_is_taken_off_by_the_same_pad(data, pad):
    assert _fetch.unveil(_fetch.veil(data, pad), pad) == data
    assert len(_fetch.veil(data, pad)) == len(data)


@given(st.binary(min_size=1, max_size=200), st.data())
def test_every_pem_of_that_length_is_equally_likely_behind_a_veil(veiled, choice):
    guess = choice.draw(st.binary(min_size=len(veiled), max_size=len(veiled)))
    assert _fetch.unveil(veiled, _fetch.veil(veiled, guess)) == guess


def test_nothing_of_a_pem_shines_through_a_random_pad():
    veiled = _fetch.veil(pem(), os.urandom(_pem.MAX_SIZE))
    assert not any(pem()[start : start + 6] in veiled for start in range(len(pem()) - 6))


@pytest.mark.parametrize("length", [0, 1, len(pem()) - 1])
def test_a_pad_that_is_too_short_would_show_the_rest(length):
    with pytest.raises(PemError, match="shorter") as error:
        _fetch.veil(pem(), b"\0" * length)
    assert "BEGIN" not in str(error.value)


def test_the_pad_of_the_action_is_long_enough_for_every_pem():
    data = b"x" * _pem.MAX_SIZE
    assert _fetch.unveil(_fetch.veil(data, os.urandom(_pem.MAX_SIZE)), b"\0" * _pem.MAX_SIZE) != data


def test_a_pem_is_kept_private_in_a_directory_that_is_made_private(dest, open_umask):
    assert _fetch.keep(str(dest), pem(), said_of(pem())) is True
    assert dest.read_bytes() == pem()
    assert (mode_of(dest), mode_of(dest.parent)) == (0o600, 0o700)
    assert os.listdir(dest.parent) == ["app.pem"]


def test_the_same_pem_is_not_written_twice(dest):
    _fetch.keep(str(dest), pem(), said_of(pem()))
    before = os.stat(dest)
    assert _fetch.keep(str(dest), pem(), said_of(pem())) is False
    after = os.stat(dest)
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_what_is_kept_already_need_not_be_brought_unless_others_could_read_it(dest):
    serial = said_of(pem())["serial_number"]
    assert _fetch.kept(str(dest), serial) is None
    _fetch.keep(str(dest), pem(), said_of(pem()))
    assert _fetch.kept(str(dest), serial) == said_of(pem())
    assert _fetch.kept(str(dest), serial + "0") is None
    dest.chmod(0o644)
    assert _fetch.kept(str(dest), serial) is None


def test_the_empty_reservation_of_a_run_that_died_goes_when_the_pem_is_there_but_not_in_check_mode(dest):
    _fetch.keep(str(dest), pem(), said_of(pem()))
    pending, serial = Path(_store.pending_path(str(dest))), said_of(pem())["serial_number"]
    pending.write_bytes(b"\0" * 100)
    assert _fetch.kept(str(dest), serial, check=True) and pending.exists()
    assert _fetch.kept(str(dest), serial) and not pending.exists()
    pending.write_bytes(b"\0" * 100)
    assert _fetch.keep(str(dest), pem(), said_of(pem())) is False
    assert not pending.exists()


def test_the_same_pem_that_others_could_read_is_closed_to_them(dest):
    _fetch.keep(str(dest), pem(), said_of(pem()))
    dest.chmod(0o644)
    _fetch.keep(str(dest), pem(), said_of(pem()))
    assert mode_of(dest) == 0o600


@pytest.mark.parametrize("left", [b"", b"\0" * 100, pem(1), certificate(), pem(0)[:-60]], ids=["empty", "zeros", "older", "no key", "cut"])
def test_an_older_pem_of_the_same_user_makes_way(dest, left):
    dest.parent.mkdir(mode=0o700)
    dest.write_bytes(left)
    assert _fetch.keep(str(dest), pem(), said_of(pem())) is True
    assert dest.read_bytes() == pem()
    assert mode_of(dest) == 0o600
    assert os.listdir(dest.parent) == ["app.pem"]


@pytest.mark.parametrize(
    "left",
    [pem(3, "other"), key_pem(key(3)).encode(), certificate() + key_pem(key(3)).encode(), b"remember the milk\n"],
    ids=["another user's", "a key", "another key", "notes"],
)
def test_a_foreign_file_is_never_destroyed(dest, left):
    """It may be the only copy of somebody's key: refused, or kept under another name, but not gone."""
    dest.parent.mkdir(mode=0o700)
    dest.write_bytes(left)
    try:
        _fetch.keep(str(dest), pem(), said_of(pem()))
    except AtlasX509Error:
        pass
    assert left in [entry.read_bytes() for entry in dest.parent.iterdir()]


@pytest.mark.parametrize(
    "arrived",
    [pem(1), certificate(), key_pem(key(0)).encode(), certificate() + key_pem(key(1)).encode(), pem()[:-60], b"noise", b"", os.urandom(len(pem()))],
    ids=["another one", "no key", "no certificate", "another key", "cut", "noise", "nothing", "still veiled"],
)
def test_what_is_not_what_the_host_holds_is_refused_and_leaves_nothing(dest, arrived):
    dest.parent.mkdir(mode=0o700)
    dest.write_bytes(pem(2))
    with pytest.raises(PemError, match="is as it was") as error:
        _fetch.keep(str(dest), arrived, said_of(pem()))
    assert dest.read_bytes() == pem(2)
    assert os.listdir(dest.parent) == ["app.pem"]
    assert not any(line.decode("latin-1") in str(error.value) for line in arrived.splitlines() if len(line) > 20)


def test_an_answer_that_waits_there_to_be_taken_up_is_not_lost(dest):
    dest.parent.mkdir(mode=0o700)
    Path(_store.pending_path(str(dest))).write_bytes(pem(5))
    _fetch.keep(str(dest), pem(), said_of(pem()))
    assert {entry.read_bytes() for entry in dest.parent.iterdir()} == {pem(), pem(5)}


def test_a_place_that_will_not_do_is_named_by_the_option(tmp_path):
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    for place, words in (
        (tmp_path, "is a directory"),
        (tmp_path / "link", "is a symbolic link"),
        (tmp_path / "open" / "x.pem", "everybody may write"),
        (tmp_path / "open" / "new" / "x.pem", "everybody may write"),
        ("parked/app.pem", "is not the absolute path"),
    ):
        with pytest.raises(StoreError, match="^dest: .*" + words):
            _fetch.keep(str(place), pem(), said_of(pem()))


@pytest.mark.parametrize("leave", [_store.RESERVED - 4096, _store.RESERVED])
def test_a_disk_that_fills_up_meanwhile_leaves_the_old_file_and_nothing_else(disk, monkeypatch, leave):
    place = disk()
    dest = place / "app.pem"
    dest.write_bytes(pem(1))
    dest.chmod(0o600)
    monkeypatch.setattr(_fetch, "obstacle", lambda *_unused, **_named: None)
    fill(place, leave)
    with pytest.raises(StoreError, match="No space left on device"):
        _fetch.keep(str(dest), pem() + b"\n" * 8192, said_of(pem()))
    assert dest.read_bytes() == pem(1)
    assert sorted(os.listdir(place)) == ["app.pem", "filler"]
