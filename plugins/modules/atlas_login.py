#!/usr/bin/python
# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
---
module: atlas_login
short_description: Log in to MongoDB Atlas once for all tasks of a play
version_added: 1.0.0
author: the atlas.x509 contributors (@atlas-x509)
description:
  - Logs in as a service account, once, and lets every later task of the same run of Ansible that uses the same account work with
    that login, the role P(atlas.x509.user_cert#role) included. Without it each task logs in by itself, and Atlas allows 50 logins a minute.
  - The token is never returned and becomes no variable. It lies in a file, C(0600), in the directory that this run of Ansible has for itself on
    the controller, which Ansible removes at its end. A killed run may leave that directory; the token in it ends within the hour.
  - A token that ends soon, or that Atlas no longer takes, is renewed by the task that notices, for all.
  - Log out at the end of the play with O(state=absent), in C(always) or C(post_tasks). Without it the token stays active for up to an hour, and an
    account can have 100 of them.
  - With an API key, or with a token that was made elsewhere, there is nothing to log in to. The module then says so and does nothing, so that a play works
    with any kind of credentials.
options:
  state:
    description:
      - V(present) logs in, unless this run is logged in already.
      - V(absent) revokes the token. Tasks that follow log in by themselves again.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - atlas.x509.atlas
  - atlas.x509.attributes.info
  - atlas.x509.help
attributes:
  check_mode:
    description: A login is a read like others, so the module logs in and out in check mode too.
    support: full
notes:
  - The tasks that share the login are those that run on the controller. One that is delegated to another machine logs in by itself.
  - Tasks find the login by their credentials and O(base_url), wherever these come from (options, C(module_defaults) or the environment).
    An O(access_token) that is given to a task wins.
  - A login does not count as a change.
seealso:
  - module: atlas.x509.atlas_user_cert
  - module: atlas.x509.atlas_user_cert_info
"""

EXAMPLES = r"""
---
- name: Keep the certificates of many applications, with one login
  hosts: app
  become: true
  module_defaults:
    group/atlas.x509.atlas:
      project_id: 64b7f0c2a1d3e4f5a6b7c8d9
      client_id: mdb_sa_id_64b7f0c2a1d3e4f5a6b7c8da
      client_secret: "{{ vaulted_client_secret }}"
  tasks:
    - name: Work with one login
      block:
        - name: Log in
          atlas.x509.atlas_login:
          delegate_to: localhost
          run_once: true
          become: false

        - name: Keep the certificate of each application
          ansible.builtin.include_role:
            name: atlas.x509.user_cert
          vars:
            user_cert_username: "{{ application }}"
            user_cert_path: "/etc/{{ application }}/mongodb.pem"
            user_cert_renew_before: 30d
          loop: "{{ applications }}"
          loop_control:
            loop_var: application
      always:
        - name: Log out
          atlas.x509.atlas_login:
            state: absent
          delegate_to: localhost
          run_once: true
          become: false
"""

RETURN = r"""
---
msg:
  description: What was done, in one sentence.
  returned: always
  type: str
  sample: logged in, for all tasks of this run that use the same service account
logged_in:
  description: Whether the tasks of this run share a login now.
  returned: success
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
      sample: 401
    code:
      description: Atlas's error code; V(null) when it was not Atlas that answered.
      type: str
      returned: always
      sample: invalid_client
    detail:
      description: What Atlas said, or the title of a proxy's page.
      type: str
      returned: always
      sample: Client authentication failed.
    parameters:
      description: What Atlas gives beside it.
      type: list
      elements: raw
      returned: always
      sample: []
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.atlas.x509.plugins.module_utils import _options, _results, _session
from ansible_collections.atlas.x509.plugins.module_utils._client import Client
from ansible_collections.atlas.x509.plugins.module_utils._errors import AtlasX509Error, unforeseen


def main():
    module = AnsibleModule(
        argument_spec=dict(_options.SPEC, **_session.SPEC),
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
        with Client(_options.connection(module.params, os.environ)) as client:
            outcome = _session.ensure(client, module.params["state"])
    except AtlasX509Error as error:
        module.fail_json(msg=error.message, **_results.failure(error))
    for warning in outcome.warnings:
        module.warn(warning)
    module.exit_json(changed=False, msg=outcome.message, logged_in=outcome.logged_in)


if __name__ == "__main__":
    main()
