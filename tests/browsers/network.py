"""The internet of the tests: one TLS server for all sites, and the proxy that leads there.

A browser that sends everything to a proxy resolves no names: sites have real host names on the
default port, no privileges are needed, and what is not one of the sites is never reached.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, NamedTuple

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asgi_security.asgi.types import ASGIApp, Receive, Scope, Send
    from tests.browsers.certificates import Identity

START_SECONDS = 30.0
STOP_SECONDS = 20.0
_CHUNK_BYTES = 65_536


class Seen(NamedTuple):
    """One request as the server got it, and what came of it."""

    host: str
    method: str
    path: str
    status: int | None
    headers: dict[str, str]
    """The headers of the response."""


class Sites:
    """An ASGI app that serves each site by its host name, and writes down what was asked."""

    def __init__(self, apps: Mapping[str, ASGIApp]) -> None:
        self.apps = apps
        self.seen: list[Seen] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        host = dict(scope["headers"]).get(b"host", b"").decode().partition(":")[0]
        start: dict[str, object] = {}

        async def note(message: dict[str, object]) -> None:
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                start.update(message)
            elif message["type"] == "websocket.accept":
                start["status"] = 101
            if "status" in start and "noted" not in start:
                start["noted"] = True
                self._write(scope, host, start)
            await send(message)

        await self.apps[host](scope, receive, note)

    def _write(self, scope: Scope, host: str, start: dict[str, object]) -> None:
        lines = start.get("headers") or ()
        headers = {name.decode(): value.decode("latin-1") for name, value in lines}  # type: ignore[attr-defined] # as ASGI has it
        status = start["status"]
        method = scope.get("method", "WEBSOCKET")
        self.seen.append(Seen(host, method, scope["path"], status, headers))  # type: ignore[arg-type] # as ASGI has it

    def find(self, host: str, path: str) -> list[Seen]:
        return [seen for seen in self.seen if (seen.host, seen.path) == (host, path)]


class Network:
    """The server and the proxy, in a thread of their own."""

    def __init__(self, apps: Mapping[str, ASGIApp], identity: Identity) -> None:
        self.sites = Sites(apps)
        self.identity = identity
        self.proxy_port = 0
        self.refused: list[str] = []
        self._server_port = 0
        config = uvicorn.Config(
            self.sites,
            host="127.0.0.1",
            port=0,
            ssl_certfile=identity.certificate,
            ssl_keyfile=identity.key,
            server_header=False,
            ws="websockets-sansio",
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(START_SECONDS), "the sites do not start"

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        serving = asyncio.create_task(self._server.serve())
        while not self._server.started and not serving.done():
            await asyncio.sleep(0.01)
        self._server_port = self._server.servers[0].sockets[0].getsockname()[1]
        proxy = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.proxy_port = proxy.sockets[0].getsockname()[1]
        self._ready.set()
        await serving
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
            if method != "CONNECT" or port != "443" or host not in self.sites.apps:
                self.refused.append(target)
                writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
                return
            onward = await asyncio.open_connection("127.0.0.1", self._server_port)
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await asyncio.gather(_pump(reader, onward[1]), _pump(onward[0], writer))
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass  # a browser may open a connection and think better of it
        finally:
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()
