from __future__ import annotations

import json

from asgi_security.asgi.refusals import (
    Reply,
    build_bare_refusal,
    build_refusal,
    build_unavailable,
)


def test_a_refusal_is_problem_details_that_no_cache_keeps() -> None:
    refusal = build_refusal(
        429,
        "LOCKED_OUT",
        detail="Later.",
        headers=((b"retry-after", b"30"),),
        members={"retry_after": 30},
    )
    assert json.loads(refusal.body) == {
        "type": "urn:asgi-security:problem:locked-out",
        "title": "Too Many Requests",
        "status": 429,
        "code": "LOCKED_OUT",
        "detail": "Later.",
        "retry_after": 30,
    }
    assert refusal.headers == (
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(refusal.body)).encode()),
        (b"cache-control", b"no-store"),
        (b"retry-after", b"30"),
    )


def test_a_guard_that_cannot_ask_says_when_to_return() -> None:
    refusal = build_unavailable(retry_after_seconds=7)
    assert (refusal.status, refusal.code) == (503, "STORE_UNAVAILABLE")
    assert (b"retry-after", b"7") in refusal.headers


def test_bare_answers_have_no_body() -> None:
    assert build_bare_refusal(403, "X").body == b""
    assert (Reply(204, ()).body, Reply(204, ()).code) == (b"", "")
