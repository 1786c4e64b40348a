# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fresh fake for each test, and servers that say exactly what a test wants said: what a strict service never would."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import os
import signal
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import effort
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fake_atlas import FakeAtlas

effort.take_effect()


@pytest.fixture
def time_limit(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that hangs ends after the LIMIT of its module, in seconds."""

    def out_of_time(*_unused: object) -> None:
        raise TimeoutError("this test hangs")

    previous = signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(request.module.LIMIT)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Nothing is taken away from the permissions of a new file."""
    previous = os.umask(0)
    yield
    os.umask(previous)


@pytest.fixture
def atlas(running_atlas: FakeAtlas) -> FakeAtlas:
    running_atlas.reset()
    return running_atlas


class Request(NamedTuple):
    """What a client sent. Names of headers in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Reply = Callable[[Request], bytes | Iterable[bytes]]


class Wire:
    """A server of one page: ``reply`` gets a request and gives the bytes of the answer, whole or as they shall go out.

    Every connection is closed behind its answer. No bytes at all: closed without an answer. ``RESET``: by RST.
    """

    RESET = b"<reset>"

    def __init__(self, reply: Reply, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.greetings = 0
        self._reply = reply
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                connection, dummy = self._listener.accept()
            except OSError:
                return
            self.greetings += 1
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(60)
        orderly = True
        with contextlib.suppress(OSError, ValueError):
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            orderly = self._answer(connection)
        if orderly:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        connection.close()

    def _answer(self, connection: socket.socket) -> bool:
        with connection.makefile("rb") as lines:
            # Of three words and no more, or ValueError: one greeting of TLS in five holds two spaces before its first line feed.
            method, target, version = lines.readline().decode("latin-1").split()
            if version != "HTTP/1.1":
                raise ValueError(version)
            headers = {}
            while line := lines.readline().strip():
                name, dummy, value = line.decode("latin-1").partition(":")
                headers[name.lower()] = value.strip()
            body = lines.read(int(headers.get("content-length", 0)))
            request = Request(method, target, headers, body)
            self.requests.append(request)
            said = self._reply(request)
            for piece in [said] if isinstance(said, bytes) else said:
                if piece == self.RESET:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return False
                connection.sendall(piece)
        return True


@pytest.fixture
def wire() -> Iterator[Callable[..., Wire]]:
    """Start a :class:`Wire`; it ends with the test."""
    with contextlib.ExitStack() as started:

        def start(reply: Reply, tls: ssl.SSLContext | None = None) -> Wire:
            made = Wire(reply, tls)
            started.callback(made.close)
            return made

        yield start


@pytest.fixture
def say() -> Callable[..., bytes]:
    """The bytes of an answer: ``say(200, b"body", {"Header": "value"})``. A body has its length unless ``length`` says otherwise."""

    def answer(status: int, body: bytes = b"", headers: Any = (), length: int | None = None) -> bytes:
        named = {"Content-Type": "application/json", "Content-Length": str(len(body) if length is None else length), **dict(headers)}
        lines = [f"HTTP/1.1 {status} So"] + [f"{name}: {value}" for name, value in named.items() if value is not None]
        return "\r\n".join(lines).encode("latin-1") + b"\r\nConnection: close\r\n\r\n" + body

    return answer


class Authority(NamedTuple):
    """A private certificate authority's file, and what a server on 127.0.0.1 uses that it has signed."""

    path: str
    server: ssl.SSLContext


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder: Path = tmp_path_factory.mktemp("authority")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a private authority")])
    now = dt.datetime.now(dt.timezone.utc)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    trusted, private = folder / "ca.pem", folder / "key.pem"
    trusted.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(trusted, private)
    return Authority(str(trusted), server)
