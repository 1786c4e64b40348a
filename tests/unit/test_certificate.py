# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a certificate was issued, and which of two was issued last."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from ansible_collections.atlas.x509.plugins.module_utils._certificate import Certificate

START = datetime(2026, 11, 22, 7, tzinfo=timezone.utc)


def certificate(serial=1, start=START, days=90):
    return Certificate(serial, "CN=app", start, start + timedelta(days=days))


def test_it_was_issued_an_hour_after_the_moment_from_which_it_is_valid():
    assert certificate().issued_at == datetime(2026, 11, 22, 8, tzinfo=timezone.utc)


def test_the_later_one_is_the_one_issued_later_and_not_the_one_that_lives_longer():
    long, short = certificate(9, START, 700), certificate(1, START + timedelta(seconds=1), 28)
    assert max(long, short, key=lambda one: one.order) is short


def test_of_two_in_one_second_the_larger_number_is_the_later_one():
    # As numbers: as text, 9 would be larger than 10.
    nine, ten = certificate(9), certificate(10)
    assert max(ten, nine, key=lambda one: one.order) is ten
