"""What browsers on other origins may and may not see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.stories.chapters.plain import assert_guarded
from tests.stories.guarding import ORIGIN

if TYPE_CHECKING:
    import httpx

    from tests.stories.running import Story

EVIL = "https://evil.example"


def cors_headers(answer: httpx.Response) -> dict[str, list[str]]:
    names = {name for name in answer.headers if name.startswith("access-control-")}
    return {name: answer.headers.get_list(name) for name in names}


def vary(answer: httpx.Response) -> set[str]:
    members = ",".join(answer.headers.get_list("vary")).split(",")
    return {member.strip().lower() for member in members} - {""}


def preflight(story: Story, path: str, origin: str, method: str, **more: str) -> httpx.Response:
    asked = {"origin": origin, "access-control-request-method": method, **more}
    return story.call("OPTIONS", path, headers=asked)


def actual_requests(story: Story) -> None:
    for path, status in (("/hello", 200), ("/no/such/page", 404), ("/sse", 200)):
        answer = story.get(path, headers={"origin": ORIGIN})
        assert answer.status_code == status
        assert cors_headers(answer) == {
            "access-control-allow-origin": [ORIGIN],
            "access-control-allow-credentials": ["true"],
            "access-control-expose-headers": ["x-r"],
        }
        assert "origin" in vary(answer)
    for headers in ({"origin": EVIL}, {}):
        answer = story.get("/hello", headers=headers)
        assert answer.status_code == 200
        assert not cors_headers(answer)
        assert "origin" in vary(answer)


def preflight_allowed(story: Story) -> None:
    asked = {"access-control-request-headers": "x-a"}
    before = story.observe()["logins"]
    answer = preflight(story, "/login", ORIGIN, "PUT", **asked)
    assert (answer.status_code, answer.content) == (204, b"")
    assert cors_headers(answer) == {
        "access-control-allow-origin": [ORIGIN],
        "access-control-allow-credentials": ["true"],
        "access-control-allow-methods": ["PUT"],
        "access-control-allow-headers": ["x-a"],
        "access-control-max-age": ["600"],
    }
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
    assert story.observe()["logins"] == before


def preflight_denied(story: Story) -> None:
    answers = (
        preflight(story, "/hello", EVIL, "PUT"),
        preflight(story, "/hello", ORIGIN, "PURGE"),
        preflight(story, "/hello", ORIGIN, "PUT", **{"access-control-request-headers": "x-b"}),
    )
    for answer in answers:
        assert answer.status_code == 403
        assert not cors_headers(answer)
        assert answer.content == answers[0].content
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"]


def refusals_can_be_read(story: Story) -> None:
    """A 401 of an inner guard carries the headers of the outer ones: a script sees the reason."""
    headers = {"origin": ORIGIN, "authorization": "Bearer no.such.token"}
    answer = story.get("/whoami", headers=headers)
    assert answer.status_code == 401
    assert_guarded(answer)
    assert cors_headers(answer)["access-control-allow-origin"] == [ORIGIN]
