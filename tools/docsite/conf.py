# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How Sphinx makes the site. build.py copies this beside the pages."""

from docutils import nodes

project = "atlas.x509"
copyright = "2026 the atlas.x509 contributors"  # noqa: A001  # Sphinx's own name for it
html_title = "atlas.x509"
html_theme = "furo"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
antsibull_ext_color_scheme = "default-autodark"
myst_heading_anchors = 4
html_show_sphinx = False
html_copy_source = False
default_role = "any"
highlight_language = "yaml"

_ANSIBLE = "https://docs.ansible.com/ansible/latest/"
_PAGES = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}
_BUILTIN = "ansible_collections.ansible.builtin."


def _in_ansible(_app, _environment, node, content):
    """What the reference says of Ansible itself leads to Ansible's own pages; asked of no server, so that the site can be made offline."""
    target = node.get("reftarget", "")
    page = f"collections/ansible/builtin/{target.removeprefix(_BUILTIN)}.html" if target.startswith(_BUILTIN) else _PAGES.get(target)
    return nodes.reference("", "", content, refuri=_ANSIBLE + page, internal=False) if page else None


def setup(app):
    """Sphinx calls it."""
    app.connect("missing-reference", _in_ansible)
