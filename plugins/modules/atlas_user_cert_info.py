#!/usr/bin/python
# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
---
module: atlas_user_cert_info
short_description: List the unexpired X.509 certificates of MongoDB Atlas database users
version_added: 1.0.0
author: the atlas.x509 contributors (@atlas-x509)
description:
  - Lists the unexpired certificates that Atlas manages for one database user, for several, or for all users whose C(x509Type) is
    V(MANAGED); in one project, in several, or in all that the credentials can see.
  - Says of every user whether the newest certificate is due, whether there are several (so that the key of one may be lost), and whether there is none.
  - Atlas lists public facts only. Whether anybody holds the key of a certificate, it cannot say; see M(atlas.x509.atlas_pem_info).
  - The role P(atlas.x509.expiry_report#role) makes a page, metrics and alerts of it.
options:
  username:
    description: One database user.
    type: str
  usernames:
    description:
      - Several database users.
      - When neither O(username) nor this is given, all users are meant whose certificates Atlas manages.
      - With several projects, each user is looked for in each of them; where there is none of that name, RV(failed_lists) says so.
    type: list
    elements: str
  project_ids:
    description:
      - Several projects, instead of O(project_id), which does not matter then.
    type: list
    elements: str
  all_projects:
    description:
      - All projects that the credentials can see. O(project_id) does not matter then, and O(project_ids) cannot be given.
    type: bool
    default: false
  expires_within:
    description:
      - Return only certificates that expire within this time, such as V(30d), V(2w), V(36h), or V(33%) of their lifetime. A plain integer is a
        number of days.
      - RV(users) counts all of them all the same, and says who is due.
    type: str
  concurrency:
    description:
      - How many requests are under way at the same time, 1 to 32.
    type: int
    default: 8
  strict:
    description:
      - Whether the first list that cannot be read fails the task.
      - When V(false), a project or user that may not be read, or does not exist, is in RV(failed_lists) with the reason, the task warns, and the rest is
        read. It still fails when one user of one project was asked for, when the projects cannot be listed, and when nothing at all could be read.
        A list that could not be read is never shown as an empty one.
    type: bool
    default: false
  progress_path:
    description:
      - A file that exists, to which a line about how far it is is added every few seconds when it takes long.
      - With C(-v) the action plugin gives one and shows the lines while the task runs, so nobody needs to set this.
    type: path
extends_documentation_fragment:
  - atlas.x509.atlas
  - atlas.x509.attributes.info
  - atlas.x509.help
seealso:
  - module: atlas.x509.atlas_user_cert
"""

EXAMPLES = r"""
---
- name: List the certificates of one user
  atlas.x509.atlas_user_cert_info:
    project_id: 64b7f0c2a1d3e4f5a6b7c8d9
    username: app
  delegate_to: localhost
  run_once: true
  register: certificates

- name: Show when the newest one expires
  ansible.builtin.debug:
    msg: "{{ certificates.users[0].newest_not_after }}, in {{ certificates.users[0].days_left }} days"

- name: Find what expires within a month, wherever these credentials can look
  atlas.x509.atlas_user_cert_info:
    all_projects: true
    expires_within: 30d
  delegate_to: localhost
  run_once: true
  register: audit

- name: Name who is due, and who has none
  ansible.builtin.debug:
    msg: "{{ audit.users | selectattr('due') | map(attribute='username') }}, {{ audit.users | selectattr('missing') | map(attribute='username') }}"

- name: Find what expires within a month, for all users of the project whose certificates Atlas manages
  atlas.x509.atlas_user_cert_info:
    project_id: 64b7f0c2a1d3e4f5a6b7c8d9
    expires_within: 30d
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
---
msg:
  description: How it stands, in one sentence.
  returned: success
  type: str
  sample: "app: 1 unexpired certificate; the newest expires at 2027-02-22T08:00:00Z (91 days left)"
certificates:
  description: The unexpired certificates, by user, the one issued last at the end.
  returned: success
  type: list
  elements: dict
  contains:
    username:
      description: The database user.
      type: str
      returned: always
      sample: app
    project_id:
      description: The project.
      type: str
      returned: always
      sample: 64b7f0c2a1d3e4f5a6b7c8d9
    serial_number:
      description: The serial number in decimal, as a string because it has up to 63 bits.
      type: str
      returned: always
      sample: "5433027191242719574"
    serial_hex:
      description: The serial number in hexadecimal, as C(openssl x509 -serial) shows it.
      type: str
      returned: always
      sample: 4B65FD71ED0F8156
    subject:
      description: The subject, as MongoDB knows the user on C($external).
      type: str
      returned: always
      sample: CN=app
    common_name:
      description: The database user.
      type: str
      returned: always
      sample: app
    not_before:
      description: From when on it is valid, in ISO 8601 and UTC. Atlas dates it one hour before the issue.
      type: str
      returned: always
      sample: "2026-11-22T07:00:00Z"
    not_after:
      description: Until when it is valid, in ISO 8601 and UTC.
      type: str
      returned: always
      sample: "2027-02-22T08:00:00Z"
    days_left:
      description: Whole days until it expires, by the service's clock.
      type: int
      returned: always
      sample: 91
users:
  description:
    - Each user whose certificates could be listed, by project, in the order asked for or by name.
    - Who is not here is in RV(failed_lists).
  returned: success
  type: list
  elements: dict
  contains:
    project_id:
      description: The project.
      type: str
      returned: always
      sample: 64b7f0c2a1d3e4f5a6b7c8d9
    project_name:
      description: The name of the project; V(null) without O(all_projects), because only the id is known then.
      type: str
      returned: always
      sample: billing
    username:
      description: The database user.
      type: str
      returned: always
      sample: app
    count:
      description: How many certificates are unexpired, whatever O(expires_within) says.
      type: int
      returned: always
      sample: 1
    newest_serial_number:
      description: The serial number of the one issued last, in decimal, as a string; V(null) when there is none.
      type: str
      returned: always
      sample: "5433027191242719574"
    newest_not_after:
      description: When the one issued last expires; V(null) when there is none.
      type: str
      returned: always
      sample: "2027-02-22T08:00:00Z"
    days_left:
      description: Whole days until the one issued last expires; V(null) when there is none.
      type: int
      returned: always
      sample: 91
    due:
      description: Whether the one issued last expires within O(expires_within); V(false) when that is not given.
      type: bool
      returned: always
      sample: false
    orphan_risk:
      description:
        - Whether several are unexpired. After a renewal this is usual for a while; when nobody knows why there are several,
          the keys of some are lost or in hands that nobody knows.
      type: bool
      returned: always
      sample: false
    missing:
      description: Whether there is no unexpired certificate, so that the user cannot log in with one.
      type: bool
      returned: always
      sample: false
projects:
  description: Each project that was asked about.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The project.
      type: str
      returned: always
      sample: 64b7f0c2a1d3e4f5a6b7c8d9
    name:
      description: Its name; V(null) without O(all_projects).
      type: str
      returned: always
      sample: billing
failed_lists:
  description:
    - What could not be read, and why. As long as this is not empty, the answer is not complete.
    - Also returned when the task fails because nothing could be read.
  returned: success
  type: list
  elements: dict
  contains:
    project_id:
      description: The project.
      type: str
      returned: always
      sample: 64b7f0c2a1d3e4f5a6b7c8d9
    username:
      description: The database user; V(null) when the users of the project could not be listed, so that nothing of it is known.
      type: str
      returned: always
      sample: app
    msg:
      description: What it means and what to do, in one sentence.
      type: str
      returned: always
      sample: "there is no database user 'app' in project 64b7f0c2a1d3e4f5a6b7c8d9: create it in Atlas with x509Type MANAGED, or check the name"
    failure:
      description: What the service said, as RV(failure).
      type: dict
      returned: always
      sample: {status: 404, code: USERNAME_NOT_FOUND, detail: No user with username app exists., parameters: [app]}
total_count:
  description: The number of RV(certificates).
  returned: success
  type: int
  sample: 1
checked_at:
  description: When this was true, by the service's clock, in ISO 8601 and UTC.
  returned: success
  type: str
  sample: "2026-11-22T08:00:00Z"
requests:
  description: How many requests were sent for the lists of users and certificates.
  returned: success
  type: int
  sample: 2
seconds_waited:
  description: For how long nothing was under way, because the rate limit or a failing service left nothing to send.
  returned: success
  type: float
  sample: 0.0
failure:
  description: What the service said, when it was the service that failed.
  returned: when the service refused or failed
  type: dict
  contains:
    status:
      description: The HTTP status.
      type: int
      returned: always
      sample: 404
    code:
      description: Atlas's error code; V(null) when it was not Atlas that answered.
      type: str
      returned: always
      sample: USERNAME_NOT_FOUND
    detail:
      description: What Atlas said, or the title of a proxy's page.
      type: str
      returned: always
      sample: No user with username app exists.
    parameters:
      description: What Atlas gives beside it, such as the address that is not on the access list.
      type: list
      elements: raw
      returned: always
      sample: [app]
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.atlas.x509.plugins.module_utils import _audit, _options, _shown
from ansible_collections.atlas.x509.plugins.module_utils._client import Client
from ansible_collections.atlas.x509.plugins.module_utils._errors import AtlasX509Error, unforeseen


def main():
    module = AnsibleModule(
        argument_spec=dict(_options.SPEC, **_audit.SPEC),
        mutually_exclusive=[("username", "usernames")],
        supports_check_mode=True,
    )
    try:
        _run(module)
    except Exception as error:  # noqa: BLE001
        # Ansible would print its message, which may quote a request or a key.
        module.fail_json(**unforeseen(error))


def _run(module):
    module.no_log_values.update(_options.environment_secrets(os.environ))
    module.no_log_values.update(_options.misplaced_secrets(module.params))
    try:
        question = _audit.question(module.params, os.environ)
        with Client(_options.connection(module.params, os.environ), connections=question.concurrency) as client:
            answer = _audit.ask(client, question, module.params["progress_path"])
    except AtlasX509Error as error:
        module.fail_json(msg=error.message, **_shown.failure(error))
    if answer.failed:
        lists = "1 list" if len(answer.failed) == 1 else "{0} lists".format(len(answer.failed))
        module.warn("{0} could not be read, so the answer is not complete: 'failed_lists' says which and why".format(lists))
    module.exit_json(changed=False, **_audit.report(answer))


if __name__ == "__main__":
    main()
