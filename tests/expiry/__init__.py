# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Audits as ``atlas_user_cert_info`` returns them, and looks as ``atlas_pem_info`` does, for tests of the report and for its picture."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone

NOW = datetime(2026, 11, 24, 21, 30, tzinfo=timezone.utc)
NAMES = {"5f0000000000000000000001": "Payments", "5f0000000000000000000002": "Search", "5f0000000000000000000003": "Warehouse"}
PAYMENTS, SEARCH, WAREHOUSE = NAMES


def iso(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Audit:
    """Filled user by user; ``result`` is what the module would return."""

    def __init__(self, now=NOW, names=None):
        self.now = now
        self.names = names or NAMES
        self.users, self.certificates, self.failed_lists = [], [], []
        self.serial = 0x4B65FD71ED0F8156

    def user(self, username, *days, project=PAYMENTS):
        """A user with certificates that end in so many days, the newest last; returns the newest one's entry."""
        made = [self._certificate(project, username, count) for count in days]
        self.certificates += made
        newest = made[-1] if made else None
        self.users.append(
            {
                "project_id": project,
                "project_name": self.names.get(project),
                "username": username,
                "count": len(made),
                "newest_serial_number": newest and newest["serial_number"],
                "newest_not_after": newest and newest["not_after"],
                "days_left": newest and newest["days_left"],
                "due": False,
                "orphan_risk": len(made) > 1,
                "missing": not made,
            }
        )
        return newest

    def fail(self, username, msg, project=PAYMENTS):
        self.failed_lists.append({"project_id": project, "username": username, "msg": msg, "failure": None})

    @property
    def result(self):
        return {
            "changed": False,
            "users": self.users,
            "certificates": self.certificates,
            "projects": [{"id": identity, "name": name} for identity, name in self.names.items()],
            "failed_lists": self.failed_lists,
            "total_count": len(self.certificates),
            "checked_at": iso(self.now),
        }

    def _certificate(self, project, username, days):
        self.serial += 0x1357924680ACE
        ends = self.now + timedelta(days=days)
        return {
            "project_id": project,
            "username": username,
            "serial_number": str(self.serial),
            "serial_hex": f"{self.serial:X}",
            "subject": f"CN={username}",
            "common_name": username,
            "not_before": iso(ends - timedelta(days=90)),
            "not_after": iso(ends),
            "days_left": (ends - self.now) // timedelta(days=1),
        }


def look(certificate, state="pair", path="/etc/app/mongodb.pem", **more):
    """What ``atlas_pem_info`` found on a host."""
    facts = None
    if certificate:
        facts = {**certificate, "issuer_common_name": certificate["project_id"], "issuer": f"CN={certificate['project_id']}"}
    return {"location": path, "state": state, "certificate": facts, **more}


def small():
    """A handful of users with one of each trouble, and the hosts that hold their certificates; as (audit, looks by host)."""
    audit = Audit()
    billing = audit.user("billing", 5.2)
    audit.user("ledger", 12.4, 88.9)
    ledger_old, ledger_new = audit.certificates[-2:]
    audit.user("invoices", 63.7)
    audit.user("archive")
    search = audit.user("search-api", 41.3, project=SEARCH)
    audit.user("crawler", 24.1, project=SEARCH)
    audit.user("suggest", 140.0, project=SEARCH)
    etl = audit.user("etl", 171.5, project=WAREHOUSE)
    audit.user("reports", 108.2, project=WAREHOUSE)
    audit.user("dashboards", 152.6, project=WAREHOUSE)
    looks = {
        "pay-1": look(billing),
        "pay-2": look(billing),
        "ledger-1": look(ledger_new),
        "ledger-2": look(ledger_old),
        "search-1": look(search),
        "etl-1": look(etl),
        "etl-2": look(None, state="absent"),
    }
    return audit, looks


def incomplete():
    """The same, with a list that could not be read and a host that was down."""
    audit, looks = small()
    why = "there is no database user 'backup' in project 5f0000000000000000000003: create it in Atlas with x509Type MANAGED, or check the name"
    audit.fail("backup", why, WAREHOUSE)
    down = "Failed to connect to the host via ssh: No route to host"
    looks["pay-3"] = {"results": [{"item": "/etc/app/mongodb.pem", "unreachable": True, "msg": down}]}
    return audit, looks


def large(users=10_000, projects=100, seed=1):
    """Many users, most of them renewed in time."""
    dice = random.Random(seed)
    names = {f"6a{number:022x}": f"team-{number:03d}" for number in range(projects)}
    audit = Audit(names=names)
    for number in range(users):
        usual, renewed, late, long = (dice.uniform(28, 92),), (dice.uniform(1, 30), dice.uniform(60, 92)), (dice.uniform(1, 30),), (dice.uniform(90, 360),)
        (days,) = dice.choices([usual, renewed, late, long], [24, 6, 1, 3])
        audit.user(f"service-{number:05d}", *(() if number % 2500 == 7 else days), project=list(names)[number % projects])
    return audit
