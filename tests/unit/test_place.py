# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Placing a PEM on a host: what is there afterwards, what is said, and what check mode says before."""

from __future__ import annotations

import datetime as dt
import functools
import glob
import itertools
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import ansible_collections
import pytest
from ansible_collections.atlas.x509.plugins.module_utils import _pem, _place, _results, _store
from ansible_collections.atlas.x509.plugins.module_utils._errors import AtlasX509Error, OptionError, PemError, StoreError
from ansible_collections.atlas.x509.plugins.module_utils._place import Order
from ansible_collections.atlas.x509.plugins.module_utils._store import Attributes
from children import Child, killed_at
from cryptography.hazmat.primitives.asymmetric import ec
from disks import fill
from fake_atlas.certificates import Authority, key_pem, leaf_key

PROJECT, OTHER_PROJECT = "64b7f0c2a1d3e4f5a6b7c8d9", "0123456789abcdef01234567"
NOBODY, TEAM = 65534, 54321
LIMIT = 120
pytestmark = pytest.mark.usefixtures("time_limit")

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user or give files away")


@functools.cache
def ec_key(number=0):
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def certificate(number=0, user="app", project=PROJECT):
    start, end = dt.datetime(2026, 11, 22, 7), dt.datetime(2027, 2, 22, 8)
    return Authority(project, 0).sign(user, 2**60 + number, start, end, ec_key(number)).encode()


def pem(number=0, user="app", project=PROJECT):
    return certificate(number, user, project) + key_pem(ec_key(number)).encode()


OLD, NEW = pem(0), pem(1)


def serial(number):
    return str(2**60 + number)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "app"
    made.mkdir(mode=0o755)
    return made


@pytest.fixture
def file(folder):
    """The path of a file that is not there yet."""
    return folder / "mongodb.pem"


def order(file, **more):
    more.setdefault("attributes", Attributes())
    return Order(str(file), **more)


def holding(file, data, mode=0o600):
    file.write_bytes(data)
    file.chmod(mode)
    return file


def state_of(folder):
    """Every byte and attribute of a directory, and when it changed."""
    entries = [folder, *sorted(folder.rglob("*"))]
    found = [(entry.name, os.lstat(entry)) for entry in entries]
    facts = [(name, one.st_ino, one.st_mode, one.st_uid, one.st_gid, one.st_nlink, one.st_mtime_ns, one.st_ctime_ns) for name, one in found]
    return facts, [entry.read_bytes() for entry in entries if entry.is_file()]


def names(folder):
    return sorted(os.listdir(folder))


def mode_of(file):
    return stat.S_IMODE(os.lstat(file).st_mode)


# What is there afterwards


def test_a_pem_is_placed_where_nothing_was(file, folder):
    placed = _place.place(order(file), NEW)
    assert (placed.changed, placed.before.state, str(placed.after.serial), placed.backup_file) == (True, "absent", serial(1), None)
    assert file.read_bytes() == NEW
    assert mode_of(file) == 0o600
    assert names(folder) == ["mongodb.pem"]


def test_placing_it_again_touches_nothing(file, folder):
    _place.place(order(file), NEW)
    before = state_of(folder)
    placed = _place.place(order(file), NEW)
    assert (placed.changed, placed.attributes) == (False, ())
    assert state_of(folder) == before


def test_an_older_pem_of_the_same_user_is_replaced_without_a_backup(file, folder):
    placed = _place.place(order(holding(file, OLD)), NEW)
    assert (placed.changed, str(placed.before.certificate.serial), placed.backup_file) == (True, serial(0), None)
    assert file.read_bytes() == NEW
    assert names(folder) == ["mongodb.pem"]


def test_with_backup_the_older_pem_is_kept(file, folder):
    placed = _place.place(order(holding(file, OLD), backup=True), NEW)
    assert Path(placed.backup_file).read_bytes() == OLD
    assert mode_of(placed.backup_file) == 0o600
    assert len(names(folder)) == 2


@pytest.mark.parametrize("left", [b"", b"\0" * 65536, certificate(), OLD[:-100]], ids=["empty", "zeros", "certificate only", "cut"])
def test_what_is_of_no_use_is_replaced(file, folder, left):
    assert _place.place(order(holding(file, left)), NEW).changed
    assert file.read_bytes() == NEW
    assert names(folder) == ["mongodb.pem"]


