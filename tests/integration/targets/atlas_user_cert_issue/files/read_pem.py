# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read a PEM with the cryptography library alone, and insist on its own key and on the certificate authority that the fake names.

    read_pem.py FILE URL
"""

import json
import sys
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

KEY = b"-----BEGIN PRIVATE KEY-----"


def iso(certificate, name):
    moment = getattr(certificate, name + "_utc", None) or getattr(certificate, name)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


path, url = sys.argv[1:]
with open(path, "rb") as file:
    pem = file.read()
with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url) as answer:
    authority = x509.load_pem_x509_certificate(json.load(answer)["pem"].encode())

certificate = x509.load_pem_x509_certificate(pem)
key = load_pem_private_key(pem[pem.index(KEY) :], password=None)
if key.public_key().public_numbers() != certificate.public_key().public_numbers():
    sys.exit("the key is that of another certificate")
if certificate.issuer != authority.subject:
    sys.exit("the issuer is not the authority")
# Raises when somebody else signed.
authority.public_key().verify(certificate.signature, certificate.tbs_certificate_bytes, PKCS1v15(), SHA256())

json.dump(
    {
        "serial_number": str(certificate.serial_number),
        # Whole bytes, as `openssl x509 -serial` shows it
        "serial_hex": certificate.serial_number.to_bytes((certificate.serial_number.bit_length() + 7) // 8, "big").hex().upper(),
        "not_before": iso(certificate, "not_valid_before"),
        "not_after": iso(certificate, "not_valid_after"),
        "fingerprint_sha256": certificate.fingerprint(SHA256()).hex(),
    },
    sys.stdout,
)
