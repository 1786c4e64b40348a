# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routes, versions, pages, and every refusal."""

from __future__ import annotations

import datetime as dt
from urllib.parse import urlsplit

import pytest
from fake_atlas import DEMO_PROJECT, DEMO_PUBLIC_KEY
from fake_atlas.certificates import add_months
from fake_atlas.limits import Bucket, RateLimit

V1 = {"Accept": "application/json"}


def refusal(answer):
    """(status, errorCode) of an error in the service's form."""
    body = answer.json()
    assert answer.headers["Content-Type"] == "application/json"
    assert body["error"] == answer.status_code
    assert body.get("errorCode") == answer.headers.get("X-Error-Code")
    assert body["reason"]
    return answer.status_code, body.get("errorCode")


@pytest.mark.parametrize(
    ("version", "accept", "status"),
    [
        ("v2", "application/vnd.atlas.2023-01-01+json", 200),
        ("v2", "application/vnd.atlas.2025-03-12+json", 200),
        ("v2", "text/html, application/vnd.atlas.2024-02-30+json", 406),
        ("v2", "application/vnd.atlas.2022-12-31+json", 406),
        ("v2", "application/vnd.atlas.preview+json", 406),
        ("v2", "application/json", 406),
        ("v2", "*/*", 406),
        ("v2", None, 406),
        ("v1.0", "application/json", 200),
        ("v1.0", "*/*", 200),
        ("v1.0", "text/html", 406),
    ],
)
def test_v2_insists_on_a_version_in_accept(client, version, accept, status):
    answer = client.session.get(client.path(version=version), headers={"Accept": accept}, timeout=60)
    assert answer.status_code == status
    if status == 406:
        assert refusal(answer) == (406, None)


def test_later_dates_resolve_to_the_version_there_is(client):
    answer = client.list(headers={"Accept": "application/vnd.atlas.2025-03-12+json"})
    assert answer.headers["Content-Type"] == "application/vnd.atlas.2023-01-01+json;charset=utf-8"


def test_v1_answers_plain_json(client, atlas):
    made = client.session.post(client.path(version="v1.0"), json={}, headers=V1, timeout=60)
    listed = client.session.get(client.path(version="v1.0"), headers=V1, timeout=60)
    assert made.status_code == 201 and made.headers["Content-Type"] == "application/json"
    assert listed.headers["Content-Type"] == "application/json" and listed.json()["totalCount"] == 1
    assert {entry.api_version for entry in atlas.state.journal} == {"v1.0"}


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json; charset=utf-8", 201),
        ("application/vnd.atlas.2023-01-01+json", 201),
        ("text/plain", 415),
        (None, 415),
    ],
)
def test_a_body_must_be_declared_as_json(client, content_type, status):
    answer = client.create(json=None, data=b"{}", headers={"Content-Type": content_type})
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"monthsUntilExpiration": 0}', "ATTRIBUTE_NEGATIVE_OR_ZERO"),
        (b'{"monthsUntilExpiration": -3}', "ATTRIBUTE_NEGATIVE_OR_ZERO"),
        (b'{"monthsUntilExpiration": 25}', "CERT_EXPIRY_CANNOT_EXCEED_TWO_YEARS"),
        (b'{"monthsUntilExpiration": true}', "VALIDATION_ERROR"),
        (b'{"monthsUntilExpiration": "3"}', "VALIDATION_ERROR"),
        (b'{"monthsUntilExpiration": 3.0}', "VALIDATION_ERROR"),
        (b'{"monthsUntilExpiration": null}', "VALIDATION_ERROR"),
        (b'{"months": 3}', "INVALID_ATTRIBUTE"),
        (b"[]", "VALIDATION_ERROR"),
        (b"", "VALIDATION_ERROR"),
        (b"\xff", "VALIDATION_ERROR"),
    ],
)
def test_a_bad_body_issues_nothing(client, atlas, body, code):
    answer = client.create(json=None, data=body, headers={"Content-Type": "application/json"})
    assert refusal(answer) == (400, code)
    assert atlas.state.counters.issued == 0


