"""What the six apps share: their words, and a record of what happened inside them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from asgi_security import current

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HELLO = "hello"
JSON = {"numbers": [1, 2, 3]}
EVENTS = tuple(f"data: event {number}\n\n" for number in range(3))
COOKIES = (("first", "1"), ("second", "2"))
FILE = Path(__file__).with_name("story.txt")
STREAM = (b"first;", b"second;", b"third")
RIGHT = {"ok": True}
WRONG = {"ok": False}

_GATE_SECONDS = 10.0


class DeliberateError(RuntimeError):
    """What GET /raise raises: the only traceback that a server may log."""


class Scenery:
    """What happened in this process, for the test to ask about."""

    def __init__(self) -> None:
        self.lifespan = "none"
        self.background = 0
        self.logins = 0
        self.sockets = 0
        self.gate: anyio.Event | None = None

    def start(self) -> None:
        self.lifespan = "started"

    def stop(self) -> None:
        self.lifespan = "stopped"
        sys.stderr.write("scenery: lifespan stopped\n")

    async def run_background(self) -> None:
        self.background += 1

    def try_login(self, username: str, password: str) -> bool:
        self.logins += 1
        return bool(username) and password == "right"

    def observed(self) -> dict[str, Any]:
        return {
            "lifespan": self.lifespan,
            "background": self.background,
            "logins": self.logins,
            "sockets": self.sockets,
        }


SCENERY = Scenery()


async def stream_chunks() -> AsyncIterator[bytes]:
    """Produce the second chunk only once the client has said that it holds the first."""
    gate = SCENERY.gate = anyio.Event()
    yield STREAM[0]
    with anyio.move_on_after(_GATE_SECONDS):
        await gate.wait()
    if not gate.is_set():
        yield b"the first chunk never arrived"
        return
    for chunk in STREAM[1:]:
        yield chunk


async def stream_events() -> AsyncIterator[bytes]:
    for event in EVENTS:
        yield event.encode()


def describe_principal() -> str:
    principal = current().principal
    return "anonymous" if principal is None else principal.subject


def read_session() -> dict[str, Any]:
    """Read through `current()`, for frameworks that have no session of their own in the scope."""
    session = current().session
    return {"seen": None if session is None else session.get("seen")}


def write_session(value: str) -> None:
    session = current().session
    if session is None:
        raise RuntimeError("no session is above this app")
    session["seen"] = value
