"""The internet of the tests: one TLS server for all sites, and the proxy that leads there.

A browser that sends everything to a proxy resolves no names: sites have real host names on the
default port, no privileges are needed, and what is not one of the sites is never reached.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asgi_security.asgi.types import ASGIApp, Message, Receive, Scope, Send
    from tests.browsers.certificates import Identity

START_SECONDS = 30.0
STOP_SECONDS = 20.0
ANSWER_SECONDS = 20.0
_CHUNK_BYTES = 65_536
_STARTS = {"http.response.start", "websocket.http.response.start", "websocket.accept"}
_SWITCHED = 101


class Seen(NamedTuple):
    """One request as the server got it, and what came of it."""

    host: str
    method: str
    path: str
    status: int
    headers: dict[str, str]
    """The headers of the response."""


class Sites:
    """An ASGI app that serves each site by its host name, and writes down what was asked."""

    def __init__(self, apps: Mapping[str, ASGIApp]) -> None:
        self.apps = dict(apps)
        self.seen: list[Seen] = []
        self._changed = threading.Condition()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        host = dict(scope["headers"]).get(b"host", b"").decode().partition(":")[0]

        async def note(message: Message) -> None:
            if message["type"] in _STARTS:
                self._write(scope, host, message)
            await send(message)

        await self.apps[host](scope, receive, note)

    def _write(self, scope: Scope, host: str, start: Message) -> None:
        lines = start.get("headers") or ()
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in lines}
        status = start.get("status", _SWITCHED)
        seen = Seen(host, scope.get("method", "WEBSOCKET"), scope["path"], status, headers)
        with self._changed:
            self.seen.append(seen)
            self._changed.notify_all()

    def wait_for(self, host: str, path: str) -> Seen:
        """Wait for the first request for this path, and return it."""
        with self._changed:
            came = self._changed.wait_for(lambda: self.find(host, path), ANSWER_SECONDS)
        assert came, f"{host}{path} was never asked for"
        return came[0]

    def find(self, host: str, path: str) -> list[Seen]:
        return [seen for seen in self.seen if (seen.host, seen.path) == (host, path)]


class Network:
    """The server, over TLS and without, and the proxy, in a thread of their own."""

    def __init__(self, apps: Mapping[str, ASGIApp], identity: Identity) -> None:
        self.sites = Sites(apps)
        self.identity = identity
        self.tunnels: dict[str, int] = {}
        """The ports of servers of their own, by host name."""
        self.proxy_port = 0
        self.server_port = 0
        self.plain_port = 0
        secure = {"ssl_certfile": identity.certificate, "ssl_keyfile": identity.key}
        self._servers = [self._build_server(**secure), self._build_server()]
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)

    def _build_server(self, **options: Any) -> uvicorn.Server:
        config = uvicorn.Config(
            self.sites,
            host="127.0.0.1",
            port=0,
            server_header=False,
            ws="websockets-sansio",
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=2,
            **options,
        )
        return uvicorn.Server(config)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(START_SECONDS), "the sites do not start"

    def stop(self) -> None:
        for server in self._servers:
            server.should_exit = True
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        serving = [asyncio.create_task(server.serve()) for server in self._servers]
        while not all(server.started for server in self._servers):
            assert not any(task.done() for task in serving), "a server has ended"
            await asyncio.sleep(0.01)  # Uvicorn tells no event
        self.server_port, self.plain_port = map(_find_port, self._servers)
        proxy = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.proxy_port = _find_port(proxy)
        self._ready.set()
        await asyncio.gather(*serving)
        proxy.close()
        leftover = asyncio.all_tasks() - {asyncio.current_task()}
        for task in leftover:
            task.cancel()
        await asyncio.gather(*leftover, return_exceptions=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Open a tunnel to the server for a site, and refuse everything else."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, target, _ = head.split(" ", 2)
            host, _, port = target.partition(":")
            known = host in self.sites.apps or host in self.tunnels
            if method != "CONNECT" or port != "443" or not known:
                writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
                return
            to = self.tunnels.get(host, self.server_port)
            onward = await asyncio.open_connection("127.0.0.1", to)
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await asyncio.gather(_pump(reader, onward[1]), _pump(onward[0], writer))
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass  # a browser may open a connection and think better of it
        finally:
            writer.close()


def _find_port(server: uvicorn.Server | asyncio.Server) -> int:
    inner = server.servers[0] if isinstance(server, uvicorn.Server) else server
    port: int = inner.sockets[0].getsockname()[1]
    return port


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()
