"""What every response must show, and what must pass through the guards untouched."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.stories.apps import scenery
from tests.stories.guarding import ORIGIN, SECURITY_HEADERS

if TYPE_CHECKING:
    import httpx

    from tests.stories.running import Story

PAGES = (
    ("GET", "/hello", 200),
    ("HEAD", "/hello", 200),
    ("GET", "/json", 200),
    ("GET", "/sse", 200),
    ("GET", "/file", 200),
    ("GET", "/cookies", 200),
    ("GET", "/whoami", 200),
    ("GET", "/no/such/page", 404),
)


def assert_guarded(answer: httpx.Response) -> None:
    """Every security header stands there once: on what the app sends and on what it does not."""
    counts = {name: len(answer.headers.get_list(name)) for name in SECURITY_HEADERS}
    assert counts == dict.fromkeys(SECURITY_HEADERS, 1), answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    # Over plain http a browser must ignore it (RFC 6797 section 8.1), and we do not send it.
    lines = answer.headers.get_list("strict-transport-security")
    assert len(lines) == (1 if answer.url.scheme == "https" else 0)


def headers_everywhere(story: Story) -> None:
    for method, path, status in PAGES:
        answer = story.call(method, path)
        assert answer.status_code == status, path
        assert_guarded(answer)


def both_cookies_survive(story: Story) -> None:
    lines = story.get("/cookies").headers.get_list("set-cookie")
    pairs = [line.partition(";")[0] for line in lines]
    assert pairs == [f"{name}={value}" for name, value in scenery.COOKIES]


def head_is_get_without_body(story: Story) -> None:
    whole, head = story.get("/hello"), story.call("HEAD", "/hello")
    assert (whole.text, head.content) == (scenery.HELLO, b"")
    names = set(SECURITY_HEADERS)
    assert {n: head.headers[n] for n in names} == {n: whole.headers[n] for n in names}


def bodies_are_untouched(story: Story) -> None:
    body = bytes(range(256)) * 400
    assert story.post("/echo", content=body).content == body
    assert story.post("/echo", content=b"").content == b""
    assert story.get("/json").json() == scenery.JSON


def file_is_complete(story: Story) -> None:
    assert story.get("/file").content == scenery.FILE.read_bytes()


def stream_arrives_in_pieces(story: Story) -> None:
    """The app makes the second chunk only after the client has said that it holds the first."""
    with story.client.stream("GET", "/stream") as answer:
        assert_guarded(answer)
        pieces = answer.iter_raw()
        received = next(pieces)
        assert received == scenery.STREAM[0]
        story.release()
        assert received + b"".join(pieces) == b"".join(scenery.STREAM)


def hanging_up_is_harmless(story: Story) -> None:
    """A client that leaves in the middle of a stream costs nobody anything."""
    with story.client.stream("GET", "/stream") as answer:
        assert next(answer.iter_raw()) == scenery.STREAM[0]
    story.release()
    assert story.get("/hello").text == scenery.HELLO


def events_arrive(story: Story) -> None:
    answer = story.get("/sse")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text == "".join(scenery.EVENTS)


def background_runs(story: Story) -> None:
    before = story.observe()["background"]
    assert "soon" in story.get("/background").text
    story.wait_until(lambda: story.observe()["background"] > before, "background task")


def failing_app(story: Story) -> None:
    """A 500 with every header goes out, a script may read it, and the server logs the error."""
    before = len(story.running.read_tracebacks())
    answer = story.get("/raise", headers={"origin": ORIGIN})
    assert answer.status_code == 500
    assert "deliberate" not in answer.text
    assert_guarded(answer)
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    story.wait_until(lambda: len(story.running.read_tracebacks()) > before, "logged error")


def lifespan_started(story: Story) -> None:
    # Django answers no lifespan: the guards must then let its ValueError reach the server, which
    # goes on without.
    expected = "none" if story.setting.app == "django" else "started"
    assert story.observe()["lifespan"] == expected


def server_ends_cleanly(story: Story) -> None:
    """Nothing but the deliberate error was logged, and the app heard of the shutdown."""
    story.close()
    code = story.running.stop()
    log = story.running.read_log()
    assert code in {0, -15}, log  # uvicorn ends by the signal that it was sent
    expected = ["deliberate"]
    if story.setting.tls and story.setting.server == "hypercorn":
        expected.append("ssl.SSLError")  # hypercorn 0.18, of a client that hangs up
    for line in story.running.read_tracebacks():
        assert any(words in line for words in expected), log
    # uvicorn 0.54 says so of every app that sends a complete denial response, and only then.
    denied = len(re.findall(r'"WebSocket /ws(?:/denied)?" 40[13]\n', log))
    unfinished = log.count("ASGI callable returned without completing handshake")
    assert unfinished <= denied, log
    assert log.count("ASGI callable returned without") == unfinished, log
    assert ("scenery: lifespan stopped" in log) is (story.setting.app != "django"), log