@pytest.mark.parametrize(
    "source",
    [
        pem(1),
        key_pem(ec_key(1)).encode() + certificate(1),
        pem(1).replace(b"\n", b"\r\n"),
        pem(1) + Authority(PROJECT, 0).pem.encode(),
        b"# app\n" + pem(1),
        b"\xef\xbb\xbf" + pem(1),
    ],
    ids=["as Atlas sends it", "key first", "CRLF", "with the chain", "with a comment", "byte order mark"],
)
def test_a_pair_is_placed_byte_by_byte_as_it_is(file, source):
    assert _place.place(order(file), source).changed
    assert file.read_bytes() == source
    assert not _place.place(order(file), source).changed


def test_a_pem_as_large_as_atlas_makes_it_is_placed(file):
    start, end = dt.datetime(2026, 11, 22, 7), dt.datetime(2027, 2, 22, 8)
    source = (Authority(PROJECT, 0).sign("app", 2**62, start, end, leaf_key(0)) + key_pem(leaf_key(0))).encode()
    assert _place.place(order(file, username="app", project_id=PROJECT), source).changed
    assert _pem.look_at(str(file)).state == "pair"


@root_only
def test_owner_group_and_mode_are_set_and_changed_alone_when_only_they_differ(file, folder):
    wanted = Attributes(0o640, NOBODY, TEAM)
    assert _place.place(order(file, attributes=wanted), NEW).changed
    assert (mode_of(file), file.stat().st_uid, file.stat().st_gid) == (0o640, NOBODY, TEAM)
    inode = file.stat().st_ino
    foreseen = _place.foresee(order(file, attributes=Attributes(0o600, 0, TEAM)), NEW)
    assert mode_of(file) == 0o640
    placed = _place.place(order(file, attributes=Attributes(0o600, 0, TEAM)), NEW)
    assert placed == foreseen
    assert (placed.changed, placed.attributes) == (True, ("mode", "owner"))
    assert (mode_of(file), file.stat().st_uid, file.stat().st_ino) == (0o600, 0, inode)
    assert not _place.place(order(file, attributes=Attributes(0o600, 0, TEAM)), NEW).changed


@root_only
def test_a_pem_that_is_replaced_keeps_its_owner_and_group(file):
    os.chown(holding(file, OLD), NOBODY, TEAM)
    _place.place(order(file), NEW)
    assert (file.stat().st_uid, file.stat().st_gid) == (NOBODY, TEAM)


# Foreign files

FOREIGN = {
    "another user's": lambda: pem(3, "other"),
    "another project's": lambda: pem(3, project=OTHER_PROJECT),
    "a key alone": lambda: key_pem(ec_key(3)).encode(),
    "another key": lambda: certificate(0) + key_pem(ec_key(3)).encode(),
    "a key of another kind": lambda: certificate(0) + key_pem(leaf_key(0)).encode(),
    "an encrypted key": lambda: certificate(0) + key_pem(ec_key(0), b"secret").encode(),
    "two keys": lambda: pem(0) + key_pem(ec_key(3)).encode(),
    "notes": lambda: b"remember the milk\n",
    "another certificate": lambda: certificate(3, "other"),
}


