"""Starts the demo's server on a loopback port, and walks it or leaves it running."""

from __future__ import annotations

import signal
import socket
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from asgi_security import open_store
from asgi_security.demo.accounts import Mailbox, add_accounts
from asgi_security.demo.guarded import Switch, World, build_app, build_guards
from asgi_security.demo.living import walk_life
from asgi_security.demo.walking import Walk, walk_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asgi_security.asgi.types import ASGIApp

_START_SECONDS = 15.0
_POLL_SECONDS = 0.02


@contextmanager
def serve_in_thread(app: ASGIApp, port: int) -> Iterator[str]:
    """Run uvicorn in a thread until the block ends; yields the base URL.

    Raises:
        RuntimeError: when it does not start within 15 seconds.
    """
    # "critical": the walk makes the app fail on purpose, and shows the answer instead of the trace.
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="critical", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + _START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the demo's server did not start")
        time.sleep(_POLL_SECONDS)
    address = server.servers[0].sockets[0].getsockname()
    try:
        yield f"http://{address[0]}:{address[1]}"
    finally:
        server.should_exit = True
        thread.join(_START_SECONDS)


def run_demo(*, serve: bool = False, port: int = 0) -> int:
    """Run the demo; return 0 if every promise held (and 0 after serving), else 1."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "security.db")
        world = World(open_store(f"sqlite:///{path}"))
        app = build_app(world)
        switch = Switch(build_guards(app, world))
        mailbox = Mailbox()

        def deploy() -> None:
            switch.app = build_guards(app, world)

        port = port or _pick_port()
        site = f"http://127.0.0.1:{port}"
        whole = add_accounts(switch, world, site, None if serve else mailbox)
        with serve_in_thread(whole, port) as url:
            if serve:
                return _wait(url)
            walk = Walk(url, world, deploy)
            walk_all(walk)
            walk_life(walk, mailbox)
        return walk.report()


def _pick_port() -> int:
    """Find a free port, which the links in mails have to name before the server has it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def _wait(url: str) -> int:
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    words = f"serving {url} and {url}/auth until you press Ctrl-C"
    print(words, flush=True)  # noqa: T201 -- a command's output
    stopped.wait()
    print()  # noqa: T201 -- ends the line with the ^C
    return 0
