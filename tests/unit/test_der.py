# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reader of certificates against ``cryptography``, against certificates made by hand, and against noise."""

from __future__ import annotations

import datetime as dt
import hashlib
import warnings

import pytest
from ansible_collections.atlas.x509.plugins.module_utils._der import common_name, read_certificate, rfc4514
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from effort import examples
from hypothesis import example, given, settings
from hypothesis import strategies as st

UTC = dt.timezone.utc
KEY = ec.generate_private_key(ec.SECP256R1())
OIDS = {
    "CN": "2.5.4.3",
    "C": "2.5.4.6",
    "L": "2.5.4.7",
    "ST": "2.5.4.8",
    "O": "2.5.4.10",
    "OU": "2.5.4.11",
    "UID": "0.9.2342.19200300.100.1.1",
    "DC": "0.9.2342.19200300.100.1.25",
}
ODD_NAMES = [
    "app",
    "with,comma",
    "a+b",
    "a=b",
    "semi;colon",
    '"quoted"',
    "back\\slash",
    "<angle>",
    "#hash",
    " leading",
    "trailing ",
    " ",
    "  ",
    "trailing\\",
    "trailing\\ ",
    "a b",
    "CN=app,OU=Atlas",
    "user@example.com",
    "path/like",
    "cash$",
    "größe",
    "日本語",
    "🔑",
    "x" * 64,
    "x" * 65,
    "y" * 1024,
]
SHORT_NAMES = [name for name in ODD_NAMES if len(name) <= 64]
kinds = st.sampled_from([kind for kind in sorted(OIDS) if kind not in ("C", "DC")])  # a country has two letters, a DC is ASCII
tame = st.sampled_from([("C", "DE"), ("DC", "example")])
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=100) | st.sampled_from(ODD_NAMES)
moments = st.datetimes(dt.datetime(1950, 1, 1), dt.datetime(9999, 12, 31)).map(lambda moment: moment.replace(microsecond=0, tzinfo=UTC))


