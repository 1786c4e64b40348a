# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Moments, spans and calendar months, against oracles that are as naive as possible."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest
from ansible_collections.atlas.x509.plugins.module_utils import _time
from ansible_collections.atlas.x509.plugins.module_utils._errors import OptionError
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st

UTC = timezone.utc
bounded = settings(derandomize=True, max_examples=examples(100), database=None)
moments = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
UNITS = {"h": 3600, "d": 86400, "w": 604800, "": 86400}


def months_later(moment, months):
    """One month after the other, then back to the last day that exists."""
    year, month = moment.year, moment.month
    for dummy in range(months):
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    for day in range(moment.day, 0, -1):
        try:
            return moment.replace(year=year, month=month, day=day)
        except ValueError:
            continue
    raise AssertionError("a month without days")


@pytest.mark.parametrize(
    ("text", "length", "percent"),
    [
        ("30d", timedelta(days=30), 0),
        ("2w", timedelta(days=14), 0),
        ("36h", timedelta(hours=36), 0),
        ("33%", timedelta(0), 33),
        ("99%", timedelta(0), 99),
        ("0%", timedelta(0), 0),
        ("7", timedelta(days=7), 0),
        ("0", timedelta(0), 0),
        (" 30 d ", timedelta(days=30), 0),
    ],
)
def test_a_span_is_read(text, length, percent):
    assert _time.parse_span(text, "renew_before") == _time.Span(length, percent)


@pytest.mark.parametrize(
    "text", ["soon", "", " ", "-1d", "-1", "+1d", "1.5d", "30m", "30D", "30days", "d", "%", "30d 2h", "1e3", "30d\nx", "P30D"]
)
def test_what_is_no_span_is_refused_in_words_that_name_the_option(text):
    with pytest.raises(OptionError, match=r"(?s)^renew_before: .*30d, 2w, 36h, 33%"):
        _time.parse_span(text, "renew_before")


@pytest.mark.parametrize("text", ["100%", "101%", "999999999%"])
def test_the_whole_lifetime_is_no_time_before_its_end(text):
    with pytest.raises(OptionError, match=r"^expires_within: .*100%"):
        _time.parse_span(text, "expires_within")


@pytest.mark.parametrize("text", ["999999999w", "9999999999d"])
def test_a_span_that_no_clock_can_reckon_with_is_refused(text):
    with pytest.raises(OptionError, match=r"^renew_before: "):
        _time.parse_span(text, "renew_before")


@bounded
@given(st.integers(0, 36500), st.sampled_from(sorted(set(UNITS) - {"w"})))
def test_a_span_means_its_number_times_its_unit(number, unit):
    assert _time.parse_span(f"{number}{unit}", "x").of(timedelta(days=90)) == timedelta(seconds=number * UNITS[unit])


@bounded
@given(st.integers(0, 99), st.integers(1, 800))
def test_a_percentage_is_of_the_lifetime(percent, days):
    share = _time.parse_span(f"{percent}%", "x").of(timedelta(days=days))
    assert abs(share.total_seconds() - days * 86400 * percent / 100) < 1e-3
    assert share < timedelta(days=days)


