# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disks that fill up or vanish, directories and files that cannot be written: what ``atlas_user_cert`` does on such a machine."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest
from outcomes import files, issued, known, lay, pem_of, posts, usable

from faults.world import order

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can do that to a file")
NOBODY = 65534
RENEW = {"renew_before": "10d"}


@pytest.fixture
def on(atlas, modules, tmp_path):
    """Run ``atlas_user_cert`` in a directory that the test names."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def run(directory, **options):
        return modules(order(atlas.url, directory, elsewhere, **options))

    run.elsewhere = elsewhere
    return run


# Before the POST


def obstacles():
    """What speaks against a path, made by a function of the directory; and a word of what the user is told."""

    def link_elsewhere(place):
        (place.parent / "precious").write_bytes(b"precious")
        (place / "app.pem").symlink_to(place.parent / "precious")

    def frozen(place):
        lay(place / "app.pem", b"")
        freeze(place / "app.pem")

    return {
        "a dangling link": (lambda place: (place / "app.pem").symlink_to("nowhere"), {}, "symbolic link"),
        "a link to a file elsewhere": (link_elsewhere, {}, "symbolic link"),
        "a FIFO": (lambda place: os.mkfifo(place / "app.pem"), {}, "not a regular file"),
        "a directory": (lambda place: (place / "app.pem").mkdir(), {}, "is a directory"),
        "a device": (lambda place: os.mknod(place / "app.pem", 0o600 | stat.S_IFCHR, os.makedev(1, 3)), {}, "not a regular file"),
        "an immutable file": (frozen, {}, "immutable"),
        "an immutable directory": (freeze, {}, "may not be written"),
        "a directory that others may write": (lambda place: place.chmod(0o777), {}, "everybody may write"),
        "no directory": (lambda place: place.rmdir(), {}, "does not exist"),
        "no such owner": (None, {"owner": "no-such-user"}, "no user"),
        "no such group": (None, {"group": "no-such-group"}, "no group"),
        "a mode for everybody": (None, {"mode": "0644"}, "everybody"),
    }


def freeze(entry):
    if os.geteuid() != 0 or not shutil.which("chattr") or subprocess.run(["chattr", "+i", entry], capture_output=True, check=False).returncode:
        pytest.skip("chattr does not work here")


@pytest.fixture
def thaw(place):
    yield
    if shutil.which("chattr"):
        subprocess.run(["chattr", "-R", "-i", place], capture_output=True, check=False)


def whole_state(directory):
    found = [directory, *sorted(directory.rglob("*"))] if directory.exists() else []
    return [(entry.name, entry.lstat().st_ino, entry.lstat().st_mode, entry.lstat().st_mtime_ns, entry.lstat().st_size) for entry in found]


@pytest.mark.parametrize("check", [False, True], ids=["for real", "in check mode"])
@pytest.mark.parametrize("name", obstacles())
@pytest.mark.usefixtures("thaw")
def test_what_cannot_take_a_pem_is_noticed_before_a_byte_is_sent(atlas, place, user_cert, name, check):
    make, options, says = obstacles()[name]
    if name == "a device" and os.geteuid() != 0:
        pytest.skip("only root can make a device")
    if make:
        make(place)
    before = whole_state(place.parent)
    run = user_cert(check=check, force=True, on_orphan="reissue", on_foreign="replace", **options)
    assert run.failed
    assert says in run.msg
    assert atlas.state.counters.requests == 0
    assert whole_state(place.parent) == before


def test_a_disk_without_space_or_files_is_noticed_before_a_byte_is_sent(atlas, on, disk):
    for fill in ("space", "files"):
        place = disk()
        if fill == "space":
            with open(place / "filler", "wb") as filler:
                filler.write(b"x" * (1024 - 60) * 1024)
        else:
            for number in range(os.statvfs(place).f_favail):
                (place / str(number)).touch()
        before = whole_state(place)
        run = on(place)
        assert run.failed
        assert f"no {'space is' if fill == 'space' else 'inodes are'} left" in run.msg
        assert atlas.state.counters.requests == 0
        assert whole_state(place) == before


def test_a_read_only_disk_is_noticed_before_a_byte_is_sent(atlas, on, disk):
    place = disk()
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)
    run = on(place)
    assert run.failed
    assert "may not be written" in run.msg
    assert atlas.state.counters.requests == 0


@root_only
def test_a_read_only_directory_is_noticed_before_a_byte_is_sent_by_one_who_is_not_root(atlas, on):
    """The module in a process that has given root away, where everybody can come."""
    closed = [str(above) for above in Path(__file__).resolve().parents if not above.stat().st_mode & 0o001]
    if closed:
        pytest.skip(f"another user cannot load the modules, because {closed[0]} is closed to others")
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        place.chmod(0o555)
        run = on(place, user=NOBODY)
        assert run.failed
        assert "may not be written" in run.msg
        assert atlas.state.counters.requests == 0
        assert os.listdir(place) == []
        os.chown(place, NOBODY, NOBODY)
        place.chmod(0o755)
        run = on(place, user=NOBODY)
        assert not run.failed, run.msg
        assert (place / "app.pem").stat().st_uid == NOBODY


# After it has begun


def mounted_anew(disk, atlas):
    """A disk with an older certificate on it that is due, and what it holds."""
    place = disk()
    pem = known(atlas, days_left=5)[1]
    lay(place / "app.pem", pem)
    return place, pem


def judge(atlas, on, place, run, old):
    """Whatever happened: at the path lies the old or the new one, whole, and what was issued can be had, or the user was told."""
    found = files(place) if place.is_dir() else {}
    new = [pem_of(atlas, serial) for serial in issued(atlas)]
    assert found.get("app.pem", (0o600, old))[1] in (old, *new)
    assert all(mode == 0o600 for mode, dummy in found.values())
    assert len(issued(atlas)) <= 1
    can_be_had = set(issued(atlas)) <= usable(place, on.elsewhere)
    assert can_be_had, "a key is lost"
    assert run.said is not None, run.errors
    if run.failed and issued(atlas):
        assert str(issued(atlas)[0]) in run.msg, "the user must know which one it is"
        kept = run.said["parked"]
        assert Path(kept).read_bytes().rstrip(b"\0") == new[0], "it is where the message says"
    if not run.failed:
        assert found["app.pem"][1] == new[0]


def every_step(atlas, on, disk, event, options=None, sample=1):
    """Let the event happen before each step of a renewal, on a fresh disk each time; yields what is there afterwards."""
    atlas.reset()
    place, dummy = mounted_anew(disk, atlas)
    steps = len(on(place, **RENEW, **(options or {})).steps)
    assert steps > 40
    for number in range(0, steps, sample):
        atlas.reset()
        place, old = mounted_anew(disk, atlas)
        run = on(place, **RENEW, **(options or {}), event=event(place, number))
        yield number, place, old, run


def check_a_disk(atlas, on, disk, event, sample):
    """Let it happen at every step on disk; what was issued is never lost, and the next run puts it in place."""
    outcomes = set()
    for number, place, old, run in every_step(atlas, on, disk, lambda dummy, number: {"at": number, **event}, sample=sample):
        if event["what"] == "refuse" and run.steps[number]["call"] in ("send", "receive"):
            continue  # that is the network
        try:
            judge(atlas, on, place, run, old)
            outcomes.add((run.failed, len(issued(atlas))))
            sent = posts(atlas)
            (place / "filler").unlink(missing_ok=True)
            healing = on(place, **RENEW)
            assert not healing.failed, healing.msg
            assert posts(atlas) == max(sent, 1), "issued again although the last one can be had"
            found = files(place)
            assert found.pop("app.pem") == (0o600, pem_of(atlas, issued(atlas)[-1]))
            # An old file that cannot be read might be somebody else's: it is kept.
            assert all(event["what"] == "refuse" and name.endswith("~") and one == (0o600, old) for name, one in found.items()), found
        except AssertionError as error:
            error.args = (f"{event} at step {number}, {run.steps[number] if number < len(run.steps) else ''}: {error}",)
            raise
        finally:
            subprocess.run(["umount", "-l", place], check=False)
    return outcomes


def test_a_disk_that_fills_up_at_some_steps_loses_nothing(atlas, on, disk):
    assert check_a_disk(atlas, on, disk, {"what": "fill"}, 7) >= {(True, 0), (False, 1)}


@pytest.mark.heavy
def test_a_disk_that_fills_up_at_any_step_loses_nothing(atlas, on, disk):
    """It fails before the POST, or after it with the answer parked; or there was room enough already."""
    assert check_a_disk(atlas, on, disk, {"what": "fill"}, 1) == {(True, 0), (True, 1), (False, 1)}


@pytest.mark.heavy
def test_a_call_that_the_system_refuses_at_any_step_loses_nothing(atlas, on, disk):
    """A broken device: each single call on files fails once."""
    assert check_a_disk(atlas, on, disk, {"what": "refuse"}, 1) == {(True, 0), (True, 1), (False, 1)}


OUTSIDE = {
    "the directory is emptied": lambda place: ["find", str(place), "-mindepth", "1", "-delete"],
    "the mount vanishes": lambda place: ["umount", "-l", str(place)],
}


def check_what_vanishes(atlas, on, disk, command, sample):
    """The next run may find nothing at all; what counts is that a key that was received is somewhere, and that the user was told where."""
    issued_and_failed = 0
    for number, place, old, run in every_step(
        atlas, on, disk, lambda place, number: {"at": number, "what": "command", "command": command(place)}, sample=sample
    ):
        try:
            if not vanished_after_publishing(run, number):
                judge(atlas, on, place, run, old)
            if run.failed and issued(atlas) and not issued_and_failed:
                check_the_way_out(atlas, on, place, run)
            issued_and_failed += bool(run.failed and issued(atlas))
        except AssertionError as error:
            error.args = (f"before step {number}, {run.steps[number] if number < len(run.steps) else ''}: {error}",)
            raise
        finally:
            subprocess.run(["umount", "-l", place], capture_output=True, check=False)
    return issued_and_failed


def check_the_way_out(atlas, on, place, run):
    """The user does what the message says, and the next run puts it in place."""
    assert f"move it to {place}/.app.pem.atlas-pending and run again" in run.msg
    shutil.move(run.said["parked"], place / ".app.pem.atlas-pending")
    again = on(place)
    assert not again.failed, again.msg
    assert files(place) == {"app.pem": (0o600, pem_of(atlas, issued(atlas)[0]))}
    assert len(issued(atlas)) == 1


def vanished_after_publishing(run, number):
    """What was in place and synced when it was destroyed, was destroyed: no run can help that."""
    return any(step["call"] == "rename" for step in run.steps[:number])


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_directory_that_vanishes_at_some_steps_takes_no_key_with_it(atlas, on, disk, name):
    check_what_vanishes(atlas, on, disk, OUTSIDE[name], 5)


@pytest.mark.heavy
@pytest.mark.parametrize("name", OUTSIDE)
def test_a_directory_that_vanishes_at_any_step_takes_no_key_with_it(atlas, on, disk, name):
    assert check_what_vanishes(atlas, on, disk, OUTSIDE[name], 1)
