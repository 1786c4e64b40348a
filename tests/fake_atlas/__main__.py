# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The service as a process: ``python -m fake_atlas --address-file FILE``."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .server import LOG, Service, listening


def main() -> None:
    """Serve until a signal or the end of the lifetime."""
    arguments = _arguments()
    if arguments.log:
        logging.basicConfig(
            filename=arguments.log,
            level=logging.WARNING,
            format="%(asctime)s %(message)s",
            errors="backslashreplace",
        )
        LOG.setLevel(logging.INFO)
    seed = json.loads(arguments.seed.read_text(encoding="utf-8")) if arguments.seed else None
    with contextlib.suppress(asyncio.TimeoutError):
        asyncio.run(_serve(Service(seed), arguments))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fake_atlas", description=__doc__)
    parser.add_argument(
        "--address-file",
        type=Path,
        required=True,
        help='gets {"url": …, "pid": …} once the service listens, and is removed at the end',
    )
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--seed", type=Path, help="JSON that is added to the default seed")
    parser.add_argument("--log", type=Path, help="a line for each request, without any secret")
    parser.add_argument(
        "--lifetime",
        type=float,
        default=3600,
        help="seconds after which it ends by itself (default: %(default)s)",
    )
    return parser.parse_args()


async def _serve(service: Service, arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with listening(service, arguments.port) as url:
        with _announced(arguments.address_file, url):
            await asyncio.wait_for(stop.wait(), arguments.lifetime)


@contextlib.contextmanager
def _announced(path: Path, url: str) -> Iterator[None]:
    """The address file appears whole, by a rename, and goes when the service does."""
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as unfinished:
        json.dump({"url": url, "pid": os.getpid()}, unfinished)
    os.replace(unfinished.name, path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
