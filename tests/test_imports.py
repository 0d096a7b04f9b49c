"""What the public names cost to import, and that each is where it says."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import asgi_security
from asgi_security.names import HOMES

HEAVY = {"starlette", "httpx", "jwt", "cryptography", "sqlite3"}


def run_fresh(code: str) -> str:
    """Run code in a fresh interpreter and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


@pytest.mark.parametrize(
    "name",
    ["SecurityHeadersMiddleware", "SecurityHeadersConfig", "CorsMiddleware", "ClientMiddleware"],
)
def test_a_light_guard_brings_in_nothing_heavy(name: str) -> None:
    loaded = run_fresh(f"import sys; from asgi_security import {name}; print(*sys.modules)")
    tops = {module.partition(".")[0] for module in loaded.split()}
    assert not tops & (HEAVY | {"anyio", "asyncio", "trio"})


@pytest.mark.parametrize("name", ["SessionMiddleware", "LockoutMiddleware", "MemoryStore"])
def test_no_guard_brings_in_what_it_does_not_use(name: str) -> None:
    loaded = run_fresh(f"import sys; from asgi_security import {name}; print(*sys.modules)")
    tops = {module.partition(".")[0] for module in loaded.split()}
    assert not tops & (HEAVY - {"starlette"})


@pytest.mark.parametrize("name", asgi_security.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(asgi_security, name).__name__ == name
    assert name in dir(asgi_security)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'CorsMidleware'"):
        _ = asgi_security.CorsMidleware


def test_what_type_checkers_see_is_what_is_there() -> None:
    assert sorted(HOMES) == sorted(asgi_security.__all__)
    tree = ast.parse(Path(asgi_security.__file__).read_text())
    declared = {
        alias.name: str(node.module).removeprefix("asgi_security.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("asgi_security.")
        if node.module != "asgi_security.names"
        for alias in node.names
    }
    assert declared == HOMES
