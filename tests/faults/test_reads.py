# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A list that fails is never an empty list, and the time is the service's: with the module as a process."""

from __future__ import annotations

import datetime as dt

import pytest
from fake_atlas import DEMO_PROJECT
from fake_atlas.errors import ERRORS
from outcomes import files, known, lay, listed, posts

GET = {"method": "GET"}
BRUTAL = {"force": True, "on_orphan": "reissue", "on_foreign": "replace", "max_unexpired": 10000}
BROKEN = {
    "dropped": {"action": "drop_before"},
    "reset": {"action": "drop_after", "reset": True},
    "cut": {"action": "cut", "after": 200},
    "cut at once": {"action": "cut", "after": 0},
    "half of the JSON": {"action": "body", "variant": "truncated_json"},
    "a page with 200": {"action": "html", "status": 200},
    "a page with 404": {"action": "html", "status": 404},
    "a page with 502": {"action": "html", "status": 502},
    "a redirect": {"action": "redirect", "location": "http://127.0.0.2:9/"},
    "204": {"action": "status", "status": 204},
    "silence": {"action": "delay_answer", "seconds": 60},
    "a trickle": {"action": "trickle", "bytes_per_second": 20},
}


OF_ATLAS = {
    f"{status} {code}": {"action": "status", "status": status, "errorCode": code, "parameters": ["app", 1000, 1, 1, 1]}
    for code, status in [*((code, status) for code, (status, dummy) in ERRORS.items()), ("UNEXPECTED_ERROR", 401)]
}
ALWAYS = ("401 UNEXPECTED_ERROR", "404 USERNAME_NOT_FOUND", "410 VERSION_GONE", "429 RATE_LIMITED", "500 UNEXPECTED_ERROR")


@pytest.mark.parametrize(
    "rule",
    [pytest.param(rule, id=name) for name, rule in BROKEN.items()]
    + [pytest.param(rule, id=name, marks=[] if name in ALWAYS else pytest.mark.heavy) for name, rule in OF_ATLAS.items()],
)
def test_every_error_of_the_list_stops_the_run_and_nothing_is_issued(atlas, place, user_cert, rule):
    """With every option that could make an empty list issue; at the first look, where the file says that all is well."""
    lay(place / "app.pem", known(atlas)[1])
    before = files(place)
    atlas.fault(match=GET, times=None, **rule)
    run = user_cert(timeout=1, **BRUTAL)
    assert run.failed
    assert run.msg
    assert (posts(atlas), files(place)) == (0, before)


@pytest.mark.parametrize("name", BROKEN)
def test_a_second_page_that_fails_is_not_a_short_list(atlas, place, user_cert, name):
    """The first page alone would say that what we hold is not listed, and that there is room for more."""

    def fill():
        for number in range(501):
            atlas.state.add_certificate(DEMO_PROJECT, "app", days_left=10 + number % 80)

    atlas.call(fill)
    lay(place / "app.pem", atlas.state.pem(listed(atlas)[-1]).encode())
    before = files(place)
    atlas.fault(match={"method": "GET", "page": 2}, times=None, **BROKEN[name])
    run = user_cert(timeout=3 if name in ("silence", "a trickle") else 30, **BRUTAL)
    assert run.failed
    assert atlas.state.journal[-1].query["pageNum"] == "2"
    assert (posts(atlas), files(place)) == (0, before)


@pytest.mark.parametrize("shift", [3600, -3600, 365 * 86400, -365 * 86400], ids=["+1h", "-1h", "+1y", "-1y"])
def test_dates_are_judged_by_the_services_clock_and_a_large_difference_is_a_warning(atlas, place, user_cert, shift):
    atlas.call(atlas.state.change_settings, clock_shift=shift)
    first = user_cert()
    assert first.said["changed"]
    (warning,) = map(str, first.said["warnings"])
    assert "service's clock" in warning
    assert any(f"{minutes} minutes" in warning for minutes in (abs(shift) // 60, abs(shift) // 60 - 1))
    assert first.said["certificate"]["days_left"] in range(88, 93)
    assert user_cert(renew_before="60d").said["changed"] is False
    tomorrow = dt.datetime.now(dt.timezone.utc) + dt.timedelta(seconds=shift, days=1)
    assert "service's clock" in user_cert(rotate_before=tomorrow.isoformat()).msg
    assert posts(atlas) == 1


def test_a_certificate_that_only_this_machines_clock_calls_valid_is_renewed(atlas, place, user_cert):
    """Due in 100 days by this machine's clock, long over by the service's."""
    lay(place / "app.pem", known(atlas, days_left=100)[1])
    assert user_cert().said["changed"] is False
    atlas.call(atlas.state.change_settings, clock_shift=365 * 86400)
    run = user_cert()
    assert (run.said["reason"], run.said["changed"], posts(atlas)) == ("none_unexpired", True, 1)
