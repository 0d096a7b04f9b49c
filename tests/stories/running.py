"""Starts the server processes of the stories, one at a time, and speaks to them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

from tests.stories.certificates import trust
from tests.stories.serving import OBSERVE, RELEASE, TLS_VARIABLE, TOKEN_HEADER, TOKEN_VARIABLE
from tests.stories.talking import open_socket

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from tests.stories.talking import Socket

ROOT = Path(__file__).parents[2]
START_SECONDS = 30.0
STOP_SECONDS = 10.0
PAUSE_SECONDS = 0.02
STARTS = 3
HANDSHAKES = 3

# The last line of a traceback: the first one after it that is not indented and names an error.
TRACEBACK = re.compile(
    r"^Traceback \(most recent call last\):\n(?:(?:[ \t|+].*)?\n)*(.*)$", re.MULTILINE
)


class Setting(NamedTuple):
    """One column of the table: an app under a server, spoken to in one version of HTTP."""

    app: str
    server: str
    http2: bool = False
    tls: bool = False
    """Over TLS, where sessions are then kept in a store."""

    @property
    def process(self) -> str:
        return f"{self.app}-{self.server}-tls" if self.tls else f"{self.app}-{self.server}"

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "tests.stories.serving", self.app, self.server]

    @property
    def name(self) -> str:
        return f"{self.process}-h2" if self.http2 else self.process


def pick_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Running:
    """One server process, and what it has written."""

    def __init__(
        self, command: Sequence[str], log: Path, *, ready_path: str, tls: Path | None = None
    ) -> None:
        """Start `command`, which takes its port as the last argument, and wait for an answer.

        `tls` is the folder of the certificate to serve with.
        """
        self.log = log
        self.trust = None if tls is None else trust(tls)
        self._token = token_hex(8)
        environment = {**os.environ, TOKEN_VARIABLE: self._token}
        if tls is not None:
            environment[TLS_VARIABLE] = str(tls)
        for _ in range(STARTS):  # another process may take the port before the server does
            port = pick_port()
            self.origin = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
            with log.open("wb") as output:
                self.process = subprocess.Popen(
                    [*command, str(port)],
                    cwd=ROOT,
                    env=environment,
                    start_new_session=True,  # it ends its whole group when we are killed
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            if self._wait(ready_path):
                return
            self.stop()
        raise AssertionError(f"{command} does not start:\n{self.read_log()}")

    def _wait(self, path: str) -> bool:
        deadline = time.monotonic() + START_SECONDS
        with self.connect() as client:
            while time.monotonic() < deadline and self.process.poll() is None:
                try:
                    answer = client.get(path)
                except httpx.TransportError:
                    time.sleep(PAUSE_SECONDS)  # another process: nothing tells that it listens
                    continue
                return answer.status_code == 200 and self._is_ours(answer)
        return False

    def connect(self, *, http2: bool = False, **options: Any) -> httpx.Client:
        """Make a client that speaks one version of HTTP only.

        HTTP/2 is negotiated over TLS, and taken for granted without ("prior knowledge").
        """
        return httpx.Client(
            base_url=self.origin,
            http1=not http2,
            http2=http2,
            verify=self.trust or False,
            trust_env=False,
            **options,
        )

    def _is_ours(self, answer: httpx.Response) -> bool:
        token = str(answer.headers.get(TOKEN_HEADER, self._token))
        return token == self._token

    @property
    def stopped(self) -> bool:
        return self.process.poll() is not None

    def stop(self) -> int:
        """End the process, politely first, and return its exit code."""
        with self.process as process:
            process.terminate()
            try:
                return process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)  # its workers too
                return process.wait(STOP_SECONDS)

    def read_log(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def read_tracebacks(self) -> list[str]:
        """Return the last line of every traceback that the server has written."""
        return TRACEBACK.findall(self.read_log())


class Story:
    """What a chapter has in hand: the setting, a client for it, and a look behind the scenes."""

    def __init__(self, setting: Setting, running: Running) -> None:
        self.setting = setting
        self.running = running
        self.origin = running.origin
        self.client = running.connect(http2=setting.http2)
        # What is asked behind the scenes shares no connection with the story: a server closes one
        # whose request has failed or whose body nobody has read.
        self._aside = running.connect(limits=httpx.Limits(max_keepalive_connections=0))

    def reconnect(self) -> None:
        """Go on with a new connection."""
        self.client.close()
        self.client = self.running.connect(http2=self.setting.http2)

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request with nothing remembered from the ones before it."""
        self.client.cookies.clear()
        answer = self.client.request(method, path, **options)
        assert answer.http_version == ("HTTP/2" if self.setting.http2 else "HTTP/1.1")
        return answer

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.call("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.call("POST", path, **options)

    def observe(self) -> dict[str, Any]:
        """Return what has happened inside the app."""
        seen: dict[str, Any] = self._aside.get(OBSERVE).json()
        return seen

    def release(self) -> None:
        """Let the stream go on, over a connection of its own."""
        self._aside.post(RELEASE).raise_for_status()

    def wait_until(self, happened: Callable[[], bool], what: str) -> None:
        """Wait until something has happened in the server; give up in the end."""
        deadline = time.monotonic() + STOP_SECONDS
        while not happened():
            assert time.monotonic() < deadline, f"{what} never came:\n{self.running.read_log()}"
            time.sleep(PAUSE_SECONDS)  # another process: nothing tells

    def talk(
        self, origin: str | None, *, path: str = "/ws", headers: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Socket]:
        """Open a WebSocket, which is HTTP/1.1 whatever the setting."""
        lines = dict(headers or {})
        if origin is not None:
            lines["origin"] = origin
        return open_socket(
            self.origin.replace("http", "ws", 1) + path,
            headers=lines,
            trust=self.running.trust,
            # Over TLS, hypercorn 0.18 drops one in 200 connections unanswered, of any app.
            handshakes=HANDSHAKES if self.setting.tls else 1,
        )

    def close(self) -> None:
        self.client.close()
        self._aside.close()