@pytest.mark.parametrize("left", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("named", [{}, {"username": "app", "project_id": PROJECT}], ids=["by the source", "by the options"])
def test_a_foreign_file_is_left_alone_by_default(file, folder, left, named):
    holding(file, left())
    before = state_of(folder)
    for do in (_place.foresee, _place.place):
        with pytest.raises(StoreError, match="on_foreign: replace"):
            do(order(file, **named), NEW)
        assert state_of(folder) == before


@pytest.mark.parametrize("left", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_file_is_replaced_when_asked_and_always_kept(file, folder, left):
    data = left()
    holding(file, data, 0o640)
    placed = _place.place(order(file, replace_foreign=True), NEW)
    assert file.read_bytes() == NEW
    assert Path(placed.backup_file).read_bytes() == data
    assert mode_of(placed.backup_file) == 0o640
    assert len(names(folder)) == 2


def test_a_file_too_large_for_a_pem_is_foreign_and_is_kept_too(file):
    holding(file, b"x" * 1_000_000)
    with pytest.raises(StoreError, match="a file of 1000000 bytes"):
        _place.place(order(file), NEW)
    backup = _place.place(order(file, replace_foreign=True), NEW).backup_file
    assert Path(backup).read_bytes() == b"x" * 1_000_000


def test_without_a_source_nor_names_only_what_is_nobodys_pem_is_foreign(file):
    assert _place.foresee(order(holding(file, pem(3, "other"))), None).changed
    holding(file, b"notes")
    with pytest.raises(StoreError, match="something that is not a PEM"):
        _place.foresee(order(file), None)
    holding(file, pem(3, "other"))
    with pytest.raises(StoreError, match="CN=other"):
        _place.foresee(order(file, username="app", project_id=PROJECT), None)


# Sources that are not what they should be


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"username": "other"}, "src: holds a certificate of the user app, not of other"),
        ({"username": "App"}, "of the user app, not of App"),
        ({"project_id": OTHER_PROJECT}, "of the project {0}, not of {1}".format(PROJECT, OTHER_PROJECT)),
    ],
)
def test_a_source_of_another_user_or_project_is_refused(file, folder, asked, words):
    for do in (_place.foresee, _place.place):
        with pytest.raises(PemError) as error:
            do(order(file, **asked), NEW)
        assert words in str(error.value)
    assert names(folder) == []


BAD_SOURCES = {
    "text": b"hello",
    "a key alone": key_pem(ec_key(1)).encode(),
    "a certificate alone": certificate(1),
    "another key": certificate(1) + key_pem(ec_key(0)).encode(),
    "a key of another kind": certificate(1) + key_pem(leaf_key(0)).encode(),
    "an encrypted key": certificate(1) + key_pem(ec_key(1), b"secret").encode(),
    "a cut key": NEW[:-50],
    "two keys": NEW + key_pem(ec_key(0)).encode(),
    "much too large": NEW + b"\n" * 100_000,
    "a certificate that is none": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + key_pem(ec_key(1)).encode(),
}


@pytest.mark.parametrize("source", BAD_SOURCES.values(), ids=BAD_SOURCES)
def test_a_source_that_is_no_pair_is_refused_and_the_old_file_stays(file, folder, source):
    holding(file, OLD)
    with pytest.raises(PemError, match="^src: ") as error:
        _place.place(order(file), source)
    assert file.read_bytes() == OLD
    assert names(folder) == ["mongodb.pem"]
    assert not any(line.decode() in str(error.value) for line in source.splitlines() if len(line) > 20 and not line.startswith(b"-"))


@pytest.mark.parametrize("source", BAD_SOURCES.values(), ids=BAD_SOURCES)
def test_check_mode_refuses_a_source_that_the_real_run_would_refuse(file, source):
    with pytest.raises(PemError, match="^src: "):
        _place.foresee(order(file), source)


def test_a_place_that_will_not_do_is_refused_before_anything_is_written(tmp_path, folder, file):
    os.symlink(file, folder / "link")
    holding(file, OLD)
    before = state_of(folder)
    for path, words in (
        (folder / "link", "is a symbolic link"),
        (folder / "none" / "x.pem", "does not exist"),
        (folder, "is a directory"),
        ("x.pem", "is not the absolute path"),
    ):
        for do in (_place.foresee, _place.place):
            with pytest.raises(OptionError, match=words):
                do(order(path), NEW)
    assert state_of(folder) == before


# Check mode


@pytest.mark.parametrize("left", [None, b"", OLD, NEW, certificate(), OLD[:-100]], ids=["nothing", "empty", "old", "new", "certificate", "cut"])
@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_check_mode_writes_nothing_and_says_what_the_real_run_says(file, folder, left, mode):
    if left is not None:
        holding(file, left)
    wanted = order(file, attributes=Attributes(mode), username="app", project_id=PROJECT)
    before = state_of(folder)
    foreseen = _place.report(_place.foresee(wanted, NEW), str(file), True)
    assert state_of(folder) == before
    placed = _place.report(_place.place(wanted, NEW), str(file), False)
    for text, other in (("would place", "placed"), ("would set", "set")):
        foreseen["msg"] = foreseen["msg"].replace(text, other)
    assert foreseen == placed
    again = _place.report(_place.foresee(wanted, NEW), str(file), True)
    assert again["changed"] is False


