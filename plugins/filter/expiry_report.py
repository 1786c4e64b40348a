# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: expiry_report
short_description: Write what expires when as a page, as Prometheus metrics, or in Markdown
version_added: 1.0.0
author: the atlas.x509 contributors (@atlas-x509)
description:
  - Makes a report of what M(atlas.x509.atlas_user_cert_info) returned, and of what M(atlas.x509.atlas_pem_info) returned on hosts.
  - The role P(atlas.x509.expiry_report#role) puts such reports into files.
  - Names of users, projects and hosts are escaped for the format, so they may hold anything.
positional: format
options:
  _input:
    description:
      - What M(atlas.x509.atlas_user_cert_info) returned, without its option O(atlas.x509.atlas_user_cert_info#module:expires_within), which would leave
        out certificates.
    type: dict
    required: true
  format:
    description:
      - V(html) is a page that needs nothing but itself; V(prometheus) is a file for the textfile collector of node_exporter; V(markdown) has tables.
      - V(summary) is one line.
      - V(fingerprint) is a line that stands in every report, and changes only with something other than the time.
      - V(failing) is the metrics of an audit that has never succeeded; what the input holds does not matter.
    type: str
    choices: [html, prometheus, markdown, summary, fingerprint, failing]
    required: true
  looks:
    description:
      - What was registered for M(atlas.x509.atlas_pem_info) on each host, by the name of the host, with or without a loop over paths.
      - A host with nothing could not be asked, when others were.
    type: dict
    default: {}
  warning_days:
    description: How many days before its end a certificate expires soon.
    type: int
    default: 30
  critical_days:
    description: How many days before its end a certificate is critical.
    type: int
    default: 7
  title:
    description: The heading.
    type: str
    default: What expires
"""

EXAMPLES = r"""
---
- name: Ask what there is
  atlas.x509.atlas_user_cert_info:
    all_projects: true
  register: audit

- name: Say in one line what expires
  ansible.builtin.debug:
    msg: "{{ audit | atlas.x509.expiry_report('summary') }}"
"""

RETURN = r"""
---
_value:
  description: The text.
  type: str
"""

from ansible.errors import AnsibleFilterError
from ansible_collections.atlas.x509.plugins.plugin_utils import _expiry, _looks, _markdown, _page, _prometheus

FORMATS = ("html", "prometheus", "markdown", "summary", "fingerprint", "failing")


def expiry_report(audit, format, looks=None, warning_days=30, critical_days=7, title="What expires"):  # noqa: A002  # that is the option's name
    """The report in that format."""
    if format not in FORMATS:
        raise AnsibleFilterError("expiry_report: '{0}' is no format; there are {1}".format(format, ", ".join(FORMATS)))
    if format == "failing":
        return _prometheus.failing("facts none")
    limits = _expiry.Limits(_days("warning_days", warning_days), _days("critical_days", critical_days))
    if not 0 < limits.critical <= limits.warning <= 3650:
        raise AnsibleFilterError("expiry_report: critical_days must be at least 1 and not above warning_days, and that not above 3650")
    try:
        found = _expiry.report(audit, _looks.from_hosts(looks or {}), limits)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = "{0}: {1}".format(type(error).__name__, error)
        raise AnsibleFilterError("expiry_report: this is not what atlas_user_cert_info and atlas_pem_info return ({0})".format(reason)) from error
    return _written(found, format, str(title))


def _days(name, value):
    try:
        return int(value)
    except (TypeError, ValueError):
        raise AnsibleFilterError("expiry_report: {0}: '{1}' is not a number of days; write 30".format(name, value)) from None


def _written(found, wanted, title):
    line = "facts {0}; {1}".format(_expiry.summary(found), _expiry.fingerprint(found, title))
    if wanted == "html":
        return _page.page(found, title, line)
    if wanted == "prometheus":
        return _prometheus.prometheus(found, line)
    if wanted == "markdown":
        return _markdown.markdown(found, title, line)
    return line if wanted == "fingerprint" else _expiry.summary(found)


class FilterModule:
    def filters(self):
        return {"expiry_report": expiry_report}
