# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is issued, and what is listed."""

from __future__ import annotations

import datetime as dt

import cryptography
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from fake_atlas import DEMO_PROJECT, certificates
from fake_atlas.certificates import add_months

HOUR = dt.timedelta(hours=1)


def load(pem):
    return x509.load_pem_x509_certificate(pem.encode())


def not_before(certificate):
    return dt.datetime.strptime(certificate["createdAt"], "%Y-%m-%dT%H:%M:%SZ")


def test_the_create_answer_is_raw_pem_under_a_json_media_type(client):
    answer = client.create()
    assert answer.status_code == 201
    assert answer.headers["Content-Type"] == "application/vnd.atlas.2023-01-01+json;charset=utf-8"
    assert answer.text.startswith("-----BEGIN CERTIFICATE-----\n")
    assert answer.text.endswith("-----END PRIVATE KEY-----\n")
    assert "\r" not in answer.text and answer.text.count("-----BEGIN") == 2
    assert max(map(len, answer.text.splitlines())) == 64


def test_a_certificate_looks_like_a_recorded_one(client):
    before = dt.datetime.now(dt.timezone.utc).replace(microsecond=0, tzinfo=None)
    pem = client.create(months=5).text
    certificate = load(pem)
    assert [(part.rfc4514_attribute_name, part.value) for part in certificate.subject] == [("CN", "app")]
    assert [(part.rfc4514_attribute_name, part.value) for part in certificate.issuer] == [
        ("CN", DEMO_PROJECT),
        ("OU", "Atlas"),
        ("O", "MongoDB Inc"),
    ]
    assert certificate.public_key().key_size == 4096
    assert isinstance(certificate.signature_hash_algorithm, hashes.SHA256)
    usage, extended = certificate.extensions
    assert usage.critical and usage.value.digital_signature and not usage.value.key_encipherment
    assert extended.critical and list(extended.value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    start = certificate.not_valid_before_utc.replace(tzinfo=None)
    assert before <= start + HOUR <= dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)
    assert certificate.not_valid_after_utc == add_months(certificate.not_valid_before_utc + HOUR, 5)


def test_the_key_belongs_to_the_certificate_and_the_ca_signed_it(client):
    pem = client.create().text
    certificate = load(pem)
    key = serialization.load_pem_private_key(pem[pem.index("-----BEGIN PRIVATE") :].encode(), None)
    assert key.public_key() == certificate.public_key()
    authority = load(client.steer("GET", "ca")["pem"])
    assert authority.subject == certificate.issuer
    authority.public_key().verify(
        certificate.signature,
        certificate.tbs_certificate_bytes,
        padding.PKCS1v15(),
        certificate.signature_hash_algorithm,
    )


def test_neighbouring_certificates_and_the_ca_share_no_key(client):
    pems = [client.create().text for dummy in range(14)] + [client.steer("GET", "ca")["pem"]]
    assert len({load(pem).public_key().public_numbers().n for pem in pems}) == 15


def test_projects_have_cas_of_their_own(client):
    other = client.steer("POST", "projects", {"name": "other"})["project_id"]
    authorities = [load(client.steer("GET", f"ca?project_id={p}")["pem"]) for p in (DEMO_PROJECT, other)]
    assert authorities[0].subject != authorities[1].subject
    assert authorities[0].public_key() != authorities[1].public_key()


def test_the_listed_id_is_the_serial_number_beyond_javascript(client):
    serial = load(client.create().text).serial_number
    (listed,) = client.list().json()["results"]
    assert listed["_id"] == serial
    assert 2**53 < serial < 2**63


def test_list_items_have_exactly_the_recorded_keys(client):
    certificate = load(client.create().text)
    (listed,) = client.list().json()["results"]
    assert sorted(listed) == ["_id", "createdAt", "groupId", "notAfter", "subject"]
    assert listed["groupId"] == DEMO_PROJECT and listed["subject"] == "CN=app"
    assert not_before(listed) == certificate.not_valid_before_utc.replace(tzinfo=None)
    assert listed["notAfter"] == certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_only_unexpired_certificates_are_listed_oldest_first(client):
    for days in (50, -1, 10, 80):
        client.steer("POST", "certificates", {"days_left": days})
    results = client.list().json()["results"]
    assert len(results) == 3
    assert results == sorted(results, key=not_before)


