#!/usr/bin/python
# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
---
module: atlas_pem_fetch
short_description: Bring a PEM with a private key from a host to the controller, unseen
version_added: 1.0.0
author: the atlas.x509 contributors (@atlas-x509)
description:
  - Brings a certificate with its private key from a host that holds it to the controller, for hosts that need it.
  - Nothing of the key is in the result, and nothing readable in what the connection prints at any verbosity, because
    it travels combined with a one-time pad. On the controller the file is readable by its owner only from the first moment on.
    (M(ansible.builtin.fetch) makes a file that everybody may read, and M(ansible.builtin.slurp) returns the key.)
  - Runs on managed hosts with Python 3.6 or later and needs no library.
  - The role P(atlas.x509.user_cert#role) calls it where it is needed.
options:
  path:
    description: The file on the host, as an absolute path.
    type: path
    required: true
  dest:
    description: The file on the controller. A missing directory is made with C(0700).
    type: str
    required: true
  serial_number:
    description: The serial number, in decimal, of the certificate that is wanted. Any other one is an error.
    type: str
    required: true
  pad_base64:
    description: Filled by the action plugin. Giving it is an error.
    type: str
extends_documentation_fragment:
  - atlas.x509.attributes.changes
  - atlas.x509.help
attributes:
  diff_mode:
    description: There is nothing to show that is not secret.
    support: none
seealso:
  - module: atlas.x509.atlas_pem
"""

EXAMPLES = r"""
---
- name: Bring the PEM from a host that has it
  atlas.x509.atlas_pem_fetch:
    path: /etc/app/mongodb.pem
    dest: ~/.ansible/atlas_x509/app.pem
    serial_number: "5433027191242719574"
  delegate_to: web1
  run_once: true
"""

RETURN = r"""
---
msg:
  description: What was done, in one sentence.
  returned: always
  type: str
  sample: "/etc/app/mongodb.pem holds certificate 5433027191242719574"
certificate:
  description: The certificate that was brought. The fields are those of RV(atlas.x509.atlas_pem_info#module:certificate).
  returned: success
  type: dict
  sample:
    serial_number: "5433027191242719574"
    not_after: "2027-02-22T08:00:00Z"
"""

import base64

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.atlas.x509.plugins.module_utils import _fetch, _pem, _shown
from ansible_collections.atlas.x509.plugins.module_utils._errors import AtlasX509Error, PemError, unforeseen


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "dest": {"type": "str", "required": True},
            "serial_number": {"type": "str", "required": True},
            "pad_base64": {"type": "str", "no_log": True},
        },
        supports_check_mode=True,
    )
    try:
        _run(module)
    except Exception as error:  # noqa: BLE001
        # Ansible would print its message, which may quote a request or a key.
        module.fail_json(**unforeseen(error))


def _run(module):
    path, wanted = module.params["path"], module.params["serial_number"]
    try:
        look = _pem.look_at(path)
        if look.state != "pair" or str(look.certificate.serial) != wanted:
            raise PemError("{0} holds {1}, not certificate {2}".format(path, look.describe(), wanted))
        result = {"certificate": _shown.certificate(look.certificate), "msg": "{0} holds certificate {1}".format(path, wanted)}
        if not module.check_mode:
            result["veiled"] = base64.b64encode(_fetch.veil(_pem.read(path), base64.b64decode(module.params["pad_base64"]))).decode("ascii")
    except (AtlasX509Error, OSError) as error:
        module.fail_json(msg=getattr(error, "message", None) or "{0}: {1}".format(path, error.strerror))
    module.exit_json(changed=True, **result)


if __name__ == "__main__":
    main()
