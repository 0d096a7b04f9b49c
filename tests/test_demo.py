"""The demo runs, keeps every promise, and says so when one is broken."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from asgi_security import MemoryStore
from asgi_security.__main__ import main
from asgi_security.demo.guarded import World
from asgi_security.demo.walking import Walk
from tests.stories.running import Running

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

PROTECTION = ("content-security-policy", "x-content-type-options", "x-frame-options")


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda each: each.name)
def test_the_served_pages_are_protected_until_it_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    command = [sys.executable, "-m", "asgi_security", "demo", "--serve", "--port"]
    running = Running(command, tmp_path / "demo.log", ready_path="/")
    try:
        with running.connect() as client:
            page = look(client, "/", "<title>asgi_security demo</title>")
            for asset in re.findall(r'(?:src|href)="(/[^"]+\.(?:js|css))"', page):
                look(client, asset)
            assert client.get("/auth").headers["location"] == "/auth/account"
            assert client.get("/auth/account", headers={"accept": "text/html"}).status_code == 303
            login = look(client, "/auth/login", "<form")
            (style,) = re.findall(r'<link rel="stylesheet" href="([^"]+)"', login)
            look(client, style)
        running.process.send_signal(number)
        assert running.process.wait(20) == 0
    finally:
        running.stop()
    assert f"serving {running.origin} and {running.origin}/auth until" in running.read_log()
    assert "Traceback" not in running.read_log()
    assert not list(scratch.iterdir()), "the store is gone with it"


def look(client: httpx.Client, path: str, text: str = "") -> str:
    """Return a page that has to be there, with each line of protection once."""
    answer = client.get(path)
    assert answer.status_code == 200
    assert [len(answer.headers.get_list(name)) for name in PROTECTION] == [1, 1, 1], path
    assert text in answer.text
    return answer.text


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
