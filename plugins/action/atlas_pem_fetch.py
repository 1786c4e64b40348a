# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import secrets

from ansible.plugins.action import ActionBase
from ansible_collections.atlas.x509.plugins.module_utils import _fetch, _pem
from ansible_collections.atlas.x509.plugins.module_utils._errors import AtlasX509Error
from ansible_collections.atlas.x509.plugins.plugin_utils._path import as_modules_read_it


class ActionModule(ActionBase):
    """Bring a PEM from a host to the controller, and return none of it.

    What a module returns passes through the output of the connection, which ssh prints at -vvv. So the module returns the PEM
    combined with a one-time pad that only this process and the module know: without the pad it is noise.
    """

    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if "pad_base64" in arguments:
            return dict(result, failed=True, msg="pad_base64: is filled by the action plugin")
        dest, wanted = as_modules_read_it(arguments.get("dest")), str(arguments.get("serial_number"))
        kept = _fetch.kept(dest, wanted, self._task.check_mode)
        if kept:  # the host is not bothered: in a loop over hosts that hold it, the first one that gives it is enough
            return dict(result, changed=False, certificate=kept, msg="{0} on the controller holds certificate {1} already".format(dest, wanted))
        pad = secrets.token_bytes(_pem.MAX_SIZE)
        arguments["pad_base64"] = base64.b64encode(pad).decode("ascii")
        found = self._execute_module(module_name="atlas.x509.atlas_pem_fetch", module_args=arguments, task_vars=task_vars)
        self._remove_tmp_path(self._connection._shell.tmpdir)
        veiled = found.pop("veiled", None)
        result.update(found)
        if found.get("failed"):
            return result
        try:
            if veiled is None:  # check mode
                result["changed"] = _fetch.would_keep(dest, found["certificate"])
            else:
                result["changed"] = _fetch.keep(dest, _fetch.unveil(base64.b64decode(veiled), pad), found["certificate"])
        except AtlasX509Error as error:
            result.update(failed=True, msg=error.message)
        return result
