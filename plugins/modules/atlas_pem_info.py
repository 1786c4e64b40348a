#!/usr/bin/python
# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
---
module: atlas_pem_info
short_description: Look what lies at the path of a PEM, and whether one could be placed there
version_added: 1.0.0
author: the atlas.x509 contributors (@atlas-x509)
description:
  - Says what a file with a certificate and a private key holds, in public facts only. The key never leaves the file.
  - Says whether a PEM could be placed there, so that it is known before Atlas is asked for a certificate.
  - What it returns is what M(atlas.x509.atlas_user_cert) takes as O(atlas.x509.atlas_user_cert#module:hosts).
  - Runs on managed hosts with Python 3.6 or later and needs no library.
  - The role P(atlas.x509.user_cert#role) calls it where it is needed.
options:
  path:
    description: The file, as an absolute path.
    type: path
    required: true
  mode:
    description: The permissions that the file should have, in octal and quoted.
    type: raw
    default: '0600'
  owner:
    description: The user who should own the file, by name or number.
    type: str
  group:
    description: The group that the file should have, by name or number.
    type: str
  username:
    description: The database user that this is about. Returned as it is, so that the looks for several users can be told apart.
    type: str
  project_id:
    description: The Atlas project that this is about. Returned as it is, for users of one name in several projects.
    type: str
  verify_uri:
    description:
      - What O(atlas.x509.atlas_pem#module:verify_uri) will be. No login is tried; RV(placeable) is V(false) when none could be tried from this host.
    type: str
  also_at:
    description:
      - Other paths on the host where the PEM of the same O(username) may lie, because another application has one of its own.
      - They only tell who holds what, see RV(also).
    type: list
    elements: path
    default: []
extends_documentation_fragment:
  - atlas.x509.attributes.info
  - atlas.x509.help
seealso:
  - module: atlas.x509.atlas_pem
  - module: atlas.x509.atlas_user_cert
"""

EXAMPLES = r"""
---
- name: Look at the certificate on every host
  atlas.x509.atlas_pem_info:
    path: /etc/app/mongodb.pem
    owner: app
  register: pem

- name: Say until when it is valid
  ansible.builtin.debug:
    msg: "{{ pem.certificate.serial_number }} expires at {{ pem.certificate.not_after }}"
  when: pem.state == "pair"
"""

RETURN = r"""
---
location:
  description: The path that was looked at.
  returned: success
  type: str
  sample: /etc/app/mongodb.pem
username:
  description: The option O(username); V(null) when it was not given.
  returned: success
  type: str
  sample: app
project_id:
  description: The option O(project_id); V(null) when it was not given.
  returned: success
  type: str
  sample: 64b7f0c2a1d3e4f5a6b7c8d9
also_at:
  description: The option O(also_at), as it is.
  returned: success
  type: list
  elements: str
  sample: [/etc/reporting/mongodb.pem]
also:
  description: Those of O(also_at) that hold a certificate of O(username) with its own key.
  returned: success
  type: list
  elements: dict
  contains:
    location:
      description: The path.
      type: str
      returned: always
      sample: /etc/reporting/mongodb.pem
    state:
      description: Always V(pair).
      type: str
      returned: always
      sample: pair
    certificate:
      description: The certificate, as in RV(certificate).
      type: dict
      returned: always
      sample: {serial_number: "5433027191242719574"}
exists:
  description: Whether anything is there.
  returned: success
  type: bool
  sample: true
state:
  description:
    - V(pair) is a certificate with its own private key. V(absent) and V(empty) are nothing.
    - V(certificate_only), V(key_only), V(broken) (the key is damaged), V(mismatched) (the key of another certificate), V(encrypted) (the key
      needs a passphrase) and V(unreadable) (no PEM, several keys, no regular file, too large, no permission) are of no use.
  returned: success
  type: str
  sample: pair
detail:
  description: More about a state that is of no use; V(null) otherwise.
  returned: success
  type: str
  sample: a symbolic link
key_matches:
  description: Whether the private key is that of the certificate; V(null) when there are not both.
  returned: success
  type: bool
  sample: true
certificate:
  description: The first certificate in the file; V(null) when there is none.
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
      description: The subject.
      type: str
      returned: always
      sample: CN=app
    common_name:
      description: The common name of the subject, for Atlas the database user; V(null) when it has none or several.
      type: str
      returned: always
      sample: app
    issuer:
      description: The issuer.
      type: str
      returned: always
      sample: O=MongoDB Inc,OU=Atlas,CN=64b7f0c2a1d3e4f5a6b7c8d9
    issuer_common_name:
      description: The common name of the issuer, for Atlas the project; V(null) when it has none or several.
      type: str
      returned: always
      sample: 64b7f0c2a1d3e4f5a6b7c8d9
    not_before:
      description: From when on it is valid, in ISO 8601 and UTC.
      type: str
      returned: always
      sample: "2026-11-22T07:00:00Z"
    not_after:
      description: Until when it is valid, in ISO 8601 and UTC.
      type: str
      returned: always
      sample: "2027-02-22T08:00:00Z"
    fingerprint_sha256:
      description: The SHA-256 fingerprint in hexadecimal.
      type: str
      returned: always
      sample: 4d0a...
placeable:
  description: Whether a PEM could be placed there, as far as can be seen without writing.
  returned: success
  type: bool
  sample: true
placeable_reason:
  description: Why not; V(null) when it could.
  returned: success
  type: str
  sample: "owner: there is no user 'app' here"
attributes_differ:
  description: Which of V(mode), V(owner) and V(group) the file has otherwise than asked for.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.atlas.x509.plugins.module_utils import _file_options, _login, _pem, _results, _shown, _store
from ansible_collections.atlas.x509.plugins.module_utils._errors import OptionError, unforeseen


def _also(paths, path, username):
    looks = ((other, _pem.look_at(other)) for other in paths if other != path)
    return [
        {"location": other, "state": look.state, "certificate": _shown.certificate(look.certificate)}
        for other, look in looks
        if look.state == "pair" and look.certificate.common_name == username
    ]


def main():
    module = AnsibleModule(
        argument_spec=dict(
            _file_options.ATTRIBUTES,
            path={"type": "path", "required": True},
            username={"type": "str"},
            project_id={"type": "str"},
            also_at={"type": "list", "elements": "path", "default": []},
            verify_uri={"type": "str"},
        ),
        supports_check_mode=True,
    )
    try:
        _run(module)
    except Exception as error:  # noqa: BLE001
        # Ansible would print its message, which may quote a request or a key.
        module.fail_json(**unforeseen(error))


def _run(module):
    module.no_log_values.update(_login.misplaced_secrets(module.params["verify_uri"]))
    path = module.params["path"]
    try:
        _store.parse_mode(module.params["mode"])
        _store.check_absolute(path)
        for other in module.params["also_at"]:
            _store.check_absolute(other, "also_at")
        verify_uri = _login.check_uri(module.params["verify_uri"])
    except OptionError as error:
        module.fail_json(msg=error.message)
    place = _store.inspect(path, module.params["mode"], module.params["owner"], module.params["group"])
    problem = place.obstacle or _login.obstacle(verify_uri)
    # Not as "path": AnsibleModule would add what it finds there, and overwrite the state.
    module.exit_json(
        changed=False,
        location=path,
        username=module.params["username"],
        project_id=module.params["project_id"],
        placeable=problem is None,
        placeable_reason=problem,
        attributes_differ=place.differing,
        also_at=module.params["also_at"],
        also=_also(module.params["also_at"], path, module.params["username"]),
        **_results.look(_pem.look_at(path))
    )


if __name__ == "__main__":
    main()
