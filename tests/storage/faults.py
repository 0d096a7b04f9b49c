"""A proxy between a store and any server, that does to replies what a bad network does.

It knows no protocol: a fault meets whatever comes back while it is on.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from typing import Self


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of a reply; `once` of the first one alone, else of all until it heals.

    `bound_seconds` is that of the store: short where it has to run out, long where it must not.
    """

    name: str
    bound_seconds: float
    once: bool = False

    def __str__(self) -> str:
        return f"{self.name}{' once' if self.once else ''}"


FAULTS = (
    Fault("delay", 0.3),
    Fault("stall", 0.3),
    Fault("reset", 20.0),
    Fault("reset", 20.0, once=True),
    Fault("half-close", 20.0),
    Fault("half-close", 20.0, once=True),
    Fault("garbage", 0.5),
    Fault("garbage", 0.5, once=True),
)

_SEED = 5


class FaultyProxy:
    """Passes everything on until it is told to break; `hits` counts the replies it has broken."""

    def __init__(self, url: str, default_port: int) -> None:
        self._split = urlsplit(url)
        self._target = (self._split.hostname or "127.0.0.1", self._split.port or default_port)
        self._fault: Fault | None = None
        self._healed = asyncio.Event()
        self._chance = random.Random(_SEED)  # noqa: S311 -- the same garbage in every run
        self._tasks: set[asyncio.Task[None]] = set()
        self._clients: set[asyncio.StreamWriter] = set()
        self.hits = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        user, at, _ = self._split.netloc.rpartition("@")
        self.url = self._split._replace(netloc=f"{user}{at}127.0.0.1:{port}").geturl()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def open_connections(self) -> int:
        """How many the store holds open just now."""
        return len(self._clients)

    def break_with(self, fault: Fault) -> None:
        """Let the fault meet every reply from now on."""
        self._fault = fault
        self._healed.clear()
        self.hits = 0

    def heal(self) -> None:
        """Pass on everything again; what was held back by a delay comes now."""
        self._fault = None
        self._healed.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        for work in (
            self._pass_on(reader, writer, far_writer),
            self._pass_back(far_reader, writer, far_writer),
        ):
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        far_writer: asyncio.StreamWriter,
    ) -> None:
        try:
            with suppress(OSError):
                while chunk := await reader.read(1 << 20):
                    far_writer.write(chunk)
                    await far_writer.drain()
        finally:
            self._clients.discard(writer)  # the store has let go of it
            far_writer.transport.abort()
            writer.transport.abort()

    async def _pass_back(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        far_writer: asyncio.StreamWriter,
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(1 << 20):
                fault = self._fault
                if fault is not None:
                    self.hits += 1
                    if fault.once:
                        self._fault = None
                    if not await self._break(fault, chunk, writer):
                        return
                    continue
                writer.write(chunk)
                await writer.drain()
        with suppress(OSError, RuntimeError):
            writer.close()

    async def _break(self, fault: Fault, chunk: bytes, writer: asyncio.StreamWriter) -> bool:
        """Do to a reply what the fault does; tell whether the connection goes on."""
        match fault.name:
            case "delay":
                await self._healed.wait()
                writer.write(chunk)
            case "stall":
                writer.write(chunk[: len(chunk) // 2])
                return False  # and nothing more, for as long as the store waits
            case "reset":
                end = writer.get_extra_info("socket")
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                return False
            case "half-close":
                writer.write_eof()
                return False
            case "garbage":
                writer.write(self._chance.randbytes(len(chunk)))
        return True
