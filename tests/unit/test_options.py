# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How to reach Atlas: what is refused in which words, and where credentials come from."""

from __future__ import annotations

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.atlas.x509.plugins.module_utils import _options
from ansible_collections.atlas.x509.plugins.module_utils._errors import OptionError
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from requests import certs

PROJECT = "64b7f0c2a1d3e4f5a6b7c8d9"
TOKEN = {"access_token": "token-from-options"}
ACCOUNT = {"client_id": "account-from-options", "client_secret": "account-secret-from-options"}
KEY = {"public_api_key": "key-from-options", "private_api_key": "key-secret-from-options"}
ENV_TOKEN = {"MONGODB_ATLAS_ACCESS_TOKEN": "token-from-environment"}
ENV_ACCOUNT = {"MONGODB_ATLAS_CLIENT_ID": "account-from-environment", "MONGODB_ATLAS_CLIENT_SECRET": "account-secret-from-environment"}
ENV_KEY = {"MONGODB_ATLAS_PUBLIC_API_KEY": "key-from-environment", "MONGODB_ATLAS_PRIVATE_API_KEY": "key-secret-from-environment"}
ENV_ALIAS = {"MONGODB_ATLAS_PUBLIC_KEY": "alias-from-environment", "MONGODB_ATLAS_PRIVATE_KEY": "alias-secret-from-environment"}
bounded = settings(derandomize=True, max_examples=examples(100), database=None)


def options(**given):
    """The options as a module gets them: by way of the argument spec, with its defaults and types."""
    validated = ArgumentSpecValidator(_options.SPEC).validate(given)
    assert validated.error_messages == []
    return validated.validated_parameters


def connect(environment=(), **given):
    return _options.connection(options(**given), dict(environment))


def refused(environment=(), **given):
    with pytest.raises(OptionError) as caught:
        connect(environment, **given)
    assert caught.value.failure is None
    return caught.value.message


def chosen(environment=(), **given):
    credentials = connect(environment, **given).credentials
    return credentials.public, credentials.secret


# Credentials

@pytest.mark.parametrize(
    ("given", "environment", "expected"),
    [
        pytest.param(TOKEN, {}, ("token-from-options",) * 2, id="a token"),
        pytest.param(ACCOUNT, {}, tuple(ACCOUNT.values()), id="a service account"),
        pytest.param(KEY, {}, tuple(KEY.values()), id="an API key"),
        pytest.param({"public_key": "aliased!", "private_key": "aliased-secret"}, {}, ("aliased!", "aliased-secret"), id="an API key by its other names"),
        pytest.param({**TOKEN, **ACCOUNT}, {}, ("token-from-options",) * 2, id="a token before a service account"),
        pytest.param({**TOKEN, **KEY}, {}, ("token-from-options",) * 2, id="a token before an API key"),
        pytest.param({}, ENV_TOKEN, ("token-from-environment",) * 2, id="a token from the environment"),
        pytest.param({}, ENV_ACCOUNT, tuple(ENV_ACCOUNT.values()), id="a service account from the environment"),
        pytest.param({}, ENV_KEY, tuple(ENV_KEY.values()), id="an API key from the environment"),
        pytest.param({}, ENV_ALIAS, tuple(ENV_ALIAS.values()), id="an API key from the environment by its other names"),
        pytest.param({}, {**ENV_KEY, **ENV_ALIAS}, tuple(ENV_KEY.values()), id="the first name of the environment before the other"),
        pytest.param({}, {**ENV_TOKEN, **ENV_ACCOUNT, **ENV_KEY}, ("token-from-environment",) * 2, id="in the environment a token first"),
        pytest.param({}, {**ENV_ACCOUNT, **ENV_KEY}, tuple(ENV_ACCOUNT.values()), id="in the environment an account before a key"),
        pytest.param(KEY, {**ENV_TOKEN, **ENV_ACCOUNT}, tuple(KEY.values()), id="a key from the options before a token from the environment"),
        pytest.param({}, {**ENV_KEY, "MONGODB_ATLAS_CLIENT_ID": "half"}, tuple(ENV_KEY.values()), id="half an account hides no key"),
        pytest.param({}, {**ENV_KEY, "MONGODB_ATLAS_ACCESS_TOKEN": ""}, tuple(ENV_KEY.values()), id="an empty variable is none"),
        pytest.param({"access_token": "", **KEY}, {}, tuple(KEY.values()), id="an empty option is none"),
        pytest.param({"client_id": "", "client_secret": "", **KEY}, {}, tuple(KEY.values()), id="an empty account is no second kind"),
        pytest.param({"client_id": "half-from-options"}, ENV_KEY, tuple(ENV_KEY.values()), id="half an account in the options leaves the environment whole"),
    ],
)  # fmt: skip
def test_the_credentials_are(given, environment, expected):
    assert chosen(environment, **given) == expected


