"""Decides what an answer of a provider means, and what a user is told of it.

What a provider says in words is for the log and never for a page: whoever makes the link writes
the words.

Source: RFC 6749 sections 3.1, 4.1.2 and 5.2, RFC 9207 section 2.4, OpenID Connect Core 1.0
section 3.1.2.6.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MAX_PARAMETERS = 32
_MAX_CHARACTERS = 8192
_SHOWN_CHARACTERS = 200
_ERROR = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,64}\Z")
_BEARER = re.compile(r"[\x21-\x7e]{1,16384}\Z")


@dataclass(frozen=True, slots=True)
class OAuthRefused:
    """The login ends here: answer with this status and code. The session stays as it was."""

    status: int
    code: str


@dataclass(frozen=True, slots=True)
class CodeResponse:
    """The provider lets somebody in: `code` buys the proof of who it is."""

    state: str = field(repr=False)
    code: str = field(repr=False)
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """The provider lets nobody in. `error` is its word, `description` what it says of it."""

    state: str = field(repr=False)
    error: str = ""
    issuer: str | None = None
    description: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """What a code has bought."""

    access_token: str = field(repr=False)
    id_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class TokenError:
    """What it has not, in the provider's words; `reason` is one of ours."""

    refused: OAuthRefused
    reason: str
    description: str = field(default="", repr=False)


AuthorizationResponse: TypeAlias = CodeResponse | ErrorResponse

PROVIDER_ERROR = OAuthRefused(502, "provider_error")
PROVIDER_UNAVAILABLE = OAuthRefused(503, "provider_unavailable")
INVALID_GRANT = OAuthRefused(400, "invalid_grant")

_AUTHORIZATION_ERRORS = {
    "access_denied": OAuthRefused(400, "access_denied"),
    "temporarily_unavailable": PROVIDER_UNAVAILABLE,
    **dict.fromkeys(
        (
            *("login_required", "interaction_required", "consent_required"),
            "account_selection_required",
        ),
        OAuthRefused(400, "login_required"),
    ),
}


def parse_authorization_response(
    parameters: Iterable[tuple[str, str]],
) -> AuthorizationResponse | None:
    """Return what the browser brought back, or None for what no provider sends.

    None is whatever can be read in two ways: a parameter that is there twice, a code beside an
    error, neither of them, no state. Unknown parameters are ignored.

    >>> parse_authorization_response([("state", "s"), ("error", "access_denied")])
    ErrorResponse(error='access_denied', issuer=None)
    >>> parse_authorization_response([("state", "s"), ("code", "a"), ("code", "b")])
    """
    found: dict[str, str] = {}
    for count, (name, value) in enumerate(parameters):
        if name in found or count >= _MAX_PARAMETERS or len(value) > _MAX_CHARACTERS:
            return None
        found[name] = value
    state, code, error = (found.get(name) for name in ("state", "code", "error"))
    issuer = found.get("iss")
    if not state or (code is None) == (error is None):
        return None
    if code is not None:
        return CodeResponse(state, code, issuer) if code else None
    word = error if error is not None and _ERROR.match(error) else "malformed"
    return ErrorResponse(state, word, issuer, found.get("error_description", ""))


def decide_authorization_error(error: str) -> OAuthRefused:
    """Return what a user is told of an error in the browser; a fault of ours is a 502 too.

    >>> decide_authorization_error("access_denied")
    OAuthRefused(status=400, code='access_denied')
    """
    return _AUTHORIZATION_ERRORS.get(error, PROVIDER_ERROR)


def parse_token_response(
    status: int, document: Mapping[str, Any] | None
) -> TokenResponse | TokenError:
    """Return the tokens, or why there are none.

    Args:
        status: of the answer.
        document: its JSON object; None if it is none. Some providers answer errors with a 200.
    """
    if status != 200:
        return _decide_token_error(status, document or {})
    if document is None:
        return TokenError(PROVIDER_ERROR, "bad_json")
    if "error" in document:
        return TokenError(PROVIDER_ERROR, _read_error(document, "malformed"), _describe(document))
    access, identity, kind = (
        document.get(name) for name in ("access_token", "id_token", "token_type")
    )
    if not isinstance(access, str) or not _BEARER.match(access):
        return TokenError(PROVIDER_ERROR, "no_access_token")
    # Some leave the type out; any other one than this could not be used as a bearer token.
    if kind is not None and (not isinstance(kind, str) or kind.lower() != "bearer"):
        return TokenError(PROVIDER_ERROR, "wrong_token_type")
    return TokenResponse(access, identity if isinstance(identity, str) else None)


def _decide_token_error(status: int, document: Mapping[str, Any]) -> TokenError:
    reason = _read_error(document, f"status_{status}")
    description = _describe(document)
    if reason == "invalid_grant" and status < 500:
        return TokenError(INVALID_GRANT, reason, description)
    if status in {429, 502, 503, 504} or reason == "temporarily_unavailable":
        return TokenError(PROVIDER_UNAVAILABLE, reason, description)
    return TokenError(PROVIDER_ERROR, reason, description)


def _read_error(document: Mapping[str, Any], otherwise: str) -> str:
    word = document.get("error")
    return word if isinstance(word, str) and _ERROR.match(word) else otherwise


def _describe(document: Mapping[str, Any]) -> str:
    text = document.get("error_description")
    return text if isinstance(text, str) else ""


def cut_description(text: str) -> str:
    r"""Return a provider's words as one short line of ASCII for a log.

    Safe to log because it holds no line end, no control and nothing that turns a terminal's text
    around.

    >>> cut_description("denied\r\n2026-01-01 login ok\u202e")
    'denied  2026-01-01 login ok '
    """
    return "".join(one if " " <= one <= "~" else " " for one in text[:_SHOWN_CHARACTERS])
