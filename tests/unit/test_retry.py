# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a read waits: numbers, without waiting."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from ansible_collections.atlas.x509.plugins.module_utils._errors import Failure
from ansible_collections.atlas.x509.plugins.module_utils._retry import LONGEST, wait
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)
BUCKET = "RATE_LIMITED_TOKEN_BUCKET"
bounded = settings(derandomize=True, max_examples=examples(100), database=None)


def header(value):
    return {"Retry-After": value}


def at(seconds):
    return header(format_datetime(NOW + timedelta(seconds=seconds), usegmt=True))


@pytest.mark.parametrize("status", [200, 301, 307, 400, 401, 403, 404, 405, 406, 409, 410, 415, 501])
def test_what_waiting_cannot_change_is_not_tried_again(status):
    assert wait(2, Failure(status), header("1"), NOW) is None


@pytest.mark.parametrize("status", [None, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again_at_growing_intervals_up_to_half_a_minute(status):
    waits = [wait(attempt, Failure(status), {}, NOW) for attempt in range(2, 10)]
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (header("0"), 0),
        (header(" 7 "), 7),
        (header("120"), 120),
        (at(90), 90),
        (at(-90), 0),
        (at(120), 120),
        (header("soon"), 4),
        (header("-5"), 4),
        (header("1.5"), 4),
        (header(""), 4),
    ],
)
def test_the_header_is_obeyed_where_it_can_be_read(headers, seconds):
    assert wait(4, Failure(429), headers, NOW) == seconds


@pytest.mark.parametrize("headers", [header("121"), at(121), header("9" * 400)])
def test_a_service_that_asks_for_more_than_two_minutes_is_not_waited_for(headers):
    assert wait(2, Failure(503), headers, NOW) is None


def test_the_longest_wait_is_still_waited():
    assert wait(2, Failure(429), header(str(int(LONGEST))), NOW) == LONGEST


@pytest.mark.parametrize(
    ("parameters", "seconds"),
    [(["x", 13], 13), (["x", 0.5], 0.5), (["x", -3], 0), (["x", 121], None), (["x"], 1), ([], 1), (None, 1), (["x", "13"], 1), (["x", None], 1)],
)
def test_a_token_bucket_says_in_its_second_parameter_how_long(parameters, seconds):
    assert wait(2, Failure(429, BUCKET, None, parameters), {}, NOW) == seconds


def test_the_header_counts_more_than_the_parameter():
    assert wait(2, Failure(429, BUCKET, None, ["x", 50]), header("3"), NOW) == 3


def test_the_second_parameter_of_another_error_is_no_time():
    assert wait(2, Failure(503, "SERVICE_UNAVAILABLE", None, ["x", 50]), {}, NOW) == 1


@pytest.mark.parametrize("value", ["²", "٣", "①"])
def test_a_header_with_strange_digits_does_not_end_the_run(value):
    assert wait(2, Failure(429), header(value), NOW) in (1, 3)


def test_a_parameter_beyond_all_numbers_is_not_waited_for():
    assert wait(2, Failure(429, BUCKET, None, ["x", 10**400]), {}, NOW) is None


@settings(bounded, max_examples=examples(300))
@given(
    st.integers(2, 21),
    st.sampled_from([None, 404, 429, 500, 503]),
    st.one_of(st.just({}), st.text(max_size=30).map(header)),
    st.none() | st.lists(st.one_of(st.text(max_size=4), st.integers(), st.floats(), st.none()), max_size=3),
)
def test_a_wait_is_none_or_between_nothing_and_two_minutes(attempt, status, headers, parameters):
    pause = wait(attempt, Failure(status, BUCKET, None, parameters), headers, NOW)
    assert pause is None or 0 <= pause <= LONGEST
