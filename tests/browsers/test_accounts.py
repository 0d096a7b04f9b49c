"""The pages for accounts in real browsers, over TLS, under the strict profile, without script."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browsers.examples import EXAMPLE, Example
from tests.stories.visiting import Authenticator, find_mail

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.browsers.driving import Arrived, Browser, Page
    from tests.browsers.network import Network

NAME = "ann@example.com"
PASSWORD, NEW_PASSWORD = "seven lemon trees", "nine almond trees"
SESSION_COOKIE = "__Host-session"
SCRIPTLESS = ("bare", "django", "fastapi", "litestar", "quart")
SCRIPTED = ("starlette",)
"""The pages are the same in every framework: one of them is enough to see them with scripts."""

_EVERY_PAGE = {
    "cache-control": "no-store",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}


@pytest.fixture
def example(request: pytest.FixtureRequest, tmp_path: Path, network: Network) -> Iterator[Example]:
    example = Example(request.param, tmp_path, network)
    yield example
    example.stop()
    assert "Traceback" not in example.read_log()


class Walk:
    """Somebody at the pages, who reads, types and clicks."""

    def __init__(self, page: Page, example: Example, *, has_script: bool) -> None:
        self.page = page
        self.example = example
        self._has_script = has_script
        self._styled: set[str] = set()
        self.path = ""

    def goto(self, path: str) -> None:
        answer = self.page.goto(EXAMPLE + path)
        self._look(answer.headers, path)

    def submit(self, button: str, **typed: str) -> None:
        """Type into the form with this button, the first of several, and press it."""
        form = f'(//form[descendant::button[normalize-space()="{button}"]])[1]'
        for name, text in typed.items():
            self.page.type(f'{form}//input[@name="{name}"]', text)
        self._arrive(self.page.follow(f"{form}//button"))

    def follow(self, text: str) -> None:
        self._arrive(self.page.follow(f'//a[normalize-space()="{text}"]'))

    def unfold(self, summary: str) -> None:
        self.page.press(f'//summary[normalize-space()="{summary}"]')

    def read(self, selector: str) -> str:
        text: str = self.page.ask(
            "evaluate", script=f"document.querySelector('{selector}').innerText"
        )
        return text

    def count(self, selector: str) -> int:
        number: int = self.page.ask(
            "evaluate", script=f"document.querySelectorAll('{selector}').length"
        )
        return number

    def _arrive(self, arrived: Arrived) -> None:
        self._look(arrived.headers, urlsplit(arrived.url).path)

    def _look(self, headers: dict[str, str], path: str) -> None:
        """Look whether the browser was content with the page, and whether its style came."""
        self.path = path.partition("?")[0]
        if not self.path.startswith("/auth"):
            return
        assert {name: headers.get(name) for name in _EVERY_PAGE} == _EVERY_PAGE
        policy = headers["content-security-policy"]
        assert "form-action 'self'" in policy
        assert "unsafe" not in policy
        assert [line for line in self.page.faults if "Failed to load resource" not in line] == []
        if self._has_script:
            assert self.page.violations == []
        if self.path not in self._styled:
            width = self.page.ask(
                "evaluate", script="getComputedStyle(document.querySelector('main')).maxWidth"
            )
            assert width == "512px", "the stylesheet was let in"
            self._styled.add(self.path)


def live(walk: Walk) -> None:
    """Live through everything that can happen to an account."""
    walk.goto("/")
    walk.follow("Log in")
    walk.follow("I have no account yet")
    walk.submit("Register", username=NAME, password="password")
    assert walk.count("[role=alert]") == 1
    walk.submit("Register", password=PASSWORD)
    assert "mailbox" in walk.read("[role=status]")
    walk.goto(find_mail(walk.example.log, "verify"))
    walk.submit("Confirm")
    assert "confirmed" in walk.read("[role=status]")
    walk.goto("/auth/login?next=/me")
    walk.submit("Log in", username=NAME, password="not that")
    assert "not right" in walk.read("[role=alert]")
    walk.submit("Log in", username=NAME, password=PASSWORD)
    assert walk.read("body").startswith("you are ")
    authenticator, recovery_code = enrol(walk)
    return_with_code(walk, authenticator)
    lock_out_and_reset(walk, authenticator)
    end_other_sessions(walk, recovery_code)


def enrol(walk: Walk) -> tuple[Authenticator, str]:
    walk.goto("/auth/account")
    walk.follow("Set up an authenticator")
    walk.submit("Show me the QR code")
    (secret,) = parse_qs(urlsplit(walk.page.scan("//*[local-name()='svg']")).query)["secret"]
    assert walk.read(".secret").replace(" ", "") == secret
    authenticator = Authenticator(secret)
    walk.submit("Confirm", code=authenticator.show())
    recovery_code = walk.read(".codes li")
    walk.follow("Go on")
    assert walk.path == "/auth/account"
    return authenticator, recovery_code


def return_with_code(walk: Walk, authenticator: Authenticator) -> None:
    walk.submit("Log out")
    walk.goto("/auth/login?next=/me")
    walk.submit("Log in", username=NAME, password=PASSWORD)
    assert walk.path == "/auth/code"
    assert walk.page.cookie(SESSION_COOKIE) is None, "a password alone opens nothing"
    walk.submit("Go on", code="000000")
    assert "not right" in walk.read("[role=alert]")
    walk.submit("Go on", code=authenticator.show())
    assert walk.path == "/me"
    cookie = walk.page.cookie(SESSION_COOKIE)
    assert cookie is not None
    assert (cookie["secure"], cookie["httpOnly"]) == (True, True)


def lock_out_and_reset(walk: Walk, authenticator: Authenticator) -> None:
    walk.goto("/auth/account")
    walk.submit("Log out")
    for _ in range(5):
        walk.submit("Log in", username=NAME, password="guess")
        assert "is not right" in walk.read("[role=alert]")
    walk.submit("Log in", username=NAME, password=PASSWORD)
    assert "Too many tries" in walk.read("[role=alert]")
    walk.follow("I do not know my password")
    walk.submit("Mail me a link", username=NAME)
    walk.goto(find_mail(walk.example.log, "reset"))
    walk.submit("Set the password", password="short")
    assert walk.count("[role=alert]") == 1
    walk.submit("Set the password", password=NEW_PASSWORD)
    assert "new password is set" in walk.read("[role=status]")
    walk.goto("/auth/login?next=/me")
    walk.submit("Log in", username=NAME, password=NEW_PASSWORD)
    walk.submit("Go on", code=authenticator.show())
    assert walk.path == "/me"


def end_other_sessions(walk: Walk, recovery_code: str) -> None:
    """Leave a session elsewhere, log in anew by a recovery code, and end that other session."""
    walk.page.ask("forget", cookie=SESSION_COOKIE)
    walk.goto("/auth/login?next=/auth/account")
    walk.submit("Log in", username=NAME, password=NEW_PASSWORD)
    walk.unfold("Use a recovery code")
    walk.submit("Use the recovery code", recovery_code=recovery_code)
    assert walk.path == "/auth/account"
    assert walk.count("tbody tr") == 2
    walk.submit("Log out there")
    assert walk.count("tbody tr") == 1
    assert "ended" in walk.read("[role=status]")


@pytest.mark.parametrize("example", SCRIPTLESS, indirect=True)
def test_life_of_an_account_without_script(scriptless: Browser, example: Example) -> None:
    page = scriptless.open()
    live(Walk(page, example, has_script=False))
    page.close()


# The page is asked for last, and closes first: a server that stops waits for its connections.
@pytest.mark.parametrize("example", SCRIPTED, indirect=True)
def test_no_page_breaks_the_strict_policy(example: Example, page: Page) -> None:
    """With scripts on, pages can tell what was stopped of them."""
    live(Walk(page, example, has_script=True))
