# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import os
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.atlas.x509.plugins.module_utils._openssl import Unusable, certificate_in_use
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM


def certificate(key):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "app")])
    now = datetime.now(timezone.utc)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, now - timedelta(hours=1), now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256())


def private(key):
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@pytest.fixture
def ask(tmp_path):
    """Ask OpenSSL about these bytes, as a file that is open."""

    def asked(content):
        path = tmp_path / "one.pem"
        path.write_bytes(content)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            return certificate_in_use(descriptor, str(path))
        finally:
            os.close(descriptor)

    return asked


def test_the_certificate_of_a_working_pair_is_the_one_that_is_presented(ask):
    key = ec.generate_private_key(ec.SECP256R1())
    one = certificate(key)
    assert ask(one.public_bytes(PEM) + private(key)) == one.public_bytes(DER)


def test_the_open_file_is_asked_and_not_what_its_name_has_come_to_mean(tmp_path):
    first, second = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    path, one = tmp_path / "one.pem", certificate(first)
    path.write_bytes(one.public_bytes(PEM) + private(first))
    descriptor = os.open(path, os.O_RDONLY)
    (tmp_path / "two.pem").write_bytes(certificate(second).public_bytes(PEM) + private(second))
    os.rename(tmp_path / "two.pem", path)
    try:
        assert certificate_in_use(descriptor, str(path)) == one.public_bytes(DER)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("other", [ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()], ids=["same kind", "other kind"])
def test_a_whole_key_of_another_certificate_is_told_from_a_damaged_one(ask, other):
    key = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(Unusable) as caught:
        ask(certificate(key).public_bytes(PEM) + private(other))
    assert caught.value.other_key


def test_a_key_whose_secret_half_is_damaged_proves_nothing(ask):
    """Loading takes it: the public halves are equal. Only a signature shows it."""
    key = ec.generate_private_key(ec.SECP256R1())
    other = ec.generate_private_key(ec.SECP256R1())
    secret = key.private_numbers().private_value.to_bytes(32, "big")
    der = key.private_bytes(DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    damaged = der.replace(secret, other.private_numbers().private_value.to_bytes(32, "big"))
    text = b"-----BEGIN PRIVATE KEY-----\n" + base64.encodebytes(damaged) + b"-----END PRIVATE KEY-----\n"
    with pytest.raises(Unusable) as caught:
        ask(certificate(key).public_bytes(PEM) + text)
    assert not caught.value.other_key
    assert caught.value.reason.startswith("OpenSSL cannot use it")