@settings(bounded, max_examples=examples(300))
@given(st.one_of(st.text(max_size=12), st.from_regex(r"\A\s?[0-9٣]{0,12}\s?[hdw%x]?\Z")))
def test_any_text_is_a_span_or_an_option_error(text):
    try:
        span = _time.parse_span(text, "renew_before")
    except OptionError as error:
        assert error.message.startswith("renew_before: ")
    else:
        assert span.length >= timedelta(0) and 0 <= span.percent < 100
        assert not (span.length and span.percent)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22T08:00:00Z", datetime(2026, 11, 22, 8)),
        ("2026-11-22T08:00:00z", datetime(2026, 11, 22, 8)),
        ("2026-11-22T08:00:00+02:00", datetime(2026, 11, 22, 6)),
        ("2026-11-22T08:00:00-0930", datetime(2026, 11, 22, 17, 30)),
        ("2026-11-22T00:30:00+01:00", datetime(2026, 11, 21, 23, 30)),
        ("2026-11-22T08:00:00.250Z", datetime(2026, 11, 22, 8, 0, 0, 250000)),
        ("2026-11-22T08:00", datetime(2026, 11, 22, 8)),
        ("2026-11-22T08:00:01", datetime(2026, 11, 22, 8, 0, 1)),
        ("2026-11-22 08:00:00+00:00", datetime(2026, 11, 22, 8)),
        ("2026-11-22", datetime(2026, 11, 22)),
        (" 2026-11-22 ", datetime(2026, 11, 22)),
        ("2028-02-29", datetime(2028, 2, 29)),
    ],
)
def test_a_moment_is_read_in_utc(text, moment):
    read = _time.parse_moment(text)
    assert read == moment.replace(tzinfo=UTC)
    assert read.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "text", ["", "now", "2026", "2026-13-01", "2026-02-29", "2026-11-22T25:00:00Z", "22.11.2026", "1795334400", "2026-11-22T08:00:00+25:00", "T", "Z"]
)
def test_what_is_no_moment_is_a_value_error(text):
    with pytest.raises(ValueError, match="ISO 8601"):
        _time.parse_moment(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
def test_a_moment_outside_of_the_calendar_is_a_value_error_too(text):
    with pytest.raises(ValueError, match="ISO 8601"):
        _time.parse_moment(text)


@bounded
@given(moments)
def test_a_moment_survives_being_written_and_read(moment):
    assert _time.parse_moment(_time.iso(moment)) == moment.replace(microsecond=0)


@bounded
@given(moments, st.integers(-23, 23))
def test_a_moment_is_the_same_wherever_it_was_written(moment, hours):
    elsewhere = moment.astimezone(timezone(timedelta(hours=hours)))
    assert _time.parse_moment(elsewhere.isoformat()) == moment
    assert _time.iso(elsewhere) == _time.iso(moment)


@settings(bounded, max_examples=examples(300))
@given(st.one_of(st.text(max_size=30), st.from_regex(r"\A\d{4}-[01]\d-[0-3]\d([T ][0-2]\d:[0-5]\d(:[0-5]\d)?(Z|[+-][0-2]\d:?[0-5]\d)?)?\Z")))
def test_any_text_is_a_moment_or_a_value_error(text):
    try:
        moment = _time.parse_moment(text)
    except ValueError:
        return
    assert moment.utcoffset() == timedelta(0)


@pytest.mark.parametrize("text", ["Sun, 22 Nov 2026 08:00:00 GMT", "Sun, 22 Nov 2026 09:00:00 +0100", "Sun, 22 Nov 2026 08:00:00 -0000"])
def test_the_date_of_an_answer_is_read(text):
    assert _time.parse_http_date(text) == datetime(2026, 11, 22, 8, tzinfo=UTC)


@pytest.mark.parametrize("text", [None, "", "yesterday", "-5", "Sun, 32 Nov 2026 08:00:00 GMT"])
def test_a_date_that_is_absent_or_unreadable_is_none(text):
    assert _time.parse_http_date(text) is None


@pytest.mark.parametrize("text", ["Fri, 31 Dec 9999 23:59:59 -0100", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"])
def test_a_date_outside_of_the_calendar_is_unreadable(text):
    assert _time.parse_http_date(text) is None


@settings(bounded, max_examples=examples(300))
@given(st.one_of(st.text(max_size=40), st.from_regex(r"\A[A-Z][a-z]{2}, \d\d? (Jan|Feb|Dec) \d{1,8} \d\d:\d\d:\d\d (GMT|[+-]\d{4}|)\Z")))
def test_any_date_header_is_a_moment_or_none(text):
    moment = _time.parse_http_date(text)
    assert moment is None or moment.utcoffset() == timedelta(0)


def test_now_is_aware_and_in_utc():
    assert _time.now().utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        (datetime(2026, 3, 31), 3, datetime(2026, 6, 30)),
        (datetime(2026, 1, 31), 1, datetime(2026, 2, 28)),
        (datetime(2028, 1, 31), 1, datetime(2028, 2, 29)),
        (datetime(2028, 2, 29), 12, datetime(2029, 2, 28)),
        (datetime(2026, 2, 28), 1, datetime(2026, 3, 28)),
        (datetime(2026, 12, 31), 2, datetime(2027, 2, 28)),
        (datetime(2026, 11, 30, 23, 59, 59), 24, datetime(2028, 11, 30, 23, 59, 59)),
        (datetime(2026, 12, 1), 1, datetime(2027, 1, 1)),
        (datetime(2026, 12, 1), 12, datetime(2027, 12, 1)),
    ],
)
def test_months_are_calendar_months_clamped_at_the_end(start, months, end):
    assert _time.add_months(start.replace(tzinfo=UTC), months) == end.replace(tzinfo=UTC)


@bounded
@given(moments, st.integers(1, 24))
def test_months_are_added_as_one_would_count_them(moment, months):
    assert _time.add_months(moment, months) == months_later(moment, months)


@pytest.mark.parametrize(("months", "days"), [(1, 28), (2, 59), (3, 89), (12, 365), (24, 730)])
def test_the_shortest_lifetime_is_a_known_number_of_days(months, days):
    assert _time.shortest_lifetime(months) == timedelta(days=days)


@pytest.mark.parametrize("months", range(1, 25))
def test_no_day_of_four_years_begins_a_shorter_lifetime(months):
    first = datetime(2025, 1, 1, tzinfo=UTC)
    starts = [first + timedelta(days=day) for day in range((date(2029, 1, 1) - date(2025, 1, 1)).days)]
    assert _time.shortest_lifetime(months) == min(months_later(start, months) - start for start in starts)
