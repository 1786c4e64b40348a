# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.atlas.x509.plugins.module_utils._errors import unforeseen

SECRET = "a-secret-in-a-message"


def _fail(secret):
    try:
        raise ValueError("inner " + secret)
    except ValueError as error:
        raise KeyError("outer " + secret) from error


def test_what_nobody_foresaw_is_told_by_type_and_place_and_never_by_its_message():
    with pytest.raises(KeyError) as raised:
        _fail(SECRET)
    told = unforeseen(raised.value)

    assert SECRET not in repr(told)
    assert told["msg"].startswith("KeyError in test_errors.py:") and "a bug in atlas.x509" in told["msg"]
    assert "in _fail" in told["msg"] and "in _fail" in told["exception"]


def test_an_exception_that_was_never_raised_is_told_too():
    assert unforeseen(RuntimeError("secret"))["msg"].startswith("RuntimeError in ?:")
