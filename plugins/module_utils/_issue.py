# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one write: ask Atlas for a certificate. Sent once; what is known afterwards is in the exception."""

import json
from typing import Callable

from ansible_collections.atlas.x509.plugins.module_utils._certificate import LARGEST_PEM
from ansible_collections.atlas.x509.plugins.module_utils._client import Client
from ansible_collections.atlas.x509.plugins.module_utils._errors import Failure, NotIssued, OutcomeUnknown, ServiceError
from ansible_collections.atlas.x509.plugins.module_utils._http import NoAnswer

_REFUSED_AT_THE_DOOR = (401, 406, 407, 415, 429)  # known by the status alone, whoever says it


def issue(client: Client, project_id: str, username: str, months: int, receive: Callable[[bytes], None]) -> None:
    """Issue one certificate; ``receive`` gets the answer as it arrives and must keep it. Never repeated.

    :class:`NotIssued` when certainly nothing was issued, :class:`OutcomeUnknown` when something may have been.
    """
    body = json.dumps({"monthsUntilExpiration": months}).encode("ascii")
    headers = {"Accept": client.media_type, "Content-Type": client.media_type, "Accept-Encoding": "identity"}
    try:
        answer = client.post(client.certificates_path(project_id, username), headers, body, _Bounded(receive))
    except NoAnswer as error:
        if not error.sent:
            raise NotIssued(client.unreachable(error), sent=False) from None
        raise OutcomeUnknown("the answer to the request for a certificate was lost: {0}".format(error.reason)) from None
    except ServiceError as error:  # of a login on the way: a write that was not signed was not done
        raise NotIssued(error.message, error.failure) from None
    if 200 <= answer.status < 300:
        return
    refusal = client.refusal(answer, project_id, username, writing=True)
    if answer.status >= 500 or answer.status == 408:
        raise OutcomeUnknown("Atlas failed while it was asked for a certificate: " + refusal, answer.failure)
    if answer.status >= 400 and not _is_refusal(answer.failure):
        raise OutcomeUnknown("the answer to the request for a certificate did not come through: " + refusal, answer.failure)
    raise NotIssued(refusal, answer.failure)


def _is_refusal(failure: Failure) -> bool:
    """Whether Atlas itself refused the request. What inspects answers on the way may put a page in the place of one that holds a key."""
    return failure.code is not None or failure.status in _REFUSED_AT_THE_DOOR


class _Bounded:
    """Pass on what can be a PEM, and stop at what is too large to be one."""

    def __init__(self, receive: Callable[[bytes], None]) -> None:
        self._receive = receive
        self._room = LARGEST_PEM

    def __call__(self, chunk: bytes) -> None:
        self._receive(chunk[: self._room])
        self._room -= len(chunk)
        if self._room < 0:
            raise NoAnswer("the answer is larger than {0} bytes, and no PEM is".format(LARGEST_PEM), sent=True)
