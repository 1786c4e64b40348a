# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real browser, by the WebDriver protocol and Chromium's own: no more of it than these tests need."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shutil
import signal
import subprocess

import requests

# Nothing that calls home, so that a closed network is no error.
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
]  # fmt: skip
PROGRAMS = ("chromium", "chromedriver")


def missing():
    """The programs that are not on this machine."""
    return [name for name in PROGRAMS if not shutil.which(name)]


@contextlib.contextmanager
def browser(folder):
    """A browser with a profile of its own in that folder; it is ended with everything that it started."""
    driver = subprocess.Popen(
        [shutil.which("chromedriver"), "--port=0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "HOME": str(folder), "TMPDIR": str(folder)},
        start_new_session=True,
    )
    try:
        port = next(filter(None, (re.search(r"started successfully on port (\d+)", line) for line in driver.stdout)), None)
        assert port, "chromedriver ended before it had a port"
        yield Browser(f"http://127.0.0.1:{port.group(1)}", folder)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
        driver.stdout.close()


class Browser:
    """One window."""

    def __init__(self, address, folder):
        self._session = requests.Session()
        self._session.trust_env = False
        options = {"binary": shutil.which("chromium"), "args": [*ARGUMENTS, f"--user-data-dir={folder}/profile"]}
        wanted = {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}
        self._address = f"{address}/session"
        self._address += "/" + self._ask("POST", "", {"capabilities": wanted})["sessionId"]

    def _ask(self, method, path, body=None):
        answer = self._session.request(method, self._address + path, json=body, timeout=1200).json()["value"]
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer

    def command(self, name, **parameters):
        """A command of the Chrome DevTools Protocol."""
        return self._ask("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def open(self, path, width=1280, height=900, scheme="light", script=True):
        self.command("Emulation.setScriptExecutionDisabled", value=not script)
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self._ask("POST", "/url", {"url": f"file://{path}"})

    def run(self, script):
        """What the script comes to in the page, promises awaited."""
        answer = self.command("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def type(self, keys):
        """Type on the keyboard, wherever the focus is."""
        strokes = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._ask("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]})

    def messages(self):
        """What the browser complained about since the last time: a style or script refused, a file not loaded."""
        return [entry["message"] for entry in self._ask("POST", "/se/log", {"type": "browser"})]

    def picture(self, path, height=None):
        """A picture of the whole page, or of its top."""
        size = self.command("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height or min(size["height"], 4000), "scale": 1}
        path.write_bytes(base64.b64decode(self.command("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)["data"]))
