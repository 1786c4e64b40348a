# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask OpenSSL whether a PEM works, as a database driver would find out: by a TLS handshake with it, in memory.

Loading alone is not enough: it compares the public halves of certificate and key, and takes a key whose secret half is damaged.
Runs on managed hosts: Python 3.6 and later, standard library only.
"""

import os
import ssl

_OTHER_KEY = frozenset(("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED", "UNKNOWN_CERTIFICATE_TYPE"))
_FLIGHTS = 4


class Unusable(Exception):
    """OpenSSL cannot log in with this PEM. ``other_key`` says that the key is whole and belongs to another certificate."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.other_key = reason in _OTHER_KEY
        self.reason = "OpenSSL cannot use it: {0}".format(reason.replace("_", " ").lower())


def certificate_in_use(descriptor: int, path: str) -> bytes:
    """The certificate, in DER, that a login with this PEM presents; :class:`Unusable` when the login would fail.

    ``descriptor`` is the open file and ``path`` its name.
    """
    # The open file itself, where the system has a name for it: between two opens a path can come to mean another file.
    same_file = "/proc/self/fd/{0}".format(descriptor)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # Without password= OpenSSL would ask on the terminal and wait for ever.
        context.load_cert_chain(same_file if os.path.exists(same_file) else path, password="")
        presented = _handshake(context)
    except ssl.SSLError as error:
        raise Unusable(error.reason or "unknown") from None
    if not presented:
        raise Unusable("no handshake")
    return presented


def _handshake(context: ssl.SSLContext) -> bytes:
    peer = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    peer.check_hostname, peer.verify_mode = False, ssl.CERT_NONE  # who it is does not matter here, only that it can prove it
    to_holder, to_peer = ssl.MemoryBIO(), ssl.MemoryBIO()
    client, holder = peer.wrap_bio(to_peer, to_holder), context.wrap_bio(to_holder, to_peer, server_side=True)
    for side in (client, holder) * _FLIGHTS:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            pass
    return client.getpeercert(binary_form=True) or b""
