#!/usr/bin/python
# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
---
module: atlas_pem
short_description: Place a PEM with a private key on a host, safely
version_added: 1.0.0
author: the atlas.x509 contributors (@atlas-x509)
description:
  - Brings a certificate with its private key from the controller to a host. On the host the file is readable by its owner only
    from the first moment on, it is checked (one certificate and its own key) and synced before a rename puts it in place, and
    owner and permissions are set before that rename. At any moment the path holds the whole old PEM or the whole new one.
  - With C(--diff) it shows serial numbers and dates, never a key.
  - Runs on managed hosts with Python 3.6 or later and needs no library.
  - The role P(atlas.x509.user_cert#role) calls it where it is needed.
options:
  path:
    description: The file, as an absolute path. The directory must exist and must not be writable by everybody.
    type: path
    required: true
  src:
    description:
      - The PEM on the controller; a relative path is looked for as M(ansible.builtin.copy) does.
      - In check mode it need not exist yet.
    type: path
    required: true
  username:
    description: The database user whose certificate it must be.
    type: str
  project_id:
    description: The Atlas project whose certificate it must be.
    type: str
  verify_uri:
    description:
      - A MongoDB connection string without user and password, such as V(mongodb+srv://cluster0.example.mongodb.net/). When it is given, a new PEM
        must log in there from this host before it replaces the old one. When the login fails, the old file stays and the module fails.
      - The login is made with C(pymongo) of the Python that runs modules on the host, or else with C(mongosh). One of them must be there.
      - A file that holds the PEM already is not tried again, and check mode logs in nowhere.
    type: str
  content_base64:
    description: Filled by the action plugin from O(src). Giving it is an error.
    type: str
extends_documentation_fragment:
  - atlas.x509.attributes.changes
  - atlas.x509.help
  - atlas.x509.pem_file
seealso:
  - module: atlas.x509.atlas_user_cert
  - module: atlas.x509.atlas_pem_info
"""

EXAMPLES = r"""
---
- name: Place the PEM for the application
  atlas.x509.atlas_pem:
    path: /etc/app/mongodb.pem
    src: ~/.ansible/atlas_x509/app.pem
    owner: app
    group: app
    mode: "0640"
    username: app
"""

RETURN = r"""
---
msg:
  description: What was done, in one sentence.
  returned: always
  type: str
  sample: "/etc/app/mongodb.pem: placed certificate 5433027191242719574"
path:
  description: The file.
  returned: success
  type: str
  sample: /etc/app/mongodb.pem
certificate:
  description: The certificate that is there now; V(null) in check mode when O(src) does not exist yet. The fields are those of
    RV(atlas.x509.atlas_pem_info#module:certificate).
  returned: success
  type: dict
  sample:
    serial_number: "5433027191242719574"
    not_after: "2027-02-22T08:00:00Z"
replaced:
  description: The serial number of the certificate that was there before; V(null) when there was none.
  returned: success
  type: str
  sample: "2558523591213958694"
backup_file:
  description: Where the file that was replaced is kept.
  returned: when a file was replaced and a backup was made
  type: str
  sample: /etc/app/mongodb.pem.4242.2026-11-22@08:00:00~
"""

import base64

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.atlas.x509.plugins.module_utils import _file_options, _login, _place, _results, _store
from ansible_collections.atlas.x509.plugins.module_utils._errors import AtlasX509Error, OptionError, unforeseen


def main():
    module = AnsibleModule(
        argument_spec=dict(
            _file_options.SPEC,
            path={"type": "path", "required": True},
            src={"type": "path", "required": True},
            username={"type": "str"},
            project_id={"type": "str"},
            verify_uri={"type": "str"},
            content_base64={"type": "str", "no_log": True},
        ),
        supports_check_mode=True,
    )
    try:
        _run(module)
    except Exception as error:  # noqa: BLE001
        # Ansible would print its message, which may quote a request or a key.
        module.fail_json(**unforeseen(error))


def _run(module):
    params = module.params
    module.no_log_values.update(_login.misplaced_secrets(params["verify_uri"]))
    pem = base64.b64decode(params["content_base64"]) if params["content_base64"] else None
    try:
        order = _place.Order(
            params["path"],
            _store.attributes(params["mode"], params["owner"], params["group"]),
            params["backup"],
            params["on_foreign"] == "replace",
            params["username"] or None,
            params["project_id"] or None,
            _login.trial(params["verify_uri"], module.run_command),
        )
        if pem is None and not module.check_mode:
            raise OptionError("src: the PEM did not arrive; only the action plugin of this module brings it")
        placed = _place.foresee(order, pem) if module.check_mode else _place.place(order, pem)
    except AtlasX509Error as error:
        module.fail_json(msg=error.message, **_results.failure(error))
    result = _place.report(placed, order.path, module.check_mode)
    if not module.check_mode and _file_options.label(module, order.path, placed.changed):
        result["changed"] = True
    module.exit_json(**result)


if __name__ == "__main__":
    main()
