# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything the fake knows. It is touched by one thread only, that of the event loop, so it needs no locks."""

from __future__ import annotations

import bisect
import datetime as dt
import ipaddress
import itertools
import secrets
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any

from . import certificates
from .certificates import Authority
from .faults import Faults
from .limits import Bucket, RateLimit, Window

DEFAULT_ORGANIZATION = "5f0a1b2c3d4e5f6a7b8c9d0e"
X509_TYPES = ("MANAGED", "CUSTOMER", "NONE")
ROLES = ("owner", "read_only")
_ONE_SECOND = dt.timedelta(seconds=1)
_BACKDATED = dt.timedelta(hours=1)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def timestamp(moment: dt.datetime) -> str:
    """As the service writes it: UTC, whole seconds, Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(order=True)
class UserCertificate:
    """One issued certificate, ordered as the service lists them. Its PEM is made when somebody asks for it."""

    created_at: dt.datetime
    """notBefore: the hour before the moment of issue."""
    serial: int
    not_after: dt.datetime
    project_id: str
    username: str
    key_index: int

    def listed(self) -> dict[str, Any]:
        """The item of a list answer."""
        return {
            "_id": self.serial,
            "createdAt": timestamp(self.created_at),
            "groupId": self.project_id,
            "notAfter": timestamp(self.not_after),
            "subject": f"CN={self.username}",
        }


@dataclass
class User:
    """One database user."""

    username: str
    x509_type: str = "MANAGED"

    @property
    def database_name(self) -> str:
        """Where the user logs in: X.509 users are external."""
        return "admin" if self.x509_type == "NONE" else "$external"

    def listed(self, project_id: str, self_link: str) -> dict[str, Any]:
        """The item of a list answer."""
        return {
            "awsIAMType": "NONE",
            "databaseName": self.database_name,
            "groupId": project_id,
            "ldapAuthType": "NONE",
            "links": [{"href": self_link, "rel": "self"}],
            "oidcAuthType": "NONE",
            "roles": [{"databaseName": "admin", "roleName": "readWriteAnyDatabase"}],
            "scopes": [],
            "username": self.username,
            "x509Type": self.x509_type,
        }


@dataclass
class Project:
    """One project with its users, and with the certificates of users that may be gone."""

    project_id: str
    name: str
    org_id: str
    self_managed_x509: bool
    requires_access_list: bool
    number: int
    users: dict[str, User] = field(default_factory=dict)
    certificates: dict[str, list[UserCertificate]] = field(default_factory=lambda: defaultdict(list))

    @cached_property
    def authority(self) -> Authority:
        """The CA that signs this project's certificates."""
        return Authority(self.project_id, self.number)


@dataclass
class Credential:
    """An API key or a service account. ``projects`` None: every project of its organization."""

    identity: str
    secret: str = field(repr=False)
    kind: str
    role: str = "owner"
    org_id: str = DEFAULT_ORGANIZATION
    projects: frozenset[str] | None = None
    access_list: tuple[Network, ...] | None = None

    def sees(self, project: Project) -> bool:
        """Whether it has any role in the project."""
        return project.org_id == self.org_id and (
            self.projects is None or project.project_id in self.projects
        )

    def allows(self, address: str) -> bool:
        """Whether the access list, if there is one, holds the address."""
        return self.access_list is None or any(
            ipaddress.ip_address(address) in network for network in self.access_list
        )


@dataclass
class Token:
    """One access token; ``ready_made`` when a test handed it out instead of the token endpoint."""

    value: str = field(repr=False)
    account: Credential
    expires_at: float
    ready_made: bool = False


@dataclass
class Nonce:
    """One digest nonce and the request counts that were used with it."""

    made_at: float
    counts: set[int] = field(default_factory=set)


@dataclass
class Settings:
    """What a test may change about the service as a whole; times in seconds."""

    clock_shift: float = 0
    nonce_lifetime: float = 300
    token_lifetime: float = 3600
    token_requests_per_minute: int = 50
    active_tokens: int = 100
    certificates_per_user: int | None = None
    rate_limit: RateLimit = field(default_factory=RateLimit)


def _check_setting(holder: Any, name: str, value: Any) -> None:
    if name not in {known.name for known in fields(holder)}:
        raise ValueError(f"there is no setting {name!r}")
    if value is None and name == "certificates_per_user":
        return
    wanted = bool if name == "retry_after_header" else (int, float)
    if not isinstance(value, wanted) or (wanted is not bool and isinstance(value, bool)):
        raise ValueError(f"{name} cannot be {value!r}")


