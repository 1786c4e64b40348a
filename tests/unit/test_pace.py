# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nothing here sleeps: the clock is a number, and a service with a bucket is a few lines."""

from __future__ import annotations

import math

import pytest
from ansible_collections.atlas.x509.plugins.module_utils._pace import NEVER, SHARE, SLOWLY, Bucket


def headers(left, limit=1200):
    return {"RateLimit-Remaining": str(left), "RateLimit-Limit": str(limit)}


class Service:
    """A bucket that is refilled at once after each period, or little by little; counts who was sent away."""

    def __init__(self, capacity=1200, refill=500, period=60.0, smoothly=False):
        self.capacity, self.refill, self.period, self.smoothly = capacity, refill, period, smoothly
        self.tokens, self.filled_at, self.sent_away = float(capacity), 0.0, 0

    def ask(self, now):
        passed = (now - self.filled_at) / self.period
        passed = passed if self.smoothly else math.floor(passed)
        self.filled_at += passed * self.period
        self.tokens = min(self.capacity, self.tokens + passed * self.refill)
        if self.tokens < 1:
            self.sent_away += 1
            return None
        self.tokens -= 1
        return headers(int(self.tokens), self.capacity)


def served(service, count, latency=0.05, width=8):
    """Ask so often, as fast as the bucket allows and ``width`` at once; returns when the last answer came."""
    bucket, under_way, now = Bucket(), [], 0.0
    while count or under_way:
        if count and len(under_way) < width and bucket.ready_at() <= now:
            bucket.sent()
            under_way.append((now + latency, service.ask(now)))
            count -= 1
            continue
        moments = [moment for moment, _answer in under_way] + ([bucket.ready_at()] if count and len(under_way) < width else [])
        now = max(now, min(moments))
        if under_way and under_way[0][0] <= now:
            _moment, answer = under_way.pop(0)
            if answer is None:
                bucket.refused(30.0, now)
                count += 1
            else:
                bucket.answered(answer, now)
    return now


def test_a_full_bucket_slows_nobody_down():
    assert served(Service(), 1000) == pytest.approx(1000 * 0.05 / 8, rel=0.02)


@pytest.mark.parametrize("smoothly", [False, True])
@pytest.mark.parametrize("count", [1200, 2000, 10000])
def test_nobody_is_ever_sent_away_by_a_bucket_that_nobody_else_uses(smoothly, count):
    service = Service(smoothly=smoothly)
    needed = (count - 1200) / 500 * 60
    assert served(service, count) <= needed + 2 * 60 + 10
    assert service.sent_away == 0


def test_a_share_is_left_for_others_until_the_refill():
    service = Service()
    served(service, 1200 - 1200 // SHARE)
    assert service.tokens == 1200 // SHARE


def test_when_little_is_left_one_at_a_time_and_slowly():
    bucket = Bucket()
    bucket.sent()
    bucket.answered(headers(60), now=100.0)
    assert bucket.ready_at() == 100.0 + SLOWLY
    bucket.sent()
    assert bucket.ready_at() == NEVER


def test_what_is_under_way_is_not_counted_on():
    bucket = Bucket()
    for _dummy in range(4):
        bucket.sent()
    bucket.answered(headers(63), now=0.0)
    assert bucket.ready_at() == NEVER  # three are under way, so 60 may be all that is left
    for left in (62, 61, 500):
        bucket.answered(headers(left), now=0.0)
    assert bucket.ready_at() <= SLOWLY


def test_a_refusal_holds_everybody_back_until_the_time_it_names_and_then_sends_one_ahead():
    bucket = Bucket()
    for _dummy in range(3):
        bucket.sent()
    bucket.refused(20.0, now=5.0)
    bucket.refused(19.0, now=5.0)
    bucket.answered(headers(0), now=5.0)
    assert bucket.ready_at() == 25.0
    bucket.sent()
    assert bucket.ready_at() == NEVER
    bucket.answered(headers(499), now=25.1)
    assert bucket.ready_at() <= 25.1


@pytest.mark.parametrize("said", [{}, {"RateLimit-Remaining": "soon"}, {"RateLimit-Remaining": "-1"}, {"RateLimit-Limit": "1200"}])
def test_an_answer_that_says_nothing_of_a_limit_changes_nothing(said):
    bucket = Bucket()
    bucket.sent()
    bucket.answered(said, now=0.0)
    assert bucket.ready_at() == 0.0


def test_a_request_without_an_answer_is_no_longer_under_way():
    bucket = Bucket()
    bucket.sent()
    bucket.answered(headers(61), now=0.0)
    bucket.sent()
    assert bucket.ready_at() == NEVER
    bucket.failed()
    assert bucket.ready_at() == 0.0
