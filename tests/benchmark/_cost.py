# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a command and say what it cost: wall and processor seconds, and the memory of the largest process in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@dataclass
class Cost:
    """``memory`` is in MB: the peak of the largest process, the command itself or one below it."""

    wall: float
    cpu: float
    memory: float
    output: str


def cost(command: list[str], seconds: float, **environment: str) -> Cost:
    """What the command cost. RuntimeError with its output when it fails or does not end in time."""
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryFile() as output:
        (Path(home) / "ansible.cfg").touch()
        clean = {
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build" / "links"),
            "ANSIBLE_CONFIG": f"{home}/ansible.cfg",
            "ANSIBLE_HOME": f"{home}/.ansible",
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "HOME": home,
            "LC_ALL": "C.UTF-8",
            "PATH": os.pathsep.join([str(BIN), "/usr/local/bin", "/usr/bin", "/bin"]),
            "PYTHONPATH": str(ROOT / ".build" / "links"),
        }
        begun = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env={**clean, **environment})
        watchdog = threading.Timer(seconds, process.kill)
        watchdog.start()
        try:
            _pid, status, usage = os.wait4(process.pid, 0)  # of the process and of all below it that have ended
        except BaseException:
            process.kill()
            raise
        finally:
            watchdog.cancel()
        wall = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read().decode(errors="replace")
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {process.returncode} after {wall:.0f} s:\n{said[-4000:]}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, said)


def play(tasks: list[dict[str, Any]], seconds: float = 3600, **environment: str) -> Cost:
    """What a play for localhost with these tasks cost, Ansible's own start included."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "play.yml"
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        file.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "vars": local, "tasks": tasks}]))
        return cost([str(BIN / "ansible-playbook"), str(file)], seconds, **environment)


def module(name: str, arguments: dict[str, Any], seconds: float = 3600) -> tuple[Cost, dict[str, Any]]:
    """What the module cost without Ansible around it, and what it returned."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "arguments.json"
        file.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
        found = cost([sys.executable, "-m", f"ansible_collections.atlas.x509.plugins.modules.{name}", str(file)], seconds)
    return found, json.loads(found.output)
