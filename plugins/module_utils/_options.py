# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that say how to reach Atlas: one argument spec, and one place where credentials are chosen.

Names of the environment variables as in the Terraform provider and the Atlas CLI.
"""

import os
import re
import ssl
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple
from urllib.parse import urlsplit

from ansible_collections.atlas.x509.plugins.module_utils._errors import OptionError

VERSIONS = {"v2": "application/vnd.atlas.2023-01-01+json", "v1.0": "application/json"}
"""The media type of each version of the API. Paths and bodies are the same."""

MIN_SECRET = 8
"""Ansible masks a secret wherever it occurs in a result; one shorter than this would tear holes into dates and serials."""

# For the same reason: what could be a part of a serial number or fingerprint, of a date, or of our own words.
_PUBLIC = re.compile(r"(?:[0-9A-Fa-f]+|[0-9TZ:.+-]{1,25}|[a-z_]+)\Z")

SPEC = {
    "project_id": {"type": "str"},
    "public_api_key": {"type": "str", "aliases": ["public_key"], "no_log": False},
    "private_api_key": {"type": "str", "aliases": ["private_key"], "no_log": True},
    "client_id": {"type": "str"},
    "client_secret": {"type": "str", "no_log": True},
    "access_token": {"type": "str", "no_log": True},
    "base_url": {"type": "str"},
    "api_version": {"type": "str", "choices": sorted(VERSIONS, reverse=True), "default": "v2"},
    "timeout": {"type": "int", "default": 60},
    "retries": {"type": "int", "default": 4},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
    "login_dir": {"type": "path"},
}  # type: Dict[str, Dict[str, Any]]

SECRET_NAMES = frozenset(name for option, spec in SPEC.items() if spec.get("no_log") for name in [option] + spec.get("aliases", []))
"""The options that hold a secret, by every name that they have."""

DEFAULT_BASE_URL = "https://cloud.mongodb.com"
_ENVIRONMENT = {
    "access_token": ("MONGODB_ATLAS_ACCESS_TOKEN",),
    "client_id": ("MONGODB_ATLAS_CLIENT_ID",),
    "client_secret": ("MONGODB_ATLAS_CLIENT_SECRET",),
    "public_api_key": ("MONGODB_ATLAS_PUBLIC_API_KEY", "MONGODB_ATLAS_PUBLIC_KEY"),
    "private_api_key": ("MONGODB_ATLAS_PRIVATE_API_KEY", "MONGODB_ATLAS_PRIVATE_KEY"),
}
_TOKEN, _ACCOUNT, _KEY = ("access_token",), ("client_id", "client_secret"), ("public_api_key", "private_api_key")
_PROJECT = re.compile(r"[0-9a-f]{24}\Z")


class Credentials(NamedTuple):
    """Exactly one kind: a ready-made token, a service account, or an API key. Never printed: see ``__repr__``."""

    kind: str
    public: str
    secret: str
    source: str

    def __repr__(self) -> str:
        return "Credentials({0} from {1})".format(self.kind, self.source)


class Connection(NamedTuple):
    """How to reach Atlas, checked. ``timeout`` is in seconds; ``verify`` as ``requests`` takes it.

    ``login_dir`` is where a token may lie that the tasks of this run of Ansible share; None where they share none.
    """

    credentials: Credentials
    base_url: str
    media_type: str
    api_version: str
    timeout: int
    retries: int
    verify: Any
    login_dir: Optional[str] = None


def connection(options: Mapping[str, Any], environment: Mapping[str, str]) -> Connection:
    """The connection that these options and this environment describe, or an :class:`OptionError` that names the option."""
    if not 1 <= options["timeout"] <= 3600:
        raise OptionError("timeout: {0} is not between 1 and 3600 seconds".format(options["timeout"]))
    if not 0 <= options["retries"] <= 20:
        raise OptionError("retries: {0} is not between 0 and 20".format(options["retries"]))
    return Connection(
        credentials=_credentials(options, environment),
        base_url=_base_url(options.get("base_url") or environment.get("MONGODB_ATLAS_BASE_URL") or DEFAULT_BASE_URL),
        media_type=VERSIONS[options["api_version"]],
        api_version=options["api_version"],
        timeout=options["timeout"],
        retries=options["retries"],
        verify=_authorities(options.get("ca_path")) if options["validate_certs"] else False,
        login_dir=options.get("login_dir"),
    )


def project_id(options: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    """The project's id, from the option or the environment."""
    value = options.get("project_id") or environment.get("MONGODB_ATLAS_PROJECT_ID")
    if not value:
        raise OptionError("project_id: missing; give the option, or set MONGODB_ATLAS_PROJECT_ID on the machine where the module runs")
    return checked_project_id(value)


def checked_project_id(value: str, option: str = "project_id") -> str:
    """A project's id, as it was given."""
    if not _PROJECT.match(value):
        raise OptionError("{0}: '{1}' is not a project id, which has 24 hexadecimal digits in lower case".format(option, value))
    return value


def username(value: Optional[str], option: str = "username") -> str:
    """A user name that can be asked for, as it was given."""
    if not value or not value.strip():
        raise OptionError("{0}: empty; give the name of a database user".format(option))
    if len(value) > 1024 or any(ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in value):
        raise OptionError("{0}: not a name that a database user can have (control characters, or more than 1024 characters)".format(option))
    if value in (".", ".."):
        raise OptionError("{0}: '{1}' cannot be addressed in a URL".format(option, value))
    return value


