# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a PEM file holds: public facts about it, never the key.

Runs on managed hosts: Python 3.6 and later, standard library only.
"""

import base64
import errno
import json
import os
import stat
from typing import Any, List, NamedTuple, Optional, Tuple

from ansible_collections.atlas.x509.plugins.module_utils._certificate import LARGEST_PEM, Certificate
from ansible_collections.atlas.x509.plugins.module_utils._der import Facts, common_name, is_whole, read_certificate, rfc4514
from ansible_collections.atlas.x509.plugins.module_utils._errors import PemError
from ansible_collections.atlas.x509.plugins.module_utils._openssl import Unusable, certificate_in_use

MAX_SIZE = LARGEST_PEM
"""A PEM from Atlas has 5 kB. Nothing larger than this is read, kept or placed."""

_BEGIN, _END, _DASHES = b"-----BEGIN ", b"-----END ", b"-----"
_BOM = b"\xef\xbb\xbf"
_WORDS = {errno.ELOOP: "a symbolic link", errno.EACCES: "something that may not be read"}


class Look(NamedTuple):
    """What lies at a path.

    ``state`` is one of

    * ``absent``: nothing is there;
    * ``empty``: a file without content (blanks and NUL bytes, a reservation, count as none);
    * ``pair``: a certificate and its own private key, usable as it stands;
    * ``certificate_only``: a certificate without any key;
    * ``broken``: a certificate, and a private key that is cut or damaged beyond use;
    * ``key_only``: a private key without a certificate;
    * ``mismatched``: a certificate, and the whole private key of another one;
    * ``encrypted``: the private key needs a passphrase;
    * ``unreadable``: something else: no PEM, several keys, too large, no regular file, no permission.

    ``detail`` says more about a state that is not good. ``certificate`` is the first one in the file.
    """

    state: str
    detail: Optional[str] = None
    certificate: Optional[Certificate] = None

    @property
    def key_matches(self) -> Optional[bool]:
        """Whether the key is the certificate's; None where there are not both."""
        return {"pair": True, "mismatched": False, "broken": False}.get(self.state)

    def belongs_to(self, username: str, project_id: str) -> bool:
        """Whether the certificate is one that Atlas made for this user in this project: the subject is the user
        alone, and the issuer carries the project's id (a project has a certificate authority of its own)."""
        certificate = self.certificate
        return (
            certificate is not None
            and certificate.subject == rfc4514((("CN", username),))
            and certificate.issuer_common_name == project_id
        )

    def is_foreign(self, username: str, project_id: str) -> bool:
        """Whether replacing the file could destroy something that is not ours to destroy.

        Ours are: nothing, an empty file, and a certificate of this user and project with its own key, without one, or with
        one that is beyond use. A whole key that is not the certificate's may be the only copy of somebody's.
        """
        if self.state in ("absent", "empty"):
            return False
        return self.state not in ("pair", "certificate_only", "broken") or not self.belongs_to(username, project_id)

    def describe(self) -> str:
        """Half a sentence for a message: what is there."""
        words = {
            "absent": "nothing",
            "empty": "an empty file",
            "pair": "the certificate and key of {0.subject} from {0.issuer}",
            "certificate_only": "a certificate of {0.subject} from {0.issuer} without its key",
            "broken": "a certificate of {0.subject} from {0.issuer} with a damaged key",
            "key_only": "a private key without a certificate",
            "mismatched": "a certificate of {0.subject} with the private key of another one",
            "encrypted": "an encrypted private key",
        }.get(self.state, "{1}")
        return words.format(self.certificate, self.detail or "something that is not a PEM")


def look_at(path: str) -> Look:
    """What lies at this path. Never raises: what cannot be read is ``unreadable``, and ``detail`` says why."""
    try:
        descriptor = _open(path)
    except ValueError:
        return Look("unreadable", "a path that no file can have")
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return Look("absent")
        return Look("unreadable", _WORDS.get(error.errno or 0, error.strerror))
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return Look("unreadable", "something that is not a regular file")
        if found.st_size > MAX_SIZE:
            return Look("unreadable", "a file of {0} bytes, too large for a PEM".format(found.st_size))
        return _examine(_read(descriptor), descriptor, path)
    except OSError as error:
        return Look("unreadable", error.strerror)
    finally:
        os.close(descriptor)


def examine(pem: bytes) -> Optional[Look]:
    """What a PEM in memory is; None where only a file could be asked for (without ``memfd``: not Linux, or Python before 3.8; or without ``/proc``)."""
    if not hasattr(os, "memfd_create") or not os.path.exists("/proc/self/fd"):
        return None
    if len(pem) > MAX_SIZE:
        return Look("unreadable", "{0} bytes, too large for a PEM".format(len(pem)))
    descriptor = os.memfd_create("pem")
    try:
        os.write(descriptor, pem)
        return _examine(pem, descriptor, "")
    finally:
        os.close(descriptor)


def read(path: str) -> bytes:
    """The bytes of a regular file of bounded size. OSError as ``open`` raises it, :class:`PemError` when it is too large."""
    descriptor = _open(path)
    try:
        data = _read(descriptor)
    finally:
        os.close(descriptor)
    if len(data) > MAX_SIZE:
        raise PemError("{0} is larger than {1} bytes: that is no PEM".format(path, MAX_SIZE))
    return data


