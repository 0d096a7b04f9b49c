"""What the tests of refresh tokens share: one configuration, and stores that misbehave."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import anyio.lowlevel

from asgi_security.errors import StorageError
from asgi_security.flows.jwt import JwtVerifier, Verified
from asgi_security.flows.refresh import Refreshed, RefreshTokens, TokenPair
from asgi_security.policy.jwt import JwtConfig
from asgi_security.policy.refresh import RefreshConfig
from asgi_security.testing import SeededEntropy

if TYPE_CHECKING:
    from asgi_security.flows.jwt import Outcome
    from asgi_security.testing import EventRecorder, FakeClock

SECRET, OLD, ACCESS = "s" * 32, "o" * 32, "a" * 32
ISSUER, API, APP = "https://id.example", "https://api.example", "app"


def build_config(**fields: Any) -> RefreshConfig:
    given = {
        "secret": SECRET,
        "access_secret": ACCESS,
        "issuer": ISSUER,
        "audience": API,
        "client_id": APP,
    }
    return RefreshConfig(**{**given, **fields})


class Logins:
    """Refresh tokens under a test's control, and the API that verifies their access tokens."""

    def __init__(
        self, store: Any, clock: FakeClock, events: EventRecorder, *, seed: str = "", **fields: Any
    ) -> None:
        outside = {
            name: fields.pop(name) for name in ("revocations", "renewal", "audit") if name in fields
        }
        self.config = build_config(**fields)
        self.clock = clock
        self.events = events
        self.tokens = RefreshTokens(
            self.config,
            store,
            clock=clock,
            entropy=SeededEntropy(seed),
            events=events,
            **outside,
        )
        accepting = JwtConfig(
            secret=ACCESS,
            issuer=ISSUER,
            audience=API,
            token_type="at+jwt",
            revocations=outside.get("revocations", store),
        )
        self.api = JwtVerifier(accepting, events=events)

    async def open(self, subject: str = "ada", **fields: Any) -> TokenPair:
        pair = await self.tokens.open(subject, **fields)
        assert isinstance(pair, TokenPair)
        return pair

    async def refresh(self, pair: TokenPair, **fields: Any) -> TokenPair:
        refreshed = await self.tokens.refresh(pair.refresh_token, **fields)
        assert isinstance(refreshed, Refreshed), refreshed
        return refreshed.pair

    async def call_api(self, token: str) -> Outcome:
        return await self.api.verify(token, now=self.clock())

    async def read_claims(self, pair: TokenPair) -> dict[str, Any]:
        verified = await self.call_api(pair.access_token)
        assert isinstance(verified, Verified), verified
        return dict(verified.claims)


class Failing:
    """A facet whose named operations fail, before or after they were carried out."""

    def __init__(self, facet: Any, *names: str, after: bool = False) -> None:
        self.facet = facet
        self.names = set(names)
        self.after = after
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self.facet, name)

        async def run(*arguments: Any, **fields: Any) -> Any:
            self.calls.append(name)
            if name in self.names and not self.after:
                raise StorageError("secret details")
            answer = await operation(*arguments, **fields)
            if name in self.names:
                raise StorageError("secret details")
            return answer

        return run


class Delaying:
    """A facet whose calls wait, before and after, as often as chance wants; some lose the reply."""

    def __init__(self, facet: Any, seed: int, *, losing: float = 0.0) -> None:
        self.facet = facet
        self.chance = random.Random(seed)  # noqa: S311 -- the same delays in every run
        self.losing = losing
        self.answers: list[object] = []

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self.facet, name)

        async def run(*arguments: Any, **fields: Any) -> Any:
            await self.wait()
            answer = await operation(*arguments, **fields)
            self.answers.append(answer)
            await self.wait()
            if self.chance.random() < self.losing:
                raise StorageError("the reply was lost")
            return answer

        return run

    async def wait(self) -> None:
        for _ in range(self.chance.randrange(5)):
            await anyio.lowlevel.checkpoint()