def test_check_mode_before_there_is_a_source_says_that_something_will_come(file, folder):
    holding(file, OLD)
    before = state_of(folder)
    said = _place.report(_place.foresee(order(file, username="app", project_id=PROJECT), None), str(file), True)
    assert state_of(folder) == before
    assert (said["changed"], said["certificate"], said["replaced"]) == (True, None, serial(0))
    assert "would place" in said["msg"]


# What is said


def test_the_report_says_what_was_replaced_and_shows_no_key(file):
    said = _place.report(_place.place(order(holding(file, OLD), backup=True), NEW), str(file), False)
    assert said["msg"].startswith("{0}: placed certificate {1}, replacing the certificate and key of CN=app".format(file, serial(1)))
    assert (said["changed"], said["path"], said["replaced"]) == (True, str(file), serial(0))
    assert said["certificate"]["serial_number"] == serial(1)
    assert Path(said["backup_file"]).read_bytes() == OLD
    assert said["diff"]["before"] == "serial_number: {0}\nnot_after: 2027-02-22T08:00:00Z\n".format(serial(0))
    assert said["diff"]["after"] == "serial_number: {0}\nnot_after: 2027-02-22T08:00:00Z\n".format(serial(1))
    text = json.dumps(said)
    assert not any(line.decode() in text for data in (OLD, NEW) for line in data.splitlines() if not line.startswith(b"---"))


def test_the_report_of_nothing_to_do_has_no_diff(file):
    _place.place(order(file), NEW)
    said = _place.report(_place.place(order(file), NEW), str(file), False)
    assert (said["changed"], said["replaced"], "diff" in said, "backup_file" in said) == (False, None, False, False)
    assert said["msg"] == "{0}: holds certificate {1} already".format(file, serial(1))


def test_the_report_of_a_change_of_attributes_names_them(file):
    _place.place(order(file), NEW)
    said = _place.report(_place.place(order(file, attributes=Attributes(0o640)), NEW), str(file), False)
    assert (said["changed"], said["replaced"]) == (True, None)
    assert said["msg"] == "{0}: set mode".format(file)
    assert said["diff"]["after"].endswith("changed: mode\n")


def test_the_report_of_a_first_certificate_replaces_nothing(file):
    said = _place.report(_place.place(order(file), NEW), str(file), False)
    assert (said["msg"], said["replaced"], said["diff"]["before"]) == ("{0}: placed certificate {1}".format(file, serial(1)), None, "")


# Faults


@pytest.mark.parametrize("left", [None, OLD], ids=["new", "replaced"])
def test_a_kill_at_any_step_leaves_the_whole_old_file_or_the_whole_new_one_and_the_next_run_heals(tmp_path, left):
    wanted = Attributes(0o640)
    for number in itertools.count():
        folder = tmp_path / str(number)
        folder.mkdir(mode=0o755)
        file = folder / "mongodb.pem"
        if left:
            holding(file, left)

        def work(_say, file=file):
            os.umask(0)
            _place.place(order(file, attributes=wanted, backup=True), NEW)

        killed = killed_at(number, work)
        found = file.read_bytes() if file.exists() else None
        assert found == NEW or (killed and found == left), number
        assert mode_of(file) == 0o640 if found == NEW else True
        assert all(mode_of(folder / name) in (0o600, 0o640) for name in names(folder))
        if not killed:
            break
        _place.place(order(file, attributes=wanted), NEW)
        assert (file.read_bytes(), mode_of(file)) == (NEW, 0o640), number
        assert _place.place(order(file, attributes=wanted), NEW).changed is False
        assert _pem.look_at(_store.pending_path(str(file))).state in ("absent", "empty"), number
        _place.place(order(file, attributes=wanted), pem(2))
        kept = [folder / name for name in names(folder) if name != "mongodb.pem"]
        assert all(entry.name.endswith("~") and entry.read_bytes() == left for entry in kept), (number, kept)
    assert number > 25  # or nothing was tried