@dataclass
class JournalEntry:
    """One authenticated request. ``status`` None: the connection was closed instead of an answer."""

    number: int
    method: str
    path: str
    project_id: str | None
    username: str | None
    query: dict[str, str]
    credential: str
    """api_key, service_account or access_token (one that a test handed out)."""
    api_version: str | None
    connection: int
    status: int | None = None
    error_code: str | None = None
    issued: str | None = None
    """The serial number of the certificate that this request issued: a string, for JavaScript's sake."""
    fault: str | None = None


@dataclass
class Counters:
    """What happened since the start, the last reset or the last clearing of the journal."""

    requests: int = 0
    authenticated: int = 0
    lists: int = 0
    posts: int = 0
    issued: int = 0
    challenges: int = 0
    tokens_made: int = 0
    tokens_revoked: int = 0
    connections: int = 0


class State:
    """One service: projects, credentials, settings, faults, journal and counters."""

    def __init__(self) -> None:
        self.settings = Settings()
        self.projects: dict[str, Project] = {}
        self.credentials: dict[str, Credential] = {}
        self.tokens: dict[str, Token] = {}
        self.nonces: dict[str, Nonce] = {}
        self.faults = Faults()
        self.journal: list[JournalEntry] = []
        self.counters = Counters()
        self.authorizations: list[str] = []
        """Each Authorization header as it came, for a test that searches for them elsewhere; no door shows them."""
        self.connections: set[int] = set()
        self.buckets: dict[str, Bucket] = {}
        self.token_windows: dict[tuple[str, str], Window] = defaultdict(Window)
        self._key_numbers = itertools.count()

    def change_settings(self, **changes: Any) -> None:
        """Set some settings by name; of ``rate_limit``, a mapping, what is not named stays. Fills the buckets."""
        limit = changes.pop("rate_limit", {})
        for holder, values in ((self.settings, changes), (self.settings.rate_limit, limit)):
            for name, value in values.items():
                _check_setting(holder, name, value)
                setattr(holder, name, value)
        if limit:
            self.buckets.clear()

    def now(self) -> dt.datetime:
        """The service's clock, shifted as the settings say."""
        return dt.datetime.now(dt.timezone.utc) + dt.timedelta(seconds=self.settings.clock_shift)

    def add_project(
        self,
        project_id: str | None = None,
        name: str | None = None,
        org_id: str = DEFAULT_ORGANIZATION,
        self_managed_x509: bool = False,
        requires_access_list: bool = False,
    ) -> Project:
        """A new project; without an id it gets a free one."""
        number = len(self.projects)
        project_id = project_id or secrets.token_hex(12)
        if project_id in self.projects:
            raise ValueError(f"project {project_id} exists already")
        project = Project(
            project_id,
            name or f"project-{number}",
            org_id,
            self_managed_x509,
            requires_access_list,
            number,
        )
        self.projects[project_id] = project
        return project

    def project(self, project_id: str) -> Project:
        """The project, or a LookupError in words."""
        try:
            return self.projects[project_id]
        except KeyError:
            raise LookupError(f"there is no project {project_id}") from None

    def add_user(self, project_id: str, username: str, x509_type: str = "MANAGED") -> User:
        """A new database user."""
        _one_of("x509_type", x509_type, X509_TYPES)
        if not 1 <= len(username) <= 1024:
            raise ValueError("a user name has 1 to 1024 characters")
        users = self.project(project_id).users
        if username in users:
            raise ValueError(f"user {username} exists already")
        users[username] = User(username, x509_type)
        return users[username]

    def delete_user(self, project_id: str, username: str) -> None:
        """Delete the user. The certificates stay, as in reality."""
        if self.project(project_id).users.pop(username, None) is None:
            raise LookupError(f"there is no user {username}")

    def add_credential(
        self,
        kind: str,
        identity: str,
        secret: str,
        role: str = "owner",
        org_id: str = DEFAULT_ORGANIZATION,
        projects: Iterable[str] | None = None,
        access_list: Iterable[str] | None = None,
    ) -> Credential:
        """An API key or a service account; addresses of the access list may be networks."""
        _one_of("kind", kind, ("api_key", "service_account"))
        _one_of("role", role, ROLES)
        credential = Credential(
            identity,
            secret,
            kind,
            role,
            org_id,
            None if projects is None else frozenset(projects),
            None if access_list is None else tuple(map(ipaddress.ip_network, access_list)),
        )
        self.credentials[identity] = credential
        return credential

    def credential(self, identity: str, kind: str) -> Credential | None:
        """The credential of this kind, if there is one."""
        credential = self.credentials.get(identity)
        return credential if credential and credential.kind == kind else None

    def add_token(
        self, account: Credential, expires_in: float | None = None, ready_made: bool = False
    ) -> Token:
        """A new access token of a service account."""
        lifetime = self.settings.token_lifetime if expires_in is None else expires_in
        value = f"fake.{secrets.token_urlsafe(48)}"
        self.tokens[value] = Token(value, account, time.monotonic() + lifetime, ready_made)
        return self.tokens[value]

    def add_certificate(
        self,
        project_id: str,
        username: str,
        issued_at: dt.datetime | None = None,
        months: int = 3,
        days_left: float | None = None,
    ) -> UserCertificate:
        """A certificate that exists already.

        ``issued_at`` is the true moment of issue. With ``days_left`` it expires so many days from now (negative:
        it has), and was issued ``months`` before that unless ``issued_at`` says otherwise.
        """
        if days_left is None:
            issued_at = issued_at or self.now()
            not_after = certificates.add_months(issued_at, months)
        else:
            not_after = self.now() + dt.timedelta(days=days_left)
            issued_at = issued_at or certificates.add_months(not_after, -months)
        return self._record(self.project(project_id), username, issued_at, not_after)

    def issue(self, project: Project, username: str, months: int) -> UserCertificate:
        """A certificate issued by the service, now."""
        now = self.now()
        self.counters.issued += 1
        return self._record(project, username, now, certificates.add_months(now, months))

    def draft(self, project: Project, username: str, months: int) -> UserCertificate:
        """The certificate that ``issue`` would make, but nobody lists it."""
        now = self.now()
        return self._certificate(project, username, now, certificates.add_months(now, months))

    def unexpired(self, project: Project, username: str) -> list[UserCertificate]:
        """What the service lists, in the order in which it does."""
        now = self.now()
        return [known for known in project.certificates.get(username, ()) if known.not_after > now]

    def pem_parts(self, certificate: UserCertificate) -> tuple[str, str]:
        """The certificate and its private key as PEM; the same at every call."""
        key = certificates.leaf_key(certificate.key_index)
        signed = self.project(certificate.project_id).authority.sign(
            certificate.username,
            certificate.serial,
            certificate.created_at,
            certificate.not_after,
            key,
        )
        return signed, certificates.key_pem(key)

    def pem(self, certificate: UserCertificate) -> str:
        """What a create answer holds: the certificate, then its key."""
        return "".join(self.pem_parts(certificate))

    def used_connection(self, number: int) -> None:
        """Count the connections over which anything was asked."""
        self.connections.add(number)
        self.counters.connections = len(self.connections)

    def clear_journal(self) -> None:
        """Forget what was asked; what was done stays."""
        self.journal.clear()
        self.connections.clear()
        self.counters = Counters()

    def summary(self) -> dict[str, Any]:
        """What there is, without any secret."""
        return {
            "now": timestamp(self.now()),
            "settings": asdict(self.settings),
            "counters": asdict(self.counters),
            "faults": len(self.faults.rules),
            "credentials": sorted(self.credentials),
            "projects": [self._project_summary(project) for project in self.projects.values()],
        }

    def _project_summary(self, project: Project) -> dict[str, Any]:
        return {
            "project_id": project.project_id,
            "name": project.name,
            "org_id": project.org_id,
            "self_managed_x509": project.self_managed_x509,
            "users": len(project.users),
            "certificates": sum(map(len, project.certificates.values())),
        }

    def _record(
        self, project: Project, username: str, issued_at: dt.datetime, not_after: dt.datetime
    ) -> UserCertificate:
        certificate = self._certificate(project, username, issued_at, not_after)
        bisect.insort(project.certificates[username], certificate)
        return certificate

    def _certificate(
        self, project: Project, username: str, issued_at: dt.datetime, not_after: dt.datetime
    ) -> UserCertificate:
        created_at = issued_at.replace(microsecond=0) - _BACKDATED
        not_after = not_after.replace(microsecond=0)
        if not_after <= created_at + _ONE_SECOND:
            raise ValueError("a certificate cannot expire before it was issued")
        return UserCertificate(
            created_at,
            certificates.new_serial(),
            not_after,
            project.project_id,
            username,
            next(self._key_numbers),
        )


def _one_of(name: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        raise ValueError(f"{name} is one of {', '.join(known)}, not {value!r}")
