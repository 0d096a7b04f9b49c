"""Where a credential says how its user was authenticated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.flows.access_assurance import fill_session, read_statement
from asgi_security.flows.access_driving import run, run_now
from asgi_security.principal import Principal

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

pytestmark = pytest.mark.anyio


class Facts:
    def __init__(
        self,
        claims: Mapping[str, Any] | None = None,
        session: MutableMapping[str, Any] | None = None,
    ) -> None:
        self.claims = claims
        self.session = session


class LazySession(dict[str, Any]):
    is_filled = False

    async def load(self) -> None:
        self.is_filled = True
        self["acr"] = "aal2"


def principal(via: str, **claims: Any) -> Principal:
    return Principal(subject="1", via=via, claims=claims)


@pytest.mark.parametrize(
    ("facts", "asker", "acr"),
    [
        pytest.param(Facts({"acr": "token"}), principal("jwt"), "token", id="M98 token"),
        pytest.param(
            Facts({"acr": "token"}, {"acr": "session"}),
            principal("jwt", acr="principal"),
            "token",
            id="M98 the token itself counts, and not the session beside it",
        ),
        pytest.param(
            Facts(None, {"acr": "session"}), principal("session"), "session", id="M98 session"
        ),
        pytest.param(
            Facts({"acr": "token"}, {"acr": "session"}),
            principal("session", acr="principal"),
            "session",
            id="M98 a session's user has its session only",
        ),
        pytest.param(Facts(), principal("session", acr="x"), None, id="M98 no session"),
        pytest.param(Facts(), principal("api_key"), None, id="M98 a key states nothing"),
        pytest.param(
            Facts(None, {"acr": "session"}), principal("api_key"), None, id="M98 beside a session"
        ),
        pytest.param(Facts(), principal("proxy", acr="own"), "own", id="M98 of another kind"),
    ],
)
def test_where_it_stands(facts: Facts, asker: Principal, acr: str | None) -> None:
    stated = run_now(read_statement(facts, asker, waits=False), timeout_seconds=1)
    assert stated.get("acr") == acr


async def test_a_session_is_read_in_where_one_can_wait() -> None:
    session = LazySession()
    stated = await run(
        read_statement(Facts(None, session), principal("session"), waits=True), timeout_seconds=1
    )
    assert stated == {"acr": "aal2"}
    unread = LazySession()
    assert run_now(fill_session(Facts(None, unread), waits=False), timeout_seconds=1) is unread
    assert not unread.is_filled
