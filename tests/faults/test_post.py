# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every way in which the answer to the POST can go wrong, with the module as a process: what is issued, what lies on disk, what
the user is told, and what the next run does. ``tests/unit/test_ensure.py`` asks the same of the functions, in more detail.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from ansible_collections.atlas.x509.plugins.module_utils import _pem
from fake_atlas import DEMO_PRIVATE_KEY
from outcomes import files, issued, known, lay, listed, pem_of, posts

from faults.relay import Relay

PENDING = ".app.pem.atlas-pending"
POST = {"method": "POST", "path_contains": "/certs"}
SAFE, UNKNOWN, KEPT, PLACED = "certainly not issued", "unknown", "received but wrong", "as good as any"


class Fault(NamedTuple):
    """``rule`` is the fake's, ``relay`` what the way to it does. ``truth``: what the user must be told.

    ``issued``: how many there are afterwards. ``adopted``: what was kept is good, and the next run takes it up.
    """

    name: str
    truth: str
    issued: int
    rule: dict[str, Any] | None = None
    relay: dict[str, Any] | None = None
    adopted: bool = False


def body(variant, **more):
    return {"action": "body", "variant": variant, **more}


FAULTS = [
    Fault("connection refused", SAFE, 0, relay={"lists": 2}),
    Fault("dropped before the request was read", UNKNOWN, 0, {"action": "drop_before"}),
    Fault("reset before the request was read", UNKNOWN, 0, {"action": "drop_before", "reset": True}),
    Fault("dropped after issuing", UNKNOWN, 1, {"action": "drop_after"}),
    Fault("reset after issuing", UNKNOWN, 1, {"action": "drop_after", "reset": True}),
    Fault("cut before the first byte of the PEM", UNKNOWN, 1, {"action": "cut", "after": 0}),
    Fault("cut in the middle of the PEM", KEPT, 1, {"action": "cut", "after": 2500}),
    Fault("reset in the middle of the PEM", KEPT, 1, {"action": "cut", "after": 2500, "reset": True}),
    Fault("500", UNKNOWN, 0, {"action": "status", "status": 500}),
    Fault("500 with a certificate behind it", UNKNOWN, 1, {"action": "issue_then_status", "status": 500}),
    Fault("503", UNKNOWN, 0, {"action": "status", "status": 503}),
    Fault("503 with a certificate behind it", UNKNOWN, 1, {"action": "issue_then_status", "status": 503}),
    Fault("a proxy's page with 200", KEPT, 0, {"action": "html", "status": 200}),
    Fault("a proxy's page with 200, and issued", KEPT, 1, {"action": "issue_then_html", "status": 200}),
    Fault("a proxy's page with 502", UNKNOWN, 0, {"action": "html", "status": 502}),
    Fault("a proxy's page with 502, and issued", UNKNOWN, 1, {"action": "issue_then_html", "status": 502}),
    Fault("a proxy's page with 403", UNKNOWN, 0, {"action": "html", "status": 403}),
    Fault("a proxy's page with 403 in place of the key", UNKNOWN, 1, {"action": "issue_then_html", "status": 403}),
    Fault("429", SAFE, 0, {"action": "status", "status": 429, "retry_after": 1}),
    Fault("429 without a word when", SAFE, 0, {"action": "status", "status": 429, "errorCode": "RATE_LIMITED_TOKEN_BUCKET"}),
    Fault("405, maintenance", SAFE, 0, {"action": "status", "errorCode": "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES"}),
    Fault("409", SAFE, 0, {"action": "status", "status": 409}),
    Fault("the limit of the user", SAFE, 0, {"action": "status", "status": 400, "errorCode": "ATLAS_GENERATED_CERTS_LIMIT_EXCEEDED"}),
    Fault("307 to another host", SAFE, 0, {"action": "redirect", "location": "http://127.0.0.2:9/"}),
    Fault("201 with an empty body", UNKNOWN, 1, body("empty")),
    Fault("a certificate only", KEPT, 1, body("certificate_only")),
    Fault("a key only", KEPT, 1, body("key_only")),
    Fault("somebody else's certificate", KEPT, 1, body("other_user")),
    Fault("a key that is not the certificate's", KEPT, 1, body("wrong_key")),
    Fault("an expired certificate", KEPT, 1, body("expired")),
    Fault("another project's issuer", KEPT, 1, body("other_project")),
    Fault("an encrypted key", KEPT, 1, body("encrypted_key")),
    Fault("garbage", KEPT, 1, body("garbage_bytes")),
    Fault("100 MB", KEPT, 1, body("huge"), adopted=True),
    Fault("silence", UNKNOWN, 1, {"action": "delay_answer", "seconds": 60}),
    Fault("a byte at a time", KEPT, 1, {"action": "trickle", "bytes_per_second": 10}),  # some are there before the second is over
    Fault("a head that comes byte by byte", UNKNOWN, 1, relay={"pause": 0.2}),
    Fault("quoted JSON", PLACED, 1, body("quoted")),
    Fault("an envelope", PLACED, 1, body("envelope")),
    Fault("CRLF", PLACED, 1, body("crlf")),
    Fault("a chain behind the leaf", PLACED, 1, body("chain")),
    Fault("a chain behind the key", PLACED, 1, body("chain", position="after_key")),
    Fault("an EC key", PLACED, 1, body("ec_key")),
]
COMMON = ("dropped after issuing", "cut in the middle of the PEM", "503", "100 MB")
BAD = [fault for fault in FAULTS if fault.truth != PLACED]


