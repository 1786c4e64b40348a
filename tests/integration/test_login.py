# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The login works: an application's driver logs in with the file that the role placed, on a wire-compatible MongoDB behind TLS."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys

import pytest
from fake_atlas import DEMO_PROJECT, FakeAtlas

pymongo = pytest.importorskip("pymongo", reason="needs pymongo")
pytest.importorskip("secantus", reason="needs SecantusDB, a MongoDB that pip installs")
from mongodb import MongoDB
from outcomes import known, lay
from plays import Plays, held

NOWHERE = "mongodb://127.0.0.1:1/?directConnection=true"


class World(Plays):
    """Two hosts that are folders, the service, and the database that trusts the service's authority."""

    def __init__(self, folder, ansible, atlas, mongodb):
        super().__init__(folder, ansible, atlas)
        self.mongodb = mongodb
        for name in ("web1", "web2"):
            (folder / name).mkdir()
            self.hosts[name] = {"ansible_connection": "local", "user_cert_path": str(self.path(name))}
        self.use(sys.executable)

    def use(self, python):
        """The interpreter of the hosts."""
        for host in self.hosts.values():
            host["ansible_python_interpreter"] = python

    def path(self, name):
        return self.folder / name / "mongodb.pem"

    def hold_an_old_one(self, name):
        """Give a host a PEM that is due for renewal; returns its serial number."""
        certificate, pem = known(self.atlas, days_left=20)
        lay(self.path(name), pem)
        return str(certificate.serial)

    def serial(self, name):
        return held(self.path(name))

    def write_as_the_application(self, pem):
        """What an application does with the file: insert a document, and read who it is."""
        with pymongo.MongoClient(
            self.mongodb.uri, tls=True, tlsCertificateKeyFile=str(pem), authMechanism="MONGODB-X509", serverSelectionTimeoutMS=60_000
        ) as client:
            client.shop.orders.insert_one({"item": 1})
            (user,) = client.admin.command("connectionStatus")["authInfo"]["authenticatedUsers"]
            return user["user"]


@pytest.fixture
def world(tmp_path, ansible):
    with FakeAtlas() as atlas:
        atlas.call(atlas.state.add_user, DEMO_PROJECT, "stranger")
        with MongoDB(atlas.state.projects[DEMO_PROJECT].authority.pem, ["CN=app"]) as mongodb:
            yield World(tmp_path, ansible, atlas, mongodb)


def test_the_application_logs_in_with_what_the_role_placed_before_and_after_a_renewal(world):
    first = world.hold_an_old_one("web1")
    world.run()
    assert world.serial("web2") == first
    assert {world.write_as_the_application(world.path(name)) for name in ("web1", "web2")} == {"CN=app"}
    kept = world.folder / "before.pem"
    shutil.copy(world.path("web1"), kept)

    world.run(user_cert_renew_before="30d", user_cert_verify_uri=world.mongodb.uri)

    (second,) = world.issued()
    assert world.serial("web1") == world.serial("web2") == second != first
    assert {world.write_as_the_application(world.path(name)) for name in ("web1", "web2")} == {"CN=app"}
    assert world.write_as_the_application(kept) == "CN=app", "hosts that were not reached yet go on with the old one"


def test_a_stranger_is_refused(world):
    certificate = world.atlas.call(world.atlas.state.add_certificate, DEMO_PROJECT, "stranger", days_left=60)
    (world.folder / "stranger.pem").write_text(world.atlas.state.pem(certificate))
    with pytest.raises(pymongo.errors.OperationFailure):
        world.write_as_the_application(world.folder / "stranger.pem")
    with pytest.raises(pymongo.errors.PyMongoError), pymongo.MongoClient(world.mongodb.uri, tls=True, serverSelectionTimeoutMS=5000) as nobody:
        nobody.shop.orders.insert_one({"item": 1})


@pytest.mark.rare
def test_a_login_that_fails_keeps_the_old_file_and_the_new_pem_for_the_next_run(world):
    first = world.hold_an_old_one("web1")
    world.run()
    renewing = {"user_cert_renew_before": "30d"}

    # A server that knows nobody of that name: what a user who was deleted at the database looks like.
    with MongoDB(world.atlas.state.projects[DEMO_PROJECT].authority.pem, ["CN=somebody"]) as forgetful:
        world.run(**renewing, user_cert_verify_uri=forgetful.uri, fails=True)

    assert "the login with it failed (pymongo: " in world.output
    assert "no user found" in world.output
    assert "the PEM is kept in" in world.output
    assert world.serial("web1") == world.serial("web2") == first
    (second,) = world.issued()
    assert len(world.parked()) == 1

    world.run(**renewing, user_cert_verify_uri=world.mongodb.uri)
    assert world.serial("web1") == world.serial("web2") == second
    assert world.issued() == [second], "nothing was issued twice"
    assert world.parked() == []


def test_hosts_without_a_client_are_known_before_anything_is_issued(world):
    # An interpreter that knows nothing of the packages around it: "bare" in the sense of a managed host.
    python = os.path.realpath(sys.executable)
    world.use(python)
    bare = subprocess.run([python, "-Ic", "import pymongo"], capture_output=True, check=False)
    if bare.returncode == 0 or shutil.which("mongosh"):
        pytest.skip("this machine's own Python has pymongo, or mongosh is there")

    world.run(user_cert_verify_uri=world.mongodb.uri, fails=True)

    assert "neither pymongo (for the Python that runs modules) nor mongosh" in world.output
    assert world.issued() == []
    assert world.atlas.state.counters.posts == 0


@pytest.mark.heavy
def test_the_real_mongosh_logs_in_and_refuses(world, run_command, monkeypatch, tmp_path):
    """Installed from the npm registry, 150 MB, for this test alone."""
    if not shutil.which("npm"):
        pytest.skip("needs npm, to install mongosh")
    tools = tmp_path / "tools"
    tools.mkdir()
    install = ["npm", "install", "--prefix", str(tools), "--no-audit", "--no-fund", "--ignore-scripts", "mongosh"]
    subprocess.run(install, check=True, capture_output=True, timeout=900)
    monkeypatch.setitem(sys.modules, "pymongo", None)
    monkeypatch.setenv("PATH", str(tools / "node_modules" / ".bin"), prepend=os.pathsep)
    from ansible_collections.atlas.x509.plugins.module_utils import _login
    from ansible_collections.atlas.x509.plugins.module_utils._errors import PemError

    for username in ("app", "stranger"):
        certificate = world.atlas.call(world.atlas.state.add_certificate, DEMO_PROJECT, username, days_left=60)
        (tmp_path / f"{username}.pem").write_text(world.atlas.state.pem(certificate))
    assert _login.client().name == "mongosh"
    trial = _login.trial(world.mongodb.uri, run_command)
    _login.log_in(trial, str(tmp_path / "app.pem"), "app")
    with pytest.raises(PemError, match="mongosh: MongoServerError: .*no user found"):
        _login.log_in(trial, str(tmp_path / "stranger.pem"), "stranger")


@pytest.mark.rare
def test_the_steady_state_needs_no_database(world):
    world.run()
    before = {name: world.path(name).stat() for name in ("web1", "web2")}
    assert world.run(user_cert_verify_uri=NOWHERE) == {"web1": "ok", "web2": "ok"}
    assert {name: world.path(name).stat().st_mtime_ns for name in before} == {name: found.st_mtime_ns for name, found in before.items()}
    assert all(stat.S_IMODE(found.st_mode) == 0o600 for found in before.values())
