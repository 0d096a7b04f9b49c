"""Runs one of the examples with accounts, by its own server, as the site `accounts.test`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tests.stories.running import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browsers.network import Network

EXAMPLE_HOST = "accounts.test"
EXAMPLE = f"https://{EXAMPLE_HOST}"
START_SECONDS = 30.0
STOP_SECONDS = 10.0
PAUSE_SECONDS = 0.05

_LISTENING = re.compile(r"running on https://127\.0\.0\.1:(\d+)")


class Example:
    """One example under uvicorn, over TLS, with a database of its own."""

    def __init__(self, name: str, folder: Path, network: Network) -> None:
        self.log = folder / "server.log"
        identity = network.identity
        command = [sys.executable, "-m", "uvicorn", f"accounts_{name}:app"]
        command += ["--app-dir", str(ROOT / "docs" / "examples"), "--port", "0"]
        command += ["--ssl-certfile", str(identity.certificate), "--ssl-keyfile", str(identity.key)]
        environment = {
            **os.environ,
            "SITE_URL": EXAMPLE,
            "APP_DATABASE": str(folder / "accounts.db"),
            "HTTPS_PROXY": "http://127.0.0.1:9",  # nobody is asked about passwords
        }
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
            )
        self._network = network
        network.tunnels[EXAMPLE_HOST] = self._wait()

    def _wait(self) -> int:
        deadline = time.monotonic() + START_SECONDS
        while (found := _LISTENING.search(self.read_log())) is None:
            running = self._process.poll() is None and time.monotonic() < deadline
            assert running, f"the example does not start:\n{self.read_log()}"
            time.sleep(PAUSE_SECONDS)  # a log tells no event
        return int(found[1])

    def read_log(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def stop(self) -> None:
        del self._network.tunnels[EXAMPLE_HOST]
        with self._process as process:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