def test_a_validation_error_names_the_field(client):
    fields = client.create(json={"monthsUntilExpiration": "x"}).json()["badRequestDetail"]["fields"]
    assert fields == [{"field": "monthsUntilExpiration", "description": "must be an integer"}]


@pytest.mark.parametrize(("body", "months"), [({}, 3), ({"monthsUntilExpiration": 24}, 24)])
def test_three_months_are_the_default(client, atlas, body, months):
    client.create(json=body)
    (made,) = atlas.state.projects[DEMO_PROJECT].certificates["app"]
    assert made.not_after == add_months(made.created_at + dt.timedelta(hours=1), months)


def test_an_unmanaged_user_gets_no_certificate(client):
    assert refusal(client.create("legacy")) == (400, "USER_NOT_MANAGED_X509")
    assert client.list("legacy").json()["results"] == []


def test_an_unknown_user_is_404_for_both_calls(client):
    assert refusal(client.create("nobody")) == (404, "USERNAME_NOT_FOUND")
    assert refusal(client.list("nobody")) == (404, "USERNAME_NOT_FOUND")


def test_a_project_with_self_managed_x509_issues_nothing(client):
    project = client.steer("POST", "projects", {"self_managed_x509": True})["project_id"]
    client.steer("POST", "users", {"project_id": project, "username": "app"})
    assert refusal(client.create(project=project)) == (400, "CANNOT_GENERATE_CERT_IF_ADVANCED_X509")


def test_the_limit_of_certificates_counts_the_unexpired(client):
    client.steer("POST", "settings", {"certificates_per_user": 2})
    client.steer("POST", "certificates", {"days_left": -1})
    assert [client.create().status_code for dummy in range(2)] == [201, 201]
    assert refusal(client.create()) == (400, "ATLAS_GENERATED_CERTS_LIMIT_EXCEEDED")


def test_reading_is_not_issuing(reader, atlas):
    assert reader.list().status_code == 200
    assert refusal(reader.create()) == (401, "USER_UNAUTHORIZED")
    assert atlas.state.counters.issued == 0


def test_projects_out_of_reach_are_401(client, atlas):
    mine = client.steer("POST", "projects", {})["project_id"]
    foreign = client.steer("POST", "projects", {"org_id": "0" * 24})["project_id"]
    atlas.call(
        atlas.state.add_credential,
        "api_key",
        DEMO_PUBLIC_KEY,
        client.session.auth.password,
        projects=[DEMO_PROJECT],
    )
    assert refusal(client.list(project=mine)) == (401, "NOT_IN_GROUP")
    assert refusal(client.list(project=foreign)) == (401, "USER_CANNOT_ACCESS_GROUP")
    assert [known["id"] for known in client.get("/api/atlas/v2/groups").json()["results"]] == [DEMO_PROJECT]


@pytest.mark.parametrize(
    ("project", "code"),
    [("f" * 24, "GROUP_NOT_FOUND"), ("F" * 24, "INVALID_GROUP_ID"), ("demo", "INVALID_GROUP_ID")],
)
def test_an_unknown_project_is_404(client, project, code):
    assert refusal(client.list(project=project)) == (404, code)


def test_an_address_off_the_access_list_is_403_and_named(client, atlas):
    atlas.call(
        atlas.state.add_credential,
        "api_key",
        DEMO_PUBLIC_KEY,
        client.session.auth.password,
        access_list=["192.0.2.0/24"],
    )
    answer = client.list()
    assert refusal(answer) == (403, "IP_ADDRESS_NOT_ON_ACCESS_LIST")
    assert answer.json()["parameters"] == ["127.0.0.1"]
    atlas.call(
        atlas.state.add_credential,
        "api_key",
        DEMO_PUBLIC_KEY,
        client.session.auth.password,
        access_list=["127.0.0.0/8"],
    )
    assert client.list().status_code == 200


