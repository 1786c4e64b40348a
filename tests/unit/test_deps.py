# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import requests
from ansible_collections.atlas.x509.plugins.module_utils import _deps, _http, _options
from ansible_collections.atlas.x509.plugins.module_utils._errors import MissingLibrary
from connections import task_options


def connection(url):
    return _options.connection(task_options(base_url=url, access_token="a-token-that-is-long-enough"), {})


def test_a_library_that_is_there_is_handed_out():
    assert _deps.library("json").loads("[1]") == [1]


def test_whoever_lacks_a_library_reads_the_line_that_installs_it_for_this_very_interpreter(monkeypatch):
    monkeypatch.setitem(sys.modules, "requests", None)
    with pytest.raises(MissingLibrary) as caught:
        _deps.library("requests")
    assert f"'{sys.executable} -m pip install requests'" in caught.value.message
    assert "execution environment" in caught.value.message


@pytest.mark.parametrize("part", ["cryptography.x509", "cryptography.hazmat.primitives.serialization"])
def test_the_line_names_the_distribution_and_not_the_part_of_it_that_was_asked_for(monkeypatch, part):
    """There is no distribution of the part's name: whoever registers it would be installed on every controller."""
    for name in ("cryptography", "cryptography.x509", "cryptography.hazmat.primitives.serialization"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingLibrary) as caught:
        _deps.library(part)
    assert "-m pip install cryptography'" in caught.value.message
    assert f"install {part}" not in caught.value.message
    assert f"add '{part}'" not in caught.value.message


def test_an_interpreter_without_a_name_still_gets_a_sentence(monkeypatch):
    monkeypatch.setattr(sys, "executable", "")
    monkeypatch.setitem(sys.modules, "requests", None)
    with pytest.raises(MissingLibrary, match="'python -m pip install requests'"):
        _deps.library("requests")


@pytest.mark.parametrize("version", ["1.21.1", "1.24.3", "1.25.11", "1.9", "0.6", "dev", ""])
def test_a_urllib3_that_may_lose_an_answer_unnoticed_is_refused_before_anything_is_sent(atlas, monkeypatch, version):
    monkeypatch.setattr(requests.packages.urllib3, "__version__", version)
    with pytest.raises(MissingLibrary) as caught:
        _http.Transport(connection(atlas.url))
    assert f"urllib3 {version}, " in caught.value.message
    assert f"""'{sys.executable} -m pip install --upgrade "urllib3>=1.26"'""" in caught.value.message
    assert "execution environment" in caught.value.message
    assert atlas.state.counters.connections == 0


@pytest.mark.parametrize("version", ["1.26.0", "1.26.20", "1.27", "2.0.0a1", "2.5.1.dev3+g1a2b3c4", "10.0"])
def test_any_later_urllib3_is_taken(atlas, monkeypatch, version):
    monkeypatch.setattr(requests.packages.urllib3, "__version__", version)
    _http.Transport(connection(atlas.url)).close()


WITHOUT_LIBRARIES = """
import sys
sys.modules["requests"] = sys.modules["cryptography"] = None
from ansible_collections.atlas.x509.plugins.module_utils import _client, _ensure, _errors, _http, _options, _verify
print("imported")
options = {name: field.get("default") for name, field in _options.SPEC.items()}
options["access_token"] = "a-token-that-is-long-enough"
for need in (lambda: _client.Client(_options.connection(options, {})), _verify.readers):
    try:
        need()
    except _errors.MissingLibrary as error:
        print("missing:", error.message)
"""


def test_the_files_can_be_imported_where_both_libraries_are_missing_and_say_so_only_when_they_are_needed():
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, sys.path)))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LIBRARIES], env=environment, capture_output=True, text=True, check=True, timeout=30
    )
    imported, first, second = done.stdout.splitlines()
    assert imported == "imported"
    assert first.startswith("missing: the Python library 'requests' is missing")
    assert second.startswith("missing: the Python library 'cryptography")