@pytest.mark.parametrize(
    ("given", "environment", "words"),
    [
        pytest.param({**ACCOUNT, **KEY}, {}, ["client_id", "public_api_key", "both"], id="an account and a key"),
        pytest.param({"client_id": "x", "private_api_key": "long-enough"}, {}, ["client_id", "public_api_key", "both"], id="half of each"),
        pytest.param({**TOKEN, **ACCOUNT, **KEY}, {}, ["client_id", "public_api_key", "both"], id="all three"),
        pytest.param({"client_id": "x"}, {}, ["client_secret: missing"], id="an account without its secret"),
        pytest.param({"client_secret": "long-enough"}, {}, ["client_id: missing"], id="an account without its name"),
        pytest.param({"public_api_key": "x"}, {}, ["private_api_key: missing"], id="a key without its private half"),
        pytest.param({"private_api_key": "long-enough"}, {}, ["public_api_key: missing"], id="a key without its public half"),
        pytest.param({}, {"MONGODB_ATLAS_CLIENT_ID": "x"}, ["MONGODB_ATLAS_CLIENT_SECRET: missing"], id="half an account in the environment"),
        pytest.param({}, {"MONGODB_ATLAS_PRIVATE_KEY": "y"}, ["MONGODB_ATLAS_PUBLIC_API_KEY: missing"], id="half a key in the environment"),
        pytest.param(
            {"client_id": "x"}, {"MONGODB_ATLAS_CLIENT_SECRET": "environment-secret"}, ["client_secret: missing"],
            id="the halves of an account are not put together",
        ),
        pytest.param(
            {"private_api_key": "long-enough"}, {"MONGODB_ATLAS_PUBLIC_API_KEY": "environment-key"}, ["public_api_key: missing"],
            id="the halves of a key are not put together",
        ),
        pytest.param({}, {}, ["client_id", "access_token", "MONGODB_ATLAS_PUBLIC_API_KEY", "controller", "where the module runs"], id="none at all"),
        pytest.param({"access_token": "1234567"}, {}, ["access_token, from the options", "shorter than 8"], id="a token of seven characters"),
        pytest.param({"client_id": "x", "client_secret": "1"}, {}, ["client_secret, from the options", "shorter than 8"], id="a short client secret"),
        pytest.param(
            {"public_api_key": "x", "private_api_key": "2026"}, {}, ["private_api_key, from the options", "shorter than 8"], id="a short private key"
        ),
        pytest.param(
            {}, {"MONGODB_ATLAS_ACCESS_TOKEN": "2026"}, ["access_token, from the environment", "shorter than 8"],
            id="a short token in the environment",
        ),
        pytest.param({"access_token": "a-good-token\n"}, {}, ["access_token, from the options", "line ends"], id="a token with a line end"),
        pytest.param({"access_token": "a-good\r\nX-Injected: token"}, {}, ["access_token", "line ends"], id="a token with a header in it"),
        pytest.param({"client_id": "x", "client_secret": " secret-secret"}, {}, ["client_secret", "blanks"], id="a secret that begins with a blank"),
        pytest.param({"client_id": "x\n", "client_secret": "secret-secret"}, {}, ["line ends"], id="a name with a line end"),
        pytest.param({"access_token": "tökentökentöken"}, {}, ["access_token", "characters"], id="a token with an umlaut"),
        pytest.param({"access_token": "token\0token"}, {}, ["access_token", "characters"], id="a token with a NUL"),
        pytest.param({}, {"MONGODB_ATLAS_ACCESS_TOKEN": "   "}, ["access_token, from the environment", "blanks"], id="a token of blanks"),
    ],
)  # fmt: skip
def test_credentials_are_refused_in_words_that_name_the_option(given, environment, words):
    message = refused(environment, **given)
    assert [word for word in words if word not in message] == []


