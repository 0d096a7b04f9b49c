"""Runs every example of `docs/examples` as its first lines say, and looks at what it answers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.stories.guarding import ORIGIN, SESSION_COOKIE
from tests.stories.running import ROOT, Running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXAMPLES = ROOT / "docs" / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("guarded_*.py"))


@pytest.fixture
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[httpx.Client]:
    uvicorn = [sys.executable, "-m", "uvicorn", f"{request.param}:app"]
    command = [*uvicorn, "--app-dir", str(EXAMPLES), "--port"]
    running = Running(command, tmp_path / "server.log", ready_path="/")
    with httpx.Client(base_url=running.origin, trust_env=False) as client:
        yield client
    running.stop()
    assert not running.read_tracebacks()


def test_there_is_one_for_every_framework() -> None:
    frameworks = ("bare", "django", "fastapi", "litestar", "quart", "starlette")
    assert [f"guarded_{framework}" for framework in frameworks] == NAMES


@pytest.mark.parametrize("client", NAMES, indirect=True)
def test_example(client: httpx.Client) -> None:
    hello = client.get("/", headers={"origin": ORIGIN})
    assert (hello.status_code, hello.text) == (200, "hello")
    assert hello.headers.get_list("x-content-type-options") == ["nosniff"]
    assert hello.headers.get_list("access-control-allow-origin") == [ORIGIN]
    first = client.get("/visits")
    # Over plain http no client sends a Secure cookie back by itself.
    cookie = first.headers["set-cookie"].partition(";")[0]
    assert cookie.startswith(f"{SESSION_COOKIE}=")
    second = client.get("/visits", headers={"cookie": cookie})
    assert [first.json(), second.json()] == [{"visits": 1}, {"visits": 2}]
    assert client.get("/me").text == "anonymous"
    refused = client.get("/me", headers={"authorization": "Bearer no.such.token"})
    assert refused.status_code == 401
    assert refused.headers.get_list("x-content-type-options") == ["nosniff"]
