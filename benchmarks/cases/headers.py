"""Security headers: seven lines merged into a response that has two of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.driving import ask, bare_app, build_scope, build_step
from benchmarks.rows import OURS, Contender, Side, TimedCase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.asgi.types import ASGIApp, Header, Message, Receive, Scope, Send

_SCOPE = build_scope()
SEVEN: dict[str, Any] = {
    "cross_origin_resource_policy": None,
    "origin_agent_cluster": None,
    "permitted_cross_domain_policies": None,
}
"""What leaves seven of the ten lines of the default."""


def build_ours(app: ASGIApp) -> ASGIApp:
    """Build our middleware around an app, without three of its ten lines: seven are the row."""
    from asgi_security import SecurityHeadersMiddleware

    guarded: ASGIApp = SecurityHeadersMiddleware(app, **SEVEN)
    return guarded


def list_ours() -> list[Header]:
    """List the lines that ours adds: the peers are configured to send the very same."""
    own = ask(bare_app, _SCOPE).headers
    return [line for line in ask(build_ours(bare_app), _SCOPE).headers if line not in own]


def _build_side(name: str, app: ASGIApp) -> Side:
    return Side(name, build_step(app), lambda: sorted(ask(app, _SCOPE).headers))


def build_secure(app: ASGIApp) -> ASGIApp:
    """Build the middleware of `secure` around an app, with the lines that ours sends."""
    from secure import Secure
    from secure.headers import CustomHeader
    from secure.middleware import SecureASGIMiddleware

    custom = [CustomHeader(name.decode(), value.decode()) for name, value in list_ours()]
    guarded: Any = SecureASGIMiddleware(app, secure=Secure(custom=custom))
    return guarded  # type: ignore[no-any-return] # its own ASGI types are narrower


def build_secweb(app: ASGIApp) -> ASGIApp:
    """Build the middleware of Secweb around an app, with the lines that ours sends."""
    from Secweb.middleware import SetMiddleware

    guarded: ASGIApp = SetMiddleware(app, headers=list_ours())
    return guarded


def build_by_hand(app: ASGIApp, lines: Sequence[Header] = ()) -> ASGIApp:
    """Build the least a wrapper can do: append ready lines, without looking for duplicates."""
    lines = lines or list_ours()

    async def by_hand(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *lines]}
            await send(message)

        await app(scope, receive, send_more)

    return by_hand


CASES = (
    TimedCase(
        name="headers 7 lines",
        contenders=(
            Contender(OURS, lambda: _build_side(OURS, build_ours(bare_app))),
            Contender("secure", lambda: _build_side("secure", build_secure(bare_app))),
            Contender("Secweb", lambda: _build_side("Secweb", build_secweb(bare_app))),
            Contender("by hand", lambda: _build_side("by hand", build_by_hand(bare_app))),
        ),
        inputs=lambda calls: [_SCOPE] * calls,
        bare=build_step(bare_app),
        # Half of the predecessor's 2.6 us, told by the peer that took 9.3 us beside it.
        budgets={"secure": 2.6 / 9.3 / 2},
    ),
)
