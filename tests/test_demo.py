"""The demo runs, keeps every promise, and says so when one is broken."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from asgi_security import MemoryStore
from asgi_security.__main__ import main
from asgi_security.demo.guarded import World
from asgi_security.demo.walking import Walk

if TYPE_CHECKING:
    import pytest


def test_the_walk_keeps_every_promise() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "asgi_security", "demo"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "BROKEN" not in done.stdout
    for wire in ("> OPTIONS /visits", "< 429", "retry-after", "< 204", "set-cookie"):
        assert wire in done.stdout
    for step in ("register", "verify", "mfa/confirm", "login", "reset-password", "sessions"):
        assert f" /auth/{step}" in done.stdout
    assert done.stderr == ""


def test_a_broken_promise_is_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    walk = Walk("http://127.0.0.1:1", World(MemoryStore()), lambda: None)
    walk.check("this holds", held=True)
    assert walk.report() == 0
    walk.check("this does not", held=False)
    assert walk.report() == 1
    assert "1 of 2 promises held" in capsys.readouterr().out


def test_keys_new_prints_secrets_that_are_long_enough(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "new", "--count", "3"]) == 0
    secrets = capsys.readouterr().out.split()
    assert len(set(secrets)) == 3
    assert all(len(secret) >= 32 for secret in secrets)
