# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real certificates as Atlas makes them, from a pool of prepared keys (an RSA-4096 key takes seconds to make)."""

from __future__ import annotations

import calendar
import datetime as dt
import functools
import re
import secrets
import warnings
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_POOL_FILE = Path(__file__).with_name("key_pool.pem")
_CA_KEYS = 2
_CA_LIFE = (dt.datetime(2015, 1, 1), dt.datetime(2100, 1, 1))


@functools.cache
def _pool() -> list[rsa.RSAPrivateKey]:
    blocks = re.findall(rb"-----BEGIN.*?-----END [A-Z ]+-----\n", _POOL_FILE.read_bytes(), re.DOTALL)
    return [key for key in map(_unchecked, blocks) if isinstance(key, rsa.RSAPrivateKey)]


def _unchecked(block: bytes) -> object:
    """The check of an RSA-4096 key takes longer than a test; these were checked when they were made. cryptography before 39 always checks."""
    try:
        return serialization.load_pem_private_key(block, None, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        return serialization.load_pem_private_key(block, None)


def leaf_key(index: int) -> rsa.RSAPrivateKey:
    """The key for the ``index``-th certificate: neighbours differ, and none is ever a CA's key."""
    leaves = _pool()[_CA_KEYS:]
    return leaves[index % len(leaves)]


def add_months(moment: dt.datetime, months: int) -> dt.datetime:
    """Calendar months, clamped at the end of a month: 03-31 plus 3 is 06-30; ``months`` may be negative."""
    years, month = divmod(moment.month - 1 + months, 12)
    year = moment.year + years
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def new_serial() -> int:
    """A serial number that a JavaScript reader would corrupt: above 2**53, at most 63 bits."""
    return 2**53 + 1 + secrets.randbelow(2**63 - 2**53 - 1)


def common_name(name: str) -> x509.NameAttribute[str]:
    """A CN without X.520's 64 bytes: user names have up to 1024 characters."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Attribute's length must be", UserWarning)
        return x509.NameAttribute(NameOID.COMMON_NAME, name, _validate=False)


class Authority:
    """The CA of one project; ``index`` chooses its key, so that neighbouring projects do not share one."""

    def __init__(self, project_id: str, index: int) -> None:
        self._key = _pool()[index % _CA_KEYS]
        self._name = x509.Name(
            [
                common_name(project_id),
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Atlas"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "MongoDB Inc"),
            ]
        )

    @functools.cached_property
    def pem(self) -> str:
        """The CA's own certificate, self-signed."""
        not_before, not_after = _CA_LIFE
        certificate = (
            x509.CertificateBuilder(self._name, self._name, self._key.public_key())
            .serial_number(new_serial())
            .not_valid_before(not_before)
            .not_valid_after(not_after)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage("key_cert_sign"), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM).decode()

    def sign(
        self,
        username: str,
        serial: int,
        not_before: dt.datetime,
        not_after: dt.datetime,
        key: PrivateKey,
    ) -> str:
        """A client certificate with exactly the extensions of the recorded ones, as PEM."""
        certificate = (
            x509.CertificateBuilder(self._name, x509.Name([common_name(username)]), key.public_key())
            .serial_number(serial)
            .not_valid_before(not_before)
            .not_valid_after(not_after)
            .add_extension(_key_usage("digital_signature"), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key: PrivateKey, passphrase: bytes | None = None) -> str:
    """PKCS#8, unencrypted unless there is a passphrase."""
    encryption = (
        serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    )
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    ).decode()


def _key_usage(granted: str) -> x509.KeyUsage:
    usages = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{usage: usage == granted for usage in usages})