def name_of(*pairs):
    """An X.509 name without X.520's limits of length: Atlas's user names have up to 1024 characters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return x509.Name([x509.NameAttribute(x509.ObjectIdentifier(OIDS[kind]), value, _validate=False) for kind, value in pairs])


def made(subject=(("CN", "app"),), issuer=(("CN", "project"),), serial=7, start=None, end=None):
    """A certificate in DER, as ``cryptography`` makes it."""
    builder = (
        x509.CertificateBuilder(name_of(*issuer), name_of(*subject), KEY.public_key())
        .serial_number(serial)
        .not_valid_before(start or dt.datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(end or dt.datetime(2027, 1, 1, tzinfo=UTC))
    )
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def tlv(tag, *parts):
    """One element of DER."""
    content = b"".join(parts)
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def relative(*values, oid=b"\x55\x04\x03"):
    """A relative distinguished name of (tag, text) values."""
    return tlv(0x31, *(tlv(0x30, tlv(0x06, oid), tlv(tag, text)) for tag, text in values))


def by_hand(subject=b"", issuer=b"", version=b"\xa0\x03\x02\x01\x02", serial=b"\x07", dates=None):
    """The part of a certificate that the reader looks at, with a stub for the rest."""
    if dates is None:
        dates = tlv(0x17, b"260101000000Z") + tlv(0x17, b"270101000000Z")
    algorithm = tlv(0x30, tlv(0x06, b"\x2a\x03"))
    body = tlv(0x30, version, tlv(0x02, serial), algorithm, tlv(0x30, issuer), tlv(0x30, dates), tlv(0x30, subject), tlv(0x30))
    return tlv(0x30, body, algorithm, tlv(0x03, b"\0"))


@settings(max_examples=examples(150))
@given(
    subject=st.lists(st.tuples(kinds, texts) | tame, max_size=4),
    issuer=st.lists(st.tuples(kinds, texts) | tame, min_size=1, max_size=4),
    serial=st.integers(1, 2**63 - 1) | st.integers(1, 2**159 - 1),
    dates=st.tuples(moments, moments).map(sorted),
)
@example(
    [("CN", "app")],
    [("O", "MongoDB Inc"), ("OU", "Atlas"), ("CN", "5f")],
    2**63 - 1,
    [dt.datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC), dt.datetime(2050, 1, 1, tzinfo=UTC)],
)
@example([("CN", "a"), ("CN", "b")], [("CN", "p")], 2**53 + 1, [dt.datetime(1950, 1, 1, tzinfo=UTC), dt.datetime(1999, 12, 31, tzinfo=UTC)])
def test_it_reads_what_cryptography_reads(subject, issuer, serial, dates):
    der = made(subject, issuer, serial, *dates)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # names longer than 64
        other = x509.load_der_x509_certificate(der)
        names = [[(one.oid.dotted_string, one.value) for one in name] for name in (other.subject, other.issuer)]
    facts = read_certificate(der)
    assert facts.serial == other.serial_number == serial
    if hasattr(other, "not_valid_before_utc"):
        assert [facts.not_before, facts.not_after] == [other.not_valid_before_utc, other.not_valid_after_utc]
    else:  # cryptography before 42
        assert [facts.not_before.replace(tzinfo=None), facts.not_after.replace(tzinfo=None)] == [other.not_valid_before, other.not_valid_after]
    assert [[(OIDS[kind], value) for kind, value in name] for name in (facts.subject, facts.issuer)] == names
    assert facts.fingerprint_sha256 == other.fingerprint(hashes.SHA256()).hex() == hashlib.sha256(der).hexdigest()


def read_back(text):
    """The name as cryptography reads it; version 37 keeps the order of the text, which is that of a name backwards."""
    backwards = next(iter(x509.Name.from_rfc4514_string("CN=first,O=last"))).value == "first"
    name = x509.Name.from_rfc4514_string(text)
    return x509.Name(reversed(list(name))) if backwards else name


@pytest.mark.parametrize("value", SHORT_NAMES)  # cryptography's reader insists on X.520's 64 bytes
def test_the_text_of_a_name_means_that_name_and_no_other(value):
    text = rfc4514((("O", "MongoDB Inc"), ("CN", value)))
    assert read_back(text) == name_of(("O", "MongoDB Inc"), ("CN", value))


@settings(max_examples=examples(300))
@given(st.lists(st.tuples(kinds, st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=16)), min_size=1, max_size=3))
def test_the_text_of_any_name_can_be_read_back(pairs):
    assert read_back(rfc4514(tuple(pairs))) == name_of(*pairs)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ((("CN", "app"),), "CN=app"),
        ((("O", "MongoDB Inc"), ("OU", "Atlas"), ("CN", "64b7f0c2a1d3e4f5a6b7c8d9")), "CN=64b7f0c2a1d3e4f5a6b7c8d9,OU=Atlas,O=MongoDB Inc"),
        ((("CN", "a,b"),), r"CN=a\,b"),
        ((("CN", "#a"),), r"CN=\#a"),
        ((("CN", " a "),), r"CN=\ a\ "),
        ((("CN", " "),), r"CN=\ "),
        ((("CN", ""),), "CN="),
        ((), ""),
    ],
)
def test_the_text_of_a_name_is_that_of_rfc_4514(name, text):
    assert rfc4514(name) == text


def test_a_name_with_one_common_name_has_it_and_one_with_several_or_none_has_not():
    assert common_name((("O", "x"), ("CN", "app"))) == "app"
    assert common_name((("CN", "a"), ("CN", "b"))) is None
    assert common_name((("CN", "a"), ("CN", "a"))) is None
    assert common_name((("O", "x"),)) is None
    assert common_name((("CN", ""),)) == ""


@pytest.mark.parametrize(
    ("tag", "data", "text"),
    [
        (0x0C, "größe".encode(), "größe"),
        (0x13, b"app", "app"),
        (0x16, b"a@b", "a@b"),
        (0x14, b"gr\xf6\xdfe", "größe"),
        (0x1E, "größe".encode("utf-16-be"), "größe"),
        (0x1C, "🔑".encode("utf-32-be"), "🔑"),
        (0x12, b"123", "123"),
        (0x0C, b"", ""),
    ],
)
def test_every_kind_of_text_in_a_name_is_read(tag, data, text):
    assert read_certificate(by_hand(subject=relative((tag, data)))).subject == (("CN", text),)


def test_an_attribute_that_has_no_short_name_is_shown_by_its_number():
    subject = relative((0x0C, b"x"), oid=b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01")
    assert read_certificate(by_hand(subject=subject)).subject == (("1.2.840.113549.1.9.1", "x"),)


def test_two_values_in_one_relative_name_are_two():
    facts = read_certificate(by_hand(subject=relative((0x0C, b"a"), (0x0C, b"b"))))
    assert facts.subject == (("CN", "a"), ("CN", "b"))
    assert common_name(facts.subject) is None


def test_a_certificate_of_version_1_has_no_version_field():
    assert read_certificate(by_hand(version=b"", serial=b"\x09")).serial == 9


def test_a_negative_serial_number_stays_negative():
    """``cryptography`` and OpenSSL read it so, too; reading it as a large positive one would be another certificate's."""
    assert read_certificate(by_hand(serial=b"\xff")).serial == -1


