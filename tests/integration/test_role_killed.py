# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole playbook is killed between issuing and placing, and the one that would have healed it as well. Where a module is killed at every
step, is in ``tests/faults``; this is what lies between the modules.
"""

from __future__ import annotations

import sys

import pytest
from fake_atlas import FakeAtlas
from plays import Plays, held

pytestmark = pytest.mark.heavy
HOSTS = ("web1", "web2")


class Interrupted(Plays):
    """Hosts that are folders. Where a file ``hold`` lies in one, the PEM is not placed there: the module has arrived, and waits."""

    def add(self, name):
        folder = self.folder / name
        folder.mkdir()
        waiting = f"touch {folder}/arrived; while [ -e {folder}/hold ]; do sleep 0.1; done"
        python = folder / "python"
        python.write_text(f'#!/bin/sh\ncase "$*" in *AnsiballZ_atlas_pem.py*) {waiting};; esac\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)
        self.hosts[name] = {"ansible_connection": "local", "ansible_python_interpreter": str(python), "user_cert_path": f"{folder}/mongodb.pem"}

    def serials(self):
        return {name: held(self.folder / name / "mongodb.pem") for name in self.hosts}

    def killed_before_placing(self, *held, placed=()):
        """Kill the play when it is about to place the PEM on these hosts, and has placed it on those."""
        for name in held:
            (self.folder / name / "hold").touch()
            (self.folder / name / "arrived").unlink(missing_ok=True)
        self.killed(
            lambda: all((self.folder / name / "arrived").exists() for name in held) and "absent" not in [self.serials()[name] for name in placed],
            f"{held} are about to get the PEM",
        )
        for name in held:
            (self.folder / name / "hold").unlink()

    def check_it_heals(self, issued):
        """The next run gives all of them the last that was issued; the one behind it has nothing to do."""
        came = self.run()
        assert set(came.values()) <= {"changed", "ok"}
        assert self.issued() == issued
        assert self.serials() == dict.fromkeys(self.hosts, issued[-1])
        assert self.parked() in ([], None), "something is left over"
        assert self.run() == dict.fromkeys(self.hosts, "ok")


@pytest.fixture
def fleet(tmp_path, ansible):
    with FakeAtlas() as atlas:
        made = Interrupted(tmp_path, ansible, atlas)
        for name in HOSTS:
            made.add(name)
        yield made


def test_a_playbook_that_is_killed_before_it_has_placed_anything_is_healed_by_the_next(fleet):
    fleet.killed_before_placing(*HOSTS)
    (serial,) = fleet.issued()
    assert fleet.serials() == dict.fromkeys(HOSTS, "absent")
    assert [name for name in fleet.parked() if name.endswith(".pem") and not name.startswith(".")], "the key is parked"
    fleet.check_it_heals([serial])


def test_a_playbook_that_is_killed_half_way_and_then_the_next_one_too_leaves_no_less_and_the_third_heals(fleet):
    fleet.add("web3")
    fleet.killed_before_placing("web2", "web3", placed=["web1"])
    (serial,) = fleet.issued()
    assert fleet.serials() == {"web1": serial, "web2": "absent", "web3": "absent"}
    fleet.killed_before_placing("web3", placed=["web2"])
    assert fleet.serials() == {"web1": serial, "web2": serial, "web3": "absent"}
    fleet.check_it_heals([serial])


def test_a_playbook_that_is_killed_when_it_has_brought_the_pem_from_a_host_is_healed_by_the_next(fleet):
    """The disk of the controller is gone meanwhile, as that of an execution environment is: the host that got it is the one that gives it."""
    fleet.killed_before_placing("web2", placed=["web1"])
    for parked in (fleet.folder / "parking").iterdir():
        parked.unlink()
    (serial,) = fleet.issued()
    fleet.killed_before_placing("web2")
    assert fleet.parked(), "it was brought"
    assert fleet.serials() == {"web1": serial, "web2": "absent"}
    fleet.check_it_heals([serial])


def test_a_playbook_that_is_killed_while_atlas_answers_has_lost_a_key_and_the_next_says_which(fleet):
    fleet.atlas.fault("delay_answer", seconds=60, match={"method": "POST"})
    fleet.killed(fleet.issued, "a certificate is issued")
    fleet.atlas.call(fleet.atlas.state.faults.clear)
    (lost,) = fleet.issued()
    assert fleet.run(fails=True) == dict.fromkeys(HOSTS, "failed")
    assert lost in fleet.output and "on_orphan: reissue" in fleet.output
    assert fleet.issued() == [lost]
    assert fleet.run(user_cert_on_orphan="reissue") == dict.fromkeys(HOSTS, "changed")
    fleet.check_it_heals(fleet.issued())
    assert len(fleet.issued()) == 2
