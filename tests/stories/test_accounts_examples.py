"""Runs every example with accounts as its first lines say, and lives through all of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.stories.running import ROOT, Running
from tests.stories.visiting import Authenticator, Visitor, find_mail

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXAMPLES = ROOT / "docs" / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("accounts_*.py"))
NAME = "ann@example.com"
PASSWORD, NEW_PASSWORD = "seven lemon trees", "nine almond trees"
BAD = "The address or the password is not right."
NOWHERE = "http://127.0.0.1:9"
"""No proxy: what would ask the internet about a password gets no answer."""


@pytest.fixture
def running(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Running]:
    monkeypatch.setenv("APP_DATABASE", str(tmp_path / "accounts.db"))
    monkeypatch.setenv("HTTPS_PROXY", NOWHERE)
    monkeypatch.delenv("SITE_URL", raising=False)
    uvicorn = [sys.executable, "-m", "uvicorn", f"{request.param}:app"]
    command = [*uvicorn, "--app-dir", str(EXAMPLES), "--port"]
    running = Running(command, tmp_path / "server.log", ready_path="/")
    yield running
    running.stop()
    assert not running.read_tracebacks()
    # SQLite takes its journal away when the last connection is closed, and only then.
    assert [path.name for path in tmp_path.glob("*.db*")] == ["accounts.db"]
    assert "Application shutdown complete" in running.read_log()


@pytest.fixture
def visitor(running: Running) -> Iterator[Visitor]:
    with httpx.Client(base_url=running.origin, trust_env=False) as client:
        yield Visitor(client)


def test_there_is_one_for_every_framework() -> None:
    frameworks = ("bare", "django", "fastapi", "litestar", "quart", "starlette")
    assert [f"accounts_{framework}" for framework in frameworks] == NAMES


@pytest.mark.parametrize("running", NAMES, indirect=True)
def test_life_of_an_account(running: Running, visitor: Visitor) -> None:
    assert visitor.client.get("/me").status_code == 401
    register(running, visitor)
    log_in(visitor)
    assert visitor.path == "/me", "where the visitor wanted to go"
    assert visitor.answer.text.startswith("you are ")
    authenticator, recovery_codes = enrol(visitor)
    leave_and_return(visitor, authenticator)
    lock_out(running)
    reset(running, visitor, authenticator)
    end_the_other_session(running, visitor, recovery_codes[0])


def register(running: Running, visitor: Visitor) -> None:
    visitor.open("/")
    visitor.follow("Log in")
    visitor.follow("I have no account yet")
    visitor.submit("Register", username=NAME, password="password")
    assert (visitor.answer.status_code, visitor.title) == (400, "Register")
    assert visitor.error
    assert visitor.find("Register")[0].fields["username"] == NAME, "need not be typed again"
    visitor.submit("Register", password=PASSWORD)
    assert visitor.path == "/auth/login"
    assert "mailbox" in visitor.done
    visitor.submit("Log in", username=NAME, password=PASSWORD)
    assert visitor.error == BAD, "not before the address is confirmed, and without telling so"
    visitor.open(find_mail(running.log, "verify"))
    visitor.submit("Confirm")
    assert "confirmed" in visitor.done


def log_in(visitor: Visitor, password: str = PASSWORD) -> None:
    visitor.open("/auth/login?next=/me")
    visitor.submit("Log in", username=NAME, password="not that")
    assert visitor.error == BAD
    visitor.submit("Log in", username=NAME, password=password)


def enrol(visitor: Visitor) -> tuple[Authenticator, list[str]]:
    visitor.open("/auth/account")
    visitor.follow("Set up an authenticator")
    visitor.submit("Show me the QR code")
    assert "<svg" in visitor.answer.text
    authenticator = Authenticator("".join(visitor.page.texts["secret"]))
    visitor.submit("Confirm", code="000000")
    assert "not right" in visitor.error
    visitor.submit("Confirm", code=authenticator.show())
    assert visitor.title == "Recovery codes"
    recovery_codes = visitor.page.items
    assert len(set(recovery_codes)) == 10
    visitor.follow("Go on")
    assert visitor.path == "/auth/account"
    return authenticator, recovery_codes


def leave_and_return(visitor: Visitor, authenticator: Authenticator) -> None:
    visitor.submit("Log out")
    assert visitor.path == "/auth/login"
    assert visitor.client.get("/me").status_code == 401
    visitor.open("/auth/login?next=/me")
    visitor.submit("Log in", username=NAME, password=PASSWORD)
    assert visitor.title == "Second factor"
    assert visitor.client.get("/me").status_code == 401, "a password alone opens nothing"
    visitor.submit("Go on", code="000000")
    assert "not right" in visitor.error
    visitor.submit("Go on", code=authenticator.show())
    assert visitor.path == "/me"


def lock_out(running: Running) -> None:
    """Guess, as a stranger does, until nobody from there may guess any more."""
    with httpx.Client(base_url=running.origin, trust_env=False) as client:
        stranger = Visitor(client)
        stranger.open("/auth/login")
        for _ in range(5):
            stranger.submit("Log in", username=NAME, password="guess")
            assert stranger.error == BAD
        stranger.submit("Log in", username=NAME, password=PASSWORD)
        assert "Too many tries" in stranger.error


def reset(running: Running, visitor: Visitor, authenticator: Authenticator) -> None:
    """Set a new password by mail, which ends the session there was and the lock as well."""
    with httpx.Client(base_url=running.origin, trust_env=False) as client:
        newcomer = Visitor(client)
        newcomer.open("/auth/login")
        newcomer.follow("I do not know my password")
        newcomer.submit("Mail me a link", username=NAME)
        assert "a mail is on its way" in newcomer.done
        link = find_mail(running.log, "reset")
        newcomer.open(link)
        newcomer.submit("Set the password", password="short")
        assert newcomer.error
        newcomer.submit("Set the password", password=NEW_PASSWORD)
        assert "new password is set" in newcomer.done
        assert visitor.client.get("/me").status_code == 401, "all that was signed in has ended"
        newcomer.open(link)
        newcomer.submit("Set the password", password="any old password here")
        assert "has been used" in newcomer.error
    visitor.open("/auth/login?next=/me")
    visitor.submit("Log in", username=NAME, password=NEW_PASSWORD)
    visitor.submit("Go on", code=authenticator.show())
    assert visitor.path == "/me"


def end_the_other_session(running: Running, visitor: Visitor, recovery_code: str) -> None:
    """See a session elsewhere, which a recovery code has opened, and end it."""
    visitor.open("/auth/account")
    assert not visitor.find("Log out there"), "there is this one only"
    with httpx.Client(base_url=running.origin, trust_env=False) as client:
        elsewhere = Visitor(client)
        elsewhere.open("/auth/login?next=/me")
        elsewhere.submit("Log in", username=NAME, password=NEW_PASSWORD)
        elsewhere.submit("Use the recovery code", recovery_code=recovery_code)
        assert elsewhere.path == "/me"
        visitor.open("/auth/account")
        assert "Recovery codes left: 9." in visitor.answer.text
        assert len(visitor.find("Log out there")) == 1
        visitor.submit("Log out there")
        assert visitor.done == "That has ended."
        assert not visitor.find("Log out there")
        assert client.get("/me").status_code == 401
    assert visitor.client.get("/me").status_code == 200
    visitor.open("/auth/account")
    visitor.submit("Change the password", current_password="wrong", password=PASSWORD)
    assert visitor.error == "The present password is not right."
    visitor.submit("Change the password", current_password=NEW_PASSWORD, password=PASSWORD)
    assert visitor.done == "Your new password is set."
