# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An audit of ten thousand users, by the module as a process of its own, of a service in another one."""

from __future__ import annotations

import pytest
from benchmark._cost import module
from benchmark._service import service
from fake_atlas import READ_ONLY_PRIVATE_KEY, READ_ONLY_PUBLIC_KEY

MOST = 300  # MB


@pytest.mark.heavy
def test_ten_thousand_users_fit_into_memory():
    """The bound is that of the whole process, with the interpreter, Ansible's own part and the answer in it."""
    with service() as atlas:
        atlas.populated(100, 100, 0.0)
        access = {"base_url": atlas.url, "public_api_key": READ_ONLY_PUBLIC_KEY, "private_api_key": READ_ONLY_PRIVATE_KEY}
        cost, result = module("atlas_user_cert_info", {"all_projects": True, **access})
    assert result["failed_lists"] == []
    assert len(result["users"]) == 100 * 100 + 1  # and the demonstration's own user
    assert result["total_count"] == 100 * 100
    assert cost.memory < MOST
