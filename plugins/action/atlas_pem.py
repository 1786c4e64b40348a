# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import os

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.atlas.x509.plugins.module_utils import _pem
from ansible_collections.atlas.x509.plugins.module_utils._errors import AtlasX509Error, StoreError
from ansible_collections.atlas.x509.plugins.plugin_utils._path import as_modules_read_it


class ActionModule(ActionBase):
    """Bring the PEM from the controller to the module: as an argument that is never logged, so no file is left on the way."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if "content_base64" in arguments:
            return dict(result, failed=True, msg="content_base64: is filled by the action plugin; give src")
        if not arguments.get("src"):
            return dict(result, failed=True, msg="src: missing; name the PEM on the controller")
        try:
            pem = self._read(as_modules_read_it(arguments["src"]))
        except AtlasX509Error as error:
            return dict(result, failed=True, msg="src: {0}".format(error.message))
        if pem is not None:
            arguments["content_base64"] = base64.b64encode(pem).decode("ascii")
        wrap_async = self._task.async_val and not self._connection.has_native_async
        result.update(
            self._execute_module(
                module_name="atlas.x509.atlas_pem", module_args=arguments, task_vars=task_vars, wrap_async=wrap_async
            )
        )
        if not wrap_async:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _read(self, source):
        """The PEM on the controller; None when it is not there and need not be, in check mode."""
        try:
            path = os.path.realpath(self._find_needle("files", source))
        except AnsibleError as error:
            if self._task.check_mode:
                return None
            raise StoreError("{0} is not on the controller".format(source)) from error
        look = _pem.look_at(path)
        if look.state != "pair":  # in check mode too, and before anything is sent to the host
            raise StoreError("{0} on the controller holds {1}".format(source, look.detail or look.describe()))
        try:
            return _pem.read(path)
        except OSError as error:
            raise StoreError("{0} cannot be read on the controller: {1}".format(source, error.strerror)) from None
