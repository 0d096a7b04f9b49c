"""WebSockets: refused before they are accepted, or never noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import InvalidStatus

from tests.stories.chapters.credentials import sign
from tests.stories.chapters.cross_origin import EVIL
from tests.stories.guarding import JWT_SECRET, ORIGIN, SECURITY_HEADERS, UNKNOWN_SECRET

if TYPE_CHECKING:
    from collections.abc import Mapping

    from websockets.http11 import Response

    from tests.stories.running import Story


def echoes(story: Story) -> None:
    for origin in (ORIGIN, story.origin, None):
        with story.talk(origin, headers=sign(JWT_SECRET)) as socket:
            lines = socket.response.headers.get_all("strict-transport-security")
            # granian 2.8 sends none of the headers of a `websocket.accept`.
            sent = story.setting.tls and story.setting.server != "granian"
            assert len(lines) == (1 if sent else 0)
            for word in ("one", "two"):
                socket.send(word)
                assert socket.receive() == word


def refuse(
    story: Story, origin: str, *, path: str = "/ws", headers: Mapping[str, str] | None = None
) -> Response:
    """Return the response that comes in the place of a handshake."""
    with (
        pytest.raises(InvalidStatus) as refused,
        story.talk(origin, path=path, headers=headers),
    ):
        pytest.fail("accepted")
    return refused.value.response


def assert_guarded(response: Response) -> None:
    counts = [len(response.headers.get_all(name)) for name in SECURITY_HEADERS]
    assert counts == [1] * len(SECURITY_HEADERS), response.headers


def bad_origin_is_refused(story: Story) -> None:
    before = story.observe()["sockets"]
    for origin in (EVIL, "null", f"{ORIGIN}.evil.example"):
        response = refuse(story, origin)
        assert response.status_code == 403
        assert_guarded(response)
    assert story.observe()["sockets"] == before


def app_denies(story: Story) -> None:
    """What the app itself refuses before `accept` is a response like any other."""
    if (story.setting.app, story.setting.server) == ("quart", "granian"):
        pytest.skip("granian 2.8 takes a denial in one message only, and Quart sends several")
    before = story.observe()["sockets"]
    response = refuse(story, ORIGIN, path="/ws/denied")
    assert response.status_code == 403
    if story.setting.app != "litestar":  # it closes instead: the response is then the server's
        assert_guarded(response)
    assert story.observe()["sockets"] == before + 1


def bad_token_is_refused(story: Story) -> None:
    before = story.observe()["sockets"]
    response = refuse(story, ORIGIN, headers=sign(UNKNOWN_SECRET))
    assert response.status_code == 401  # all three servers offer the denial response
    assert 'error="invalid_token"' in response.headers["www-authenticate"]
    assert_guarded(response)
    assert story.observe()["sockets"] == before