def placed_together(file, sources):
    """Whether each of these changed the file, placed by processes that begin at the same moment."""
    waiting, start = os.pipe()

    def work(source):
        def place(say):
            os.close(start)
            os.read(waiting, 1)
            say(str(_place.place(order(file), source).changed))

        return Child(place)

    children = [work(source) for source in sources]
    os.close(start)
    os.close(waiting)
    assert [child.ended() for child in children] == [0] * len(sources), [child.words for child in children]
    return [child.words == ["True"] for child in children]


def test_ten_rivals_all_succeed_and_leave_one_whole_pem(file, folder):
    sources = [pem(number) for number in range(10)]
    assert placed_together(file, sources) == [True] * 10
    assert file.read_bytes() in sources
    assert names(folder) == ["mongodb.pem"]


def test_rivals_with_the_same_pem_all_succeed_and_one_of_them_places_it(file, folder):
    assert sorted(placed_together(file, [NEW] * 10)) == [False] * 9 + [True]
    assert file.read_bytes() == NEW
    assert names(folder) == ["mongodb.pem"]


def test_a_foreign_file_that_appears_while_a_rival_is_waited_for_is_not_destroyed(file, folder, monkeypatch):
    real = _place.Reservation.__enter__

    def enter(reservation):
        entered = real(reservation)
        holding(file, pem(3, "other"))
        return entered

    monkeypatch.setattr(_place.Reservation, "__enter__", enter)
    with pytest.raises(StoreError, match="CN=other"):
        _place.place(order(file), NEW)
    assert file.read_bytes() == pem(3, "other")
    assert names(folder) == ["mongodb.pem"]


def test_what_atlas_user_cert_kept_beside_the_path_is_not_lost(file, folder):
    """It may be the only copy of a key, so it goes aside, whole, and under a name."""
    kept = pem(7)
    holding(Path(_store.pending_path(str(file))), kept)
    _place.place(order(file), NEW)
    assert file.read_bytes() == NEW
    assert [entry.read_bytes() for entry in folder.iterdir() if entry != file] == [kept]


@pytest.mark.parametrize("leave", [0, 4096, _store.RESERVED, _store.RESERVED + 4096])
def test_a_disk_that_fills_up_meanwhile_leaves_the_old_file_and_nothing_else(disk, monkeypatch, leave):
    """The disk has room when it is looked at, and none when it is written to: so nobody looks."""
    place = disk()
    file = holding(place / "mongodb.pem", OLD)
    source = NEW + b"\n" * 60_000
    monkeypatch.setattr(_place, "obstacle", lambda *_unused: None)
    fill(place, leave)
    with pytest.raises(StoreError, match="No space left on device"):
        _place.place(order(file), source)
    assert file.read_bytes() == OLD
    assert names(place) == ["filler", "mongodb.pem"]
    monkeypatch.undo()
    (place / "filler").unlink()
    assert _place.place(order(file), source).changed
    assert names(place) == ["mongodb.pem"]


@root_only
def test_an_owner_that_the_system_refuses_leaves_the_old_file_and_nothing_else(file, folder, monkeypatch):
    holding(file, OLD)

    def refuse(*_unused):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", refuse)
    with pytest.raises(StoreError, match="Operation not permitted"):
        _place.place(order(file, attributes=Attributes(0o600, NOBODY)), NEW)
    assert file.read_bytes() == OLD
    assert names(folder) == ["mongodb.pem"]


@root_only
def test_a_full_disk_and_an_immutable_file_are_named(disk, file, folder):
    place = disk()
    fill(place)
    with pytest.raises(OptionError, match="no space is left"):
        _place.place(order(place / "mongodb.pem"), NEW)
    holding(file, OLD)
    if not shutil.which("chattr") or subprocess.run(["chattr", "+i", file], capture_output=True, check=False).returncode:
        pytest.skip("chattr does not work here")
    try:
        for do in (_place.foresee, _place.place):
            with pytest.raises(OptionError, match="is immutable"):
                do(order(file), NEW)
    finally:
        subprocess.run(["chattr", "-i", file], check=True)
    assert names(folder) == ["mongodb.pem"]


# The Python of old hosts

