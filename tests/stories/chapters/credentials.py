"""Sessions, tokens and guessed passwords."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import jwt
import pytest

from tests.stories.apps import scenery
from tests.stories.chapters.cross_origin import vary
from tests.stories.chapters.plain import assert_guarded
from tests.stories.guarding import (
    JWT_OLD_SECRET,
    JWT_SECRET,
    ORIGIN,
    SESSION_COOKIE,
    THRESHOLD,
    UNKNOWN_SECRET,
)

if TYPE_CHECKING:
    import httpx

    from tests.stories.running import Story


def sign(secret: str, *, subject: str = "ada", lifetime_seconds: int = 300) -> dict[str, str]:
    """Make the header of a bearer, without any code of ours."""
    now = int(time.time())
    claims = {"sub": subject, "iat": now, "exp": now + lifetime_seconds}
    return {"authorization": f"Bearer {jwt.encode(claims, secret, algorithm='HS256')}"}


def session_lines(answer: httpx.Response) -> list[str]:
    lines = answer.headers.get_list("set-cookie")
    return [line for line in lines if line.startswith(f"{SESSION_COOKIE}=")]


def session_untouched(story: Story) -> None:
    answer = story.get("/hello", headers={"cookie": f"{SESSION_COOKIE}=junk"})
    assert not answer.headers.get_list("set-cookie")
    assert "cookie" not in vary(answer)


def session_roundtrip(story: Story) -> None:
    empty = story.get("/session/read")
    assert (empty.json(), session_lines(empty)) == ({"seen": None}, [])
    assert "cookie" in vary(empty)
    written = story.post("/session/write", content=story.setting.name)
    assert written.status_code == 200
    assert "cookie" in vary(written)
    assert (
        "private" in written.headers["cache-control"]
        or "no-store" in (written.headers["cache-control"])
    )
    (line,) = session_lines(written)
    pair, *attributes = [part.strip() for part in line.split(";")]
    assert {"httponly", "secure", "samesite=lax", "path=/"} <= {a.lower() for a in attributes}
    read = story.get("/session/read", headers={"cookie": pair})
    assert read.json() == {"seen": story.setting.name}
    assert not session_lines(read)
    forged = story.get("/session/read", headers={"cookie": pair[:-2] + "xx"})
    assert (forged.status_code, forged.json()) == (200, {"seen": None})


def tokens(story: Story) -> None:
    anonymous = story.get("/whoami")
    assert (anonymous.status_code, anonymous.text) == (200, "anonymous")
    for secret in (JWT_SECRET, JWT_OLD_SECRET, JWT_SECRET):
        answer = story.get("/whoami", headers=sign(secret))
        assert (answer.status_code, answer.text) == (200, "ada")
    for headers in (sign(UNKNOWN_SECRET), sign(JWT_SECRET, lifetime_seconds=-60)):
        answer = story.get("/whoami", headers=headers)
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["cache-control"] == "no-store"
        assert_guarded(answer)


def skip_where_unread_bodies_break(story: Story) -> None:
    if story.setting.http2:
        pytest.skip("hypercorn 0.18 drops an HTTP/2 connection when any app leaves a body unread")


def refused_upload(story: Story) -> None:
    """The refusal of a request with a body arrives whole, though nobody reads the body."""
    skip_where_unread_bodies_break(story)
    bad = sign(UNKNOWN_SECRET)
    for _ in range(2):
        refused = story.post("/echo", headers=bad, content=b"x" * 20_000)
        assert refused.status_code == 401
        assert_guarded(refused)
        story.reconnect()  # a server may close where a body was left unread
    assert story.call("HEAD", "/whoami", headers=bad).content == b""


def login_in_pieces(story: Story) -> None:
    """The guard reads the name, and the app reads the same bytes again."""
    form = {"content-type": "application/x-www-form-urlencoded"}
    pieces = (b"username=patient+of+", story.setting.name.encode(), b"&pass", b"word=right")
    answer = story.post("/login", headers=form, content=iter(pieces))
    assert (answer.status_code, answer.json()) == (200, scenery.RIGHT)


def login_too_long(story: Story) -> None:
    skip_where_unread_bodies_break(story)
    form = {"content-type": "application/x-www-form-urlencoded"}
    before = story.observe()["logins"]
    too_long = story.post("/login", headers=form, content=b"username=a&password=" + b"x" * 20_000)
    assert too_long.status_code == 413
    assert_guarded(too_long)
    assert story.observe()["logins"] == before


def guessing(story: Story) -> None:
    """Five wrong passwords close the account, for the right password too, and for it alone."""
    name = f"victim of {story.setting.name}"

    def try_password(password: str, username: str = name) -> httpx.Response:
        form = {"username": username, "password": password}
        return story.post("/login", headers={"origin": ORIGIN}, data=form)

    assert try_password("right").json() == scenery.RIGHT
    before = story.observe()["logins"]
    for _ in range(THRESHOLD):
        assert try_password("wrong").status_code == 401
    for password in ("wrong", "right"):
        refused = try_password(password)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 30
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["code"] == "LOCKED_OUT"
        assert refused.headers.get_list("access-control-allow-origin") == [ORIGIN]
        assert_guarded(refused)
    assert story.observe()["logins"] == before + THRESHOLD
    assert try_password("right", f"neighbour of {story.setting.name}").status_code == 200
