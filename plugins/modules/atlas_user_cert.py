#!/usr/bin/python
# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
---
module: atlas_user_cert
short_description: Keep one unexpired X.509 certificate of a MongoDB Atlas database user in a file
version_added: 1.0.0
author: the atlas.x509 contributors (@atlas-x509)
description:
  - Lists the unexpired certificates that Atlas manages for a database user, decides whether a new one is needed, and if so issues one
    and keeps it, with its private key, in a file.
  - Atlas hands out the private key exactly once and can revoke nothing. So the module issues only when the list was read and says
    so, makes sure before it asks that the answer can be kept, sends that request once, and has the answer on disk before it looks at it.
  - A certificate counts only when its key is there too, that is as a complete pair at O(path) or on one of O(hosts), and when Atlas lists
    its serial number. Of several the one that was issued last is the current one.
  - There is no way to have the key returned.
  - It keeps a file on one machine. For a file on many hosts there is the role P(atlas.x509.user_cert#role), which calls it.
  - "The first rule that applies decides: a foreign file at O(path) (RV(reason) is V(foreign_pem)); O(force) (V(forced)); nothing unexpired
    (V(none_unexpired)); nobody holds the key of what is unexpired (V(orphaned)); issued before O(rotate_before) (V(rotation_asked)); due by
    O(renew_before) (V(renewal_due)); else the current one is kept (V(held))."
  - "Three guards turn an issue into a refusal: too many are unexpired (V(too_many_unexpired)), a host that may hold a newer one could not be asked
    (V(holder_not_asked)), no host could take the PEM (V(nowhere_to_place))."
options:
  username:
    description: The database user, whose C(x509Type) at Atlas must be V(MANAGED).
    type: str
    required: true
  path:
    description:
      - The absolute path of the file for the certificate and the private key in PEM format, on the machine where the module runs.
      - The directory must exist, see O(create_directory), and must not be writable by everybody. A symbolic link is refused.
    type: path
    required: true
  create_directory:
    description:
      - Whether to create a missing directory for O(path), accessible to its owner only (C(0700)). It is created when a certificate
        is issued, not before.
      - Meant for a directory in which certificates wait until they are on their hosts.
    type: bool
    default: false
  months_until_expiration:
    description:
      - How many calendar months the next certificate shall be valid, V(1) to V(24).
      - It never is a reason to issue one.
    type: int
    default: 3
  renew_before:
    description:
      - How long before its end the current certificate is to be replaced, such as V(30d), V(2w), V(36h), or V(33%) of its lifetime. A plain
        integer is a number of days.
      - V(0) issues only when none is unexpired any more, so there is a gap. Applications that must not notice need more.
      - Refused when a new certificate would be due within a day of its issue, because then every run would issue.
    type: str
    default: '0'
  rotate_before:
    description:
      - Replace the current certificate when it was issued before this moment, in ISO 8601, such as V(2026-11-22T08:00:00Z). Without an offset
        it is UTC.
      - This is how to rotate a key that may have leaked. It is safe to repeat, because the next certificate is issued after that moment.
      - A moment in the future is refused.
      - The old certificate stays valid at Atlas until its end. To lock it out, let the application use a database user of another name, and
        delete the old user.
    type: str
  force:
    description:
      - Issue in any case. For one line by hand; in a play every run would issue another certificate, until O(max_unexpired) stops it.
      - Run for several hosts of a play, the task issues for the first one only.
    type: bool
    default: false
  hosts:
    description:
      - What M(atlas.x509.atlas_pem_info) returned on the hosts that share this certificate, by host name.
      - A host that could not be asked may be given too; it counts as unknown.
      - With it the module returns which hosts should get the PEM, and from which host it can be had. The role P(atlas.x509.user_cert#role) gives it, and
        does what comes back.
    type: dict
  elsewhere:
    description:
      - What M(atlas.x509.atlas_pem_info) or M(atlas.x509.atlas_pem) returned at other places that may hold the certificate, as a list of
        dictionaries by host name. Nothing is brought to these places; they only tell who holds what.
      - A host of which no entry has a result counts as one that could not be asked.
    type: list
    elements: dict
  on_orphan:
    description:
      - What to do when Atlas lists unexpired certificates and nobody who was asked holds the key of one.
      - V(fail) stops and names them. V(reissue) issues another one beside them.
    type: str
    choices: [fail, reissue]
    default: fail
  max_unexpired:
    description: Refuse to issue when this many certificates of the user are unexpired already. It stops whatever issues again and again.
    type: int
    default: 10
extends_documentation_fragment:
  - atlas.x509.atlas
  - atlas.x509.attributes.changes
  - atlas.x509.help
  - atlas.x509.pem_file
requirements:
  - cryptography >= 37.0.2
seealso:
  - module: atlas.x509.atlas_user_cert_info
  - module: atlas.x509.atlas_pem
  - module: atlas.x509.atlas_pem_info
"""

EXAMPLES = r"""
---
- name: Keep a certificate on the controller, and replace it 30 days before it expires
  atlas.x509.atlas_user_cert:
    project_id: 64b7f0c2a1d3e4f5a6b7c8d9
    username: app
    path: /etc/app/mongodb.pem
    owner: app
    renew_before: 30d
  delegate_to: localhost
  run_once: true

- name: The key may have leaked, so replace whatever was issued before this morning
  atlas.x509.atlas_user_cert:
    username: app
    path: /etc/app/mongodb.pem
    rotate_before: "2026-11-22T08:00:00Z"
  delegate_to: localhost
  run_once: true

- name: Set the connection once for a play
  hosts: localhost
  gather_facts: false
  module_defaults:
    group/atlas.x509.atlas:
      project_id: 64b7f0c2a1d3e4f5a6b7c8d9
      client_id: "{{ vault_atlas_client_id }}"
      client_secret: "{{ vault_atlas_client_secret }}"
  tasks:
    - name: Keep a certificate that lives half a year
      atlas.x509.atlas_user_cert:
        username: reporting
        path: /etc/reporting/mongodb.pem
        months_until_expiration: 6
        renew_before: 33%
"""

RETURN = r"""
---
msg:
  description: What was decided and why, in one sentence.
  returned: always
  type: str
  sample: "app: certificate 5433027191242719574 is held at /etc/app/mongodb.pem and expires at 2027-02-22T14:00:00Z (92 days left)"
decision:
  description: V(issue) or V(keep).
  returned: when a decision was reached; V(refuse) when the module fails because of it
  type: str
  sample: keep
reason:
  description:
    - The rule that decided. V(none_unexpired), V(orphaned), V(rotation_asked), V(renewal_due) and V(forced) issue, V(held) keeps.
    - V(foreign_pem), V(orphaned), V(too_many_unexpired), V(holder_not_asked) and V(nowhere_to_place) refuse.
  returned: when a decision was reached
  type: str
  sample: held
certificate:
  description: The certificate to use; V(null) in check mode when one would be issued.
  returned: success
  type: dict
  contains:
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
    issuer:
      description: The issuer; V(null) when only Atlas's list is known.
      type: str
      returned: always
      sample: O=MongoDB Inc,OU=Atlas,CN=64b7f0c2a1d3e4f5a6b7c8d9
    issuer_common_name:
      description: The project, as the issuer names it; V(null) when only Atlas's list is known.
      type: str
      returned: always
      sample: 64b7f0c2a1d3e4f5a6b7c8d9
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
    renew_at:
      description: When O(renew_before) makes its renewal due, in ISO 8601 and UTC.
      type: str
      returned: always
      sample: "2027-01-23T08:00:00Z"
    fingerprint_sha256:
      description: The SHA-256 fingerprint in hexadecimal; V(null) when only Atlas's list is known.
      type: str
      returned: always
      sample: 4d0a...
path:
  description: Where the PEM is kept.
  returned: success
  type: str
  sample: /etc/app/mongodb.pem
path_is_current:
  description: Whether the file at RV(path) holds RV(certificate). It need not when O(hosts) hold it.
  returned: success
  type: bool
  sample: true
unexpired:
  description: Every unexpired certificate of the user at Atlas, the one issued last at the end.
  returned: when a decision was reached
  type: list
  elements: dict
  sample:
    - serial_number: "5433027191242719574"
      serial_hex: 4B65FD71ED0F8156
      subject: CN=app
      common_name: app
      not_before: "2026-11-22T07:00:00Z"
      not_after: "2027-02-22T08:00:00Z"
      days_left: 91
superseded:
  description: Serial numbers of unexpired certificates other than the one to use.
  returned: when a decision was reached
  type: list
  elements: str
  sample: []
orphaned:
  description: Serial numbers of unexpired certificates whose key nobody holds who was asked.
  returned: when a decision was reached
  type: list
  elements: str
  sample: []
backup_file:
  description: Where the file that was replaced is kept.
  returned: when a file was replaced and a backup was made
  type: str
  sample: /etc/app/mongodb.pem.4242.2026-11-22@08:00:00~
converged:
  description:
    - Whether nothing is left to do. Every one of O(hosts) that could be asked holds the certificate that was issued last, with the owner, group and
      mode that were asked for, and nothing waits at O(path).
  returned: when a decision was reached and O(hosts) is given
  type: bool
  sample: true
place:
  description: The hosts that should get the PEM.
  returned: when a decision was reached and O(hosts) is given
  type: list
  elements: str
  sample: [web3]
adjust:
  description: The hosts that hold the PEM, with another owner, group or mode than was asked for.
  returned: when a decision was reached and O(hosts) is given
  type: list
  elements: str
  sample: []
holders:
  description: The hosts that hold the current certificate.
  returned: when a decision was reached and O(hosts) is given
  type: list
  elements: str
  sample: [web1, web2]
source:
  description: The first host of RV(sources); V(null) when none holds the current certificate.
  returned: when a decision was reached and O(hosts) is given
  type: str
  sample: web1
sources:
  description: Where the current certificate can be had from, on O(hosts) and O(elsewhere).
  returned: when a decision was reached and O(hosts) is given
  type: list
  elements: dict
  contains:
    host:
      description: The host.
      type: str
      returned: always
      sample: web1
    path:
      description: The path there.
      type: str
      returned: always
      sample: /etc/app/mongodb.pem
held_at:
  description:
    - Up to three places for each unexpired certificate that is held on O(hosts) or O(elsewhere), in the form of O(elsewhere).
    - Give it there to a task that decides for other hosts, such as the next batch of a play. It does not grow with the fleet.
  returned: when a decision was reached and O(hosts) is given
  type: list
  elements: dict
  sample: [{web1: {location: /etc/app/mongodb.pem, state: pair, certificate: {serial_number: "5433027191242719574"}}}]
foreign:
  description: The hosts on which something else lies at that path, and what.
  returned: when a decision was reached and O(hosts) is given
  type: dict
  sample: {}
not_placeable:
  description: The hosts on which the PEM cannot be placed, and why.
  returned: when a decision was reached and O(hosts) is given
  type: dict
  sample: {web4: "path: no space is left in /etc/app"}
unasked:
  description: The hosts of O(hosts) and O(elsewhere) that could not be asked.
  returned: when a decision was reached and O(hosts) is given
  type: list
  elements: str
  sample: []
parked:
  description: Where the answer of Atlas is kept that could not be put in place.
  returned: when a certificate was issued and could not be put in place
  type: str
  sample: /etc/app/.mongodb.pem.atlas-pending
outcome_unknown:
  description: V(true). A certificate may have been issued whose key nobody holds.
  returned: when the request for a certificate was sent and its answer was lost
  type: bool
  sample: true
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
from ansible_collections.atlas.x509.plugins.module_utils import _ensure, _file_options, _options, _report, _request, _results, _verify
from ansible_collections.atlas.x509.plugins.module_utils._client import Client
from ansible_collections.atlas.x509.plugins.module_utils._errors import AtlasX509Error, unforeseen


def main():
    module = AnsibleModule(
        argument_spec=dict(_options.SPEC, **dict(_file_options.SPEC, **_request.SPEC)),
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
        request = _request.request(module.params, os.environ)
        connection = _options.connection(module.params, os.environ)
        _verify.readers()
        with Client(connection) as client:
            plan = _ensure.survey(client, request)
            do = _ensure.foresee if module.check_mode else _ensure.carry_out
            outcome = do(client, request, plan)
    except AtlasX509Error as error:
        module.fail_json(msg=error.message, **_results.failure(error))
    result = _report.outcome(outcome, request, module.check_mode)
    if outcome.path_is_current and _file_options.label(module, request.wanted.path, outcome.replaced):
        result["changed"] = True
    for warning in outcome.warnings:
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
