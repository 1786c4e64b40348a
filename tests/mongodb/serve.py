# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The server's process: ``python -m mongodb.serve FOLDER USERS``. Prints its address, and serves until standard input ends."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import sys
from pathlib import Path

import pymongo
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from secantus.server import SecantusDBServer


def main() -> None:
    """Make the users while anybody may, then serve those who can prove who they are."""
    folder, users = Path(sys.argv[1]), json.loads(sys.argv[2])
    storage = str(folder / "data")
    with SecantusDBServer(port=0, storage_path=storage) as server:
        client = pymongo.MongoClient(server.uri, directConnection=True)
        for user in users:
            client["$external"].command("createUser", user, mechanisms=["MONGODB-X509"], roles=[{"role": "readWriteAnyDatabase", "db": "admin"}])
        client.close()
    certificate, key = _server_certificate(folder)
    with SecantusDBServer(
        port=0,
        storage_path=storage,
        require_auth=True,
        tls_cert_file=certificate,
        tls_key_file=key,
        tls_ca_file=str(folder / "clients.pem"),
    ) as server:
        host, port = server.address
        print(f"{host}:{port}", flush=True)  # noqa: T201 - how it says that it listens
        sys.stdin.read()


def _server_certificate(folder: Path) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.timezone.utc)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "server-ca.pem", folder / "server-key.pem"
    paths[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return str(paths[0]), str(paths[1])


if __name__ == "__main__":
    main()
