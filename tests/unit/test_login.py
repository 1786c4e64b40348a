# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The login with a PEM: real clients, a wire-compatible MongoDB behind TLS, certificates of the fake Atlas."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest
from ansible_collections.atlas.x509.plugins.module_utils import _login, _place
from ansible_collections.atlas.x509.plugins.module_utils._errors import OptionError, PemError
from ansible_collections.atlas.x509.plugins.module_utils._store import Attributes
from fake_atlas import DEMO_PROJECT, FakeAtlas

pytest.importorskip("secantus", reason="needs SecantusDB, a MongoDB that pip installs")
from mongodb import MongoDB

AWKWARD = "billing/eu, main+1"
NOWHERE = "mongodb://127.0.0.1:1/?directConnection=true"


def trial(uri):
    """For pymongo, which is no program."""

    def run(*_unused, **_more):
        raise AssertionError("a program was started")

    return _login.trial(uri, run)


@pytest.fixture(scope="module")
def atlas():
    with FakeAtlas() as atlas:
        for name in (AWKWARD, "stranger"):
            atlas.call(atlas.state.add_user, DEMO_PROJECT, name)
        yield atlas


@pytest.fixture(scope="module")
def mongodb(atlas):
    with MongoDB(atlas.state.projects[DEMO_PROJECT].authority.pem, ["CN=app", r"CN=billing/eu\, main\+1"]) as mongodb:
        yield mongodb


@pytest.fixture
def pem(atlas, tmp_path):
    """A function from a user to the path of a PEM that the service has issued."""

    def write(username: str, name: str = "given.pem") -> str:
        certificate = atlas.call(atlas.state.add_certificate, DEMO_PROJECT, username, days_left=60)
        path = tmp_path / name
        path.write_text(atlas.state.pem(certificate))
        path.chmod(0o600)
        return str(path)

    return write


def order(path, uri):
    return _place.Order(str(path), Attributes(0o600), username="app", login=trial(uri))


@pytest.mark.parametrize("username", ["app", AWKWARD])
def test_whoever_the_server_knows_is_logged_in(mongodb, pem, username):
    _login.log_in(trial(mongodb.uri), pem(username), username)


@pytest.mark.parametrize(
    ("username", "asked", "words"),
    [
        ("stranger", "stranger", "no user found"),
        (AWKWARD, "app", r"the server sees CN=billing/eu\, main\+1"),
    ],
)
def test_a_stranger_is_refused_and_somebody_else_is_not_us(mongodb, pem, username, asked, words):
    with pytest.raises(PemError) as refused:
        _login.log_in(trial(mongodb.uri), pem(username), asked)
    assert words in refused.value.message
    assert "full error" not in refused.value.message


def test_a_certificate_of_another_authority_is_refused(monkeypatch, mongodb, tmp_path, atlas):
    monkeypatch.setattr(_login, "PATIENCE", 1)
    other = atlas.call(atlas.state.add_project)
    atlas.call(atlas.state.add_user, other.project_id, "app")
    certificate = atlas.call(atlas.state.add_certificate, other.project_id, "app", days_left=60)
    (tmp_path / "other.pem").write_text(atlas.state.pem(certificate))
    with pytest.raises(PemError, match="the login with it failed"):
        _login.log_in(trial(mongodb.uri), str(tmp_path / "other.pem"), "app")


def test_the_new_pem_logs_in_before_it_replaces_the_old_one(mongodb, pem, tmp_path):
    path = tmp_path / "mongodb.pem"
    path.write_text(Path(pem("app", "old.pem")).read_text())
    new = Path(pem("app")).read_bytes()

    placed = _place.place(order(path, mongodb.uri), new)

    assert placed.changed and path.read_bytes() == new
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("username", ["app", "stranger"])
def test_a_login_that_fails_leaves_the_old_file_and_nothing_else(monkeypatch, mongodb, pem, tmp_path, username):
    monkeypatch.setattr(_login, "PATIENCE", 1)
    (tmp_path / "host").mkdir()
    path = tmp_path / "host" / "mongodb.pem"
    old = Path(pem("app", "old.pem")).read_bytes()
    path.write_bytes(old)
    uri = NOWHERE if username == "app" else mongodb.uri

    with pytest.raises(PemError) as failed:
        _place.place(_place.Order(str(path), Attributes(0o600), username=username, replace_foreign=True, login=trial(uri)), Path(pem(username)).read_bytes())

    assert f"{path} is as it was" in failed.value.message
    assert path.read_bytes() == old
    assert [one.name for one in path.parent.iterdir()] == ["mongodb.pem"]


def test_what_is_there_already_is_not_tried_again(pem, tmp_path):
    there = Path(pem("app", "mongodb.pem"))
    assert not _place.place(order(there, NOWHERE), there.read_bytes()).changed


def test_check_mode_logs_in_nowhere(pem, tmp_path):
    foreseen = _place.foresee(order(tmp_path / "mongodb.pem", NOWHERE), Path(pem("app")).read_bytes())
    assert foreseen.changed


@pytest.mark.parametrize(
    "uri",
    [
        "https://example.com", "localhost:27017", "mongodb://app:secret-word@127.0.0.1/", "mongodb://app:a/secret-word@127.0.0.1/",
        "mongodb+srv://", "mongodb://[::1",
    ],
)
def test_a_string_that_is_no_connection_or_holds_a_password_is_refused_and_not_quoted(uri):
    with pytest.raises(OptionError) as refused:
        _login.check_uri(uri)
    assert refused.value.message.startswith("verify_uri: ")
    assert "secret-word" not in refused.value.message


