"""Logins under way: one secret each, and nothing that yields it."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

import pytest

from asgi_security.errors import StorageError
from asgi_security.flows.oauth_attempts import Attempts, derive_secrets
from asgi_security.policy.oauth import OAuthConfig
from asgi_security.storage.memory import MemoryStore
from tests.flows.oauth_world import build_oidc

if TYPE_CHECKING:
    from asgi_security.flows.oauth_attempts import AttemptSecrets
    from asgi_security.testing import SeededEntropy

pytestmark = pytest.mark.anyio

NOW = 1_700_000_000.0


class Keeper:
    """Attempts, and one browser."""

    def __init__(self, entropy: SeededEntropy, max_attempts: int = 5) -> None:
        config = OAuthConfig(providers=[build_oidc("https://a.example")], max_attempts=max_attempts)
        self.store = MemoryStore()
        self.attempts = Attempts(config, self.store.once, entropy=entropy)
        self.browser: str | None = None

    async def begin(self, account: str | None = None) -> AttemptSecrets:
        secrets, self.browser = await self.attempts.begin(
            provider="acme", next_path="/x", account=account, browser=self.browser, now=NOW
        )
        return secrets


async def test_O99_an_attempt_is_taken_once(entropy: SeededEntropy) -> None:
    keeper = Keeper(entropy)
    secrets = await keeper.begin("account")
    taken = await keeper.attempts.take(secrets.state, browser=keeper.browser, now=NOW)
    assert taken is not None
    assert (taken.provider, taken.next_path, taken.account) == ("acme", "/x", "account")
    assert taken.secrets == secrets
    assert await keeper.attempts.take(secrets.state, browser=keeper.browser, now=NOW) is None


async def test_O99_an_attempt_ends(entropy: SeededEntropy) -> None:
    keeper = Keeper(entropy)
    secrets = await keeper.begin()
    take = keeper.attempts.take
    assert await take(secrets.state, browser=keeper.browser, now=NOW + 600) is None


async def test_O101_one_more_drops_the_oldest(entropy: SeededEntropy) -> None:
    keeper = Keeper(entropy, max_attempts=2)
    old = await keeper.begin()
    cookie = keeper.browser
    kept = [await keeper.begin(), await keeper.begin()]
    assert keeper.browser is not None
    assert len(keeper.browser.split(".")) == 2
    assert await keeper.attempts.take(old.state, browser=cookie, now=NOW) is None
    for secrets in kept:
        taken = await keeper.attempts.take(secrets.state, browser=keeper.browser, now=NOW)
        assert taken is not None


@pytest.mark.parametrize(
    "cookie",
    ["", ".", "x" * 43 + ".", "x" * 42, "x" * 44, "é" * 43, ".".join(["x" * 43] * 6), "x" * 99_999],
)
async def test_O101_a_cookie_that_is_none_of_ours_is_forgotten(
    cookie: str, entropy: SeededEntropy
) -> None:
    keeper = Keeper(entropy)
    keeper.browser = cookie
    await keeper.begin()
    assert len(keeper.browser) == 43


def test_everything_is_derived_and_nothing_leads_back() -> None:
    secrets = derive_secrets("x" * 43)
    shown = [secrets.state, secrets.nonce, secrets.verifier, secrets.challenge]
    assert len({*shown, "x" * 43}) == 5
    assert all(len(value) == 43 for value in shown)  # RFC 7636 section 4.1: 43 to 128
    digest = hashlib.sha256(secrets.verifier.encode()).digest()
    assert secrets.challenge == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert derive_secrets("x" * 43) == secrets
    assert derive_secrets("y" * 43).state != secrets.state
    assert repr(secrets) == "AttemptSecrets()"


async def test_what_others_put_there_is_no_attempt(entropy: SeededEntropy) -> None:
    keeper = Keeper(entropy)
    secrets = await keeper.begin()
    await keeper.store.once.put(
        "oauth_attempt", secrets.digest, b"junk", expires_at=NOW + 9, now=NOW
    )
    assert await keeper.attempts.take(secrets.state, browser=keeper.browser, now=NOW) is None


async def test_a_store_that_hangs_is_one_that_fails(entropy: SeededEntropy) -> None:
    import anyio  # noqa: PLC0415 -- only here

    class Hanging:
        async def put(self, *args: object, **kwargs: object) -> None:
            await anyio.sleep_forever()

    config = OAuthConfig(providers=[build_oidc("https://a.example")], store_timeout_seconds=0.01)
    attempts = Attempts(config, Hanging(), entropy=entropy)  # type: ignore[arg-type] # enough of it
    with pytest.raises(StorageError):
        await attempts.begin(provider="acme", next_path="/", account=None, browser=None, now=NOW)