@pytest.mark.parametrize(
    ("content", "moment"),
    [
        (tlv(0x17, b"491231235959Z"), dt.datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (tlv(0x17, b"500101000000Z"), dt.datetime(1950, 1, 1, tzinfo=UTC)),
        (tlv(0x18, b"20500101000000Z"), dt.datetime(2050, 1, 1, tzinfo=UTC)),
        (tlv(0x18, b"20280229120000Z"), dt.datetime(2028, 2, 29, 12, tzinfo=UTC)),
    ],
)
def test_dates_turn_over_in_2050(content, moment):
    assert read_certificate(by_hand(dates=tlv(0x17, b"260101000000Z") + content)).not_after == moment


@pytest.mark.parametrize(
    "der",
    [
        b"",
        b"\x30",
        b"\x30\x80\x00\x00",
        b"\x30\x85\x00\x00\x00\x00\x01\x00",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x02\x01\x00",
        tlv(0x30),
        tlv(0x30, tlv(0x30)),
        by_hand(dates=tlv(0x17, b"260101000000Z")),
        by_hand(dates=tlv(0x17, b"260101000000Z") * 3),
        by_hand(dates=tlv(0x17, b"261301000000Z") * 2),
        by_hand(dates=tlv(0x17, b"260101000000+0100") * 2),
        by_hand(dates=tlv(0x0C, b"260101000000Z") * 2),
        by_hand(dates=tlv(0x18, b"00000101000000Z") * 2),
        by_hand(dates=tlv(0x17, b"\xff60101000000Z") * 2),
        by_hand(subject=relative((0x03, b"app"))),
        by_hand(subject=relative((0x0C, b"\xff"))),
        by_hand(subject=relative((0x1E, b"\xd8\x00"))),
        by_hand(subject=relative((0x1C, b"\x7f\xff\xff\xff"))),
        by_hand(subject=relative((0x0C, b"app"), oid=b"")),
        by_hand(subject=tlv(0x31, tlv(0x30, tlv(0x06, b"\x55\x04\x03")))),
        by_hand(serial=b"")[:-10],
    ],
)
def test_what_is_no_certificate_is_a_value_error(der):
    with pytest.raises(ValueError):
        read_certificate(der)


def test_every_certificate_that_is_cut_is_a_value_error():
    der = made()
    for length in range(len(der)):
        with pytest.raises(ValueError):
            read_certificate(der[:length])


@pytest.mark.parametrize("more", [b"\0", b"\0\0", b"\x30\x00"])
def test_bytes_behind_a_certificate_are_a_value_error(more):
    """Its fingerprint would be nobody's, and ``cryptography`` refuses it too."""
    with pytest.raises(ValueError):
        read_certificate(made() + more)


@settings(max_examples=examples(500))
@given(st.binary(max_size=300))
def test_noise_is_a_value_error_and_nothing_worse(data):
    with pytest.raises(ValueError):
        read_certificate(data)


MUTABLE = made((("CN", "app"), ("OU", "größe")), (("O", "MongoDB Inc"), ("CN", "p")), 2**62 + 1)


@settings(max_examples=examples(1000))
@given(st.lists(st.tuples(st.integers(0, len(MUTABLE) - 1), st.integers(0, 255)), min_size=1, max_size=4), st.integers(0, 40))
def test_a_damaged_certificate_is_read_or_is_a_value_error_and_nothing_worse(changes, dropped):
    der = bytearray(MUTABLE)
    for position, value in changes:
        der[position] = value
    if dropped:
        del der[dropped : 2 * dropped]
    try:
        facts = read_certificate(bytes(der))
    except ValueError:
        return
    assert isinstance(facts.serial, int)
    assert facts.not_before.tzinfo is facts.not_after.tzinfo is UTC
    rfc4514(facts.subject).encode("utf-8")
    rfc4514(facts.issuer).encode("utf-8")
