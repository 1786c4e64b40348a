# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a PEM file holds: a table of files, and any bytes at all."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import functools
import hashlib
import json
import os
import pty
import random
import re
import select
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time

import ansible_collections
import pytest
from ansible_collections.atlas.x509.plugins.module_utils import _pem
from ansible_collections.atlas.x509.plugins.module_utils._certificate import Certificate
from ansible_collections.atlas.x509.plugins.module_utils._der import rfc4514
from ansible_collections.atlas.x509.plugins.module_utils._errors import PemError
from ansible_collections.atlas.x509.plugins.module_utils._pem import Look
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa, x25519
from effort import examples
from fake_atlas.certificates import Authority, key_pem, leaf_key
from hypothesis import example, given, settings
from hypothesis import strategies as st

PROJECT, OTHER_PROJECT = "64b7f0c2a1d3e4f5a6b7c8d9", "0123456789abcdef01234567"
START, END = dt.datetime(2026, 11, 22, 7), dt.datetime(2027, 2, 22, 8)
SERIAL = 5433027191242719574
STATES = {"absent", "empty", "pair", "certificate_only", "broken", "key_only", "mismatched", "encrypted", "unreadable"}
LIMIT = 300
pytestmark = pytest.mark.usefixtures("time_limit")
"""Seconds after which a test that hangs fails."""


@functools.cache
def rsa_key(number=0):
    return rsa.generate_private_key(65537, 2048)


@functools.cache
def ec_key(number=0):
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def certificate(key, user="app", project=PROJECT, serial=SERIAL):
    """A certificate as Atlas makes it, as PEM."""
    return Authority(project, 0).sign(user, serial, START, END, key).encode()


@functools.cache
def private_key(key):
    return key_pem(key).encode()


def pair(key=None, user="app", project=PROJECT, serial=SERIAL):
    key = key or ec_key()
    return certificate(key, user, project, serial) + private_key(key)


def legacy_encrypted(key):
    """An encrypted key as OpenSSL wrote them before PKCS#8."""
    kind, encryption = serialization.PrivateFormat.TraditionalOpenSSL, serialization.BestAvailableEncryption(b"secret")
    return key.private_bytes(serialization.Encoding.PEM, kind, encryption)


def openssh(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())


def traditional(key):
    kind = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())


def wrapped(label, der):
    lines = base64.encodebytes(der).replace(b"\n", b"")
    body = b"\n".join(lines[start : start + 64] for start in range(0, len(lines), 64))
    return b"-----BEGIN " + label + b"-----\n" + body + b"\n-----END " + label + b"-----\n"


def der_of(pem):
    return x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)


def presented(path):
    """The certificate, in DER, with which OpenSSL would log in using this file: that of a real handshake."""
    holder = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    holder.load_cert_chain(path, password="")
    peer = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    peer.check_hostname, peer.verify_mode = False, ssl.CERT_NONE
    to_holder, to_peer = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [peer.wrap_bio(to_peer, to_holder), holder.wrap_bio(to_holder, to_peer, server_side=True)]
    for side in sides * 4:
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return sides[0].getpeercert(binary_form=True)


def key_in(data):
    """The one private key among these bytes, as ``cryptography`` reads it."""
    block = re.search(rb"^(?:\xef\xbb\xbf)?(-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----.*?^-----END \2-----)", data, re.DOTALL | re.MULTILINE)
    return serialization.load_pem_private_key(block.group(1).replace(b"ANY PRIVATE", b"PRIVATE"), None)


@pytest.fixture
def look(tmp_path):
    """Write these bytes into a file and look at it."""

    def looked(data):
        path = tmp_path / "mongodb.pem"
        path.write_bytes(data)
        return _pem.look_at(str(path))

    return looked


GOOD = {
    "as Atlas sends it": lambda: pair(leaf_key(0)),
    "RSA-2048": lambda: pair(rsa_key()),
    "EC": pair,
    "key first": lambda: private_key(ec_key()) + certificate(ec_key()),
    "traditional RSA key": lambda: certificate(rsa_key()) + traditional(rsa_key()),
    "traditional EC key": lambda: certificate(ec_key()) + traditional(ec_key()),
    "chain behind the key": lambda: pair() + Authority(PROJECT, 0).pem.encode(),
    "chain behind the leaf": lambda: certificate(ec_key()) + Authority(PROJECT, 0).pem.encode() + private_key(ec_key()),
    "CRLF": lambda: pair().replace(b"\n", b"\r\n"),
    "no line end at the end": lambda: pair().rstrip(b"\n"),
    "blank lines": lambda: b"\n\n" + certificate(ec_key()) + b"\n\n" + private_key(ec_key()) + b"\n\n",
    "trailing blanks": lambda: pair() + b"   \n\t \n",
    "trailing NULs, of a reservation": lambda: pair() + b"\0" * (_pem.MAX_SIZE - len(pair())),
    "a comment": lambda: b"# app on web1\n" + pair(),
    "as openssl x509 -text writes it": lambda: b"Certificate:\n    Data:\n        Version: 3 (0x2)\n" + pair(),
    "byte order mark": lambda: b"\xef\xbb\xbf" + pair(),
    "just small enough": lambda: pair() + b"\n" * (_pem.MAX_SIZE - len(pair())),
}


