# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Let users and certificates exist at the fake Atlas, put PEMs into files, and let things go wrong.

    hold.py URL <WISHES

WISHES, JSON, is a list of {"name": "due", "days_left": 10, …}: with days_left or issued_at there is such a certificate (see `POST certificates` in
tests/fake_atlas/README.md), and else only the user. "username" is the name unless it is given. "path" is a file to write, 0600, and "part" what
goes into it: "pem" (default), "certificate" or "private_key". "fault" goes wrong for this user, for ever, with requests of "method" (default: any).
With "absent" there is nothing, and what else is in a wish does not matter. Prints an object, by name, of what the fake said of the certificates.
"""

import json
import os
import sys
import urllib.request

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def post(name, document):
    request = urllib.request.Request(sys.argv[1] + name, json.dumps(document).encode(), {"Content-Type": "application/json"})
    with OPENER.open(request) as answer:
        return json.load(answer)


def some(wish, *names):
    return {name: wish[name] for name in names if name in wish}


held, users = {}, {"app", "legacy"}
for wish in json.load(sys.stdin):
    name = wish["name"]
    username = wish.get("username", name)
    if "absent" in wish:
        continue
    if username not in users:
        users.add(username)
        post("users", {"username": username})
    if "fault" in wish:
        post("faults", {"times": None, **wish["fault"], "match": {"username": username, **some(wish, "method")}})
    if "days_left" in wish or "issued_at" in wish:
        held[name] = post("certificates", {"username": username, **some(wish, "project_id", "issued_at", "months", "days_left")})
    if "path" in wish:
        with open(os.open(wish["path"], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(held[name][wish.get("part", "pem")])
json.dump(held, sys.stdout)
