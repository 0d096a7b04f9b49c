"""Answers in the app's stead: what the engine sends when a layer ends a request.

Source: RFC 9457 (problem details), RFC 9110 section 15 (status codes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asgi_security.asgi.types import Header

_PROBLEM_TYPE = "urn:asgi-security:problem:"
_REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    408: "Request Timeout",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}


class Refusal(NamedTuple):
    """A request turned away. `code` is stable; on WebSocket it is the close reason too.

    Make one with `build_refusal`, at construction where its facts are known by then: sending it
    then costs no encoding.
    """

    status: int
    code: str
    headers: tuple[Header, ...]
    body: bytes


class Reply:
    """A request answered here and not refused, such as a preflight or a redirect: no body.

    A plain class, because every preflight makes one.
    """

    __slots__ = ("headers", "status")

    code = ""
    """Nothing was refused."""
    body = b""

    def __init__(self, status: int, headers: tuple[Header, ...]) -> None:
        self.status: Final = status
        self.headers: Final = headers


Answer: TypeAlias = Refusal | Reply


def build_refusal(
    status: int,
    code: str,
    *,
    detail: str = "",
    headers: tuple[Header, ...] = (),
    members: Mapping[str, object] | None = None,
) -> Refusal:
    """Build a refusal with an `application/problem+json` body, never to be stored by a cache.

    Args:
        status: an HTTP status of 400 to 599.
        code: stable, upper-case and safe to show: clients branch on it.
        detail: one sentence that gives nothing away about accounts, keys or thresholds.
        headers: further field lines, such as `retry-after`; names in lower case.
        members: further members of the problem object.
    """
    import json  # noqa: PLC0415 -- a stack that builds no refusal need not load it

    problem: dict[str, object] = {
        "type": _PROBLEM_TYPE + code.lower().replace("_", "-"),
        "title": _REASONS.get(status, "Refused"),
        "status": status,
        "code": code,
    }
    if detail:
        problem["detail"] = detail
    if members:
        problem.update(members)
    body = json.dumps(problem, separators=(",", ":")).encode()
    lines = (
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        *headers,
    )
    return Refusal(status, code, lines, body)


def build_bare_refusal(status: int, code: str, headers: tuple[Header, ...] = ()) -> Refusal:
    """Build a refusal with an empty body, for answers that must not differ by a single byte."""
    return Refusal(status, code, ((b"content-length", b"0"), *headers), b"")


def build_unavailable(code: str = "STORE_UNAVAILABLE", *, retry_after_seconds: int = 5) -> Refusal:
    """Build the 503 of a guard that cannot ask its store: fail closed, and say when to return."""
    return build_refusal(
        503,
        code,
        detail="A dependency is unavailable; try again later.",
        headers=((b"retry-after", b"%d" % retry_after_seconds),),
    )
