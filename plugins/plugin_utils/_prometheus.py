# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report in Prometheus' text format, for the textfile collector of node_exporter.

What could not be read has a series of its own, because the absence of a series looks like good news. Serial numbers are no labels: a renewal would
begin a new series, and the alert on the old one would never see its end.
"""

from __future__ import annotations

from datetime import datetime
from typing import Iterable, Iterator, NamedTuple

from ansible_collections.atlas.x509.plugins.plugin_utils._expiry import HOLDINGS, Held, Report, User
from ansible_collections.atlas.x509.plugins.plugin_utils._visible import encodable


class _Metric(NamedTuple):
    name: str
    words: str
    samples: Iterable[tuple[dict[str, str], float | int]]


def prometheus(found: Report, fingerprint: str) -> str:
    """The whole file. Label values are the names as they are, escaped."""
    lines = [line for metric in _metrics(found) for line in _written(metric)]
    return "\n".join([*lines, "# " + fingerprint, ""])


def failing(fingerprint: str) -> str:
    """The file of an audit that has never succeeded: nothing is known, and that is said."""
    return "\n".join([*_written(_success(0)), "# " + fingerprint, ""])


def _metrics(found: Report) -> Iterator[_Metric]:
    yield _success(1)
    yield _Metric(
        "atlas_x509_audit_last_success_timestamp_seconds",
        "When the last audit ran to its end, as a Unix timestamp.",
        [({}, _unix(found.checked_at))],
    )
    yield _Metric(
        "atlas_x509_audit_failures",
        "How many lists of users or certificates the last audit could not read. Their users are in no other series.",
        [({}, len(found.unread))],
    )
    yield _Metric(
        "atlas_x509_audit_failed",
        "1 for each list that the last audit could not read; an empty username is a whole project.",
        _distinct((_labels(one.project_id, one.project, one.username or ""), 1) for one in found.unread),
    )
    yield _Metric("atlas_x509_users", "How many database users the last audit could read.", [({}, len(found.users))])
    yield _Metric(
        "atlas_x509_certificate_expiry_timestamp_seconds",
        "When the newest certificate of a database user expires, as a Unix timestamp.",
        [(_labels(user.project_id, user.project, user.username), _unix(user.expires)) for user in found.users if user.expires],
    )
    yield _Metric(
        "atlas_x509_unexpired_certificates",
        "How many certificates of a database user are unexpired; with 0 it cannot log in.",
        [(_labels(user.project_id, user.project, user.username), user.unexpired) for user in found.users],
    )
    if found.held:
        yield from _of_hosts(found)


def _of_hosts(found: Report) -> Iterator[_Metric]:
    yield _Metric(
        "atlas_x509_host_certificate_expiry_timestamp_seconds",
        "When the certificate that lies on a host expires, as a Unix timestamp.",
        _distinct((_on_host(one, username=one.username or ""), _unix(one.expires)) for one in found.held if one.expires),
    )
    yield _Metric(
        "atlas_x509_host_files",
        "How many files on hosts hold the newest certificate of their user, an older one, one that Atlas does not list, one of an unknown user, "
        "nothing of use, or could not be asked.",
        [({"holds": holding}, sum(one.holding == holding for one in found.held)) for holding in HOLDINGS],
    )
    yield _Metric(
        "atlas_x509_user_hosts",
        "How many of the hosts that hold a certificate of this user hold the newest one.",
        [sample for user in found.users if user.held for sample in _hosts_of(user)],
    )


def _hosts_of(user: User) -> list[tuple[dict[str, str], int]]:
    labels = _labels(user.project_id, user.project, user.username)
    old = len(user.outdated)
    return [(dict(labels, holds="newest"), len(user.held) - old), (dict(labels, holds="other"), old)]


def _success(value: int) -> _Metric:
    return _Metric("atlas_x509_audit_success", "Whether the last audit ran to its end.", [({}, value)])


def _labels(project_id: str, project: str, username: str) -> dict[str, str]:
    return {"project_id": project_id, "project": project, "username": username}


def _on_host(one: Held, **more: str) -> dict[str, str]:
    return dict({"host": one.host, "path": one.path}, **more)


def _distinct(samples: Iterable[tuple[dict[str, str], float | int]]) -> list[tuple[dict[str, str], float | int]]:
    """Each series once: a second one of the same labels would make node_exporter refuse the file."""
    return list({tuple(labels.items()): (labels, value) for labels, value in samples}.values())


def _written(metric: _Metric) -> Iterator[str]:
    yield "# HELP {0} {1}".format(metric.name, metric.words)
    yield "# TYPE {0} gauge".format(metric.name)
    for labels, value in metric.samples:
        inside = ",".join('{0}="{1}"'.format(name, _escaped(text)) for name, text in labels.items())
        yield "{0}{1} {2}".format(metric.name, "{{{0}}}".format(inside) if inside else "", value)


def _escaped(text: str) -> str:
    return encodable(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _unix(moment: datetime | None) -> int:
    return int(moment.timestamp()) if moment else 0
