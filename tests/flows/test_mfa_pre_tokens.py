"""Pre-tokens: what they open, in which browser, how often, and all that they do not open."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from asgi_security.crypto.signing import derive_key
from asgi_security.flows.issuing import issue_jwt
from asgi_security.flows.jwt import JwtVerifier, Refused
from asgi_security.flows.mfa_pre_tokens import PreTokens
from asgi_security.flows.refresh import RefreshRefused, RefreshTokens, TokenPair
from asgi_security.middleware.jwt import JwtMiddleware
from asgi_security.policy.jwt import JwtConfig
from asgi_security.policy.mfa import MfaConfig
from asgi_security.policy.refresh import RefreshConfig
from asgi_security.secret import Secret
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.protocols import Account
from asgi_security.testing import FakeClock, SeededEntropy, call, connect_websocket

if TYPE_CHECKING:
    from asgi_security.asgi.types import Receive, Scope, Send
    from asgi_security.flows.mfa_pre_tokens import PreToken, Purpose

pytestmark = pytest.mark.anyio

SECRET = "m" * 32
ANN = Account("ann-id", "ann@example.com", epoch=3)
LABEL = ("asgi-security", "mfa", "pre-token")


class World:
    def __init__(self, **fields: Any) -> None:
        self.clock = FakeClock()
        self.config = MfaConfig(**{"issuer": "Acme", "secret": SECRET, **fields})
        self.store = MemoryStore()
        self.tokens = PreTokens(self.config, self.store, clock=self.clock, entropy=SeededEntropy())

    def issue(self, purpose: Purpose = "verify", account: Account = ANN) -> tuple[str, str]:
        return self.tokens.issue(account, purpose=purpose, amr=("pwd",))

    def parse(self, text: str, browser: str | None, purpose: Purpose = "verify") -> PreToken | None:
        return self.tokens.parse(text, purpose=purpose, browser=browser)


def read(text: str, part: int) -> dict[str, Any]:
    segment = text.split(".")[part]
    found: dict[str, Any] = json.loads(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    return found


def test_M94_F96_what_a_pre_token_says() -> None:
    world = World()
    text, browser = world.issue()
    header, claims = read(text, 0), read(text, 1)
    assert (header["typ"], claims["aud"]) == ("mfa+jwt", "mfa")
    assert claims["exp"] - claims["iat"] == 300
    assert claims["iat"] == int(world.clock.now)
    assert claims["jti"]
    assert (claims["sub"], claims["purpose"], claims["epoch"]) == ("ann-id", "verify", 3)
    assert browser not in text
    assert "ann@example.com" not in json.dumps(claims)
    assert read(world.issue()[0], 1)["jti"] != claims["jti"]


def test_M94_a_good_one_is_read_back() -> None:
    world = World()
    text, browser = world.issue()
    token = world.parse(text, browser)
    assert token is not None
    assert (token.account, token.epoch, token.amr) == ("ann-id", 3, ("pwd",))
    assert token.ends_at == int(world.clock.now) + 300


@pytest.mark.parametrize("lifetime", [300, 60, 10.5])
def test_M94_it_dies_in_time(lifetime: float) -> None:
    world = World(pre_token_lifetime_seconds=lifetime)
    text, browser = world.issue()
    world.clock.advance(int(lifetime) - 0.001)
    assert world.parse(text, browser) is not None
    world.clock.advance(0.002)
    assert world.parse(text, browser) is None


def test_M94_one_of_a_longer_lifetime_than_is_allowed_now_is_dead() -> None:
    before = World()
    text, browser = before.issue()
    world = World(pre_token_lifetime_seconds=60)
    assert world.parse(text, browser) is not None
    world.clock.advance(60)
    assert world.parse(text, browser) is None


@pytest.mark.parametrize(
    "browser",
    [
        pytest.param(None, id="M97 no cookie"),
        pytest.param("", id="M97 empty cookie"),
        pytest.param("other", id="M97 cookie of another browser"),
        pytest.param("\udcff", id="M97 undecodable cookie"),
        pytest.param("é" * 43, id="M97 foreign letters"),
    ],
)
def test_browsers(browser: str | None) -> None:
    world = World()
    text, _ = world.issue()
    assert world.parse(text, browser) is None


def test_M97_each_login_has_its_own_browser_value() -> None:
    world = World()
    (first, one), (second, two) = world.issue(), world.issue()
    assert one != two
    assert len(one) == 43
    assert world.parse(first, two) is None
    assert world.parse(second, one) is None
    # What the token holds is a digest: it is no cookie's value.
    assert world.parse(first, read(first, 1)["browser"]) is None


def test_F95_F96_one_purpose_does_not_do_for_the_other() -> None:
    world = World()
    for purpose, other in (("verify", "enrol"), ("enrol", "verify")):
        text, browser = world.issue(purpose)  # type: ignore[arg-type]
        assert world.parse(text, browser, purpose) is not None  # type: ignore[arg-type]
        assert world.parse(text, browser, other) is None  # type: ignore[arg-type]


def test_retired_secrets_still_verify() -> None:
    old = World()
    text, browser = old.issue()
    assert World(secret="n" * 32, old_secrets=[SECRET]).parse(text, browser) is not None
    assert World(secret="n" * 32).parse(text, browser) is None


def forge(**changes: Any) -> str:
    """Sign a token under the right key, with other contents."""
    world = World()
    text, _ = world.issue()
    claims = {name: value for name, value in read(text, 1).items() if name not in ("iat", "exp")}
    fields = {"token_type": "mfa+jwt", **changes.pop("fields", {})}
    claims |= changes
    kept = {name: value for name, value in claims.items() if value is not None}
    return issue_jwt(kept, secret=derive_key(Secret(SECRET), *LABEL), clock=world.clock, **fields)


@pytest.mark.parametrize(
    ("text", "is_good"),
    [
        pytest.param(forge(), True, id="the same"),
        pytest.param(forge(fields={"token_type": "JWT"}), False, id="M94 another type"),
        pytest.param(forge(fields={"token_type": "at+jwt"}), False, id="M94 access token"),
        pytest.param(forge(aud="api"), False, id="M94 another audience"),
        pytest.param(forge(aud=None), False, id="M94 no audience"),
        pytest.param(forge(sub=None), False, id="M94 no subject"),
        pytest.param(forge(purpose=None), False, id="F96 no purpose"),
        pytest.param(forge(epoch=None), False, id="F96 no epoch"),
        pytest.param(forge(browser=None), False, id="M97 bound to nothing"),
        pytest.param("", False, id="M95 nothing"),
        pytest.param("a.b.c", False, id="M95 no token"),
        pytest.param("\ud800.b.c", False, id="M95 lone surrogate"),
        pytest.param("x" * 100_000, False, id="M95 huge"),
    ],
)
def test_what_is_a_pre_token(text: str, is_good: bool) -> None:  # noqa: FBT001 -- a table
    world = World()
    _, browser = world.issue()  # the same entropy: the same cookie as of `forge`
    assert (world.parse(text, browser) is not None) is is_good


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        pytest.param({}, "bad_signature", id="M95 the app's only secret"),
        pytest.param({"audience": "mfa"}, "bad_signature", id="M95 that audience"),
        pytest.param(
            {"dangerously_accept_any_audience": True}, "bad_signature", id="M95 any audience"
        ),
    ],
)
async def test_it_is_no_access_token(fields: dict[str, Any], reason: str) -> None:
    world = World()
    verifier = JwtVerifier(JwtConfig(secret=SECRET, **fields))
    outcome = await verifier.verify(world.issue()[0], now=world.clock.now)
    assert outcome == Refused(reason)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="M95 as it comes"),
        pytest.param({"audience": "mfa"}, id="M95 that audience"),
        pytest.param({"dangerously_accept_any_audience": True}, id="M95 any audience"),
        pytest.param(
            {"token_type": "at+jwt", "issuer": "i", "audience": "mfa"}, id="M95 access tokens only"
        ),
    ],
)
async def test_it_is_none_even_under_its_own_key(fields: dict[str, Any]) -> None:
    world = World()
    config = JwtConfig(secret=derive_key(Secret(SECRET), *LABEL), **fields)
    outcome = await JwtVerifier(config).verify(world.issue()[0], now=world.clock.now)
    assert outcome == Refused("wrong_type")


async def test_M95_no_route_and_no_websocket_takes_it() -> None:
    world = World()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    guarded = JwtMiddleware(app, secret=SECRET, clock=world.clock)
    token = world.issue()[0]
    headers = [("authorization", f"Bearer {token}")]
    answer = await call(guarded, headers=headers)
    assert answer.status == 401
    assert 'error="invalid_token"' in (answer.value("www-authenticate") or "")
    for carried in (headers, [("sec-websocket-protocol", f"bearer, {token}")]):
        denied = await connect_websocket(guarded, headers=carried)
        assert (denied.status, denied.accepted) == (401, False)


async def test_M95_it_refreshes_nothing_and_a_refresh_token_is_no_pre_token() -> None:
    world = World()
    refresh = RefreshTokens(
        RefreshConfig(secret=SECRET, access_secret=SECRET), world.store, clock=world.clock
    )
    text, browser = world.issue()
    assert isinstance(await refresh.refresh(text), RefreshRefused)
    pair = await refresh.open("ann-id")
    assert isinstance(pair, TokenPair)
    for token in (pair.refresh_token, pair.access_token):
        assert world.parse(token, browser) is None


def test_M95_no_access_token_is_a_pre_token() -> None:
    world = World()
    _, browser = world.issue()
    text = issue_jwt({"sub": "ann-id"}, secret=SECRET, audience="mfa", clock=world.clock)
    assert world.parse(text, browser) is None


async def test_M96_it_is_spent_once_by_fifty_at_once() -> None:
    world = World()
    text, browser = world.issue()
    token = world.parse(text, browser)
    assert token is not None
    spent: list[bool] = []

    async def spend() -> None:
        spent.append(await world.tokens.spend(token))

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(spend)
    assert spent.count(True) == 1
    other, browser = world.issue()
    another = world.parse(other, browser)
    assert another is not None
    assert await world.tokens.spend(another)


@pytest.mark.parametrize("attempts", [1, 5, 10])
async def test_M96_so_many_codes_may_be_tried_until_it_ends(attempts: int) -> None:
    world = World(pre_token_attempts=attempts)
    text, browser = world.issue()
    token = world.parse(text, browser)
    assert token is not None
    taken = [await world.tokens.take_attempt(token) for _ in range(attempts + 3)]
    assert taken == [True] * attempts + [False] * 3
    # Nothing comes back while the token lives.
    world.clock.advance(299.9)
    assert world.parse(text, browser) is not None
    assert not await world.tokens.take_attempt(token)
    assert await world.tokens.take_attempt(replace(token, id="another"))