@pytest.mark.parametrize(
    ("uri", "masked"),
    [
        ("mongodb://127.0.0.1:1/?tls=true", []), (None, []), ("mongodb://app:pass-w0rd@host/", ["pass-w0rd"]), ("app:p@ss@host", ["p@ss"]),
        ("mongodb+srv://app:pa/s?s@host", ["pa/s?s"]), ("mongodb://only-a-name@host", ["only-a-name"]),
    ],
)
def test_a_password_in_a_connection_string_is_masked_although_it_is_refused(uri, masked):
    assert _login.misplaced_secrets(uri) == masked


def test_a_host_without_a_client_is_known_before_anything_is_issued(monkeypatch, pem, tmp_path):
    monkeypatch.setitem(sys.modules, "pymongo", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "neither pymongo" in (_login.obstacle("mongodb://127.0.0.1/") or "")
    assert _login.obstacle(None) is None
    with pytest.raises(OptionError, match="neither pymongo"):
        _place.place(order(tmp_path / "mongodb.pem", "mongodb://127.0.0.1/"), Path(pem("app")).read_bytes())
    assert not (tmp_path / "mongodb.pem").exists()


ANSWER = json.dumps({"authInfo": {"authenticatedUsers": [{"user": "CN=app", "db": "$external"}]}, "ok": 1})


class TestMongosh:
    """A stand-in that answers as mongosh does; the real one logs in in tests/integration (heavy)."""

    @pytest.fixture
    def mongosh(self, monkeypatch, tmp_path):
        def stand_in(answer: str, code: int = 0, stays: bool = False) -> Path:
            folder = tmp_path / "bin"
            folder.mkdir()
            program = folder / "mongosh"
            program.write_text(
                f"#!{sys.executable}\nimport json, os, sys\n"
                f"json.dump([sys.argv[1:], os.environ['HOME'], sys.stdin.read()], open({str(tmp_path / 'asked')!r}, 'w'))\n"
                f"print({answer!r}, flush=True)\n{'import time; time.sleep(600)' if stays else ''}\nsys.exit({code})\n"
            )
            program.chmod(0o700)
            monkeypatch.setitem(sys.modules, "pymongo", None)
            monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
            return tmp_path / "asked"

        return stand_in

    @pytest.fixture
    def log_in(self, run_command):
        return lambda: _login.log_in(_login.trial("mongodb://$HOME.example/", run_command), "/somewhere/$HOME/app.pem", "app")

    def test_it_is_asked_for_a_login_with_the_pem_in_a_home_of_its_own(self, mongosh, log_in):
        asked = mongosh("a warning\n" + ANSWER)
        log_in()
        arguments, home, _read = json.loads(asked.read_text())
        assert arguments[0] == "mongodb://$HOME.example/"
        assert arguments[arguments.index("--tlsCertificateKeyFile") + 1] == "/somewhere/$HOME/app.pem"
        assert arguments[arguments.index("--authenticationMechanism") + 1] == "MONGODB-X509"
        assert not os.path.exists(home)

    @pytest.mark.parametrize(
        ("answer", "code", "words"),
        [
            ("MongoServerError: Authentication failed.", 1, "mongosh: MongoServerError: Authentication failed."),
            ("", 3, "it ended with 3"),
            ("", 0, "does not say who is logged in"),
            ("not json", 0, "does not say who is logged in"),
            ('{"authInfo": {"authenticatedUsers": []}}', 0, "the server sees nobody"),
            ("[]", 0, "does not say who is logged in"),
        ],
    )
    def test_whatever_else_it_says_is_a_failure(self, mongosh, log_in, answer, code, words):
        mongosh(answer, code)
        with pytest.raises(PemError) as failed:
            log_in()
        assert words in failed.value.message

    def test_it_reads_nothing_of_what_the_module_is_given(self, mongosh, log_in):
        asked = mongosh(ANSWER)
        own, (reader, writer) = os.dup(0), os.pipe()
        try:
            os.dup2(reader, 0)
            os.write(writer, b"the module's")
            os.close(writer)
            log_in()
            assert os.read(0, 100) == b"the module's"
        finally:
            os.dup2(own, 0)
            os.close(own)
            os.close(reader)
        assert json.loads(asked.read_text())[2] == ""

    def test_one_that_ends_before_anybody_listens_is_told_in_its_own_words(self, mongosh, log_in, monkeypatch):
        mongosh("error while loading shared libraries", 127)
        monkeypatch.setattr(_login._Limit, "watch", lambda _self, process: process.wait(timeout=60))
        with pytest.raises(PemError, match="mongosh: error while loading shared libraries"):
            log_in()

    def test_one_that_does_not_end_is_ended(self, mongosh, log_in, monkeypatch):
        """It says what would be right, and stays."""
        mongosh(ANSWER, stays=True)
        monkeypatch.setattr(_login, "PATIENCE", 1)
        with pytest.raises(PemError, match="mongosh: no answer within 2 s"):
            log_in()

    def test_one_that_cannot_be_run_is_a_failure(self, mongosh, log_in, tmp_path):
        mongosh("")
        (tmp_path / "bin" / "mongosh").write_text("#!/nowhere\n")
        with pytest.raises(PemError, match="No such file"):
            log_in()