def environment_secrets(environment: Mapping[str, str]) -> List[str]:
    """What must be masked although it was not given as an option."""
    names = _ENVIRONMENT["access_token"] + _ENVIRONMENT["client_secret"] + _ENVIRONMENT["private_api_key"]
    return [environment[name] for name in names if environment.get(name) and not _flaw(environment[name], {})]


def misplaced_secrets(options: Mapping[str, Any]) -> List[str]:
    """What must be masked although it does not belong there: a password in the URL, which is refused, and which Ansible would show as it was given."""
    user, _colon, password = (options.get("base_url") or "").rpartition("@")[0].rpartition("://")[2].partition(":")
    return [value for value in (password or user,) if value]


def _credentials(options: Mapping[str, Any], environment: Mapping[str, str]) -> Credentials:
    given = {name: options.get(name) or "" for name in _ENVIRONMENT}
    if any(given[name] for name in _ACCOUNT) and any(given[name] for name in _KEY):
        raise OptionError(
            "client_id, public_api_key: both a service account and an API key are given; give one of them (a token may stand beside either)"
        )
    found = {name: next((environment[key] for key in keys if environment.get(key)), "") for name, keys in _ENVIRONMENT.items()}
    public = {name: value for name, value in options.items() if isinstance(value, str) and name not in SECRET_NAMES}
    for name, value in given.items():
        flaw = _flaw(value, public) if value and SPEC[name].get("no_log") else None
        if flaw:
            raise OptionError("{0}, from the options: {1}".format(name, flaw))
    for values, source in ((given, "the options"), (found, "the environment")):
        for kind in (_TOKEN, _ACCOUNT, _KEY):
            if all(values[name] for name in kind):
                return _checked(Credentials(kind[-1], values[kind[0]], values[kind[-1]], source), public)
    raise OptionError(_nothing_complete(given, found))


def _checked(credentials: Credentials, public: Mapping[str, str]) -> Credentials:
    for value in (credentials.public, credentials.secret):
        if value != value.strip() or not value.isprintable() or not value.isascii():
            raise OptionError("{0}, from {1}: holds blanks, line ends or characters that no credential of Atlas has".format(
                credentials.kind, credentials.source))
    flaw = _flaw(credentials.secret, public)
    if flaw:
        raise OptionError("{0}, from {1}: {2}".format(credentials.kind, credentials.source, flaw))
    return credentials


def _flaw(secret: str, public: Mapping[str, str]) -> Optional[str]:
    """Why hiding this secret would also hide what must be seen; None when it would not. ``public`` are the other options."""
    if len(secret) < MIN_SECRET:
        what = "shorter than {0} characters".format(MIN_SECRET)
    elif _PUBLIC.match(secret):
        what = "nothing but a number, a date or a word"
    else:
        within = [name for name, value in public.items() if secret in value]
        if not within:
            return None
        return "it is a part of {0}, and hiding it would hide that too".format(within[0])
    return "{0}, so it is not a credential of Atlas, and hiding it would hide parts of dates and serial numbers too".format(what)


def _nothing_complete(given: Mapping[str, str], found: Mapping[str, str]) -> str:
    for values, names in ((given, {name: name for name in given}), (found, {name: keys[0] for name, keys in _ENVIRONMENT.items()})):
        for kind in (_ACCOUNT, _KEY):  # type: Tuple[str, ...]
            missing = [names[name] for name in kind if not values[name]]
            if len(missing) < len(kind):
                (other,) = [names[name] for name in kind if values[name]]
                return "{0}: missing, although {1} is given: give both, from the same source".format(missing[0], other)
    return (
        "no credentials: give client_id and client_secret, public_api_key and private_api_key, or access_token; or set "
        "MONGODB_ATLAS_CLIENT_ID and _CLIENT_SECRET, MONGODB_ATLAS_PUBLIC_API_KEY and _PRIVATE_API_KEY, or MONGODB_ATLAS_ACCESS_TOKEN "
        "in the environment of the machine where the module runs (the controller), not of the managed hosts"
    )


def _base_url(value: str) -> str:
    try:
        parts = urlsplit(value.strip())
        host, _unused = parts.hostname or "", parts.port
    except ValueError:
        raise OptionError("base_url: not a URL; write https://host, without user, query or fragment") from None  # it may hold a password
    if parts.scheme not in ("https", "http") or not host or parts.query or parts.fragment or "@" in parts.netloc:
        raise OptionError("base_url: write https://host, without user, query or fragment")
    if parts.scheme == "http" and not _is_loopback(host):
        raise OptionError("base_url: http would send credentials and the private key in the clear to {0}; use https".format(host))
    return "{0}://{1}{2}".format(parts.scheme, parts.netloc, parts.path.rstrip("/"))


def _authorities(ca_path: Optional[str]) -> Any:
    """What ``requests`` takes for ``verify``: True, or a file (or a directory) that holds certificate authorities."""
    if not ca_path:
        return True
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(**{"capath" if os.path.isdir(ca_path) else "cafile": ca_path})
    except (OSError, ValueError) as error:
        why = "it holds no certificates" if isinstance(error, (ssl.SSLError, ValueError)) else error.strerror
        raise OptionError("ca_path: {0} cannot be used: {1}".format(ca_path, why)) from None
    return ca_path


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or bool(re.match(r"127\.\d{1,3}\.\d{1,3}\.\d{1,3}\Z", host))
