# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The search can fail: each kind of secret, planted in each channel and each form, is found."""

from __future__ import annotations

import base64
import json
import secrets
import sys
import time
from urllib.parse import quote

import pytest
from fake_atlas import DEMO_PROJECT
from fake_atlas.certificates import key_pem, leaf_key

from leaks.needles import SHORTEST, Needles

KEYS = [key_pem(leaf_key(index)) for index in range(3)]
BODY = "".join(KEYS[0].splitlines()[1:-1])
SECRET = "mdb_sa_sk_" + secrets.token_urlsafe(30) + "/+%&="


@pytest.fixture(scope="module")
def needles():
    made = Needles()
    for key in KEYS:
        made.add_keys(key)
    made.add_text("client secret", SECRET)
    return made


def is_found(needles, text):
    return needles.find(text.encode() if isinstance(text, str) else text) != set()


def test_any_24_characters_of_a_key_are_found_wherever_they_stand(needles):
    for start in range(60, len(BODY) - SHORTEST + 1):  # before, there is what all keys of this kind begin with
        for before in (b"", b"x" * (start % 13), b"'"):
            assert is_found(needles, before + BODY[start : start + SHORTEST].encode() + b" and so on"), start


def test_23_characters_are_not_enough_and_neither_is_what_all_keys_share(needles):
    assert not is_found(needles, BODY[600 : 600 + SHORTEST - 1])
    assert not is_found(needles, BODY[8:32])  # the lengths around it may differ
    assert not is_found(needles, "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n")
    assert not is_found(needles, secrets.token_urlsafe(100000))


@pytest.mark.parametrize("alignment", range(3))
@pytest.mark.parametrize("width", [None, 76])
def test_the_base64_of_a_pem_is_found_at_each_alignment(needles, alignment, width):
    encoded = base64.b64encode(b"C" * alignment + b"certificate\n" + KEYS[0].encode()).decode()
    middle = encoded[2000:2300]
    wrapped = "\n".join(middle[at : at + width] for at in range(0, len(middle), width)) if width else middle
    assert is_found(needles, wrapped)
    for start in range(100, len(encoded) - 60, 7):
        assert is_found(needles, encoded[start : start + SHORTEST]), start


@pytest.mark.parametrize(
    "way",
    [str, lambda text: quote(text, safe=""), json.dumps, lambda text: json.dumps(text).replace("/", "\\/"), repr, lambda text: text.replace("\n", "\r\n")],
    ids=["as it is", "in a URL", "in JSON", "in JSON of others", "in Python", "with CRLF"],
)
def test_a_secret_is_found_in_each_way_of_writing(needles, way):
    assert needles.find(way(KEYS[1]).encode()) == {next(name for name in needles.names if name in needles.find(KEYS[1].encode()))}
    assert is_found(needles, way(KEYS[1])[1500:1700])
    assert "client secret" in needles.find(way(SECRET).encode())


@pytest.mark.parametrize("alignment", range(3))
def test_a_client_secret_is_found_in_a_basic_header(needles, alignment):
    header = base64.b64encode(f"{'i' * alignment}:{SECRET}".encode()).decode()
    assert needles.find(header.encode()) == {"client secret"}


def test_a_secret_that_is_too_short_to_be_told_from_chance_is_not_looked_for():
    with pytest.raises(ValueError):
        Needles().add_text("key", "short")


def test_the_search_takes_a_moment_for_megabytes(needles):
    """Linear: four times the text takes less than ten times as long."""

    def took(megabytes):
        data = secrets.token_urlsafe(750_000 * megabytes).encode()
        start = time.perf_counter()
        needles.find(data)
        return time.perf_counter() - start

    took(1)
    assert took(8) < 10 * took(2) + 1