def test_a_secret_of_eight_characters_is_long_enough():
    assert chosen(access_token="1234567x") == ("1234567x",) * 2


@pytest.mark.parametrize("given", [{"access_token": "s3cr3t\nbad"}, {"client_id": "x", "client_secret": "s3cr3t "}, {"access_token": "s3cr3t"}])
def test_a_refused_secret_is_not_quoted(given):
    assert "s3cr3t" not in refused(**given)


def test_credentials_do_not_show_themselves():
    for shown in (repr(connect(**KEY)), str(connect(**KEY).credentials), f"{connect(**TOKEN)}"):
        assert "secret-from" not in shown and "token-from" not in shown


def test_a_secret_beside_the_one_in_use_is_not_too_short_to_be_masked():
    # Ansible masks every option marked no_log, used or not: "1" would tear holes into every date.
    message = refused(**TOKEN, client_id="x", client_secret="1")
    assert "client_secret" in message and "shorter than 8" in message


def test_the_secrets_of_the_environment_are_known_for_masking():
    everything = {**ENV_TOKEN, **ENV_ACCOUNT, **ENV_KEY, **ENV_ALIAS}
    masked = set(_options.environment_secrets(everything))
    assert masked == {
        "token-from-environment", "account-secret-from-environment", "key-secret-from-environment", "alias-secret-from-environment",
    }  # fmt: skip


def test_an_empty_variable_is_not_masked():
    assert _options.environment_secrets({"MONGODB_ATLAS_ACCESS_TOKEN": ""}) == []


def test_a_short_variable_is_not_masked_because_it_would_tear_holes_into_dates():
    # It is never used (a secret this short is refused), but it may stand there beside credentials from the options.
    assert _options.environment_secrets({**ENV_ACCOUNT, "MONGODB_ATLAS_PRIVATE_KEY": "2026"}) == ["account-secret-from-environment"]


# The address

@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (None, "https://cloud.mongodb.com"),
        ("", "https://cloud.mongodb.com"),
        ("https://cloud.mongodbgov.com", "https://cloud.mongodbgov.com"),
        ("https://cloud.mongodb.com/", "https://cloud.mongodb.com"),
        ("  https://cloud.mongodb.com//  ", "https://cloud.mongodb.com"),
        ("HTTPS://cloud.mongodb.com:443", "https://cloud.mongodb.com:443"),
        ("https://gateway.example/atlas/", "https://gateway.example/atlas"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.255.0.1", "http://127.255.0.1"),
        ("http://localhost:1", "http://localhost:1"),
        ("http://LOCALHOST", "http://LOCALHOST"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
    ],
)
def test_the_address_is(url, expected):
    assert connect(**KEY, base_url=url).base_url == expected


def test_the_address_comes_from_the_option_before_the_environment():
    environment = {"MONGODB_ATLAS_BASE_URL": "https://from.environment/"}
    assert connect(environment, **KEY).base_url == "https://from.environment"
    assert connect(environment, **KEY, base_url="https://from.option").base_url == "https://from.option"


@pytest.mark.parametrize(
    "url",
    [
        "http://cloud.mongodb.com",
        "HTTP://cloud.mongodb.com",
        "http://10.0.0.1",
        "http://128.0.0.1",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://example.com/127.0.0.1",
        "http://[::2]",
        "http://0.0.0.0",
        "http://1127.0.0.1",
    ],
)
def test_http_to_another_machine_is_refused(url):
    assert refused(**KEY, base_url=url).startswith("base_url: http would send")


