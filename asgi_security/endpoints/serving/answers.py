"""What an endpoint says, whatever way it travels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint says, whatever way it travels.

    `code` is stable, and what a page is told. A refusal without `content` is a problem (RFC 9457)
    of that code. `page` is where a form goes next, None for the endpoint's own; with the status 303
    everybody goes there.
    """

    status: int
    content: Mapping[str, Any] | None = field(default=None, repr=False)
    code: str = ""
    page: str | None = None
    cookies: tuple[bytes, ...] = field(default=(), repr=False)
    """Values of Set-Cookie."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    is_shown: bool = False
    """Whether the content must be seen, also by a browser without script: it is there this once."""
    html: str | None = field(default=None, repr=False)
    """The document to show, of an answer that is a page."""


def refuse(
    status: int,
    code: str,
    *,
    page: str | None = None,
    headers: tuple[tuple[bytes, bytes], ...] = (),
    **content: Any,
) -> Answer:
    """Return an answer that says no: `{"detail": code}`, and what else may be said."""
    return Answer(status, {"detail": code, **content}, code, page, headers=headers)


def refuse_until(retry_after_seconds: int, status: int = 429, code: str = "LOCKED_OUT") -> Answer:
    """Return the answer that says when to come again, and nothing else."""
    return Answer(status, code=code, headers=((b"retry-after", b"%d" % retry_after_seconds),))


UNAVAILABLE = refuse_until(5, 503, "UNAVAILABLE")
"""Something that the answer depends on is not there: fail closed, and say when to come again."""

CHALLENGE = ((b"www-authenticate", b"Bearer"),)
"""What a 401 has to carry (RFC 9110 section 15.5.2)."""

NOT_SIGNED_IN = Answer(401, {"detail": "NOT_SIGNED_IN"}, "NOT_SIGNED_IN", headers=CHALLENGE)
