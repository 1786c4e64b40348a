# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``atlas_login`` does, in words: one login that the tasks of a run share, and its end."""

from typing import Any, Dict, NamedTuple, Tuple

from ansible_collections.atlas.x509.plugins.module_utils._client import Client
from ansible_collections.atlas.x509.plugins.module_utils._errors import StoreError

SPEC = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}  # type: Dict[str, Dict[str, Any]]


class Outcome(NamedTuple):
    """What was done, and whether the tasks of the run share a login now."""

    message: str
    logged_in: bool
    warnings: Tuple[str, ...] = ()


def ensure(client: Client, state: str) -> Outcome:
    """Log in or out; :class:`StoreError` when there is no room for the token, :class:`ServiceError` when the service refuses."""
    return _present(client) if state == "present" else _absent(client)


def _present(client: Client) -> Outcome:
    try:
        made = client.account.log_in() if client.account else None
    except OSError as error:
        raise StoreError(
            "the login cannot be kept in this run's directory on the controller ({0}); run this task as the user who runs Ansible: "
            "become: false".format(error.strerror or error)
        ) from None
    if made is None:
        return Outcome("nothing to do: only a service account logs in, and other credentials are given", False)
    return Outcome("logged in, for all tasks of this run that use the same service account" if made else "this run is logged in already", True)


def _absent(client: Client) -> Outcome:
    try:
        revoked = client.account.log_out() if client.account else None
    except OSError as error:
        raise StoreError("the login cannot be removed ({0}); run this task as the user who runs Ansible: become: false".format(error.strerror)) from None
    if revoked is None:
        return Outcome("nothing to do: this run is not logged in", False)
    if not revoked:
        return Outcome("logged out", False, ("the service did not take the token back; it ends by itself within the hour",))
    return Outcome("logged out", False)