def test_http_to_another_machine_is_refused_from_the_environment_too():
    assert refused({"MONGODB_ATLAS_BASE_URL": "http://cloud.mongodb.com"}, **KEY).startswith("base_url: http would send")


@pytest.mark.parametrize(
    "url",
    [
        "cloud.mongodb.com",
        "ftp://cloud.mongodb.com",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://cloud.mongodb.com?x=1",
        "https://cloud.mongodb.com#x",
        "https://cloud.mongodb.com:port",
        "https://cloud.mongodb.com:99999",
        "https://[::1",
        "//cloud.mongodb.com",
        "   ",
    ],
)
def test_what_is_no_address_is_refused(url):
    assert refused(**KEY, base_url=url).startswith("base_url: ")


@pytest.mark.parametrize(
    "url",
    [
        "https://user:s3cr3t-password@cloud.mongodb.com",
        "http://user:s3cr3t-password@127.0.0.1",
        "http://127.0.0.1@s3cr3t-password.example",
        "https://user:s3cr3t-password@",
        "https://user:s3cr3t-password/with-a-slash@cloud.mongodb.com",
        "https://user:s3cr3t-password@cloud.mongodb.com:99999",
        "https://user:s3cr3t-password[@cloud.mongodb.com",
    ],
)
def test_a_password_in_the_address_is_refused_and_not_repeated(url):
    message = refused(**KEY, base_url=url)
    assert message.startswith("base_url: ")
    assert "s3cr3t-password" not in message


@settings(bounded, max_examples=examples(300))
@given(st.one_of(st.text(max_size=30), st.from_regex(r"\Ahttps?://[\w@:.\[\]/?#\\]{0,20}\Z")))
def test_any_text_is_an_address_or_an_option_error(text):
    try:
        url = connect(**KEY, base_url=text).base_url
    except OptionError as error:
        assert error.message.startswith("base_url: ")
    else:
        assert url.startswith("https://") or url.lower().startswith(("http://127.", "http://localhost", "http://[::1]"))


# The rest

@pytest.mark.parametrize(("name", "value"), [("timeout", 0), ("timeout", -1), ("timeout", 3601), ("retries", -1), ("retries", 21)])
def test_a_number_out_of_range_is_refused_by_its_name(name, value):
    message = refused(**KEY, **{name: value})
    assert message.startswith(name + ": ") and str(value) in message


@pytest.mark.parametrize(("name", "value"), [("timeout", 1), ("timeout", 3600), ("retries", 0), ("retries", 20)])
def test_a_number_at_the_edge_of_its_range_is_taken(name, value):
    assert getattr(connect(**KEY, **{name: value}), name) == value


@pytest.mark.parametrize(
    ("version", "media_type"), [(None, "application/vnd.atlas.2023-01-01+json"), ("v2", "application/vnd.atlas.2023-01-01+json"), ("v1.0", "application/json")]
)
def test_each_version_of_the_api_has_its_media_type(version, media_type):
    assert connect(**KEY, **({"api_version": version} if version else {})).media_type == media_type


@pytest.mark.parametrize(
    ("given", "verify"),
    [
        ({}, True),
        ({"ca_path": ""}, True),
        ({"ca_path": certs.where()}, certs.where()),
        ({"validate_certs": False}, False),
        ({"validate_certs": False, "ca_path": "/ca.pem"}, False),
    ],
)
def test_certificates_of_the_service_are_checked_unless_that_was_turned_off(given, verify):
    assert connect(**KEY, **given).verify == verify


@pytest.mark.parametrize(
    ("content", "why"), [(None, "No such file or directory"), ("", "it holds no certificates"), ("notes", "it holds no certificates")]
)
def test_authorities_that_cannot_be_read_are_refused_before_anything_is_sent(tmp_path, content, why):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(OptionError) as caught:
        connect(**KEY, ca_path=str(path))
    assert caught.value.message == f"ca_path: {path} cannot be used: {why}"