def test_a_project_can_require_an_access_list(client):
    project = client.steer("POST", "projects", {"requires_access_list": True})["project_id"]
    answer = client.list(project=project)
    assert refusal(answer) == (403, "ORG_REQUIRES_ACCESS_LIST")
    assert answer.json()["parameters"] == ["127.0.0.1"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/atlas/v2/groups/{0}/databaseUsers/a/b/certs",
        "/api/atlas/v2/groups/{0}/databaseUsers//certs",
        "/api/atlas/v2/groups/{0}/databaseUsers/app/certs/",
        "/api/atlas/v3/groups/{0}/databaseUsers/app/certs",
        "/api/atlas/v2/groups/{0}/userSecurity/customerX509",
        "/",
    ],
)
def test_an_extra_slash_is_another_resource(client, path):
    assert refusal(client.get(path.format(DEMO_PROJECT))) == (404, "RESOURCE_NOT_FOUND")


@pytest.mark.parametrize("name", ["a%ZZ", "%ff", "a|b", 'a"b', "%2"])
def test_a_badly_encoded_name_is_refused(client, name):
    """With a ready-made token, since nobody answers a challenge here."""
    token = client.steer("POST", "tokens", {})["access_token"]
    request = (
        f"GET /api/atlas/v2/groups/{DEMO_PROJECT}/databaseUsers/{name}/certs HTTP/1.1\r\n"
        f"Host: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    )
    with client.connect(request) as connection:
        assert connection.makefile("rb").readline().split()[1] == b"400"


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH", "HEAD"])
def test_there_is_no_other_operation_on_certificates(client, method):
    answer = client.session.request(method, client.path(), timeout=60)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, POST"


def add_users(client, count):
    for number in range(count):
        client.steer("POST", "users", {"username": f"u{number}"})


def test_pages_hold_everything_once(client):
    for dummy in range(5):
        client.steer("POST", "certificates", {"days_left": 10})
    pages = [client.list(params={"itemsPerPage": 2, "pageNum": number}).json() for number in (1, 2, 3, 4)]
    assert [len(page["results"]) for page in pages] == [2, 2, 1, 0]
    assert {page["totalCount"] for page in pages} == {5}
    assert len({item["_id"] for page in pages for item in page["results"]}) == 5
    relations = [[link["rel"] for link in page["links"]] for page in pages]
    assert relations == [
        ["self", "next"],
        ["self", "previous", "next"],
        ["self", "previous"],
        ["self", "previous"],
    ]


def test_the_self_link_echoes_the_paging(client):
    (link,) = client.list(params={"includeCount": "false", "itemsPerPage": 7}).json()["links"]
    assert link == {
        "href": client.path() + "?includeCount=false&pageNum=1&itemsPerPage=7",
        "rel": "self",
    }


def test_the_next_link_leads_to_the_next_page(client):
    add_users(client, 3)
    page = client.get(f"/api/atlas/v2/groups/{DEMO_PROJECT}/databaseUsers?itemsPerPage=3").json()
    following = next(link["href"] for link in page["links"] if link["rel"] == "next")
    rest = client.session.get(following, timeout=60).json()
    assert [user["username"] for user in page["results"] + rest["results"]] == [
        "app",
        "legacy",
        "u0",
        "u1",
        "u2",
    ]


def test_a_full_last_page_has_no_next(client):
    path = f"/api/atlas/v2/groups/{DEMO_PROJECT}/databaseUsers?itemsPerPage=2"
    assert [link["rel"] for link in client.get(path).json()["links"]] == ["self"]


def test_the_default_page_holds_a_hundred_and_the_largest_five_hundred(client):
    project = client.steer("POST", "populate", {"users": 501})["projects"][0]
    path = f"/api/atlas/v2/groups/{project}/databaseUsers"
    assert len(client.get(path).json()["results"]) == 100
    assert len(client.get(path + "?itemsPerPage=500").json()["results"]) == 500


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("pageNum=0", "INVALID_ATTRIBUTE"),
        ("pageNum=x", "INVALID_ATTRIBUTE"),
        ("pageNum=-1", "INVALID_ATTRIBUTE"),
        ("itemsPerPage=0", "INVALID_ATTRIBUTE"),
        ("itemsPerPage=501", "INVALID_ATTRIBUTE"),
        ("includeCount=yes", "INVALID_ATTRIBUTE"),
        ("envelope=1", "INVALID_ATTRIBUTE"),
        ("limit=3", "INVALID_QUERY_PARAMETER"),
        ("pageNum=1&pageNum=2", "INVALID_QUERY_PARAMETER"),
    ],
)
def test_a_bad_query_is_refused(client, query, code):
    assert refusal(client.session.get(f"{client.path()}?{query}", timeout=60)) == (400, code)


