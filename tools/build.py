# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Build the artefact: the same bytes for the same files, wherever and whenever. Signs nothing, publishes nothing.

    python tools/build.py [FOLDER]       writes FOLDER/atlas-x509-VERSION.tar.gz (default: dist), prints its SHA-256 and its name

`ansible-galaxy collection build` says what belongs in it; but it takes the files in the order of the file system, and dates them.
Here they are sorted, and dated to the release in changelogs/changelog.yaml. (Another zlib may compress the same content to other bytes.)
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from datetime import datetime, timezone
from pathlib import Path

import yaml
from collection import INSIDE, ROOT, mirror

MANIFEST, FILES = "MANIFEST.json", "FILES.json"


def build(folder: Path) -> Path:
    """Build it there."""
    galaxy = Path(sys.executable).with_name("ansible-galaxy")
    with tempfile.TemporaryDirectory() as scratch:
        command = [str(galaxy), "collection", "build", "--output-path", scratch, str(mirror() / INSIDE)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        (raw,) = Path(scratch).glob("*.tar.gz")
        folder.mkdir(parents=True, exist_ok=True)
        artefact = folder / raw.name
        artefact.write_bytes(normalised(raw, released()))
    return artefact


def released() -> int:
    """The date of this version in the changelog, midnight UTC, in seconds."""
    version = str(yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"])
    releases = yaml.safe_load((ROOT / "changelogs" / "changelog.yaml").read_text())["releases"]
    if version not in releases:
        sys.exit(f"tools/build.py: version {version} of galaxy.yml is not in the changelog: run antsibull-changelog release")
    date = datetime.strptime(str(releases[version]["release_date"]), "%Y-%m-%d").replace(tzinfo=timezone.utc)
    return int(date.timestamp())


def normalised(archive: Path, date: int) -> bytes:
    """The same content, with nothing of the machine and the moment: sorted, dated, owned by nobody."""
    with tarfile.open(archive) as source:
        members = {member.name: member for member in source if member.name != "."}
        contents = {name: _read(source, member) for name, member in members.items()}
    _sort_manifest(contents)
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as target:
        for name in [MANIFEST, FILES, *sorted(set(members) - {MANIFEST, FILES})]:
            member, content = members[name], contents[name]
            member.size, member.mtime = len(content), date
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.pax_headers = {}
            target.addfile(member, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=date)


def _read(source: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    content = source.extractfile(member) if member.isfile() else None
    return content.read() if content else b""


def _sort_manifest(contents: dict[str, bytes]) -> None:
    """FILES.json lists the files in the order of the file system, and MANIFEST.json vouches for FILES.json."""
    files, manifest = json.loads(contents[FILES]), json.loads(contents[MANIFEST])
    files["files"].sort(key=lambda entry: entry["name"])
    contents[FILES] = json.dumps(files, indent=1).encode()
    manifest["file_manifest_file"]["chksum_sha256"] = hashlib.sha256(contents[FILES]).hexdigest()
    contents[MANIFEST] = json.dumps(manifest, indent=1).encode()


if __name__ == "__main__":
    if len(sys.argv) > 2 or sys.argv[1:2] == ["--help"]:
        sys.exit("usage: python tools/build.py [FOLDER]")
    built = build(Path(sys.argv[1]) if sys.argv[1:] else ROOT / "dist")
    print(hashlib.sha256(built.read_bytes()).hexdigest(), "", built)
