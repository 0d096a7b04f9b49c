"""Says what the guards of bearer tokens say alike: who asks, and how a request is refused.

Source: RFC 6750 section 3 (status codes and challenges).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from asgi_security.asgi.refusals import build_refusal, build_unavailable
from asgi_security.asgi.watching import Ending

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from asgi_security.asgi.layers import Exchange
    from asgi_security.asgi.refusals import Refusal
    from asgi_security.principal import Principal

TOKEN_ENDED = Ending(4001, "TOKEN_ENDED")
TOKEN_UNKNOWN = Ending(1013, "TOKEN_ENDED")
"""How a WebSocket ends whose token is over, and one whose token nobody can judge (1013 of IANA's
registry: try again later)."""


class BearerChallenges(Protocol):
    """Values of WWW-Authenticate; `invalid_token` by the reason that a client may learn, or ""."""

    @property
    def absent(self) -> bytes: ...  # noqa: D102 -- the class says it

    @property
    def invalid_request(self) -> bytes: ...  # noqa: D102

    @property
    def insufficient_scope(self) -> bytes: ...  # noqa: D102

    @property
    def invalid_token(self) -> Mapping[str, bytes]: ...  # noqa: D102


class BearerRefusals:
    """Every refusal over a bearer token, built once."""

    def __init__(self, challenges: BearerChallenges) -> None:
        self.absent = _build(401, "TOKEN_REQUIRED", "A token is required.", challenges.absent)
        self.invalid_request = _build(
            400, "INVALID_REQUEST", "One token is expected.", challenges.invalid_request
        )
        self.insufficient_scope = _build(
            403,
            "INSUFFICIENT_SCOPE",
            "The token does not reach so far.",
            challenges.insufficient_scope,
        )
        self.unavailable = build_unavailable("VERIFICATION_UNAVAILABLE")
        self._invalid = {
            reason: _build(401, "INVALID_TOKEN", "The token is not accepted.", challenge)
            for reason, challenge in challenges.invalid_token.items()
        }

    def get_invalid(self, reason: str) -> Refusal:
        """Return the 401 of a token that is refused for this reason."""
        return self._invalid.get(reason, self._invalid[""])


def _build(status: int, code: str, detail: str, challenge: bytes) -> Refusal:
    headers = ((b"www-authenticate", challenge),)
    return build_refusal(status, code, detail=detail, headers=headers)


@cache
def _load_starlette() -> tuple[Any, Any]:
    from starlette import authentication  # noqa: PLC0415 -- only who authenticates pays for it

    return authentication.AuthCredentials, authentication.UnauthenticatedUser()


def name_nobody(exchange: Exchange) -> None:
    """Say that nobody asks, where Starlette's `AuthenticationMiddleware` says it."""
    make_credentials, nobody = _load_starlette()
    exchange.scope["user"], exchange.scope["auth"] = nobody, make_credentials()


def name_user(
    exchange: Exchange,
    principal: Principal | None,
    claims: Mapping[str, Any],
    granted: Iterable[str],
) -> None:
    """Say who asks, in our context and where Starlette says it; None for a token of nobody's."""
    make_credentials, nobody = _load_starlette()
    context, scope = exchange.context, exchange.scope
    context.claims, context.principal, context.private = claims, principal, True
    scope["user"] = nobody if principal is None else principal
    scope["auth"] = make_credentials(granted)  # new each time: an app may add to its list


def hide_subprotocol_token(exchange: Exchange, marker: str | None, token: bytes) -> None:
    """Take the marker and the token out of the protocols that the app may choose from."""
    hidden = (marker, token.decode("latin-1"))
    offered = exchange.scope["subprotocols"]
    exchange.scope["subprotocols"] = [name for name in offered if name not in hidden]
