# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A way to the fake that breaks where the fake itself cannot: it can vanish, and send an answer as slowly as it likes."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit


class Relay:
    """Carries each request to the service and its answer back, one connection each.

    ``lists``: after so many lists that were answered with 200 nobody listens any more. ``pause``: seconds between the bytes of
    the answer to a POST, from the first byte of its head on. ``cuts``: a request, ``"POST /path"``; half of the answer to it is all that comes.
    """

    def __init__(self, service: str, lists: int | None = None, pause: float = 0, cuts: str = "") -> None:
        self._service = urlsplit(service).netloc
        self._lists, self._pause = lists, pause
        self.cuts = cuts
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:{0}".format(self._listener.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._ended.set()
        self._vanish()
        for thread in self._threads:
            thread.join(10)

    def _vanish(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        client.settimeout(30)
        with client, contextlib.suppress(OSError), client.makefile("rb") as lines:
            asked = lines.readline().decode("latin-1")
            if not asked:
                return  # somebody who connected and said nothing
            method, target, dummy = asked.split(" ", 2)
            head = http.client.parse_headers(lines)
            body = lines.read(int(head.get("Content-Length", 0)))
            service = http.client.HTTPConnection(self._service, timeout=30)
            service.request(method, target, body, dict(head.items()))
            answer = service.getresponse()
            content = answer.read()
            told = [f"{name}: {value}" for name, value in answer.getheaders() if name.lower() not in ("content-length", "transfer-encoding")]
            told += [f"Content-Length: {len(content)}", "Connection: close", "", ""]
            said = f"HTTP/1.1 {answer.status} So\r\n".encode() + "\r\n".join(told).encode("latin-1") + content
            service.close()
            if self._lists and method == "GET" and answer.status == 200:
                self._lists -= 1
                if not self._lists:
                    self._vanish()  # before the client hears, so that its next request finds nobody
            if f"{method} {target}" == self.cuts:
                said = said[: len(said) // 2]
            for piece in self._pieces(said, self._pause if method == "POST" else 0):
                client.sendall(piece)

    def _pieces(self, said: bytes, pause: float) -> Iterator[bytes]:
        if not pause:
            yield said
            return
        for start in range(len(said)):
            yield said[start : start + 1]
            if self._ended.wait(pause):
                return
