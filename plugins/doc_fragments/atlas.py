# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that say how to reach Atlas. Mirrors ``module_utils/_options.py``; a test compares the two."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  project_id:
    description:
      - The project (Atlas also calls it group), 24 hexadecimal digits in lower case.
      - Defaults to the environment variable E(MONGODB_ATLAS_PROJECT_ID).
    type: str
  public_api_key:
    description:
      - The public part of an API key. Together with O(private_api_key) it is used for HTTP digest authentication.
      - Credentials are taken from the options when these hold a complete set, else from the environment of the machine where
        the module runs, which is normally the controller; the two are never mixed. A token comes before a service account, and that
        before an API key.
      - The environment variable is E(MONGODB_ATLAS_PUBLIC_API_KEY) or E(MONGODB_ATLAS_PUBLIC_KEY).
    type: str
    aliases: [public_key]
  private_api_key:
    description:
      - The private part of an API key.
      - The environment variable is E(MONGODB_ATLAS_PRIVATE_API_KEY) or E(MONGODB_ATLAS_PRIVATE_KEY).
    type: str
    aliases: [private_key]
  client_id:
    description:
      - The client ID of a service account. A token is made once for the run of the module and revoked at its end, or
        once for all tasks of the play (see M(atlas.x509.atlas_login)).
      - Giving both a service account and an API key as options is an error.
      - The environment variable is E(MONGODB_ATLAS_CLIENT_ID).
    type: str
  client_secret:
    description:
      - The secret of the service account.
      - The environment variable is E(MONGODB_ATLAS_CLIENT_SECRET).
    type: str
  access_token:
    description:
      - A token of a service account, made elsewhere. It is neither renewed nor revoked.
      - The environment variable is E(MONGODB_ATLAS_ACCESS_TOKEN).
    type: str
  base_url:
    description:
      - Where Atlas is. For Atlas for Government V(https://cloud.mongodbgov.com).
      - Plain V(http) is refused, except for a loopback address.
      - Defaults to the environment variable E(MONGODB_ATLAS_BASE_URL), and without it to V(https://cloud.mongodb.com).
    type: str
  api_version:
    description: The version of the Atlas Administration API. V(v1.0) is deprecated by Atlas.
    type: str
    choices: [v2, v1.0]
    default: v2
  timeout:
    description: How long to wait for a connection, for the next part of an answer, and for the whole body of one, in seconds.
    type: int
    default: 60
  retries:
    description:
      - How often a read (a list, a login) is repeated after a failed connection, a limited rate (HTTP 429) or a failure of the
        service (HTTP 5xx).
      - The request that issues a certificate is never repeated by itself.
    type: int
    default: 4
  validate_certs:
    description: Whether to check the TLS certificate of the service. Only for tests should this be V(false).
    type: bool
    default: true
  ca_path:
    description:
      - A file with certificate authorities to trust instead of the usual ones, for a proxy that opens TLS.
      - The environment variable E(REQUESTS_CA_BUNDLE) works too.
    type: path
  login_dir:
    description: Filled by the action plugin, for M(atlas.x509.atlas_login). Giving it is an error.
    type: path
requirements:
  - Python 3.10 or later where the module runs
  - requests >= 2.28.1
notes:
  - The module runs where the credentials are, normally on the controller (O(ignore:delegate_to=localhost), or a play for V(localhost)). It refuses to
    run on a managed host unless the task is delegated there on purpose.
  - HTTP proxies are taken from the environment variables E(HTTPS_PROXY) and E(NO_PROXY). Redirects are not followed, and C(~/.netrc) is not read.
attributes:
  action_group:
    description: Use C(group/atlas.x509.atlas) in C(module_defaults) to set the connection options once for all modules of the group.
    support: full
    membership:
      - atlas.x509.atlas
"""
