"""Runs one story app under one real server: `python -m tests.stories.serving APP SERVER PORT`."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from tests.stories.apps.scenery import SCENERY
from tests.stories.certificates import CERTIFICATE, KEY
from tests.stories.guarding import guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercorn.config import Config

    from asgi_security.asgi.types import ASGIApp, Receive, Scope, Send

OBSERVE = "/_scenery/observe"
RELEASE = "/_scenery/release"
TOKEN_HEADER = "x-scenery-token"
TOKEN_VARIABLE = "SCENERY_TOKEN"
TLS_VARIABLE = "SCENERY_TLS"
"""Names the folder of the certificate; plain http without it."""


def add_peephole(app: ASGIApp) -> ASGIApp:
    """Let the test look at the scenery, outside the guards; all else passes untouched."""

    async def peephole(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path")
        if path not in (OBSERVE, RELEASE):
            await app(scope, receive, send)
            return
        if path == RELEASE and SCENERY.gate is not None:
            SCENERY.gate.set()
        body = json.dumps(SCENERY.observed()).encode()
        headers = [
            (b"content-length", b"%d" % len(body)),
            (TOKEN_HEADER.encode(), os.environ[TOKEN_VARIABLE].encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return peephole


def find_certificate() -> tuple[Path | None, Path | None]:
    folder = os.environ.get(TLS_VARIABLE)
    return (Path(folder, CERTIFICATE), Path(folder, KEY)) if folder else (None, None)


def run_uvicorn(port: int) -> None:
    import uvicorn  # noqa: PLC0415  # one server per process, and only that one is paid for

    certificate, key = find_certificate()
    uvicorn.run(
        build(),
        host="127.0.0.1",
        port=port,
        server_header=False,
        timeout_graceful_shutdown=3,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )


def configure_hypercorn(port: int) -> Config:
    from hypercorn.config import Config  # noqa: PLC0415

    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.include_server_header = False
    config.graceful_timeout = 3
    config.errorlog = "-"
    certificate, key = find_certificate()
    if certificate is not None:
        config.certfile, config.keyfile = str(certificate), str(key)
    return config


def run_hypercorn(port: int) -> None:
    from hypercorn.asyncio import serve  # noqa: PLC0415

    async def main() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await serve(build(), configure_hypercorn(port), shutdown_trigger=stop.wait)

    asyncio.run(main())


def run_hypercorn_trio(port: int) -> None:
    import trio  # noqa: PLC0415
    from hypercorn.trio import serve  # noqa: PLC0415

    async def wait_for_end() -> None:
        with trio.open_signal_receiver(signal.SIGTERM) as signals:
            async for _ in signals:
                return

    async def main() -> None:
        await serve(build(), configure_hypercorn(port), shutdown_trigger=wait_for_end)

    trio.run(main)


def run_granian(port: int) -> None:
    from granian import Granian  # noqa: PLC0415
    from granian.constants import Interfaces  # noqa: PLC0415

    # Its workers are processes of their own: each builds the app, and this one only watches.
    target = f"{__spec__.name}:build"
    certificate, key = find_certificate()
    Granian(
        target,
        port=port,
        interface=Interfaces.ASGI,
        factory=True,
        ssl_cert=certificate,
        ssl_key=key,
    ).serve()


RUNNERS: dict[str, Callable[[int], None]] = {
    "uvicorn": run_uvicorn,
    "hypercorn": run_hypercorn,
    "hypercorn_trio": run_hypercorn_trio,
    "granian": run_granian,
}


def build() -> ASGIApp:
    """Build the app that the command line names, behind the guards."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    app: ASGIApp = importlib.import_module(f"tests.stories.apps.{sys.argv[1]}").build()
    return add_peephole(guard(app, stored=TLS_VARIABLE in os.environ))


def end_with_parent() -> None:
    """Leave no server behind when the test run is killed: its end of our stdin closes then."""
    os.read(sys.stdin.fileno(), 1)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)  # the workers too
    os._exit(1)


def main() -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()
    _, _, server, port = sys.argv
    RUNNERS[server](int(port))


if __name__ == "__main__":
    main()
