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
  - Lists the unexpired certificates that Atlas manages for one database user, for several, or for all users of a project whose
    C(x509Type) is V(MANAGED).
  - Atlas lists public facts only. Whether anybody holds the key of a certificate, it cannot say; see M(atlas.x509.atlas_pem_info).
options:
  username:
    description: One database user.
    type: str
  usernames:
    description:
      - Several database users.
      - When neither O(username) nor this is given, all users of the project are meant whose certificates Atlas manages.
    type: list
    elements: str
  expires_within:
    description:
      - Return only certificates that expire within this time, such as V(30d), V(2w), V(36h), or V(33%) of their lifetime. A plain integer is a
        number of days.
      - RV(users) counts all of them all the same.
    type: str
extends_documentation_fragment:
  - atlas.x509.atlas
  - atlas.x509.attributes.info
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

- name: Find what expires within a month, for all users of the project whose certificates Atlas manages
  atlas.x509.atlas_user_cert_info:
    project_id: 64b7f0c2a1d3e4f5a6b7c8d9
    expires_within: 30d
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
---
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
  description: For each user that was asked for, how many certificates are unexpired and when the one issued last expires.
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
    count:
      description: How many certificates are unexpired, whatever O(expires_within) says.
      type: int
      returned: always
      sample: 1
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
total_count:
  description: The number of RV(certificates).
  returned: success
  type: int
  sample: 1
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
from ansible_collections.atlas.x509.plugins.module_utils import _audit, _options, _results
from ansible_collections.atlas.x509.plugins.module_utils._client import Client
from ansible_collections.atlas.x509.plugins.module_utils._errors import AtlasX509Error


def main():
    module = AnsibleModule(
        argument_spec=dict(_options.SPEC, **_audit.SPEC),
        mutually_exclusive=[("username", "usernames")],
        supports_check_mode=True,
    )
    module.no_log_values.update(_options.environment_secrets(os.environ))
    try:
        question = _audit.question(module.params, os.environ)
        with Client(_options.connection(module.params, os.environ)) as client:
            answer = _audit.ask(client, question)
    except AtlasX509Error as error:
        module.fail_json(msg=error.message, **_results.failure(error))
    module.exit_json(changed=False, **_audit.report(answer))


if __name__ == "__main__":
    main()
