# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One sentence for every way in which Atlas says no: what it means, and what to do.

Codes from Atlas's published list and from recorded answers. A code that is not in the table is quoted with its detail.
"""

from typing import NamedTuple

from ansible_collections.atlas.x509.plugins.module_utils._errors import Failure
from ansible_collections.atlas.x509.plugins.module_utils._failure import NO_ROLE


class Context(NamedTuple):
    """Who asked for what, for the sentence."""

    project_id: str
    username: str
    credentials: str
    writing: bool

    @property
    def role(self) -> str:
        return "Project Owner" if self.writing else "Project Read Only"


_UNAUTHORIZED = (
    "the credentials ({credentials}) are valid, but have no role in project {project_id} that allows this: give them the role "
    "{role} there, and check that the project belongs to their organization"
)
_NO_LIST = (
    "the credentials ({credentials}) are valid, but may not list projects: give them a role in the organization or in a project, "
    "or name the projects with project_ids"
)
_ACCESS_LIST = "the address {address} is not on the API access list of the credentials ({credentials}): add it in Atlas"
_NO_PROJECT = "there is no project {project_id}, or the credentials ({credentials}) may not see it: check project_id"
_NO_USER = "there is no database user '{username}' in project {project_id}: create it in Atlas with x509Type MANAGED, or check the name"
_MONTHS = "Atlas refused months_until_expiration ({detail}): give 1 to 24"

_BY_CODE = {
    "USER_NOT_MANAGED_X509": "the database user '{username}' does not use certificates managed by Atlas: set its x509Type to MANAGED",
    "CANNOT_GENERATE_CERT_IF_ADVANCED_X509": "project {project_id} uses self-managed X.509: sign with its own certificate authority; "
    "Atlas makes no certificates there",
    "CERT_EXPIRY_CANNOT_EXCEED_TWO_YEARS": _MONTHS,
    "ATTRIBUTE_NEGATIVE_OR_ZERO": _MONTHS,
    "ATLAS_GENERATED_CERTS_LIMIT_EXCEEDED": "the database user '{username}' has as many unexpired certificates as Atlas allows: "
    "none can be revoked, so wait until some expire, or use another user",
    **dict.fromkeys(NO_ROLE, _UNAUTHORIZED),
    "IP_ADDRESS_NOT_ON_ACCESS_LIST": _ACCESS_LIST,
    "ORG_REQUIRES_ACCESS_LIST": "the organization requires an API access list, and the credentials ({credentials}) have none: "
    "create one in Atlas with the address from which this runs",
    "GROUP_NOT_FOUND": _NO_PROJECT,
    "INVALID_GROUP_ID": _NO_PROJECT,
    "USERNAME_NOT_FOUND": _NO_USER,
    "USER_NOT_FOUND": _NO_USER,
    "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES": "Atlas is in maintenance and takes no writes; nothing was done: run again later",
    "VERSION_GONE": "Atlas no longer serves this version of its API: update the collection, or set api_version",
    "RATE_LIMITED": "Atlas limits the rate of requests: run again later, or raise retries",
    "RATE_LIMITED_TOKEN_BUCKET": "Atlas limits the rate of requests ({detail}): run again later, or raise retries",
    "SERVICE_UNAVAILABLE": "Atlas is unavailable just now: run again later",
    "invalid_client": "Atlas does not know this service account, or its secret is wrong or has expired: check client_id and client_secret "
    "({credentials})",
}
_BY_STATUS = {
    401: "Atlas does not accept the credentials ({credentials}): check that the key, secret or token is complete, current and of this Atlas",
    403: "Atlas forbids this to the credentials ({credentials}): {detail}",
    406: "Atlas does not serve this version of its API: check api_version and base_url",
    429: "Atlas limits the rate of requests: run again later, or raise retries",
    500: "Atlas failed ({detail}): run again later",
    502: "Atlas cannot be reached behind its gateway ({detail}): run again later",
    503: "Atlas is unavailable just now: run again later",
    504: "Atlas did not answer its gateway in time: run again later",
}


def sentence(failure: Failure, context: Context) -> str:
    """What the user reads: what it means, what to do, and what exactly Atlas said."""
    template = _BY_CODE.get(failure.code or "") or _BY_STATUS.get(failure.status or 0)
    if template == _UNAUTHORIZED and not context.project_id:
        template = _NO_LIST
    if failure.code is None and (template is None or failure.status in (403, 500, 502, 503, 504)):
        template = "not Atlas but something on the way answered, perhaps a proxy ({detail}): check base_url and the proxy settings"
    values = context._asdict()
    values.update(role=context.role, detail=failure.detail or "no details", address=_address(failure))
    meaning = (template or "Atlas refused: {detail}").format(**values)
    said = "HTTP {0}{1}".format(failure.status, " " + failure.code if failure.code else "")
    return "{0} [{1}]".format(meaning, said)


def _address(failure: Failure) -> str:
    return str(failure.parameters[0]) if failure.parameters else "of this machine"