@pytest.mark.parametrize(
    "value",
    ["x" * 24, PROJECT[:-1], PROJECT + "0", PROJECT.upper(), PROJECT + "\n", " " + PROJECT, "project", "64b7f0c2-a1d3-e4f5-a6b7-c8d9", "../" + PROJECT[:21]],
)
def test_a_project_id_has_24_hexadecimal_digits(value):
    with pytest.raises(OptionError, match=r"(?s)^project_id: .*24 hexadecimal digits"):
        _options.project_id(options(project_id=value), {})
    with pytest.raises(OptionError, match=r"(?s)^project_id: .*24 hexadecimal digits"):
        _options.project_id(options(), {"MONGODB_ATLAS_PROJECT_ID": value})


def test_a_project_comes_from_the_option_before_the_environment():
    environment = {"MONGODB_ATLAS_PROJECT_ID": "a" * 24}
    assert _options.project_id(options(project_id=PROJECT), environment) == PROJECT
    assert _options.project_id(options(project_id=""), environment) == "a" * 24


def test_a_missing_project_names_the_option_and_the_variable():
    with pytest.raises(OptionError, match=r"^project_id: missing; .*MONGODB_ATLAS_PROJECT_ID"):
        _options.project_id(options(), {"MONGODB_ATLAS_PROJECT_ID": ""})


@pytest.mark.parametrize("name", ["app", "Müller", "a/b", "a b", "svc@example.org", "CN=app,O=Acme", "+", "...", "x" * 1024, "名前"])
def test_a_user_name_is_taken_as_it_was_given(name):
    assert _options.username(name) == name


@pytest.mark.parametrize("name", [None, "", " ", "\t\n", "x" * 1025, "a\nb", "a\0b", "\ud800", ".", ".."])
def test_a_name_that_no_user_can_have_is_refused_by_its_option(name):
    with pytest.raises(OptionError, match=r"^usernames: "):
        _options.username(name, "usernames")


@pytest.mark.parametrize(
    "secret", ["5433027191242719574", "64b7f0c2a1d3e4f5a6b7c8d9", "4B65A1C0", "2026-11-22T08:00:00Z", "20261122", "certificate", "none_unexpired"]
)
@pytest.mark.parametrize("source", ["options", "environment", "options, unused"])
def test_a_secret_that_could_be_a_part_of_a_serial_a_date_or_a_sentence_is_refused(secret, source):
    """Ansible would mask it in what we return, which is then wrong without looking wrong."""
    options = {"options": {"access_token": secret}, "environment": {}, "options, unused": {"access_token": "a-good-token", "private_api_key": secret}}[source]
    environment = {"MONGODB_ATLAS_ACCESS_TOKEN": secret} if source == "environment" else {}
    with pytest.raises(OptionError, match="nothing but a number, a date or a word") as refusal:
        _options.connection({"timeout": 60, "retries": 4, "validate_certs": True, "api_version": "v2", **options}, environment)
    assert secret not in refusal.value.message
    assert _options.environment_secrets(environment) == [], "what is refused is not masked either: the message would suffer"


@pytest.mark.parametrize("name", ["username", "path", "project_id", "base_url"])
def test_a_secret_that_is_a_part_of_another_option_is_refused(name):
    options = {"access_token": "app-PROD-7", name: "https://app-PROD-7.example" if name == "base_url" else "/the-app-PROD-7.pem"}
    with pytest.raises(OptionError, match=f"access_token, from the options: it is a part of {name}"):
        _options.connection({"timeout": 60, "retries": 4, "validate_certs": True, "api_version": "v2", **options}, {})


@pytest.mark.parametrize(
    ("base_url", "masked"),
    [
        ("https://cloud.mongodb.com", []), (None, []), ("https://who:pass-w0rd@host", ["pass-w0rd"]), ("https://a-token@host/x", ["a-token"]),
        ("https://who:p@ss@host", ["p@ss"]), ("https://who:pa/ss@host/x", ["pa/ss"]), ("who:pass-w0rd@host", ["pass-w0rd"]),
    ],
)
def test_a_password_in_the_url_is_masked_although_it_is_refused(base_url, masked):
    assert _options.misplaced_secrets({"base_url": base_url}) == masked
