# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the user reads for every way in which Atlas says no. The table is that of the published and the recorded errors."""

from __future__ import annotations

import json

import pytest
from ansible_collections.atlas.x509.plugins.module_utils._advice import Context, sentence
from ansible_collections.atlas.x509.plugins.module_utils._errors import Failure
from ansible_collections.atlas.x509.plugins.module_utils._failure import failure_of
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st

PROJECT = "64b7f0c2a1d3e4f5a6b7c8d9"
READ = Context(PROJECT, "app", "private_api_key from the environment", False)
WRITE = READ._replace(writing=True)
bounded = settings(derandomize=True, max_examples=examples(100), database=None)


def answer(status, **body):
    return failure_of(status, {}, json.dumps(dict(body, error=status)).encode())


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (400, "USER_NOT_MANAGED_X509", ["'app'", "x509Type", "MANAGED"]),
        (400, "CANNOT_GENERATE_CERT_IF_ADVANCED_X509", [PROJECT, "self-managed", "certificate authority"]),
        (400, "CERT_EXPIRY_CANNOT_EXCEED_TWO_YEARS", ["months_until_expiration", "1 to 24"]),
        (400, "ATTRIBUTE_NEGATIVE_OR_ZERO", ["months_until_expiration", "1 to 24"]),
        (400, "INVALID_ATTRIBUTE", ["said so"]),
        (400, "VALIDATION_ERROR", ["said so"]),
        (400, "ATLAS_GENERATED_CERTS_LIMIT_EXCEEDED", ["'app'", "wait until some expire"]),
        (401, "UNEXPECTED_ERROR", ["does not accept", "private_api_key from the environment"]),
        (401, "USER_UNAUTHORIZED", ["valid", "no role", PROJECT, "Project Read Only"]),
        (401, "NOT_IN_GROUP", ["valid", "no role", "organization"]),
        (401, "USER_CANNOT_ACCESS_GROUP", ["valid", "no role", "organization"]),
        (403, "IP_ADDRESS_NOT_ON_ACCESS_LIST", ["203.0.113.9", "access list", "add it"]),
        (403, "ORG_REQUIRES_ACCESS_LIST", ["access list", "create one"]),
        (404, "GROUP_NOT_FOUND", [PROJECT, "project_id"]),
        (404, "INVALID_GROUP_ID", [PROJECT, "project_id"]),
        (404, "USERNAME_NOT_FOUND", ["'app'", "create it"]),
        (404, "USER_NOT_FOUND", ["'app'", "create it"]),
        (405, "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES", ["maintenance", "nothing was done", "later"]),
        (406, None, ["api_version"]),
        (409, "MADE_UP", ["said so"]),
        (410, "VERSION_GONE", ["api_version", "update the collection"]),
        (429, "RATE_LIMITED", ["rate", "retries"]),
        (429, "RATE_LIMITED_TOKEN_BUCKET", ["rate", "retries", "said so"]),
        (500, "UNEXPECTED_ERROR", ["said so"]),
        (503, "SERVICE_UNAVAILABLE", ["unavailable", "later"]),
    ],
)
def test_an_error_of_atlas_is_one_sentence_that_says_what_to_do(status, code, words):
    body = {"detail": "it said so", "parameters": ["203.0.113.9"]}
    failure = answer(status, **(dict(body, errorCode=code) if code else body))
    text = sentence(failure, READ)
    assert [word for word in words if word not in text] == []
    assert f"[HTTP {status}" in text
    assert (code or "HTTP") in text
    assert "\n" not in text and "{" not in text


def test_who_may_not_list_projects_is_not_told_of_a_project_without_a_name():
    for code in ("USER_UNAUTHORIZED", "NOT_IN_GROUP", "USER_CANNOT_ACCESS_GROUP"):
        text = sentence(answer(401, errorCode=code), READ._replace(project_id="", username=""))
        assert "valid, but may not list projects" in text and "project_ids" in text
        assert "project  " not in text


def test_who_writes_needs_another_role_than_who_reads():
    failure = answer(401, errorCode="USER_UNAUTHORIZED")
    assert "Project Owner" in sentence(failure, WRITE) and "Project Owner" not in sentence(failure, READ)


def test_the_address_is_this_machines_where_atlas_does_not_name_it():
    assert "the address of this machine is not on the API access list" in sentence(answer(403, errorCode="IP_ADDRESS_NOT_ON_ACCESS_LIST"), READ)


def test_a_login_that_fails_names_the_two_options():
    body = b'{"error": "invalid_client", "error_description": "Client authentication failed"}'
    failure = failure_of(401, {}, body)
    assert failure == Failure(401, "invalid_client", "Client authentication failed", None)
    text = sentence(failure, READ)
    assert "client_id" in text and "client_secret" in text


@pytest.mark.parametrize("status", [404, 407, 502, 503])
def test_a_proxys_page_is_told_from_an_answer_of_atlas(status):
    failure = failure_of(status, {}, b"<html><head><TITLE>Access\n  denied</TITLE></head></html>")
    assert failure == Failure(status, None, "Access denied", None)
    text = sentence(failure, READ)
    assert "proxy" in text and "base_url" in text and "Access denied" in text


@pytest.mark.parametrize("status", [403, 502])
def test_a_page_that_forbids_is_not_blamed_on_the_credentials(status):
    text = sentence(failure_of(status, {}, b"<html><title>Blocked by policy</title>"), READ)
    assert "proxy" in text and "Blocked by policy" in text
    assert "to the credentials" not in text


@pytest.mark.parametrize("body", [b"", b"gone", b"<title>", b"</title><title>", b"[]", b"null", b'"x"', b"\xff\xfe", b"{", b"1" * 5000])
def test_any_other_page_has_a_status_and_nothing_else(body):
    assert failure_of(502, {}, body) == Failure(502)
    assert "HTTP 502" in sentence(failure_of(502, {}, body), READ)


def test_a_page_of_any_size_becomes_a_short_message():
    page = failure_of(502, {}, b"<title>" + b"x" * 4000 + b"</title>")
    assert len(sentence(page, READ)) < 1000
    assert len(sentence(answer(400, errorCode="X", detail="y" * 100000), READ)) < 1000


def test_braces_in_what_atlas_says_are_quoted_as_they_are():
    text = sentence(answer(400, errorCode="X", detail="{project_id} {0} {"), READ)
    assert "{project_id} {0} {" in text
    assert "'{credentials}'" in sentence(answer(404, errorCode="USER_NOT_FOUND"), READ._replace(username="{credentials}"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["error", "errorCode", "detail", "reason", "parameters", "error_description", "x"]), inner, max_size=5),
    max_leaves=8,
)


@settings(bounded, max_examples=examples(200))
@given(st.sampled_from([307, 400, 401, 403, 404, 429, 500, 502]), st.one_of(st.binary(max_size=60), json_values.map(lambda value: json.dumps(value).encode())))
def test_any_body_becomes_data_and_one_sentence(status, body):
    failure = failure_of(status, {}, body)
    assert failure.status == status
    assert failure.code is None or isinstance(failure.code, str)
    assert failure.detail is None or isinstance(failure.detail, str)
    assert f"HTTP {status}" in sentence(failure, WRITE)
