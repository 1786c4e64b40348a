# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs on managed hosts, under every Python that this ansible-core supports there, 3.6 with ansible-core 2.16 included."""

from __future__ import annotations

import functools
import json
import stat
import sys

import interpreters
import matrix
import pytest
import yaml
from ansible.release import __version__ as ansible_version
from fake_atlas import DEMO_PROJECT, FakeAtlas

PLAY = """
- hosts: host
  gather_facts: false
  module_defaults:
    atlas.x509.atlas_pem: &path
      path: "{{ folder }}/app.pem"
      mode: "0640"
    atlas.x509.atlas_pem_info: *path
  tasks:
    - atlas.x509.atlas_pem_info: {}
      register: before
    - atlas.x509.atlas_pem: &place
        src: "{{ folder }}/source.pem"
        username: app
        project_id: "{{ project }}"
      register: placed
    - atlas.x509.atlas_pem: *place
      register: again
    - atlas.x509.atlas_pem_info: {}
      register: after
    - atlas.x509.atlas_pem_fetch:
        path: "{{ folder }}/app.pem"
        dest: "{{ folder }}/fetched.pem"
        serial_number: "{{ after.certificate.serial_number }}"
      register: fetched
    - atlas.x509.atlas_pem:
        src: "{{ folder }}/source.pem"
        path: "{{ folder }}/foreign.txt"
      register: foreign
      ignore_errors: true
    - ansible.builtin.raw: "{{ ansible_python_interpreter }} -c 'import sys; print(sys.version_info[1])'"
      register: minor
    - ansible.builtin.copy:
        content: "{{ dict(before=before, placed=placed, again=again, after=after, fetched=fetched, foreign=foreign, minor=minor.stdout) | to_json }}"
        dest: "{{ folder }}/results.json"
        mode: "0600"
      delegate_to: localhost
"""


def supported():
    """The versions to try: the ends always, those between them rarely."""
    pythons = matrix.SUPPORTED.get(".".join(ansible_version.split(".")[:2]))
    versions = pythons.hosts if pythons else ()
    return [pytest.param(version, marks=() if version in (versions[0], versions[-1]) else pytest.mark.rare) for version in versions]


@functools.cache
def found():
    return interpreters.find()


@pytest.mark.parametrize("version", supported())
def test_the_modules_for_managed_hosts_run_under_python(version, ansible, tmp_path):
    interpreter = found().get(version)
    if not interpreter:
        pytest.skip(f"no Python {version} on this machine")
    with FakeAtlas() as atlas:
        certificate = atlas.call(atlas.state.add_certificate, DEMO_PROJECT, "app")
        (tmp_path / "source.pem").write_text(atlas.state.pem(certificate))
    (tmp_path / "foreign.txt").write_text("remember the milk")
    shared = {"ansible_connection": "local", "ansible_remote_tmp": f"{tmp_path}/remote", "folder": str(tmp_path), "project": DEMO_PROJECT}
    hosts = {name: {"ansible_python_interpreter": python, **shared} for name, python in (("host", str(interpreter)), ("localhost", sys.executable))}
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    (tmp_path / "play.yml").write_text(PLAY)

    output = ansible("ansible-playbook", "-i", "inventory.yml", "play.yml", "-vvv")

    assert "PRIVATE KEY" not in output
    result = json.loads((tmp_path / "results.json").read_text())
    assert f"3.{result['minor'].strip()}" == version, "another Python than the one that was meant"
    assert (result["before"]["state"], result["before"]["placeable"]) == ("absent", True)
    assert (result["placed"]["changed"], result["again"]["changed"]) == (True, False)
    assert (result["after"]["state"], result["after"]["key_matches"], result["after"]["attributes_differ"]) == ("pair", True, [])
    assert result["after"]["certificate"]["serial_number"] == str(certificate.serial)
    assert result["foreign"]["failed"], "a file of somebody else was replaced"
    assert (tmp_path / "foreign.txt").read_text() == "remember the milk"
    assert stat.S_IMODE((tmp_path / "app.pem").stat().st_mode) == 0o640
    # The same blocks; what stands around them is not kept.
    assert (tmp_path / "fetched.pem").read_bytes() == (tmp_path / "app.pem").read_bytes()