SMOKE = """
import json, os, sys
from ansible_collections.atlas.x509.plugins.module_utils import _fetch, _file_options, _pem, _place, _results, _store

path, source, other = sys.argv[1:]
new = _pem.read(source)
order = _place.Order(path, _store.attributes("0640", None, None), True, False, "app", sys.stdin.read())
looks = [_results.look(_pem.look_at(path))]
foreseen = _place.report(_place.foresee(order, new), path, True)
first = _place.report(_place.place(order, new), path, False)
again = _place.report(_place.place(order, new), path, False)
second = _place.report(_place.place(order, _pem.read(other)), path, False)
looks.append(_results.look(_pem.look_at(path)))
pad = os.urandom(65536)
brought = _fetch.unveil(_fetch.veil(_pem.read(path), pad), pad)
kept = [_fetch.keep(path + ".d/parked.pem", brought, looks[1]["certificate"]) for _unused in range(2)]
place = _store.inspect(path, "0640", None, None)
print(json.dumps([sys.version_info[:2], looks, foreseen, first, again, second, kept, place, sorted(_file_options.SPEC)]))
"""


def old_pythons():
    """Every interpreter of a version that managed hosts may have, if it really runs."""
    found = []
    for version in ("3.6", "3.7", "3.8", "3.9"):
        roots = [os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")]
        candidates = [name for root in roots for name in glob.glob("{0}/versions/{1}.*/bin/python".format(glob.escape(root), version))]
        for candidate in candidates + [shutil.which("python" + version) or ""]:
            probe = "import sys; sys.exit(sys.version_info[:2] != ({0}))".format(version.replace(".", ", "))
            if candidate and subprocess.run([candidate, "-c", probe], capture_output=True, timeout=30, check=False).returncode == 0:
                found.append(candidate)
                break
    return found


def test_hosts_with_an_old_python_do_all_of_it_with_the_standard_library_alone(file, folder, tmp_path):
    interpreters = old_pythons()
    if not interpreters:
        pytest.skip("there is no Python 3.6 to 3.9 on this machine")
    source, other = holding(tmp_path / "new.pem", NEW), holding(tmp_path / "other.pem", pem(2))
    collections = os.path.dirname(next(iter(ansible_collections.__path__)))
    for python in interpreters:
        script = "import sys; sys.path.insert(0, {0!r})\n".format(collections) + SMOKE
        command = [python, "-I", "-B", "-W", "error", "-c", script, str(file), str(source), str(other)]
        done = subprocess.run(command, input=PROJECT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        version, looks, foreseen, first, again, second, kept, place, spec = json.loads(done.stdout)
        assert looks[0]["state"] == "absent"
        assert (looks[1]["state"], looks[1]["certificate"]["serial_number"]) == ("pair", serial(2))
        assert [one["changed"] for one in (foreseen, first, again, second)] == [True, True, False, True]
        assert Path(second["backup_file"]).read_bytes() == NEW
        assert file.read_bytes() == (folder / "mongodb.pem.d" / "parked.pem").read_bytes() == pem(2)
        assert mode_of(file) == 0o640
        assert kept == [True, False]
        assert place == [None, []]
        assert "on_foreign" in spec and version >= [3, 6]
        assert looks[1] == _results.look(_pem.look_at(str(file)))
        for entry in (folder / "mongodb.pem.d" / "parked.pem", file, Path(second["backup_file"])):
            entry.unlink()


def test_what_runs_on_hosts_imports_no_library():
    """Neither ours by accident, nor requests or cryptography through something that we import."""
    collections = os.path.dirname(next(iter(ansible_collections.__path__)))
    modules = ", ".join(["_pem", "_store", "_place", "_fetch", "_results", "_file_options"])
    script = (
        "import sys; sys.path.insert(0, {0!r})\n"
        "from ansible_collections.atlas.x509.plugins.module_utils import {1}\n"
        "names = {{name.partition('.')[0] for name in sys.modules}}\n"
        "print(sorted(names & {{'requests', 'cryptography', 'urllib3', 'ansible', 'yaml', 'jinja2'}}))"
    ).format(collections, modules)
    done = subprocess.run([sys.executable, "-I", "-B", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_every_failure_is_one_that_the_module_reports():
    assert all(issubclass(one, AtlasX509Error) for one in (OptionError, PemError, StoreError))
