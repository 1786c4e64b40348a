# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors of the Administration API: one table, one exception, one body."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
from typing import Any

ERRORS: dict[str, tuple[int, str]] = {
    "ATLAS_GENERATED_CERTS_LIMIT_EXCEEDED": (
        400,
        "The limit of Atlas-generated certificates for user {0} has been reached.",
    ),
    "ATTRIBUTE_NEGATIVE_OR_ZERO": (400, "The attribute {0} cannot be negative or zero."),
    "CANNOT_GENERATE_CERT_IF_ADVANCED_X509": (
        400,
        "Cannot generate a certificate when the project {0} uses self-managed X.509.",
    ),
    "CERT_EXPIRY_CANNOT_EXCEED_TWO_YEARS": (400, "Certificate expiry cannot exceed two years."),
    "INVALID_ATTRIBUTE": (400, "Invalid attribute {0} specified."),
    "INVALID_QUERY_PARAMETER": (400, "Invalid query parameter {0} specified."),
    "USER_NOT_MANAGED_X509": (400, "The user {0} does not use Atlas-managed X.509 authentication."),
    "VALIDATION_ERROR": (400, "{0}"),
    "NOT_IN_GROUP": (401, "The currently logged in user is not in project {0}."),
    "UNEXPECTED_ERROR": (500, "Unexpected error."),
    "USER_CANNOT_ACCESS_GROUP": (401, "The current user cannot access project {0}."),
    "USER_UNAUTHORIZED": (
        401,
        "The currently logged in user is not authorized to perform this action on the project {0}.",
    ),
    "IP_ADDRESS_NOT_ON_ACCESS_LIST": (403, "IP address {0} is not allowed to access this resource."),
    "ORG_REQUIRES_ACCESS_LIST": (
        403,
        "This organization requires access through an access list of ip ranges; {0} is on none.",
    ),
    "GROUP_NOT_FOUND": (404, "No project with ID {0} exists."),
    "INVALID_GROUP_ID": (404, "An invalid project ID {0} was specified."),
    "RESOURCE_NOT_FOUND": (404, "Cannot find resource {0}."),
    "USERNAME_NOT_FOUND": (404, "No user with username {0} exists."),
    "USER_NOT_FOUND": (404, "No user with username {0} exists."),
    "METHOD_NOT_ALLOWED": (405, "The method {0} is not allowed for this resource."),
    "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES": (
        405,
        "Writes are not allowed while the application is upgraded. Please try again later.",
    ),
    "VERSION_GONE": (410, "The requested version of this resource is gone."),
    "RATE_LIMITED": (429, "Rate limit exceeded."),
    "RATE_LIMITED_TOKEN_BUCKET": (
        429,
        "Rate limit exceeded for {0}. Please retry after {1} seconds. Request capacity: {2}. Refill rate: {3} per {4} seconds.",
    ),
    "SERVICE_UNAVAILABLE": (503, "The service is unavailable."),
}
"""errorCode: (usual status, detail with the parameters by position)."""


@dataclass
class ApiError(Exception):
    """What the service answers instead of a result; ``code`` is None where none is documented (406, 415)."""

    status: int
    code: str | None
    detail: str | None
    parameters: list[Any] = field(default_factory=list)
    bad_fields: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        """The body in the key order of the recorded samples."""
        document: dict[str, Any] = {"detail": self.detail, "error": self.status}
        if self.code is not None:
            document["errorCode"] = self.code
        if self.parameters:
            document["parameters"] = self.parameters
        document["reason"] = http.client.responses.get(self.status, "")
        if self.bad_fields:
            document["badRequestDetail"] = {
                "fields": [
                    {"field": name, "description": description}
                    for name, description in self.bad_fields.items()
                ]
            }
        return json.dumps(document).encode()


def api_error(code: str, *parameters: Any, **more: Any) -> ApiError:
    """The error of the table with its usual status and its detail filled in."""
    status, template = ERRORS[code]
    return ApiError(status, code, template.format(*parameters), parameters=list(parameters), **more)


def validation_error(detail: str, bad_fields: dict[str, str] | None = None) -> ApiError:
    """A request that does not have the right form; only these carry ``badRequestDetail``."""
    return ApiError(400, "VALIDATION_ERROR", detail, bad_fields=bad_fields or {})


def not_authenticated(challenge: str | None) -> ApiError:
    """The recorded body for "no credentials" and "wrong credentials" alike."""
    headers = {"WWW-Authenticate": challenge} if challenge else {}
    return ApiError(401, "UNEXPECTED_ERROR", "You are not authorized for this resource.", headers=headers)
