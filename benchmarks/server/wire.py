"""Speaks plain HTTP/1.1 over a socket: to compare the answers before anything is timed."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from benchmarks.cases import cors, headers, logins, sessions
from benchmarks.driving import BROWSER_LINES, Answered
from benchmarks.rows import BARE
from benchmarks.server.load import compute_length
from benchmarks.server.variants import WRAPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.asgi.types import ASGIApp, Header, Receive, Scope, Send
    from benchmarks.server.processes import Served

PLAIN = "no credentials"
CREDENTIALS = "Origin, session and token"
REQUESTS = (PLAIN, CREDENTIALS)
_PATIENCE_SECONDS = 10.0
_READ_BYTES = 65536


def build_request(
    lines: Sequence[Header], *, method: str = "GET", path: str = "/", body: bytes = b""
) -> bytes:
    """Build the bytes of a browser's request with these lines added."""
    fields = b"".join(b"%s: %s\r\n" % line for line in (*BROWSER_LINES, *lines))
    return b"%s %s HTTP/1.1\r\n%s\r\n%s" % (method.encode(), path.encode(), fields, body)


def build_lines(variant: str, kind: str, token: bytes) -> list[Header]:
    """Build what a request of that kind carries, with the session cookie of that variant."""
    if kind == PLAIN:
        return []
    authorization = (b"authorization", b"Bearer " + token)
    cookie = (b"cookie", b"session=" + b"x" * 160)
    if variant != BARE:
        cookie = sessions.build_cookie_line(_wrap_filling(variant), authorization)
    return [(b"origin", cors.ORIGINS[0].encode()), authorization, cookie]


def _wrap_filling(variant: str) -> sessions.Wrap:
    """Wrap an app that writes into the session: starsessions must have loaded it before."""
    wrap = WRAPS[variant]

    def wrap_loading(inner: ASGIApp) -> ASGIApp:
        async def loading(scope: Scope, receive: Receive, send: Send) -> None:
            if "session_handler" in scope:
                await scope["session_handler"].load()
            await inner(scope, receive, send)

        return wrap(loading)

    return wrap_loading


def fetch(port: int, request: bytes) -> tuple[Answered, bytes]:
    """Send one request over a connection of its own; the answer and its body.

    Raises:
        OSError: if the server does not answer in time, or closes early.
    """
    data = b""
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_SECONDS) as connection:
        connection.sendall(request)
        while (length := compute_length(data)) is None or len(data) < length:
            more = connection.recv(_READ_BYTES)
            if not more:
                raise ConnectionError("closed before the answer was complete")
            data += more
    return parse_answer(data)


def parse_answer(data: bytes) -> tuple[Answered, bytes]:
    r"""Parse a complete answer.

    >>> answered, body = parse_answer(b"HTTP/1.1 200 OK\r\nVary: Origin\r\n\r\nhi")
    >>> answered.status, answered.headers, body
    (200, [(b'vary', b'Origin')], b'hi')
    """
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    pairs = [line.partition(b":")[::2] for line in lines]
    fields = [(name, value.strip()) for name, value in pairs]
    start = {"status": int(first.split()[1]), "headers": fields}
    return Answered([start]), body


def show_answer(served: Served, lines: Sequence[Header]) -> object:
    """Show the timed answer, as far as the guards have a say in it."""
    answered, body = fetch(served.port, build_request(lines))
    ours = {name for name, _ in headers.list_ours()}
    return (
        answered.status,
        body,
        sorted(line for line in answered.headers if line[0] in ours),
        answered.values(b"access-control-allow-origin"),
        answered.values(b"access-control-allow-credentials"),
        b"origin" in answered.members(b"vary"),
        answered.values(b"set-cookie"),
    )


def show_guards(served: Served, lines: Sequence[Header]) -> object:
    """Show that the guards work: whom the app sees, and what becomes of wrong passwords.

    A forged token is left out: Starlette's way lets it pass as nobody.
    """
    _, body = fetch(served.port, build_request(lines, path="/who"))
    login = build_request(logins.FORM, method="POST", path=logins.LOGIN_PATH, body=logins.BODY)
    statuses = [fetch(served.port, login)[0].status for _ in range(logins.THRESHOLD + 2)]
    return body, statuses