def test_the_count_can_be_left_out(client):
    assert "totalCount" not in client.list(params={"includeCount": "false"}).json()


def test_an_envelope_holds_the_status(client):
    made = client.create(params={"envelope": "true"}).json()
    assert made["status"] == 201 and made["content"].startswith("-----BEGIN CERTIFICATE-----\n")
    listed = client.list(params={"envelope": "true"}).json()
    assert listed["status"] == 200 and listed["totalCount"] == 1


def test_pretty_is_for_people(client):
    assert "\n" not in client.list().text
    assert '\n  "results"' in client.list(params={"pretty": "true"}).text


def test_users_are_listed_with_how_they_log_in(client):
    users = client.get(f"/api/atlas/v2/groups/{DEMO_PROJECT}/databaseUsers").json()["results"]
    assert [(u["username"], u["x509Type"], u["databaseName"]) for u in users] == [
        ("app", "MANAGED", "$external"),
        ("legacy", "NONE", "admin"),
    ]
    assert set(users[0]) == {
        "awsIAMType",
        "databaseName",
        "groupId",
        "ldapAuthType",
        "links",
        "oidcAuthType",
        "roles",
        "scopes",
        "username",
        "x509Type",
    }


def test_projects_are_listed(client):
    (project,) = client.get("/api/atlas/v2/groups").json()["results"]
    assert (project["id"], project["name"]) == (DEMO_PROJECT, "demo") and len(project["orgId"]) == 24


def test_the_bucket_empties_for_both_calls_together(client):
    client.steer("POST", "settings", {"rate_limit": {"capacity": 3}})
    answers = [client.list(), client.create(), client.list(), client.create()]
    assert [answer.headers["Ratelimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert refusal(answers[-1]) == (429, "RATE_LIMITED_TOKEN_BUCKET")
    path, wait, capacity, refill, period = answers[-1].json()["parameters"]
    assert path == urlsplit(client.path()).path.lstrip("/")
    assert 0 < wait <= 60 and (capacity, refill, period) == (3, 500, 60)
    assert (
        answers[-1]
        .json()["detail"]
        .endswith(f"Please retry after {wait} seconds. Request capacity: 3. Refill rate: 500 per 60 seconds.")
    )
    assert "Retry-After" not in answers[-1].headers


def test_each_project_has_a_bucket_and_other_resources_have_none(client):
    other = client.steer("POST", "projects", {})["project_id"]
    client.steer("POST", "users", {"project_id": other, "username": "app"})
    client.steer("POST", "settings", {"rate_limit": {"capacity": 1}})
    assert [client.list().status_code, client.list().status_code] == [200, 429]
    assert client.list(project=other).status_code == 200
    assert client.get("/api/atlas/v2/groups").status_code == 200


def test_retry_after_comes_when_configured(client):
    client.steer("POST", "settings", {"rate_limit": {"capacity": 1, "retry_after_header": True}})
    client.list()
    assert 0 < int(client.list().headers["Retry-After"]) <= 60


def test_the_bucket_is_refilled_after_a_period():
    limit = RateLimit(capacity=2, refill=1, period=60)
    bucket = Bucket(2, 0)
    assert [bucket.take(limit, now) for now in (0, 1, 5, 59.5, 60, 60)] == [None, None, 55, 1, None, 60]
    assert [bucket.take(limit, 600), bucket.take(limit, 600), bucket.take(limit, 600)] == [None, None, 60]


def test_the_recorded_headers_are_there(client):
    answer = client.list()
    assert (answer.headers["Ratelimit-Limit"], answer.headers["Ratelimit-Remaining"]) == ("1200", "1199")