def first_certificate(pem: bytes) -> Certificate:
    """The first certificate in a PEM, whatever else is in it; :class:`PemError` when there is none that can be read."""
    for label, lines in _blocks(pem)[0]:
        if label == b"CERTIFICATE":
            try:
                return _certificate(_facts(lines))
            except ValueError:
                break
    raise PemError("src: not a PEM with a certificate")


def from_answer(received: bytes) -> bytes:
    """The PEM in an answer of Atlas: raw text (what it sends), a quoted JSON string (what it documents) or an envelope.

    Its whole blocks, in their order, with LF; what stands around them is left out. :class:`PemError` when there are none; the
    message never quotes what was received.
    """
    text = received.rstrip(b"\0").strip()
    if text[:1] in (b'"', b"{"):
        try:
            value = json.loads(text.decode("utf-8"))  # type: Any
        except (RecursionError, ValueError):
            raise PemError("the answer begins like JSON and is none") from None
        value = value.get("content") if isinstance(value, dict) else value
        try:
            text = value.strip().encode("ascii")
        except (AttributeError, UnicodeEncodeError):
            raise PemError("the answer is JSON without a PEM in it") from None
    if not text:
        raise PemError("the answer is empty")
    blocks = _blocks(text)[0]
    if not text.startswith(_BEGIN) or not blocks:
        raise PemError("the answer is not a PEM")
    lines = [line for label, body in blocks for line in [_BEGIN + label + _DASHES] + body + [_END + label + _DASHES]]
    return b"\n".join(lines) + b"\n"


def look_at_answer(path: str) -> Look:
    """What an answer of Atlas holds that was kept as it came, in whatever form; never raises."""
    try:
        return examine(from_answer(read(path))) or look_at(path)
    except (OSError, PemError, ValueError):
        return look_at(path)


def _open(path: str) -> int:
    # O_NONBLOCK: a FIFO without a writer must not hold us; O_NOFOLLOW: a link is shown as a link, never as its target.
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)


def _read(descriptor: int) -> bytes:
    chunks, size = [], 0
    while size <= MAX_SIZE:
        chunk = os.read(descriptor, MAX_SIZE + 1 - size)
        if not chunk:
            break
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)


def _examine(data: bytes, descriptor: int, path: str) -> Look:
    content = data.replace(b"\0", b"").strip()
    if not content:
        return Look("empty")
    blocks, cut = _blocks(content)
    certificates = [lines for label, lines in blocks if label == b"CERTIFICATE"]
    keys = [(label, lines) for label, lines in blocks if label.endswith(b"PRIVATE KEY")]
    if len(keys) > 1:
        return Look("unreadable", "a file with {0} private keys".format(len(keys)))
    if not certificates:
        return Look("key_only") if keys else Look("unreadable", "something that is not a PEM")
    try:
        facts = _facts(certificates[0])
    except ValueError:
        return Look("unreadable", "a certificate that cannot be read")
    if keys and b"ENCRYPTED" in keys[0][0] + b"".join(keys[0][1][:1]):
        return _look("encrypted", facts)
    if not keys:
        return _look("broken", facts, "the private key is cut") if cut else _look("certificate_only", facts)
    return _used(facts, keys[0], descriptor, path)


def _blocks(content: bytes) -> Tuple[List[Tuple[bytes, List[bytes]]], bool]:
    """The (label, lines) of each complete block, and whether the last one begins and never ends. One pass, linear."""
    blocks = []  # type: List[Tuple[bytes, List[bytes]]]
    label, lines = None, []  # type: Optional[bytes], List[bytes]
    for raw in (content[len(_BOM) :] if content.startswith(_BOM) else content).splitlines():
        line = raw.strip()
        if line.startswith(_BEGIN) and line.endswith(_DASHES):
            label, lines = line[len(_BEGIN) : -len(_DASHES)], []
        elif label is not None and line == _END + label + _DASHES:
            blocks.append((label, lines))
            label = None
        elif label is not None:
            lines.append(line)
    return blocks, label is not None


def _facts(lines: List[bytes]) -> Facts:
    return read_certificate(base64.b64decode(b"".join(lines), validate=True))  # binascii.Error is a ValueError


def _used(facts: Facts, key: Tuple[bytes, List[bytes]], descriptor: int, path: str) -> Look:
    try:
        # The facts of what a login presents: of two certificates OpenSSL may take another one for the first than we do.
        return _look("pair", read_certificate(certificate_in_use(descriptor, path)))
    except Unusable as error:
        if error.other_key:
            return _look("mismatched", facts)
        # A whole key that OpenSSL cannot use may be of use to somebody; one that is cut is of none to anybody.
        return _look("unreadable" if _is_whole_key(*key) else "broken", facts, error.reason)


def _is_whole_key(label: bytes, lines: List[bytes]) -> bool:
    try:
        return is_whole(base64.b64decode(b"".join(lines), validate=True)) or label.startswith(b"OPENSSH")
    except ValueError:
        return False


def _look(state: str, facts: Facts, detail: Optional[str] = None) -> Look:
    return Look(state, detail, _certificate(facts))


def _certificate(facts: Facts) -> Certificate:
    return Certificate(
        serial=facts.serial,
        subject=rfc4514(facts.subject),
        common_name=common_name(facts.subject),
        issuer=rfc4514(facts.issuer),
        issuer_common_name=common_name(facts.issuer),
        not_before=facts.not_before,
        not_after=facts.not_after,
        fingerprint_sha256=facts.fingerprint_sha256,
    )
