# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked for is checked before anything is sent, in words that name the option."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.atlas.x509.plugins.module_utils import _file_options, _options, _time
from ansible_collections.atlas.x509.plugins.module_utils._errors import OptionError
from ansible_collections.atlas.x509.plugins.module_utils._request import SPEC, request
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st

PROJECT = "64b7f0c2a1d3e4f5a6b7c8d9"
NOBODY = 65534
bounded = settings(derandomize=True, max_examples=examples(100), database=None)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def validate(given):
    """The options by way of the argument spec of the module, with its defaults and types."""
    return ArgumentSpecValidator({**_options.SPEC, **_file_options.SPEC, **SPEC}).validate(given)


def ask(path="/mongodb.pem", **given):
    validated = validate({"username": "app", "project_id": PROJECT, "path": str(path), **given})
    assert validated.error_messages == []
    return request(validated.validated_parameters, {})


def refused(path="/mongodb.pem", **given):
    with pytest.raises(OptionError) as caught:
        ask(path, **given)
    return caught.value.message


@contextlib.contextmanager
def nobody():
    """For the kernel and for us, somebody without privileges, really."""
    if os.geteuid() != 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


@pytest.fixture
def directory():
    """A directory that everybody can reach, unlike tmp_path."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    yield made
    made.chmod(0o700)
    shutil.rmtree(made)


# The spec

@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"username": "app"}, ["path", "missing"]),
        ({"path": "/x"}, ["username", "missing"]),
        ({"username": "app", "path": "/x", "months_until_expiration": "three"}, ["months_until_expiration", "convert to int"]),
        ({"username": "app", "path": "/x", "on_orphan": "ignore"}, ["on_orphan", "fail, reissue"]),
        ({"username": "app", "path": "/x", "on_foreign": "yes"}, ["on_foreign", "fail, replace"]),
        ({"username": "app", "path": "/x", "api_version": "v3"}, ["api_version", "v2, v1.0"]),
        ({"username": "app", "path": "/x", "hosts": "web1"}, ["hosts"]),
        ({"username": "app", "path": "/x", "renew": "30d"}, ["renew"]),
    ],
)
def test_what_the_spec_does_not_allow_is_refused_by_its_name(given, words):
    messages = " ".join(validate(given).error_messages)
    assert messages and [word for word in words if word not in messages] == []


def test_everything_but_user_and_path_has_a_default(tmp_path):
    asked = ask(tmp_path / "app.pem")
    assert (asked.months, asked.attributes.mode, asked.backup, asked.hosts) == (3, 0o600, False, None)
    assert asked.wanted._asdict() == {
        "username": "app", "project_id": PROJECT, "path": str(tmp_path / "app.pem"), "renew_before": _time.Span(), "rotate_before": None,
        "force": False, "on_orphan": "fail", "on_foreign": "fail", "max_unexpired": 10,
    }  # fmt: skip


def test_nothing_is_written_while_options_are_checked(tmp_path):
    ask(tmp_path / "app.pem")
    ask(tmp_path / "deep" / "er" / "app.pem", create_directory=True)
    assert list(tmp_path.iterdir()) == []


# Numbers and spans

@pytest.mark.parametrize("months", [0, 25, -1, 1000])
def test_months_out_of_range_are_refused(months):
    assert refused(months_until_expiration=months) == f"months_until_expiration: {months} is not between 1 and 24"


@pytest.mark.parametrize("months", [1, "3", 24])
def test_months_at_the_edges_are_taken(tmp_path, months):
    assert ask(tmp_path / "x", months_until_expiration=months).months == int(months)


@pytest.mark.parametrize("cap", [0, -1])
def test_a_cap_below_one_is_refused(cap):
    assert refused(max_unexpired=cap).startswith("max_unexpired: ")


@pytest.mark.parametrize("text", ["soon", "100%", "-1", "-1d", "1.5d", "30 days", "99999999999d"])
def test_a_renewal_that_is_no_span_is_refused(text):
    assert refused(renew_before=text).startswith("renew_before: ")


@pytest.mark.parametrize(
    ("months", "text", "fits"),
    [
        (1, "28d", False),
        (1, "27d", False),
        (1, "647h", True),
        (1, "648h", False),
        (1, "26d", True),
        (1, "4w", False),
        (1, "3w", True),
        (1, "97%", False),
        (1, "96%", True),
        (2, "58d", False),
        (2, "57d", True),
        (3, "30d", True),
        (3, "88d", False),
        (3, "87d", True),
        (12, "364d", False),
        (12, "363d", True),
        (24, "99%", True),
        (24, "729d", False),
        (24, "728d", True),
    ],
)
def test_a_new_certificate_must_not_be_due_within_a_day_even_in_february(tmp_path, months, text, fits):
    if fits:
        ask(tmp_path / "x", months_until_expiration=months, renew_before=text)
    else:
        message = refused(tmp_path / "x", months_until_expiration=months, renew_before=text)
        assert message.startswith(f"renew_before: {text} ") and "months_until_expiration" in message


@settings(bounded, max_examples=examples(200))
@given(st.integers(1, 24), st.from_regex(r"\A[0-9]{1,3}[dwh%]?\Z"), st.integers(0, 1460))
def test_what_is_taken_never_makes_the_next_run_issue_again(months, text, day):
    directory = tempfile.gettempdir()
    try:
        span = ask(os.path.join(directory, "x.pem"), months_until_expiration=months, renew_before=text).wanted.renew_before
    except OptionError as error:
        assert error.message.startswith("renew_before: ")
        return
    issued = datetime(2025, 1, 1, 12, tzinfo=timezone.utc) + timedelta(days=day)
    ends = _time.add_months(issued, months)
    assert ends - span.of(ends - issued) > issued + timedelta(days=1)


@pytest.mark.parametrize("text", ["", "0", "0d", "0%"])
def test_an_empty_renewal_means_only_when_none_is_left(tmp_path, text):
    assert ask(tmp_path / "x", renew_before=text).wanted.renew_before.of(timedelta(days=90)) == timedelta(0)


@pytest.mark.parametrize("text", ["", "  ", None])
def test_an_empty_moment_of_rotation_means_unset(tmp_path, text):
    assert ask(tmp_path / "x", rotate_before=text).wanted.rotate_before is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22T08:00:00Z", datetime(2026, 11, 22, 8, tzinfo=timezone.utc)),
        ("2026-11-22T10:00:00+02:00", datetime(2026, 11, 22, 8, tzinfo=timezone.utc)),
        ("2026-11-22", datetime(2026, 11, 22, tzinfo=timezone.utc)),
        ("2026-11-22T08:00:00.999Z", datetime(2026, 11, 22, 8, tzinfo=timezone.utc)),
    ],
)
def test_a_moment_of_rotation_is_to_the_second_as_certificates_are(tmp_path, text, moment):
    assert ask(tmp_path / "x", rotate_before=text).wanted.rotate_before == moment


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "1795334400", "true", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
def test_what_is_no_moment_of_rotation_is_refused(tmp_path, text):
    assert refused(tmp_path / "x", rotate_before=text).startswith("rotate_before: ")


@pytest.mark.parametrize(("given", "start"), [({"username": ""}, "username: "), ({"username": " "}, "username: "), ({"project_id": "123"}, "project_id: ")])
def test_a_user_or_project_that_cannot_be_is_refused(tmp_path, given, start):
    assert refused(tmp_path / "x", **given).startswith(start)


# The file

@pytest.mark.parametrize("path", ["", "mongodb.pem", "./mongodb.pem", "etc/app/mongodb.pem"])
def test_a_path_that_is_none_or_relative_is_refused(path):
    assert refused(path) == f"path: '{path}' is not the absolute path of a file"


def test_a_path_that_is_a_directory_is_refused(tmp_path):
    assert refused(tmp_path) == f"path: {tmp_path} is a directory; give the path of the file"
    assert refused(f"{tmp_path}/").startswith("path: ")


def test_a_path_in_a_missing_directory_is_refused(tmp_path):
    assert refused(tmp_path / "no" / "x") == f"path: the directory {tmp_path / 'no'} does not exist"


def test_a_path_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for create in (False, True):
        assert refused(tmp_path / "file" / "x", create_directory=create).startswith(f"path: {tmp_path / 'file'} is not a directory")
    assert refused(tmp_path / "file" / "deep" / "x", create_directory=True).startswith(f"path: {tmp_path / 'file'} is not a directory")


def test_a_missing_directory_may_be_asked_for(tmp_path):
    assert ask(tmp_path / "no" / "no" / "x", create_directory=True).create_directory


@pytest.mark.parametrize("create", [False, True])
def test_a_path_that_may_not_be_written_is_refused(directory, create):
    directory.chmod(0o555)
    with nobody():
        message = refused(directory / ("no/x" if create else "x"), create_directory=create)
    assert message.startswith(f"path: the directory {directory} may not be written, and this runs as uid ")


def test_a_path_that_may_be_written_by_its_owner_is_taken(directory):
    if os.geteuid() == 0:
        os.chown(directory, NOBODY, NOBODY)
    with nobody():
        assert ask(directory / "x").attributes.mode == 0o600


@pytest.mark.parametrize("create", [False, True])
def test_a_directory_in_which_everybody_may_write_is_refused(tmp_path, create):
    tmp_path.chmod(0o777)
    assert "everybody may write" in refused(tmp_path / ("no/x" if create else "x"), create_directory=create)
    tmp_path.chmod(0o1777)
    ask(tmp_path / ("no/x" if create else "x"), create_directory=create)


def test_a_symbolic_link_is_refused_wherever_it_leads(tmp_path):
    (tmp_path / "target").write_text("")
    for target in ("target", "nowhere", str(tmp_path)):
        link = tmp_path / "link"
        link.symlink_to(target)
        assert refused(link).startswith(f"path: {link} is a symbolic link to {target}")
        link.unlink()


def test_a_fifo_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert refused(tmp_path / "fifo") == f"path: {tmp_path / 'fifo'} is not a regular file"


# Who may read it

@pytest.mark.parametrize(
    ("mode", "bits"),
    [
        ("0600", 0o600),
        ("600", 0o600),
        ("0640", 0o640),
        ("0o640", 0o640),
        ("0400", 0o400),
        (" 0440 ", 0o440),
        ("0660", 0o660),
        (0o600, 0o600),
        (0o640, 0o640),
        (0o400, 0o400),
    ],
)
def test_a_mode_is_octal_quoted_or_as_a_yaml_octal(tmp_path, mode, bits):
    assert ask(tmp_path / "x", mode=mode).attributes.mode == bits


@pytest.mark.parametrize("mode", ["0644", 0o644, "0604", "0777", 0o666, "0601", "0602"])
def test_a_mode_that_lets_everybody_at_the_key_is_refused(tmp_path, mode):
    message = refused(tmp_path / "x", mode=mode)
    assert message.startswith("mode: ") and "0600" in message


@pytest.mark.parametrize("mode", [640, 600, 660, 644, 400, 440])
def test_a_decimal_number_that_looks_like_a_mode_is_refused(tmp_path, mode):
    # `mode: 440` without quotes is the number 440, which is 0670: never what was meant.
    assert refused(tmp_path / "x", mode=mode).startswith("mode: ")


@pytest.mark.parametrize("mode", ["u=rw", "preserve", "", "rw-------", "0800", "-600", "06000", "4600", "0200", "0000", True, False, 600.0, -1, "0x180"])
def test_what_is_no_mode_for_a_key_is_refused(tmp_path, mode):
    message = refused(tmp_path / "x", mode=mode)
    assert message.startswith("mode: ") and "0600" in message


@settings(bounded, max_examples=examples(300))
@given(st.one_of(st.integers(-10, 10000), st.text("01234567", max_size=6), st.text(max_size=6), json_values))
def test_any_mode_keeps_the_key_from_everybody_or_is_an_option_error(mode):
    try:
        bits = ask(os.path.join(tempfile.gettempdir(), "x.pem"), mode=mode).attributes.mode
    except OptionError as error:
        assert error.message.startswith("mode: ")
    else:
        assert bits & stat.S_IRUSR and not bits & (stat.S_IRWXO | stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX)


@pytest.mark.parametrize("name", ["owner", "group"])
@pytest.mark.parametrize("value", ["no-such-name-here", "-1", "1.5"])
def test_an_owner_or_group_that_does_not_exist_is_refused(tmp_path, name, value):
    assert refused(tmp_path / "x", **{name: value}) == f"{name}: there is no {'user' if name == 'owner' else 'group'} '{value}' here"


@pytest.mark.parametrize("name", ["owner", "group"])
@pytest.mark.parametrize("value", ["4294967295", "4294967296", "99999999999999999999", "²"])
def test_a_number_that_no_owner_or_group_can_have_is_refused(tmp_path, name, value):
    # 2^32-1 means "leave it" to the kernel, and more cannot be set at all: known too late, after the certificate was issued.
    assert refused(tmp_path / "x", **{name: value}).startswith(f"{name}: ")


def test_an_owner_and_a_group_are_names_or_numbers(directory):
    if os.geteuid() == 0:
        found = ask(directory / "x", owner="root", group="12345").attributes
        assert (found.uid, found.gid) == (0, 12345)
    assert ask(directory / "x", owner=str(os.geteuid()), group="").attributes.uid == os.geteuid()


@pytest.mark.parametrize(("name", "value"), [("owner", "root"), ("group", "0")])
def test_a_file_cannot_be_given_away_without_being_root(directory, name, value):
    if os.geteuid() == 0:
        os.chown(directory, NOBODY, NOBODY)
    elif 0 in os.getgroups():
        pytest.skip("this runs in the group of root")
    with nobody():
        assert refused(directory / "x", **{name: value}).startswith(f"{name}: ")


# The hosts

def test_what_lies_elsewhere_is_known_by_host_and_path_and_who_did_not_answer_is_unasked(tmp_path):
    facts = {
        "serial_number": "12", "subject": "CN=app", "common_name": "app", "not_before": "2026-11-22T07:00:00Z", "not_after": "2027-02-22T08:00:00Z",
    }  # fmt: skip
    look = {"state": "absent", "location": "/a", "also": [{"location": "/b", "state": "pair", "certificate": facts}]}
    placed = {"state": "file", "path": "/c", "certificate": facts}  # as atlas_pem returns it
    asked = ask(tmp_path / "x", hosts={}, elsewhere=[{"one": look, "two": {"unreachable": True}}, {"one": placed, "two": None, "three": {}}])
    assert {place.host for place in asked.elsewhere} == {"one"}
    assert [(place.location, place.look.state) for place in asked.elsewhere] == [("/a", "absent"), ("/b", "pair"), ("/c", "pair")]
    assert [place.look.certificate and place.look.certificate.serial for place in asked.elsewhere] == [None, 12, 12]
    assert asked.unasked == ("two", "three")
    assert refused(tmp_path / "x", elsewhere=[{"one": {"state": "pair", "certificate": {}, "also": [{}]}}]).startswith("elsewhere: one: ")


def test_no_hosts_are_not_an_empty_fleet(tmp_path):
    assert ask(tmp_path / "x").hosts is None
    assert ask(tmp_path / "x", hosts={}).hosts == ()


def test_a_host_that_could_not_be_asked_is_given_without_a_look(tmp_path):
    unreachable = {"unreachable": True, "changed": False, "msg": "Failed to connect"}
    found = ask(tmp_path / "x", hosts={"a": unreachable, "b": None, "c": {"state": "absent", "placeable": True}}).hosts
    assert [(host.name, host.look and host.look.state) for host in found] == [("a", None), ("b", None), ("c", "absent")]


@pytest.mark.parametrize(
    "facts",
    [
        {"serial_number": "1"},
        {"serial_number": "one", "subject": "CN=app", "not_before": "2026-11-22T08:00:00Z", "not_after": "2026-11-22T08:00:00Z"},
        {"serial_number": "1", "subject": "CN=app", "not_before": "soon", "not_after": "2026-11-22T08:00:00Z"},
        {"serial_number": "1", "subject": "CN=app", "not_before": 5, "not_after": "2026-11-22T08:00:00Z"},
        {"serial_number": "1", "subject": "CN=app", "not_before": "0001-01-01T00:00:00+01:00", "not_after": "2026-11-22T08:00:00Z"},
        "CN=app",
        [1],
        1,
    ],
)
def test_what_no_host_returned_is_refused_by_the_name_of_the_host(tmp_path, facts):
    message = refused(tmp_path / "x", hosts={"web1": {"state": "pair", "certificate": facts}})
    assert message.startswith("hosts: web1: ") and "atlas_pem_info" in message


@settings(bounded, max_examples=examples(200))
@given(st.fixed_dictionaries({"state": st.just("pair")}, optional={"certificate": json_values, "placeable": json_values, "attributes_differ": json_values}))
def test_any_host_is_understood_or_an_option_error(value):
    try:
        found = ask(os.path.join(tempfile.gettempdir(), "x.pem"), hosts={"web1": value}).hosts
    except OptionError as error:
        assert error.message.startswith("hosts: web1: ")
    else:
        assert [host.name for host in found] == ["web1"]