# A program that leaks what it reads, in the channel that its argument names, and stays for a moment.
LEAKING = """
import os, sys, time, subprocess
channel = sys.argv[1]
text = open(os.environ["PLANTED"]).read()
home = os.environ["HOME"]
if channel == "printed":
    print("before" + text + "after")
elif channel == "left":
    os.makedirs(home + "/.ansible/tmp/deep", exist_ok=True)
    open(home + "/.ansible/tmp/deep/file", "w").write(text)
elif channel == "readable":
    with open(home + "/for-a-moment", "w") as file:
        file.write(text)
    os.chmod(home + "/for-a-moment", 0o644)
    time.sleep(0.5)
    os.unlink(home + "/for-a-moment")
elif channel == "arguments":
    subprocess.run([sys.executable, "-c", "import time; time.sleep(0.5)", text])
elif channel == "background":
    if os.fork() == 0:
        os.setsid()
        time.sleep(0.3)
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(0.5)", text])
elif channel == "environment":
    subprocess.run([sys.executable, "-c", "import time; time.sleep(0.5)"], env={"X": text})
"""


def name_of(pem):
    """The name under which a private key is found."""
    alone = Needles()
    alone.add_keys(pem)
    (name,) = alone.names
    return name


def kinds(world):
    """One secret of each kind, by the name under which it is found; a key of its own for each way of writing one."""
    certificates = [world.atlas.call(world.atlas.state.add_certificate, DEMO_PROJECT, "app", days_left=9) for _number in range(4)]
    plain, *others = [world.atlas.state.pem(certificate) for certificate in certificates]
    response, bearer = secrets.token_hex(16), secrets.token_urlsafe(40)
    world.atlas.state.authorizations += [f'Digest username="x", response="{response}", nc=1', f"Bearer {bearer}"]
    return {
        name_of(plain): plain,
        **{name_of(pem): base64.b64encode(b"x" * alignment + pem.encode()).decode() for alignment, pem in enumerate(others)},
        "API key": world.api_key[1],
        "client secret": world.account[1],
        "access token": world.token,
        "Digest 0": response,
        "Bearer 1": bearer,
    }


@pytest.mark.parametrize("channel", ["printed", "left", "readable", "arguments", "background", "environment"])
def test_each_kind_of_secret_is_found_in_each_channel(world, channel):
    planted, expected = world.inputs / "planted", kinds(world)
    planted.write_text("\n".join(expected.values()))
    record = world.run("planted", sys.executable, "-c", LEAKING, channel, PLANTED=str(planted))
    shown = {"background": "arguments"}.get(channel, channel)
    assert {finding.secret for finding in record.findings if finding.channel == shown} == set(expected), record


def test_nothing_is_found_where_nothing_is_planted(world):
    kinds(world)
    record = world.run("planted", sys.executable, "-c", "print('all is well' * 1000)")
    assert record.findings == []
    assert record.printed > 10000
    assert record.processes == 1


def test_a_secret_in_a_result_is_found_in_the_display_the_events_and_the_log(world):
    task = {"name": "Say it", "ansible.builtin.debug": {"msg": next(iter(kinds(world).values()))}}
    record = world.playbook("planted", [{"hosts": "localhost", "gather_facts": False, "tasks": [task]}])
    places = {finding.place for finding in record.findings}
    assert record.code == 0, record.output
    assert {"output", "scratch/events.jsonl", "scratch/ansible.log", "scratch/tree/localhost"} <= places
    assert any(place.startswith("scratch/junit/") for place in places)


def test_a_secret_in_a_result_is_found_in_the_job_events(world):
    pytest.importorskip("ansible_runner", reason="needs ansible-runner")
    task = {"name": "Say it", "ansible.builtin.debug": {"msg": kinds(world)["client secret"]}}
    record, _artifacts = world.runner("planted", [{"hosts": "localhost", "gather_facts": False, "tasks": [task]}])
    places = {finding.place for finding in record.findings if finding.secret == "client secret"}
    assert record.code == 0, record.output
    assert "runner/artifacts/job/stdout" in places
    assert any(place.startswith("runner/artifacts/job/job_events/") for place in places)