@pytest.mark.parametrize("data", GOOD.values(), ids=GOOD)
def test_a_certificate_with_its_own_key_is_a_pair(look, data):
    found = look(data())
    assert (found.state, found.detail, found.key_matches) == ("pair", None, True)
    assert found.certificate.serial == SERIAL
    assert (found.certificate.subject, found.certificate.common_name) == ("CN=app", "app")
    assert sorted(found.certificate.issuer.split(",")) == ["CN=" + PROJECT, "O=MongoDB Inc", "OU=Atlas"]
    assert found.certificate.issuer_common_name == PROJECT
    assert [found.certificate.not_before, found.certificate.not_after] == [one.replace(tzinfo=dt.timezone.utc) for one in (START, END)]
    first = data()[data().index(b"-----BEGIN CERTIFICATE") :]
    assert found.certificate.fingerprint_sha256 == hashlib.sha256(der_of(first)).hexdigest()


def cut(data, where, offset=0):
    return data[: data.index(where) + offset]


def cut_last(data, where, offset=0):
    return data[: data.rindex(where) + offset]


OTHERS = {
    "nothing at all": (lambda: b"", "empty"),
    "blanks": (lambda: b" \n\t\r\n", "empty"),
    "a reservation": (lambda: b"\0" * _pem.MAX_SIZE, "empty"),
    "blanks and zeros": (lambda: b"\n\0 \0\n", "empty"),
    "certificate only": (lambda: certificate(ec_key()), "certificate_only"),
    "certificate and chain only": (lambda: certificate(ec_key()) + Authority(PROJECT, 0).pem.encode(), "certificate_only"),
    "key only": (lambda: private_key(ec_key()), "key_only"),
    "encrypted key only": (lambda: key_pem(ec_key(), b"secret").encode(), "key_only"),
    "traditional key only": (lambda: traditional(rsa_key()), "key_only"),
    "key of another certificate, EC": (lambda: certificate(ec_key()) + private_key(ec_key(1)), "mismatched"),
    "key of another certificate, RSA": (lambda: certificate(rsa_key()) + private_key(rsa_key(1)), "mismatched"),
    "another RSA-4096 key": (lambda: certificate(leaf_key(0)) + private_key(leaf_key(1)), "mismatched"),
    "key of another kind, EC for RSA": (lambda: certificate(rsa_key()) + private_key(ec_key()), "mismatched"),
    "key of another kind, RSA for EC": (lambda: certificate(ec_key()) + private_key(rsa_key()), "mismatched"),
    "encrypted PKCS#8 key": (lambda: certificate(ec_key()) + key_pem(ec_key(), b"secret").encode(), "encrypted"),
    "encrypted PKCS#8 key, CRLF": (
        lambda: (certificate(ec_key()) + key_pem(ec_key(), b"secret").encode()).replace(b"\n", b"\r\n"),
        "encrypted",
    ),
    "encrypted legacy key": (lambda: certificate(rsa_key()) + legacy_encrypted(rsa_key()), "encrypted"),
    "encrypted legacy key first": (lambda: legacy_encrypted(ec_key()) + certificate(ec_key()), "encrypted"),
    "two keys": (lambda: pair() + private_key(ec_key(1)), "unreadable"),
    "the same key twice": (lambda: pair() + private_key(ec_key()), "unreadable"),
    "two keys without a certificate": (lambda: private_key(ec_key()) + private_key(ec_key(1)), "unreadable"),
    "text": (lambda: b"hello\n", "unreadable"),
    "dashes": (lambda: b"-----BEGIN -----\n-----END -----\n", "unreadable"),
    "a public key": (
        lambda: ec_key().public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        "unreadable",
    ),
    "binary": (lambda: bytes(range(256)) * 8, "unreadable"),
    "a certificate in DER": (lambda: der_of(certificate(ec_key())), "unreadable"),
    "a certificate that is none": (lambda: wrapped(b"CERTIFICATE", b"\x30\x03\x02\x01\x01") + private_key(ec_key()), "unreadable"),
    "a certificate that is no base64": (lambda: b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n", "unreadable"),
    "too large": (lambda: pair() + b"\n" * (_pem.MAX_SIZE + 1 - len(pair())), "unreadable"),
    "UTF-16": (lambda: pair().decode().encode("utf-16"), None),
    "cut in the first line": (lambda: pair()[:15], "unreadable"),
    "cut in the certificate": (lambda: cut(pair(), b"-----END CERT", -100), "unreadable"),
    "cut before the certificate's end": (lambda: cut(pair(), b"-----END CERT"), "unreadable"),
    "cut in the certificate's end": (lambda: cut(pair(), b"-----END CERT", 10), "unreadable"),
    "cut behind the certificate": (lambda: cut(pair(), b"-----BEGIN PRIV"), "certificate_only"),
    "cut in the key's first line": (lambda: cut(pair(), b"-----BEGIN PRIV", 14), "certificate_only"),
    "cut behind the key's first line": (lambda: cut(pair(), b"-----BEGIN PRIV", 28), "broken"),
    "cut in the key": (lambda: cut_last(pair(), b"-----END", -50), "broken"),
    "cut before the key's end": (lambda: cut_last(pair(), b"-----END"), "broken"),
    "cut in the key's end": (lambda: cut_last(pair(), b"-----END", 20), "broken"),
    "cut, and the rest of the reservation": (lambda: cut_last(pair(), b"-----END", -50) + b"\0" * 4096, "broken"),
    "a key of noise": (lambda: certificate(ec_key()) + wrapped(b"PRIVATE KEY", b"noise" * 20), "broken"),
}


@pytest.mark.parametrize(("data", "state"), OTHERS.values(), ids=OTHERS)
def test_everything_else_is_told_apart(look, data, state):
    found = look(data())
    assert found.state in ({state} if state else STATES - {"pair"})
    assert found.key_matches is {"mismatched": False, "broken": False}.get(found.state)
    assert (found.certificate is not None) == (found.state in ("certificate_only", "mismatched", "encrypted", "broken"))
    assert (found.detail is not None) == (found.state in ("unreadable", "broken"))


@pytest.mark.parametrize("key", [ec_key, functools.partial(leaf_key, 0)], ids=["EC", "RSA-4096"])
def test_a_pem_that_is_cut_anywhere_is_no_pair(look, key):
    data = pair(key())
    points = set(range(0, len(data) - 1, max(1, len(data) // 60)))
    for mark in (b"-----BEGIN", b"-----END"):
        points |= {point + near for point in (data.find(mark), data.rfind(mark)) for near in (-1, 0, 1, len(mark))}
    for point in sorted(point for point in points if 0 <= point < len(data) - 1):
        for rest in (b"", b"\0" * 1000):
            assert look(data[:point] + rest).state != "pair", point


@pytest.mark.parametrize(
    "other",
    [
        lambda: private_key(ec_key()),
        lambda: private_key(ed25519.Ed25519PrivateKey.generate()),
        lambda: private_key(x25519.X25519PrivateKey.generate()),
        lambda: private_key(dsa.generate_private_key(1024)),
        lambda: openssh(ec_key()),
        lambda: openssh(rsa_key(1)),
        lambda: private_key(rsa_key(1)),
        lambda: key_pem(ec_key(), b"secret").encode(),
        lambda: private_key(rsa_key(1)).replace(b"PRIVATE KEY", b"STRANGE PRIVATE KEY"),
    ],
    ids=["EC", "Ed25519", "X25519", "DSA", "OpenSSH, EC", "OpenSSH, RSA", "RSA", "encrypted", "of an unknown kind"],
)
def test_a_whole_key_that_is_not_the_certificates_is_foreign(look, other):
    """It may be the only copy of somebody's: replacing the file would destroy it without a backup."""
    found = look(certificate(rsa_key()) + other())
    assert found.state in ("mismatched", "encrypted", "unreadable")
    assert found.is_foreign("app", PROJECT)


def with_a_stain(pem):
    """A character that is none of base64, which a lenient reader passes over."""
    return pem.replace(b"-----\nM", b"-----\n!M", 1)


def test_what_only_a_lenient_reader_takes_for_base64_is_a_certificate_that_cannot_be_read_and_a_key_beyond_use(look):
    assert look(with_a_stain(certificate(ec_key()))) == Look("unreadable", "a certificate that cannot be read")
    found = look(certificate(ec_key()) + with_a_stain(private_key(ec_key())))
    assert (found.state, found.is_foreign("app", PROJECT)) == ("broken", False)


def test_a_file_that_is_exchanged_while_it_is_looked_at_is_the_old_one_as_a_whole(look, tmp_path, monkeypatch):
    """Between two opens a path can come to mean another file; the facts of one and the key of the other would be a wrong acceptance."""
    (tmp_path / "next.pem").write_bytes(pair(ec_key(1), serial=SERIAL + 1))
    read = _pem._read

    def exchanged(descriptor):
        data = read(descriptor)
        os.replace(tmp_path / "next.pem", tmp_path / "mongodb.pem")
        return data

    monkeypatch.setattr(_pem, "_read", exchanged)
    found = look(pair())
    assert (found.state, found.certificate.serial) == ("pair", SERIAL)


@pytest.mark.parametrize(
    "data",
    [
        lambda: b"".join(b"  " + line + b"\n" for line in certificate(ec_key(1)).splitlines()) + pair(user="mallory"),
        lambda: b"x\r" + certificate(ec_key(1)) + pair(user="mallory"),
        lambda: certificate(ec_key(), "mallory").replace(b"CERTIFICATE", b"X509 CERTIFICATE") + certificate(ec_key(1)) + private_key(ec_key()),
        lambda: b"\0" + certificate(ec_key(1)) + pair(user="mallory"),
        lambda: certificate(ec_key(1)).replace(b"\n", b"\r") + pair(user="mallory"),
    ],
    ids=["indented", "behind a carriage return", "old label", "behind a NUL", "carriage returns"],
)
def test_the_certificate_of_a_pair_is_the_one_that_openssl_uses(look, tmp_path, data):
    """Two readers that disagree on which certificate is the first would take mallory's key for app's."""
    found = look(data())
    if found.state == "pair":
        used = presented(str(tmp_path / "mongodb.pem"))
        assert found.certificate.fingerprint_sha256 == hashlib.sha256(used).hexdigest()
        assert found.certificate.common_name == "mallory"


@pytest.mark.parametrize("key", [ec_key, rsa_key, functools.partial(leaf_key, 0)], ids=["EC", "RSA-2048", "RSA-4096"])
def test_a_key_with_flipped_bits_is_no_pair(look, tmp_path, key):
    """Its public half still fits the certificate, but no login succeeds with it."""
    good = key().private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    private, damaged = key().private_numbers(), bytearray(good)
    for secret in [private.private_value] if isinstance(key(), ec.EllipticCurvePrivateKey) else [private.p, private.d]:
        damaged[good.index(secret.to_bytes((secret.bit_length() + 7) // 8, "big")) + 5] ^= 1
    assert look(certificate(key()) + wrapped(b"PRIVATE KEY", good)).state == "pair"
    assert presented(str(tmp_path / "mongodb.pem"))
    found = look(certificate(key()) + wrapped(b"PRIVATE KEY", bytes(damaged)))
    with pytest.raises(ssl.SSLError):
        presented(str(tmp_path / "mongodb.pem"))
    assert found.state != "pair"


def test_a_certificate_with_more_behind_it_is_no_pair(look):
    """``cryptography`` refuses it, and its fingerprint would be nobody's."""
    assert look(wrapped(b"CERTIFICATE", der_of(certificate(ec_key())) + b"\0") + private_key(ec_key())).state != "pair"


def test_a_fifo_does_not_hold_us(tmp_path):
    path = str(tmp_path / "fifo")
    os.mkfifo(path, 0o600)
    found = []

    def look():
        found.append(_pem.look_at(path))
        with open(path, "rb+", buffering=0):  # a writer who says nothing
            found.append(_pem.look_at(path))
            try:
                _pem.read(path)
            except OSError as error:
                found.append(error.__class__)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(LIMIT / 2)
    assert not thread.is_alive(), "it waits for a writer: {0}".format(found)
    assert found[0] == _pem.Look("unreadable", "something that is not a regular file")
    assert found[1].state == "unreadable"
    assert issubclass(found[2], OSError)


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero", "/dev/tty", "/proc/self/mem", "/"])
def test_devices_and_directories_are_unreadable(path):
    found = _pem.look_at(path)
    assert (found.state, found.certificate) == ("unreadable", None)
    assert found.detail


def test_a_socket_is_unreadable(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket has 108 bytes at most
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        assert _pem.look_at(str(tmp_path / "socket")).state == "unreadable"


def test_a_link_is_shown_as_a_link_whether_it_dangles_or_not(tmp_path):
    (tmp_path / "target").write_bytes(pair())
    for name in ("target", "nowhere", "link-to-itself"):
        link = tmp_path / "link-to-{0}".format(name.replace("link-to-", ""))
        link.symlink_to(name)
        assert _pem.look_at(str(link)) == _pem.Look("unreadable", "a symbolic link")
        with pytest.raises(OSError):
            _pem.read(str(link))


def test_nothing_is_absent(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert _pem.look_at(str(tmp_path / "none")) == _pem.Look("absent")
    assert _pem.look_at(str(tmp_path / "none" / "none")) == _pem.Look("absent")
    assert _pem.look_at(str(tmp_path / "file" / "none")) == _pem.Look("absent")


@pytest.mark.parametrize("name", ["n" * 256, "a/" * 3000 + "b", "with\0nul", "\udc80"], ids=["long", "deep", "NUL", "no text"])
def test_a_strange_path_is_a_look_too(tmp_path, name):
    assert _pem.look_at(str(tmp_path) + "/" + name).state in ("absent", "unreadable")


def test_a_file_without_permission_is_unreadable_and_not_absent():
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        path = os.path.join(directory, "mongodb.pem")
        for mode, folder in ((0o600, 0o755), (0o644, 0o700)):
            with open(path, "wb") as file:
                file.write(pair())
            os.chmod(path, mode)
            os.chmod(directory, folder)
            _pem.look_at(path)  # loads what Python loads late, from where another user may not be able to
            assert as_nobody(lambda: _pem.look_at(path)) == repr(_pem.Look("unreadable", "something that may not be read"))
        os.chmod(directory, 0o755)
        assert "state='pair'" in as_nobody(lambda: _pem.look_at(path))


def as_nobody(what):
    """The ``repr`` of what this returns in a process of the user 65534."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            os.write(writing, repr(what()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as answer:
        said = answer.read().decode()
    os.waitpid(child, 0)
    return said


PROMPT = """
import sys
from ansible_collections.atlas.x509.plugins.module_utils import _pem
open("/dev/tty").close()
for path in sys.argv[1:]:
    print("state:", _pem.look_at(path).state)
"""


def test_a_passphrase_is_never_asked_for_on_the_terminal(tmp_path):
    """OpenSSL asks /dev/tty and waits for ever, unless it is told not to."""
    files = {
        "pkcs8": certificate(rsa_key()) + key_pem(rsa_key(), b"secret").encode(),
        "legacy": certificate(rsa_key()) + legacy_encrypted(rsa_key()),
        "legacy in disguise": certificate(rsa_key()) + legacy_encrypted(rsa_key()).replace(b"Proc-Type", b"\nProc-Type"),
        "pkcs8 in disguise": certificate(rsa_key()) + key_pem(rsa_key(), b"secret").encode().replace(b"ENCRYPTED ", b""),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    collections = os.path.dirname(next(iter(ansible_collections.__path__)))
    child, terminal = pty.fork()
    if not child:
        os.environ["PYTHONPATH"] = collections
        os.execv(sys.executable, [sys.executable, "-c", PROMPT] + [str(tmp_path / name) for name in files])
    said, deadline = b"", time.monotonic() + 30
    try:
        while time.monotonic() < deadline and said.count(b"state:") < len(files):
            if select.select([terminal], [], [], 0.1)[0]:
                try:
                    said += os.read(terminal, 4096)
                except OSError:  # the end, on Linux
                    break
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)
    assert said.count(b"state: encrypted") >= 2
    assert said.count(b"state:") == len(files) and b"state: pair" not in said
    assert b"phrase" not in said.lower()


def open_files():
    """What this process has open, but for sockets: those are of another test's threads."""
    names = []
    for number in os.listdir("/dev/fd"):
        with contextlib.suppress(FileNotFoundError):  # that of the directory itself
            names.append(os.readlink("/dev/fd/" + number))
    return sorted(name for name in names if not name.startswith("socket:"))


def test_looking_changes_nothing_and_leaves_nothing_open(look, tmp_path):
    look(pair())
    before = os.stat(tmp_path / "mongodb.pem")
    before_it = open_files()
    for name in ("mongodb.pem", "none", "."):
        _pem.look_at(str(tmp_path / name))
    after = os.stat(tmp_path / "mongodb.pem")
    assert (before.st_mtime_ns, before.st_mode, before.st_ino) == (after.st_mtime_ns, after.st_mode, after.st_ino)
    assert os.listdir(tmp_path) == ["mongodb.pem"]
    assert open_files() == before_it


def test_a_system_without_names_for_open_files_looks_by_path(look, monkeypatch):
    """``/dev/fd`` is missing in a bare chroot."""
    exists = os.path.exists
    monkeypatch.setattr(os.path, "exists", lambda path: not str(path).startswith(("/dev/", "/proc/")) and exists(path))
    assert look(pair()).state == "pair"
    assert look(certificate(ec_key()) + private_key(ec_key(1))).state == "mismatched"


def test_what_is_shown_of_a_file_never_holds_its_key(look):
    for data in list(GOOD.values()) + [data for data, _state in OTHERS.values()]:
        content = data()
        found = look(content)
        secret = b"".join(content.split(b"PRIVATE KEY-----")[1:2]).partition(b"-----END")[0].replace(b"\n", b"")
        shown = repr(found) + found.describe()
        assert not any(secret[start : start + 12].decode("latin-1") in shown for start in range(0, max(len(secret) - 12, 0), 6))


# Whose it is


@pytest.mark.parametrize("user", ["app", "a,b", "a+b", "größe", " blank ", "#hash", "a=b", "x" * 100, "CN=app"])
def test_a_pair_belongs_to_its_user_and_project_alone(look, user):
    found = look(pair(user=user))
    assert found.belongs_to(user, PROJECT)
    assert not found.is_foreign(user, PROJECT)
    for other_user, other_project in ((user + "x", PROJECT), (user, OTHER_PROJECT), ("CN=" + user, PROJECT), (user.upper(), PROJECT), ("", "")):
        assert not found.belongs_to(other_user, other_project)
        assert found.is_foreign(other_user, other_project)


names = st.text(st.sampled_from('a,+"\\<>;=# \u00e9') | st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)


@settings(max_examples=examples(400))
@given(names, names, st.sampled_from([PROJECT, "f" * 24]))
def test_no_two_names_are_taken_for_each_other(name, other, project):
    now = dt.datetime(2026, 11, 22, tzinfo=dt.timezone.utc)
    found = Look("pair", None, Certificate(1, rfc4514((("CN", name),)), now, now, issuer_common_name=project))
    assert found.belongs_to(other, PROJECT) == (name == other and project == PROJECT)
    assert found.belongs_to(name, project)


@pytest.mark.parametrize(
    ("data", "foreign"),
    [
        (lambda: b"", False),
        (lambda: b"\0" * 100, False),
        (pair, False),
        (lambda: certificate(ec_key()), False),
        (lambda: cut_last(pair(), b"-----END", -50), False),
        (lambda: private_key(ec_key()), True),
        (lambda: certificate(ec_key()) + private_key(ec_key(1)), True),
        (lambda: certificate(ec_key()) + key_pem(ec_key(), b"secret").encode(), True),
        (lambda: pair() + private_key(ec_key(1)), True),
        (lambda: b"notes\n", True),
        (lambda: pair(user="other"), True),
        (lambda: pair(project=OTHER_PROJECT), True),
        (lambda: certificate(ec_key(), "other"), True),
    ],
    ids=["empty", "zeros", "pair", "certificate", "cut", "key", "mismatched", "encrypted", "two keys", "text", "user", "project", "other certificate"],
)
def test_foreign_is_what_may_not_be_ours_to_destroy(look, data, foreign):
    assert look(data()).is_foreign("app", PROJECT) is foreign


def test_what_is_not_there_is_not_foreign_and_what_cannot_be_read_is():
    assert not _pem.Look("absent").is_foreign("app", PROJECT)
    assert _pem.Look("unreadable", "Permission denied").is_foreign("app", PROJECT)


def test_every_state_has_words_of_its_own(look):
    issuer = look(pair()).certificate.issuer
    words = {
        "empty": "an empty file",
        "pair": f"the certificate and key of CN=app from {issuer}",
        "certificate_only": f"a certificate of CN=app from {issuer} without its key",
        "broken": f"a certificate of CN=app from {issuer} with a damaged key",
        "key_only": "a private key without a certificate",
        "mismatched": "a certificate of CN=app with the private key of another one",
        "encrypted": "an encrypted private key",
    }
    cases = [data() for data, _state in OTHERS.values()] + [pair()]
    assert {found.state: found.describe() for found in map(look, cases) if found.state != "unreadable"} == words
    assert set(words) == STATES - {"absent", "unreadable"}
    assert _pem.Look("absent").describe() == "nothing"
    assert _pem.Look("unreadable", "a symbolic link to {braces}").describe() == "a symbolic link to {braces}"
    assert _pem.Look("unreadable").describe() == "something that is not a PEM"


# Any bytes

FOLDER = tempfile.TemporaryDirectory()


def held_to(data, second_reader=True):
    """Look at these bytes, and hold a pair against OpenSSL and ``cryptography``."""
    path = os.path.join(FOLDER.name, "mongodb.pem")
    with open(path, "wb") as file:
        file.write(data)
    found = _pem.look_at(path)
    assert found.state in STATES
    found.describe(), found.key_matches, found.is_foreign("app", PROJECT)
    if found.state != "pair":
        return found
    try:
        used = presented(path)
    except ssl.SSLError as error:
        raise AssertionError("a pair with which OpenSSL cannot log in") from error
    assert hashlib.sha256(used).hexdigest() == found.certificate.fingerprint_sha256
    if not second_reader:
        return found
    second = x509.load_der_x509_certificate(used)
    assert second.serial_number == found.certificate.serial
    assert second.public_key().public_numbers() == key_in(data).public_key().public_numbers()
    return found


@settings(max_examples=examples(300))
@given(st.binary(max_size=3000))
def test_any_bytes_are_a_look(data):
    assert held_to(data).state in ("empty", "unreadable")


def pieces():
    mine, other = ec_key(), ec_key(1)
    encrypted = key_pem(mine, b"secret").encode()
    return [
        certificate(mine),
        certificate(mine),
        private_key(mine),
        private_key(mine),
        certificate(other, "mallory"),
        private_key(other),
        encrypted,
        legacy_encrypted(mine),
        traditional(mine),
        openssh(mine),
        certificate(mine).replace(b"CERTIFICATE", b"X509 CERTIFICATE"),
        certificate(other, "mallory").replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE"),
        certificate(other, "mallory").replace(b"\n", b"\r\n"),
        certificate(other, "mallory").replace(b"\n", b"\r"),
        b"".join(b" " + line + b"\n" for line in certificate(other, "mallory").splitlines()),
        private_key(mine).replace(b"PRIVATE KEY", b"ANY PRIVATE KEY"),
        certificate(mine)[:-20],
        certificate(mine)[:200],
        private_key(mine)[:100],
        wrapped(b"CERTIFICATE", der_of(certificate(mine)) + b"\0"),
        b"\xef\xbb\xbf",
        b"\0",
        b"\r",
        b"\n",
        b" ",
        b"text\n",
        b"-----BEGIN CERTIFICATE-----\n",
        b"-----END CERTIFICATE-----\n",
        b"-----BEGIN PRIVATE KEY-----\n",
        b"-----END PRIVATE KEY-----\n",
    ]


@settings(max_examples=examples(600))
@given(st.lists(st.sampled_from(pieces()), max_size=5))
@example([certificate(ec_key()).replace(b"CERTIFICATE", b"X509 CERTIFICATE"), certificate(ec_key(1), "mallory"), private_key(ec_key())])
@example([certificate(ec_key(1), "mallory").replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE"), pair()])
def test_any_pieces_are_never_a_wrong_pair(parts):
    held_to(b"".join(parts))


BASE = pair()
changes = st.lists(st.tuples(st.integers(0, len(BASE) - 1), st.integers(0, 2), st.binary(max_size=3) | st.sampled_from([b"A", b"\n", b"=", b"-"])), max_size=3)


@settings(max_examples=examples(600))
@given(changes)
@example([])
@example([(BASE.rindex(b"PRIVATE KEY-----", 0, -40) + 70, 1, b"A")])
def test_a_damaged_pem_is_never_a_wrong_pair(edits):
    data = BASE
    for position, dropped, added in edits:
        data = data[:position] + added + data[position + dropped :]
    held_to(data, second_reader=False)  # cryptography refuses some encodings that OpenSSL takes


@settings(max_examples=examples(300))
@given(st.lists(st.tuples(st.integers(0, len(der_of(BASE)) - 1), st.integers(0, 255)), min_size=1, max_size=3))
def test_a_damaged_certificate_is_never_a_wrong_pair(edits):
    der = bytearray(der_of(BASE))
    for position, value in edits:
        der[position] = value
    held_to(wrapped(b"CERTIFICATE", bytes(der)) + private_key(ec_key()), second_reader=False)


@pytest.mark.parametrize(
    "line",
    [b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n", b"-----BEGIN A PRIVATE KEY-----\n-----END A PRIVATE KEY-----\n"],
    ids=["BEGIN", "END", "both"],
)
def test_a_file_full_of_markers_costs_what_its_size_does(tmp_path, line):
    """Eight times the size: eight times the time, and not 64 times as if every marker searched the rest of the file."""

    def cost(size):
        (tmp_path / "file").write_bytes((line * 5000)[:size])
        times = []
        for dummy in range(20):
            began = time.process_time()  # of the processor: others may be at work on this machine
            _pem.look_at(str(tmp_path / "file"))
            times.append(time.process_time() - began)
        return min(times)

    assert cost(_pem.MAX_SIZE) < 24 * cost(_pem.MAX_SIZE // 8)


# Reading, and the first certificate


def test_read_gives_the_bytes_up_to_the_limit_and_no_more(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * _pem.MAX_SIZE)
    assert _pem.read(str(path)) == b"x" * _pem.MAX_SIZE
    path.write_bytes(b"x" * (_pem.MAX_SIZE + 1))
    with pytest.raises(PemError) as error:
        _pem.read(str(path))
    assert error.value.message == f"{path} is larger than 65536 bytes: that is no PEM"
    with pytest.raises(PemError):
        _pem.read("/dev/zero")
    with pytest.raises(FileNotFoundError):
        _pem.read(str(tmp_path / "none"))
    with pytest.raises(IsADirectoryError):
        _pem.read(str(tmp_path))


@pytest.mark.parametrize("data", GOOD.values(), ids=GOOD)
def test_the_first_certificate_is_the_one_that_a_look_at_the_file_shows(look, data):
    assert _pem.first_certificate(data()) == look(data()).certificate


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n\xff\n-----END CERTIFICATE-----\n",
    ],
)
def test_no_certificate_to_place_is_an_error_that_names_the_option(data):
    with pytest.raises(PemError, match="^src: "):
        _pem.first_certificate(data)


def test_a_key_alone_is_refused_without_quoting_it():
    with pytest.raises(PemError) as error:
        _pem.first_certificate(private_key(ec_key()))
    assert private_key(ec_key()).splitlines()[1].decode() not in str(error.value)


# What Atlas answers


FORMS = {
    "raw": lambda: BASE,
    "quoted": lambda: json.dumps(BASE.decode()).encode(),
    "envelope": lambda: json.dumps({"status": 201, "content": BASE.decode()}).encode(),
}


@pytest.mark.parametrize("zeros", [0, 60000], ids=["", "and the rest of the reservation"])
@pytest.mark.parametrize("answer", FORMS.values(), ids=FORMS)
def test_an_answer_that_was_kept_as_it_came_is_looked_at_in_every_form(tmp_path, answer, zeros):
    path = tmp_path / "pending"
    path.write_bytes(answer() + b"\0" * zeros)
    assert _pem.from_answer(path.read_bytes()) == BASE
    found = _pem.look_at_answer(str(path))
    assert (found.state, found.certificate.serial) == ("pair", SERIAL)


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"<html>", certificate(ec_key()), b'{"a": 1}'], ids=["empty", "zeros", "HTML", "no key", "JSON"])
def test_an_answer_that_is_no_pem_is_looked_at_as_any_file(look, tmp_path, data):
    assert look(data).state != "pair"
    assert _pem.look_at_answer(str(tmp_path / "mongodb.pem")) == look(data)
    assert _pem.look_at_answer(str(tmp_path / "none")) == Look("absent")
    assert _pem.look_at_answer(str(tmp_path)).state == "unreadable"


def test_a_pem_in_memory_is_as_bounded_as_a_file(look):
    assert _pem.examine(pair() + b"\n" * (_pem.MAX_SIZE - len(pair()))).state == "pair"
    assert _pem.examine(pair() + b"\n" * (_pem.MAX_SIZE + 1 - len(pair()))) == Look("unreadable", "65537 bytes, too large for a PEM")
    before = open_files()
    assert _pem.examine(pair()) == look(pair())
    assert open_files() == before


@pytest.mark.parametrize("missing", ["memfd", "/proc"])
def test_where_a_pem_in_memory_has_no_name_that_is_said_and_a_file_is_looked_at(tmp_path, monkeypatch, missing):
    """Python before 3.8, and a bare chroot: OpenSSL reads files only."""
    exists = os.path.exists
    if missing == "memfd":
        monkeypatch.delattr(os, "memfd_create")
    else:
        monkeypatch.setattr(os.path, "exists", lambda path: not str(path).startswith("/proc") and exists(path))
    (tmp_path / "pending").write_bytes(BASE)
    assert _pem.examine(BASE) is None
    assert _pem.look_at_answer(str(tmp_path / "pending")).state == "pair"


@settings(max_examples=examples(200))
@given(
    form=st.sampled_from(["raw", "quoted", "envelope", "pretty"]),
    crlf=st.booleans(),
    before=st.text(" \n\r\t", max_size=3),
    after=st.text(" \n\r\t", max_size=3),
    zeros=st.integers(0, 100),
    ending=st.sampled_from([b"", b"\n", b"\n\n"]),
)
def test_the_pem_in_an_answer_is_found_in_every_form(form, crlf, before, after, zeros, ending):
    text = BASE.rstrip(b"\n") + ending
    text = text.replace(b"\n", b"\r\n") if crlf else text
    answer = {
        "raw": text,
        "quoted": json.dumps(text.decode()).encode(),
        "envelope": json.dumps({"status": 201, "content": text.decode()}).encode(),
        "pretty": json.dumps({"content": text.decode(), "status": 201}, indent=2).encode(),
    }[form]
    assert _pem.from_answer(before.encode() + answer + after.encode() + b"\0" * zeros) == BASE


def test_the_pem_in_an_answer_is_looked_at_as_a_pair(look):
    quoted = json.dumps(pair(leaf_key(0)).decode().replace("\n", "\r\n")).encode()
    assert look(_pem.from_answer(quoted)).state == "pair"


SECRET = base64.b64encode(random.Random(7).randbytes(30)).decode()
NO_PEM = {
    "nothing": b"",
    "blanks": b" \n",
    "zeros": b"\0" * 100,
    "text": SECRET.encode(),
    "HTML": b"<html>" + SECRET.encode(),
    "text before": SECRET.encode() + b"\n" + BASE,
    "cut JSON": b'"-----BEGIN CERTIFICATE-----\\n' + SECRET.encode(),
    "cut envelope": b'{"status": 201, "content": "' + SECRET.encode(),
    "no UTF-8": b'"' + SECRET.encode() + b'\xff"',
    "number": b"42",
    "list": json.dumps([SECRET]).encode(),
    "null": b"null",
    "empty string": b'""',
    "blank string": b'" \\n "',
    "string without a PEM": json.dumps(SECRET).encode(),
    "error": json.dumps({"error": 500, "detail": SECRET}).encode(),
    "envelope of null": b'{"status": 201, "content": null}',
    "envelope of a list": json.dumps({"content": [SECRET]}).encode(),
    "envelope of an envelope": json.dumps({"content": {"content": SECRET}}).encode(),
    "two documents": b'"a" "b"',
    "a letter behind a quoted PEM": json.dumps(BASE.decode()).encode() + b"X",
    "half a character": b'"' + SECRET.encode() + b'\\ud800"',
    "half a character in a PEM": b'"-----BEGIN CERTIFICATE-----\\n' + SECRET.encode() + b'\\udfff"',
    "deeper than Python goes": b'{"a":' * 12000 + SECRET.encode(),
    "a number of many digits": b'{"content": ' + b"9" * 10000 + b"}",
}


def what_is_wrong(answer):
    """The sentence for one of NO_PEM."""
    content = answer.strip(b" \n\0")
    if content[:1] not in (b'"', b"{"):
        return "the answer is not a PEM" if content else "the answer is empty"
    try:
        value = json.loads(content)
    except (RecursionError, ValueError):
        return "the answer begins like JSON and is none"
    text = value.get("content") if isinstance(value, dict) else value
    if not isinstance(text, str) or not text.isascii():
        return "the answer is JSON without a PEM in it"
    return "the answer is not a PEM" if text.strip() else "the answer is empty"


@pytest.mark.parametrize("answer", NO_PEM.values(), ids=NO_PEM)
def test_an_answer_without_a_pem_is_refused_without_quoting_it(answer):
    with pytest.raises(PemError) as error:
        _pem.from_answer(answer)
    assert error.value.message == what_is_wrong(answer)
    assert not any(SECRET[start : start + 8] in str(error.value) for start in range(len(SECRET) - 8))
    assert error.value.__suppress_context__ or error.value.__context__ is None


json_leaves = st.none() | st.booleans() | st.integers() | st.text()
json_values = st.recursive(json_leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)
json_answers = (json_values | st.fixed_dictionaries({"content": json_values})).map(lambda value: json.dumps(value).encode())
lone_surrogates = st.integers(0xD800, 0xDFFF).map(lambda half: b'"-----BEGIN \\u%04x"' % half)
beginnings = st.tuples(st.sampled_from([b'"', b"{", b"-----BEGIN "]), st.binary(max_size=100)).map(b"".join)


@settings(max_examples=examples(600))
@given(st.binary(max_size=500) | json_answers | lone_surrogates | beginnings)
def test_any_answer_is_a_pem_or_a_pem_error(answer):
    try:
        pem = _pem.from_answer(answer)
    except PemError:
        return
    assert pem.startswith(b"-----BEGIN ") and pem.endswith(b"\n") and b"\r\n" not in pem
    assert _pem.from_answer(pem) == pem or b"\0" in pem
