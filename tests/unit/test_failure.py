# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an answer that is no success says, as data. The words for it are in test_advice.py."""

from __future__ import annotations

import json

from ansible_collections.atlas.x509.plugins.module_utils._errors import Failure
from ansible_collections.atlas.x509.plugins.module_utils._failure import failure_of


def answer(status, **body):
    return failure_of(status, {}, json.dumps(dict(body, error=status)).encode())


def test_an_error_is_data_too():
    body = {"errorCode": "USERNAME_NOT_FOUND", "detail": "No user app.", "reason": "Not Found", "parameters": ["app"]}
    assert answer(404, **body) == Failure(404, "USERNAME_NOT_FOUND", "No user app.", ["app"])


def test_the_reason_stands_in_for_a_missing_detail():
    assert answer(404, errorCode="X", reason="Not Found").detail == "Not Found"


def test_the_header_names_the_code_where_the_body_does_not():
    assert failure_of(503, {"X-Error-Code": "SERVICE_UNAVAILABLE"}, b"").code == "SERVICE_UNAVAILABLE"
    assert failure_of(503, {"X-Error-Code": "SERVICE_UNAVAILABLE"}, b"{}").code == "SERVICE_UNAVAILABLE"


def test_parameters_that_are_no_list_are_not_taken_for_one():
    assert answer(404, errorCode="X", parameters="app").parameters is None


def test_a_body_that_is_nested_without_end_does_not_end_the_run():
    assert failure_of(502, {}, b"[" * 200000) == Failure(502)
