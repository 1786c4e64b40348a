# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong, and what is true of the world when it has.

::

    AtlasX509Error            base; never raised itself
    |-- OptionError           an option is wrong; nothing was sent
    |-- MissingLibrary        a Python library is missing or too old; nothing was sent
    |-- StoreError            a file or directory is not fit; nothing was issued because of it
    |-- ServiceError          the service, or the way to it, said no; a read failed, nothing was changed
    |   |-- Setback           one try of a read failed; another one may help
    |   |-- NotAdmitted       the service does not let us in: whatever else is asked will fail as well
    |   |-- NotIssued         the write was refused, or never sent: certainly nothing was issued
    |   `-- OutcomeUnknown    the write was sent and its answer was lost: something may have been issued
    |-- PemError              these bytes are not the PEM that they should be
    |-- Refused               the decision is "no"; nothing was sent but reads
    `-- KeyKept               a certificate was issued and is not in place; what came is kept, and the message says where

Whatever else is raised is a bug, or a machine that nobody foresaw: see :func:`unforeseen`.
"""

import os
import traceback
from typing import Any, Dict, List, Mapping, NamedTuple, Optional


class Failure(NamedTuple):
    """What the service said, as data: the HTTP status, Atlas's error code, its detail and its parameters.

    Every field may be unknown: a proxy answers HTML, and a lost connection answers nothing.
    """

    status: Optional[int] = None
    code: Optional[str] = None
    detail: Optional[str] = None
    parameters: Optional[List[Any]] = None


class AtlasX509Error(Exception):
    """Base of all. ``facts`` are further return values for the user, ready for JSON."""

    def __init__(self, message: str, failure: Optional[Failure] = None, facts: Optional[Dict[str, Any]] = None) -> None:
        super().__init__(message)
        self.message = message
        self.failure = failure
        self.facts = facts or {}


class OptionError(AtlasX509Error):
    """An option is wrong. Nothing was sent."""


class MissingLibrary(AtlasX509Error):
    """A Python library is missing where the module runs, or too old. Nothing was sent."""


class StoreError(AtlasX509Error):
    """A file or directory is not fit for a private key. Nothing was issued because of it."""


class ServiceError(AtlasX509Error):
    """The service, or the way to it, said no. Nothing was changed."""


class Setback(ServiceError):
    """One try of a read failed. ``headers`` are those of the answer, for what they say about when to try again."""

    def __init__(self, message: str, failure: Optional[Failure], headers: Mapping[str, str]) -> None:
        super().__init__(message, failure)
        self.headers = headers

    @property
    def is_passing(self) -> bool:
        """Whether it says nothing about what was asked: no answer, a limited rate, a failure of the service."""
        status = self.failure.status if self.failure else None
        return status is None or status == 429 or status >= 500


class NotAdmitted(ServiceError):
    """The service does not let us in (login, credentials, access list): whatever else is asked will fail as well."""


class NotIssued(ServiceError):
    """The write was refused or, unless ``sent``, not even sent: certainly nothing was issued, and trying again is safe. ``reason`` is the bare reason."""

    def __init__(self, reason: str, failure: Optional[Failure] = None, sent: bool = True) -> None:
        told = "nothing was issued, trying again is safe: {0}" if sent else "the request was not sent, nothing was issued, trying again is safe: {0}"
        super().__init__(told.format(reason), failure)
        self.reason = reason


class OutcomeUnknown(ServiceError):
    """The write was sent and its answer was lost: a certificate may have been issued whose key nobody holds."""

    def __init__(self, message: str, failure: Optional[Failure] = None) -> None:
        super().__init__(message, failure, {"outcome_unknown": True})


class PemError(AtlasX509Error):
    """These bytes are not the PEM that they should be. The message never quotes them."""


class Refused(AtlasX509Error):
    """The decision is "no". Nothing was sent but reads. ``plan`` is the whole decision, as data."""

    def __init__(self, message: str, plan: Any) -> None:
        super().__init__(message)
        self.plan = plan


class KeyKept(AtlasX509Error):
    """A certificate was issued and could not be put in place. What came is kept on disk; the message names the file."""


def unforeseen(error: BaseException) -> Dict[str, str]:
    """What ``fail_json`` shows of an exception that none of ours is: its type and where it was raised, never its message.

    Libraries put into a message what they were given: a URL with the password of a proxy, a header with a token, a part of a PEM.
    """
    frames = traceback.extract_tb(error.__traceback__)
    places = ["{0}:{1} in {2}".format(os.path.basename(frame.filename), frame.lineno, frame.name) for frame in frames]
    return {
        "msg": "{0} in {1}: a bug in atlas.x509, or a machine that it does not foresee. Its own message is not shown, because it may hold "
        "a secret. If a certificate had been issued, it is kept beside the path, and the next run takes it up. Please report this line with the versions of "
        "Ansible and Python: {2}".format(type(error).__name__, places[-1] if places else "?", " < ".join(reversed(places))),
        "exception": "".join(traceback.format_list(frames)) + type(error).__name__,
    }