@pytest.fixture
def broken(atlas, user_cert):
    """A run that meets the fault, with a timeout of one second."""

    def run(fault, **options):
        if fault.rule:
            atlas.fault(match=POST, **fault.rule)
        relay = Relay(atlas.url, **fault.relay) if fault.relay else None
        try:
            return user_cert(url=relay.url if relay else "", timeout=1, **options)
        finally:
            atlas.call(atlas.state.faults.clear)
            if relay:
                relay.close()

    return run


def check_what_was_told(fault, run, atlas, place):
    """The user learns what is true, and where what came is; and never a byte of a key."""
    assert run.failed
    new = [one for one in listed(atlas) if one.serial in issued(atlas)]
    if fault.truth == SAFE:
        assert "nothing was issued, trying again is safe" in run.msg
    for one in new:
        assert str(one.serial) in run.msg, "the orphan is named"
    if fault.name.startswith("cut"):
        assert "the answer was cut" in run.msg
    if fault.truth == UNKNOWN and not new:
        assert "trying again is safe, because every run looks first" in run.msg
    if fault.truth == KEPT:
        assert run.said["parked"] == str(place / PENDING)
        assert run.said["parked"] in run.msg
    else:
        assert "parked" not in run.said
    told = str(run.said) + run.errors
    lines = [line for one in listed(atlas) for line in atlas.state.pem_parts(one)[1].splitlines()[1:-1]]
    assert not any(line[start : start + 24] in told for line in lines for start in range(0, len(line) - 23, 8))
    assert DEMO_PRIVATE_KEY not in told


@pytest.mark.parametrize("fault", BAD, ids=lambda fault: fault.name)
def test_a_first_certificate_that_goes_wrong(atlas, place, user_cert, broken, fault):
    run = broken(fault)
    check_what_was_told(fault, run, atlas, place)
    kept = files(place)
    assert {name: mode for name, (mode, dummy) in kept.items()} == ({PENDING: 0o600} if fault.truth == KEPT else {})
    assert (len(issued(atlas)), posts(atlas)) == (fault.issued, 0 if fault.relay and not fault.issued else 1)

    sent, again = posts(atlas), user_cert()
    if fault.issued and not fault.adopted:
        assert (again.said.get("reason"), posts(atlas)) == ("orphaned", sent)
        assert str(listed(atlas)[0].serial) in again.msg
        assert files(place) == kept
        again = user_cert(on_orphan="reissue")
    assert not again.failed, again.msg
    assert posts(atlas) == sent + (not fault.adopted)
    assert files(place)["app.pem"] == (0o600, pem_of(atlas, issued(atlas)[-1]))
    aside = [content for name, (dummy, content) in files(place).items() if ".unusable-" in name]
    expected = [content for dummy, content in kept.values()] if fault.truth == KEPT and not fault.adopted else []
    assert aside == expected, "what came is still there, whatever it is"
    assert user_cert().said["changed"] is False


@pytest.mark.parametrize(
    "fault", [pytest.param(fault, marks=[] if fault.name in COMMON else pytest.mark.heavy, id=fault.name) for fault in BAD]
)
def test_a_renewal_that_goes_wrong_leaves_the_good_file_and_keeps_it_current(atlas, place, user_cert, broken, fault):
    pem = known(atlas)[1]
    lay(place / "app.pem", pem, 0o640)
    inode = (place / "app.pem").stat().st_ino
    run = broken(fault, force=True, mode="0640")
    check_what_was_told(fault, run, atlas, place)
    found = files(place)
    assert found.pop("app.pem") == (0o640, pem)
    assert (place / "app.pem").stat().st_ino == inode
    assert list(found) == ([PENDING] if fault.truth == KEPT else [])

    sent, again = posts(atlas), user_cert(mode="0640")
    assert not again.failed, again.msg
    assert posts(atlas) == sent
    assert again.said["changed"] is fault.adopted
    assert again.said["certificate"]["serial_number"] == str(listed(atlas)[-1 if fault.adopted else 0].serial)
    if fault.issued and not fault.adopted:
        assert again.said["orphaned"] == [str(one.serial) for one in listed(atlas)[1:]]


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.truth == PLACED], ids=lambda fault: fault.name)
def test_another_form_of_a_good_answer_is_as_good(atlas, place, user_cert, broken, fault):
    run = broken(fault)
    assert not run.failed, run.msg
    mode, content = files(place)["app.pem"]
    assert (mode, list(files(place)), posts(atlas)) == (0o600, ["app.pem"], 1)
    assert b"\r" not in content
    assert content.startswith(b"-----BEGIN CERTIFICATE-----\n")
    look = _pem.look_at(str(place / "app.pem"))
    assert (look.state, look.certificate.serial) == ("pair", listed(atlas)[0].serial)
    assert user_cert().said["changed"] is False
