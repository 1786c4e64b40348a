# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the few fields that we need from an X.509 certificate (RFC 5280), with the standard library alone.

Managed hosts have no cryptography library. This reader decides nothing about trust: OpenSSL, through ``ssl``, says
whether a key belongs to a certificate, and whatever this reader cannot follow is a ValueError.
"""

import hashlib
from datetime import datetime, timezone
from typing import Iterator, List, NamedTuple, Optional, Tuple

_SEQUENCE, _SET, _INTEGER, _OID, _VERSION = 0x30, 0x31, 0x02, 0x06, 0xA0
_TEXTS = {0x0C: "utf-8", 0x13: "ascii", 0x16: "ascii", 0x14: "latin-1", 0x1E: "utf-16-be", 0x1C: "utf-32-be", 0x12: "ascii"}
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_ATTRIBUTES = {
    "2.5.4.3": "CN",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
}
_ESCAPED = set(',+"\\<>;=')

Name = Tuple[Tuple[str, str], ...]
"""A distinguished name as pairs of attribute and value, in the order of the encoding."""


class Facts(NamedTuple):
    """What one certificate says of itself. ``fingerprint_sha256`` is of the DER, in lower-case hexadecimal."""

    serial: int
    issuer: Name
    subject: Name
    not_before: datetime
    not_after: datetime
    fingerprint_sha256: str


def read_certificate(der: bytes) -> Facts:
    """The facts of one certificate in DER. ValueError when it is none, or is cut."""
    try:
        (certificate,) = _elements(der)
        fields = _elements(_content(next(_elements(_content(certificate, _SEQUENCE))), _SEQUENCE))
        first = next(fields)
        serial = next(fields) if first[0] == _VERSION else first
        next(fields)  # the signature algorithm
        issuer, validity, subject = next(fields), next(fields), next(fields)
        not_before, not_after = _elements(_content(validity, _SEQUENCE))
        return Facts(
            serial=int.from_bytes(_content(serial, _INTEGER), "big", signed=True),
            issuer=_name(issuer),
            subject=_name(subject),
            not_before=_moment(not_before),
            not_after=_moment(not_after),
            fingerprint_sha256=hashlib.sha256(der).hexdigest(),
        )
    except (StopIteration, IndexError, UnicodeDecodeError) as error:
        raise ValueError("not an X.509 certificate") from error


def rfc4514(name: Name) -> str:
    """The name as text (RFC 4514): the last pair first, special characters escaped. ``CN=app`` for a user of Atlas."""
    return ",".join("{0}={1}".format(attribute, _escape(value)) for attribute, value in reversed(name))


def is_whole(der: bytes) -> bool:
    """Whether these bytes are one complete element, of whatever kind."""
    try:
        return len(list(_elements(der))) == 1
    except (IndexError, ValueError):
        return False


def common_name(name: Name) -> Optional[str]:
    """The one common name of a distinguished name; None when it has none or several."""
    names = [value for attribute, value in name if attribute == "CN"]
    return names[0] if len(names) == 1 else None


def _elements(data: bytes) -> Iterator[Tuple[int, bytes]]:
    """The (tag, content) pairs of which these bytes consist (X.690, definite lengths)."""
    offset = 0
    while offset < len(data):
        tag, length = data[offset], data[offset + 1]
        offset += 2
        if length & 0x80:
            size = length & 0x7F
            if not 1 <= size <= 4:
                raise ValueError("not DER: a length of {0} bytes".format(size))
            length = int.from_bytes(data[offset : offset + size], "big")
            offset += size
        if offset + length > len(data):
            raise ValueError("not DER: cut short")
        yield tag, data[offset : offset + length]
        offset += length


def _content(element: Tuple[int, bytes], tag: int) -> bytes:
    if element[0] != tag:
        raise ValueError("not an X.509 certificate: tag {0:#x} where {1:#x} belongs".format(element[0], tag))
    return element[1]


def _name(element: Tuple[int, bytes]) -> Name:
    pairs = []  # type: List[Tuple[str, str]]
    for relative in _elements(_content(element, _SEQUENCE)):
        for pair in _elements(_content(relative, _SET)):
            oid, (tag, value) = _elements(_content(pair, _SEQUENCE))
            if tag not in _TEXTS:
                raise ValueError("a name holds something that is not text")
            dotted = _dotted(_content(oid, _OID))
            pairs.append((_ATTRIBUTES.get(dotted, dotted), value.decode(_TEXTS[tag])))
    return tuple(pairs)


def _dotted(oid: bytes) -> str:
    arcs, arc = [min(oid[0] // 40, 2)], 0
    arcs.append(oid[0] - 40 * arcs[0])
    for byte in oid[1:]:
        arc = arc << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(arc)
            arc = 0
    return ".".join(str(number) for number in arcs)


def _moment(element: Tuple[int, bytes]) -> datetime:
    tag, content = element
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text  # RFC 5280, 4.1.2.5.1
    elif tag != _GENERALIZED_TIME:
        raise ValueError("a date is neither UTCTime nor GeneralizedTime")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc)


def _escape(value: str) -> str:
    escaped = "".join("\\" + character if character in _ESCAPED else character for character in value)
    if escaped[:1] in (" ", "#"):
        escaped = "\\" + escaped
    if len(value) > 1 and escaped.endswith(" "):
        escaped = escaped[:-1] + "\\ "
    return escaped
