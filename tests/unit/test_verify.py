# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The check of a fresh PEM: what is right passes, and each wrong is named."""

from __future__ import annotations

import base64
import datetime as dt
import sys

import pytest
from ansible_collections.atlas.x509.plugins.module_utils import _pem, _verify
from ansible_collections.atlas.x509.plugins.module_utils._errors import MissingLibrary
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fake_atlas.certificates import Authority, key_pem, leaf_key

PROJECT, OTHER_PROJECT = "64b7f0c2a1d3e4f5a6b7c8d9", "0123456789abcdef01234567"
START, END = dt.datetime(2026, 11, 22, 7), dt.datetime(2027, 2, 22, 8)
EXPIRY = END.replace(tzinfo=dt.timezone.utc)
NOW = dt.datetime(2026, 11, 22, 8, tzinfo=dt.timezone.utc)
SECOND = dt.timedelta(seconds=1)
KEY, OTHER_KEY = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())


def certificate(key=KEY, user="app", project=PROJECT, serial=2**62 + 1):
    return Authority(project, 0).sign(user, serial, START, END, key).encode()


def private_key(key=KEY):
    return key_pem(key).encode()


@pytest.fixture
def problem(tmp_path):
    """What is wrong with these bytes, for the user ``app`` of the project."""

    def found(pem, now=NOW, user="app", project=PROJECT):
        path = tmp_path / "new.pem"
        path.write_bytes(pem)
        return _verify.problem(_pem.look_at(str(path)), pem, user, project, now)

    return found


@pytest.mark.parametrize("user", ["app", "a,b", "größe", " blank ", "#1", "x" * 64])
def test_nothing_is_wrong_with_what_was_asked_for(problem, user):
    assert problem(certificate(user=user) + private_key(), user=user) is None


@pytest.mark.parametrize(
    "pem",
    [
        lambda: certificate(leaf_key(0)) + private_key(leaf_key(0)),
        lambda: private_key() + certificate(),
        lambda: (certificate() + private_key()).replace(b"\n", b"\r\n"),
        lambda: certificate() + private_key() + Authority(PROJECT, 0).pem.encode(),
        lambda: certificate() + Authority(PROJECT, 0).pem.encode() + private_key(),
        lambda: certificate() + KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()),
    ],
    ids=["RSA-4096", "key first", "CRLF", "chain behind", "chain between", "traditional key"],
)
def test_nothing_is_wrong_with_another_way_to_write_it(problem, pem):
    assert problem(pem()) is None


@pytest.mark.parametrize(
    ("pem", "words"),
    [
        (certificate, "without its key"),
        (private_key, "a private key without a certificate"),
        (lambda: certificate() + private_key(OTHER_KEY), "the private key of another one"),
        (lambda: certificate() + key_pem(KEY, b"secret").encode(), "an encrypted private key"),
        (lambda: certificate() + private_key()[:100], "the private key is cut"),
        (lambda: certificate() + private_key() + private_key(OTHER_KEY), "2 private keys"),
        (lambda: b"<html>", "not a PEM"),
        (lambda: b"", "an empty file"),
        (lambda: certificate(user="other") + private_key(), "not one of CN=app"),
        (lambda: certificate(user="App") + private_key(), "not one of CN=app"),
        (lambda: certificate(project=OTHER_PROJECT) + private_key(), PROJECT),
    ],
    ids=["no key", "no certificate", "wrong key", "encrypted", "cut", "two keys", "HTML", "nothing", "user", "case of the user", "project"],
)
def test_each_wrong_answer_is_named_without_quoting_it(problem, pem, words):
    said = problem(pem())
    assert words in said
    assert not any(line.decode() in said for line in pem().splitlines() if len(line) > 20 and not line.startswith(b"-"))


@pytest.mark.parametrize(("now", "wrong"), [(EXPIRY - SECOND, False), (EXPIRY, True), (EXPIRY + SECOND, True), (START.replace(tzinfo=dt.timezone.utc), False)])
def test_it_is_expired_from_its_last_second_on(problem, now, wrong):
    said = problem(certificate() + private_key(), now)
    assert (said is not None) is wrong
    assert not wrong or "expired at 2027-02-22T08:00:00Z" in said


def test_two_readers_that_disagree_are_a_reason_to_refuse(tmp_path):
    path = tmp_path / "seen.pem"
    path.write_bytes(certificate() + private_key())
    seen = _pem.look_at(str(path))
    for other in (certificate(serial=7) + private_key(), certificate() + private_key(OTHER_KEY), certificate(OTHER_KEY) + private_key()):
        assert _verify.problem(seen, other, "app", PROJECT, NOW) == "two readers disagree about what it sent"


@pytest.mark.parametrize("other", [b"", b"text", certificate(), private_key(), certificate() + private_key()[:-60] + b"\n-----END PRIVATE KEY-----\n"])
def test_what_cryptography_cannot_read_is_a_reason_to_refuse(tmp_path, other):
    path = tmp_path / "seen.pem"
    path.write_bytes(certificate() + private_key())
    assert "cryptography cannot read what it sent" in _verify.problem(_pem.look_at(str(path)), other, "app", PROJECT, NOW)


def test_a_key_that_does_not_work_is_a_reason_to_refuse(problem):
    """Its public half is the certificate's, and no login would succeed with it."""
    der = bytearray(KEY.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    secret = KEY.private_numbers().private_value.to_bytes(32, "big")
    der[bytes(der).index(secret) + 5] ^= 1
    pem = key_pem(KEY).splitlines()
    body = base64.b64encode(bytes(der)).decode()
    damaged = "\n".join([pem[0], *(body[start : start + 64] for start in range(0, len(body), 64)), pem[-1], ""])
    assert problem(certificate() + damaged.encode())


@pytest.mark.parametrize("missing", ["cryptography.x509", "cryptography.hazmat.primitives.serialization"])
def test_a_missing_library_is_noticed_before_anything_is_issued(monkeypatch, missing):
    assert _verify.readers().load_pem_x509_certificate
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingLibrary, match="cryptography"):
        _verify.readers()
