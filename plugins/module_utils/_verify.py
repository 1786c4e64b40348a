# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Is this what we asked for? The check of a fresh PEM before anything replaces the file that works.

Two readers must agree: our own, which is all that managed hosts have, and ``cryptography``.
"""

from datetime import datetime
from typing import Any, Optional

from ansible_collections.atlas.x509.plugins.module_utils._deps import library
from ansible_collections.atlas.x509.plugins.module_utils._pem import Look
from ansible_collections.atlas.x509.plugins.module_utils._time import iso


def readers() -> Any:
    """The parts of ``cryptography`` that :func:`problem` needs; :class:`MissingLibrary` before anything is issued."""
    library("cryptography.hazmat.primitives.serialization")
    return library("cryptography.x509")


def problem(look: Look, pem: bytes, username: str, project_id: str, now: datetime) -> Optional[str]:
    """What is wrong with a freshly issued PEM, as half a sentence; None when it is right."""
    certificate = look.certificate
    if look.state != "pair" or certificate is None:
        return "it sent {0}".format(look.describe() + (" ({0})".format(look.detail) if look.detail else ""))
    if not look.belongs_to(username, project_id):
        return "it sent {0}, not one of CN={1} from project {2}".format(look.describe(), username, project_id)
    if certificate.not_after <= now:
        return "the certificate that it sent expired at {0}".format(iso(certificate.not_after))
    return _second_opinion(pem, certificate.serial)


def _second_opinion(pem: bytes, serial: int) -> Optional[str]:
    x509 = readers()
    serialization = library("cryptography.hazmat.primitives.serialization")
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = serialization.load_pem_private_key(_from_key(pem), password=None)
        public = [
            one.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
            for one in (certificate.public_key(), key.public_key())
        ]
    except Exception as error:  # noqa: BLE001
        # Not only ValueError: what a broken key raises depends on the version of the library.
        return "cryptography cannot read what it sent ({0})".format(type(error).__name__)
    if certificate.serial_number != serial or public[0] != public[1]:
        return "two readers disagree about what it sent"
    return None


def _from_key(pem: bytes) -> bytes:
    """From the private key on: the loader of keys takes the first block for one."""
    lines = pem.splitlines(keepends=True)
    start = next(number for number, line in enumerate(lines) if line.startswith(b"-----BEGIN ") and b"PRIVATE KEY" in line)
    end = next(number for number, line in enumerate(lines) if number > start and line.startswith(b"-----END "))
    return b"".join(lines[start : end + 1])