def test_a_certificate_outlives_its_user(client):
    client.create()
    client.steer("DELETE", "users", {"username": "app"})
    assert client.list().json()["errorCode"] == "USERNAME_NOT_FOUND"
    client.steer("POST", "users", {"username": "app"})
    assert client.list().json()["totalCount"] == 1


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ("2026-03-31", 3, "2026-06-30"),
        ("2027-11-30", 3, "2028-02-29"),
        ("2026-12-15", 1, "2027-01-15"),
        ("2026-01-31", 24, "2028-01-31"),
        ("2026-05-31", -3, "2026-02-28"),
    ],
)
def test_months_are_clamped_at_the_end_of_a_month(start, months, end):
    assert add_months(dt.datetime.fromisoformat(start), months) == dt.datetime.fromisoformat(end)


def test_a_certificate_can_be_older_than_it_is(client):
    issued_at = dt.datetime.now(dt.timezone.utc).replace(microsecond=0) - 40 * 24 * HOUR
    created_at, not_after = issued_at - HOUR, add_months(issued_at, 24)
    added = client.steer("POST", "certificates", {"issued_at": issued_at.isoformat().replace("+00:00", "Z"), "months": 24})
    certificate = load(added["pem"])
    assert added["serial"] == str(certificate.serial_number)
    assert added["pem"] == added["certificate"] + added["private_key"]
    assert (added["created_at"], added["not_after"]) == (f"{created_at:%Y-%m-%dT%H:%M:%SZ}", f"{not_after:%Y-%m-%dT%H:%M:%SZ}")
    assert certificate.not_valid_before_utc == created_at
    (listed,) = client.list().json()["results"]
    assert str(listed["_id"]) == added["serial"]


def test_a_playbooks_numbers_may_be_strings(client):
    added = client.steer("POST", "certificates", {"days_left": "10", "months": "2"})
    left = dt.datetime.strptime(added["not_after"], "%Y-%m-%dT%H:%M:%SZ") - dt.datetime.now(
        dt.timezone.utc
    ).replace(tzinfo=None)
    assert dt.timedelta(days=9, hours=23) < left <= dt.timedelta(days=10)


def in_twenty_days():
    """In whole seconds, as dates are shown."""
    return dt.datetime.now(dt.timezone.utc).replace(tzinfo=None, microsecond=0) + dt.timedelta(days=20)


def test_the_clock_shift_moves_the_date_header_the_dates_and_what_is_expired(client):
    client.steer("POST", "certificates", {"days_left": 10})
    client.steer("POST", "settings", {"clock_shift": 20 * 86400})
    before = in_twenty_days()
    answer = client.list()
    assert answer.json()["results"] == []
    shown = dt.datetime.strptime(answer.headers["Date"], "%a, %d %b %Y %H:%M:%S GMT")
    start = load(client.create().text).not_valid_before_utc.replace(tzinfo=None)
    assert before <= shown <= start + HOUR <= in_twenty_days()


@pytest.mark.filterwarnings("ignore:Attribute's length must be")
@pytest.mark.parametrize("username", ["a" * 1024, "ü/ß @+$,.%2F", "Ж" * 200, "with space", "?#&=", "日本語"])
def test_any_name_is_one_encoded_segment(client, atlas, username):
    client.steer("POST", "users", {"username": username})
    certificate = load(client.create(username).text)
    assert [part.value for part in certificate.subject] == [username]
    assert client.list(username).json()["results"][0]["subject"] == f"CN={username}"
    assert atlas.state.journal[-1].username == username


@pytest.mark.skipif(int(cryptography.__version__.partition(".")[0]) < 39, reason="cryptography before 39 checks every key that it reads")
def test_issuing_makes_no_key_and_checks_none(client, monkeypatch):
    """Either takes longer than a test."""
    made, read = [], []
    load = serialization.load_pem_private_key
    monkeypatch.setattr(rsa, "generate_private_key", lambda *given, **named: made.append(given))
    monkeypatch.setattr(serialization, "load_pem_private_key", lambda *given, **named: read.append(named) or load(*given, **named))
    certificates._pool.cache_clear()
    assert {client.create().status_code for dummy in range(5)} == {201}
    assert made == []
    assert read and all(named["unsafe_skip_rsa_key_validation"] for named in read)


def test_many_listed_certificates_are_made_without_signing(client, monkeypatch):
    signed = []
    sign = certificates.Authority.sign
    monkeypatch.setattr(certificates.Authority, "sign", lambda *given, **named: signed.append(given) or sign(*given, **named))
    made = client.steer("POST", "populate", {"projects": 20, "users": 50, "certificates": 2})
    assert signed == []
    client.create()
    assert len(signed) == 1
    assert len(made["projects"]) == 20 and made["users"] == 1000
    users = client.get(f"/api/atlas/v2/groups/{made['projects'][3]}/databaseUsers").json()
    assert users["totalCount"] == 50
    name = users["results"][0]["username"]
    assert client.list(name, made["projects"][3]).json()["totalCount"] == 2
