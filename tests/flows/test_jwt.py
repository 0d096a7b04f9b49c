from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.errors import ConfigError, StorageError
from asgi_security.flows.jwt import (
    JwtVerifier,
    Refused,
    Unavailable,
    Verified,
    revoke_session,
    revoke_subject,
    revoke_token,
    verify_jwt,
)
from asgi_security.policy.jwt import JwtConfig
from asgi_security.policy.key_sources import IssuerKeys
from asgi_security.storage.memory import MemoryStore
from asgi_security.testing import EventRecorder
from tests.token_samples import (
    NOW,
    OLD,
    OLDER,
    SECRET,
    claims_of,
    mint,
    mint_with,
    public_jwk,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

CONFIG = JwtConfig(secret=SECRET, old_secrets=[OLD, OLDER])
TOKEN = mint()


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        pytest.param(mint(secret=SECRET), "current", id="J43 current"),
        pytest.param(mint(secret=OLD), "old", id="J43 old"),
        pytest.param(mint(secret=OLDER).encode(), "old", id="J43 oldest, as bytes"),
        pytest.param(mint(claims_of(exp=NOW), secret=OLD), "expired", id="J44 old and expired"),
        pytest.param(mint(secret=b"x" * 32), "bad_signature", id="J45 nothing we know"),
        pytest.param(mint(header={"alg": "none"}), "algorithm_not_allowed", id="J47 none"),
        pytest.param(mint(claims_of(exp=None)), "missing_claim", id="J53 no exp"),
        pytest.param(mint(claims_of(nbf=NOW + 1)), "not_yet_valid", id="J54 nbf"),
        pytest.param(mint(claims_of(aud="them")), "wrong_audience", id="J55 aud"),
        pytest.param(mint(header={"typ": "mfa+jwt"}), "wrong_type", id="J57 MFA pre-token"),
        pytest.param("x" * 8193, "too_long", id="J59 too long"),
        pytest.param(TOKEN[:-1] + "\u00e9", "malformed", id="not ASCII"),
    ],
)
def test_verify_jwt(token: str | bytes, expected: str) -> None:
    outcome = verify_jwt(token, CONFIG, now=NOW)
    assert (outcome.key if isinstance(outcome, Verified) else outcome.reason) == expected


def test_a_configuration_is_compiled_once_and_never_confused_with_another() -> None:
    for _ in range(3):
        for number in range(70):
            config = JwtConfig(secret=b"%032d" % number)
            token = mint(secret=b"%032d" % number)
            assert isinstance(verify_jwt(token, config, now=NOW), Verified)
            assert verify_jwt(token, CONFIG, now=NOW) == Refused("bad_signature")


def test_verify_jwt_fetches_nothing() -> None:
    with pytest.raises(ConfigError, match="JwtVerifier"):
        verify_jwt(TOKEN, JwtConfig(jwks_url="https://a.test"), now=NOW)


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_changed_token_is_refused_even_after_the_right_one_was_remembered(
    data: st.DataObject,
) -> None:
    verifier = JwtVerifier(JwtConfig(secret=SECRET, accept_padding=data.draw(st.booleans())))
    token = TOKEN.encode()
    assert isinstance(verifier.try_verify(token, now=NOW), Verified)
    place = data.draw(st.integers(0, len(token)))
    cut = data.draw(st.integers(0, 2))
    added = data.draw(st.binary(max_size=2) | st.sampled_from([b"A", b"_", b"."]))
    changed = token[:place] + added + token[place + cut :]
    outcome = verifier.try_verify(changed, now=NOW)
    # With padding allowed, the last segment may be padded: 43 characters take one `=`.
    same = changed == token or (verifier._reader._padding and changed == token + b"=")
    assert isinstance(outcome, Verified) == same


@given(token=st.binary(max_size=100))
@settings(max_examples=100, deadline=None)
def test_it_never_raises(token: bytes) -> None:
    assert isinstance(verify_jwt(token, CONFIG, now=NOW), Refused)


async def verify_until_kept(verifier: JwtVerifier, token: str) -> Verified:
    """Verify a token as often as it takes to be remembered: twice."""
    first = await verifier.verify(token, now=NOW)
    kept = await verifier.verify(token, now=NOW)
    assert isinstance(first, Verified)
    assert isinstance(kept, Verified)
    assert verifier.try_verify(token.encode(), now=NOW) is kept
    assert kept is not first
    return kept


class TestMemory:
    """What is remembered of verified tokens."""

    @pytest.mark.anyio
    async def test_what_comes_again_is_remembered(self) -> None:
        verifier = JwtVerifier(CONFIG)
        for number in range(5):
            verifier.try_verify(mint(claims_of(jti=f"{number}")).encode(), now=NOW)
        assert len(verifier._cache) == 0
        await verify_until_kept(verifier, TOKEN)
        assert len(verifier._cache) == 1

    def test_J53_time_is_looked_at_on_every_hit(self) -> None:
        verifier = JwtVerifier(CONFIG)
        token = mint(claims_of(nbf=int(NOW))).encode()
        for _ in range(2):
            assert isinstance(verifier.try_verify(token, now=NOW), Verified)
        assert len(verifier._cache) == 1
        assert verifier.try_verify(token, now=NOW + 600) == Refused("expired")
        assert verifier.try_verify(token, now=NOW - 1) == Refused("not_yet_valid")
        assert isinstance(verifier.try_verify(token, now=NOW), Verified)

    def test_refused_tokens_are_not_remembered(self) -> None:
        verifier = JwtVerifier(CONFIG)
        for token in (mint(secret=b"x" * 32), mint(claims_of(exp=1)), "junk") * 3:
            verifier.try_verify(token.encode(), now=NOW)
        assert len(verifier._cache) == 0


pytest_anyio = pytest.mark.anyio


class Published:
    """A fetched set of keys: time-dependent, and so without a real server (`test_keys.py`)."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys: Sequence[dict[str, Any]] = keys
        self.status = 200
        self.requests = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        return httpx.Response(self.status, content=self.stream())

    async def stream(self) -> AsyncIterator[bytes]:
        yield json.dumps({"keys": self.keys}).encode()

    def verifier(self, **fields: Any) -> JwtVerifier:
        config = JwtConfig(**{"jwks_url": "https://a.test/jwks", **fields})
        return JwtVerifier(config, events=EventRecorder(), transport=httpx.MockTransport(self))


EC_TOKEN = mint_with("EC", "ES256", kid="a")
ED_TOKEN = mint_with("Ed25519", "EdDSA", kid="b")


@pytest_anyio
class TestPublishedKeys:
    async def test_J60_keys_are_waited_for_once(self) -> None:
        issuer = Published(public_jwk("EC", kid="a"))
        verifier = issuer.verifier()
        assert verifier.try_verify(EC_TOKEN.encode(), now=NOW) is None
        kept = await verify_until_kept(verifier, EC_TOKEN)
        assert kept.key_id == "a"
        assert verifier.try_verify(EC_TOKEN.encode(), now=NOW + 1) is kept
        assert issuer.requests == 1

    async def test_J60_without_any_key_the_answer_is_unavailable(self) -> None:
        issuer = Published()
        verifier = issuer.verifier()
        for _ in range(10):
            assert await verifier.verify(EC_TOKEN, now=NOW) == Unavailable()
        assert issuer.requests == 1
        assert await verifier.verify("junk", now=NOW) == Unavailable()

    async def test_J60_random_key_ids_buy_one_fetch_per_cooldown(self) -> None:
        issuer = Published(public_jwk("EC", kid="a"))
        verifier = issuer.verifier()
        for number in range(50):
            token = mint_with("EC", "ES256", kid=f"random-{number}")
            assert await verifier.verify(token, now=NOW) == Refused("unknown_key")
        assert issuer.requests == 1
        for number in range(50):
            token = mint_with("EC", "ES256", kid=f"random-{number}")
            assert await verifier.verify(token, now=NOW + 30) == Refused("unknown_key")
        assert issuer.requests == 2
        assert verifier.try_verify(token.encode(), now=NOW + 30) == Refused("unknown_key")

    async def test_J61_a_new_key_is_found_with_one_fetch(self) -> None:
        issuer = Published(public_jwk("EC", kid="a"))
        verifier = issuer.verifier()
        assert isinstance(await verifier.verify(EC_TOKEN, now=NOW), Verified)
        issuer.keys = [public_jwk("EC", kid="a"), public_jwk("Ed25519", kid="b")]
        assert isinstance(await verifier.verify(ED_TOKEN, now=NOW + 30), Verified)
        assert issuer.requests == 2

    async def test_J61_a_withdrawn_key_is_refused_after_its_time_also_on_a_hit(self) -> None:
        issuer = Published(public_jwk("EC", kid="a"))
        verifier = issuer.verifier(jwks_ttl_seconds=100)
        await verify_until_kept(verifier, EC_TOKEN)
        issuer.keys = [public_jwk("Ed25519", kid="b")]
        assert isinstance(verifier.try_verify(EC_TOKEN.encode(), now=NOW + 99), Verified)
        assert verifier.try_verify(EC_TOKEN.encode(), now=NOW + 100) is None
        assert await verifier.verify(EC_TOKEN, now=NOW + 100) == Refused("unknown_key")
        assert len(verifier._cache) == 0

    async def test_J61_a_key_withdrawn_before_its_time_goes_with_the_next_fetch(self) -> None:
        issuer = Published(public_jwk("EC", kid="a"))
        verifier = issuer.verifier()
        await verify_until_kept(verifier, EC_TOKEN)
        issuer.keys = [public_jwk("Ed25519", kid="b")]
        assert isinstance(await verifier.verify(ED_TOKEN, now=NOW + 30), Verified)
        assert verifier.try_verify(EC_TOKEN.encode(), now=NOW + 30) == Refused("unknown_key")

    async def test_J60_a_failing_issuer_is_no_outage(self) -> None:
        issuer = Published(public_jwk("EC", kid="a"))
        verifier = issuer.verifier(jwks_ttl_seconds=100)
        assert isinstance(await verifier.verify(EC_TOKEN, now=NOW), Verified)
        issuer.status = 500
        assert isinstance(await verifier.verify(EC_TOKEN, now=NOW + 100), Verified)
        assert await verifier.verify(ED_TOKEN, now=NOW + 131) == Refused("unknown_key")

    async def test_J49_the_token_names_no_place_to_fetch_from(self) -> None:
        issuer = Published(public_jwk("EC", kid="a"))
        token = mint_with("Ed25519", "EdDSA", None, jku="https://evil.test", jwk=public_jwk("EC"))
        assert await issuer.verifier().verify(token, now=NOW) == Refused("unknown_key")

    async def test_J56_one_issuer_published_the_other_at_hand(self) -> None:
        issuer = Published(public_jwk("EC", kid="a"))
        sources = {
            "p": IssuerKeys(jwks_url="https://a.test/jwks"),
            "s": IssuerKeys(secret=SECRET),
        }
        verifier = issuer.verifier(jwks_url=None, issuers=sources)
        assert isinstance(verifier.try_verify(mint(claims_of(iss="s")).encode(), now=NOW), Verified)
        assert issuer.requests == 0
        token = mint_with("EC", "ES256", claims_of(iss="p"), kid="a")
        assert isinstance(await verifier.verify(token, now=NOW), Verified)
        assert await verifier.verify(mint(claims_of(iss="q")), now=NOW) == Refused("wrong_issuer")

    async def test_revoking_waits_for_keys_too(self) -> None:
        issuer = Published(public_jwk("EC", kid="a"))
        store = MemoryStore()
        verifier = issuer.verifier(revocations=store)
        await revoke_token(EC_TOKEN, verifier, store, now=NOW)
        assert await verifier.verify(EC_TOKEN, now=NOW) == Refused("revoked")


def revocable(store: object, **fields: Any) -> JwtVerifier:
    return JwtVerifier(
        JwtConfig(secret=SECRET, revocations=store, **fields), events=EventRecorder()
    )


@pytest_anyio
class TestRevocation:
    @pytest.mark.parametrize("jti", ["id-1", None])
    async def test_V74_V76_a_revoked_token_is_refused_also_on_a_hit(self, jti: str | None) -> None:
        store = MemoryStore()
        verifier = revocable(store)
        token = mint(claims_of(jti=jti))
        await verify_until_kept(verifier, token)
        await revoke_token(token, verifier, store, now=NOW)
        assert await verifier.verify(token, now=NOW) == Refused("revoked")
        other = mint(claims_of(jti="id-2", sub="user-2"))
        assert isinstance(await verifier.verify(other, now=NOW), Verified)

    async def test_V74_a_second_spelling_is_refused_too(self) -> None:
        store = MemoryStore()
        verifier = revocable(store, accept_padding=True)
        token = mint(claims_of(jti=None))
        await revoke_token(token, verifier, store, now=NOW)
        for spelt in (token, token + "="):
            assert await verifier.verify(spelt, now=NOW) == Refused("revoked")
        assert isinstance(await revocable(store).verify(token + "=", now=NOW), Refused)

    async def test_V76_by_session(self) -> None:
        store = MemoryStore()
        verifier = revocable(store)
        token = mint(claims_of(sid="s-1"))
        assert isinstance(await verifier.verify(token, now=NOW), Verified)
        await revoke_session("s-1", store, expires_at=NOW + 600)
        assert await verifier.verify(token, now=NOW) == Refused("revoked")

    async def test_V77_by_subject(self) -> None:
        store = MemoryStore()
        verifier = revocable(store)
        await revoke_subject("user-1", store, before=NOW, expires_at=NOW + 600)
        assert await verifier.verify(mint(claims_of(iat=int(NOW))), now=NOW) == Refused("revoked")
        later = mint(claims_of(iat=int(NOW) + 1))
        assert isinstance(await verifier.verify(later, now=NOW + 1), Verified)

    async def test_V75_the_entry_lives_until_the_token_ends(self) -> None:
        kept: list[float] = []

        class Recorder:
            async def revoke(self, digest: bytes, *, expires_at: float) -> None:
                kept.append(expires_at)

        store: Any = Recorder()
        await revoke_token(TOKEN, revocable(store, leeway_seconds=30), store, now=NOW)
        assert kept == [NOW + 600 + 30]

    @pytest.mark.parametrize(
        "token",
        [
            pytest.param(mint(claims_of(exp=NOW - 1)), id="V75 expired"),
            pytest.param(mint(secret=b"x" * 32), id="V75 unknown"),
            pytest.param("junk", id="V75 no token"),
            pytest.param("\u00e9", id="V75 no ASCII"),
            pytest.param("x" * 9000, id="V75 too long"),
        ],
    )
    async def test_revoking_nothing_is_a_success_without_effect(self, token: str) -> None:
        store = MemoryStore()
        await revoke_token(token, revocable(store), store, now=NOW)
        assert len(store.revocations) == 0  # type: ignore[arg-type]

    async def test_V75_a_token_that_is_not_valid_yet_is_revoked(self) -> None:
        store = MemoryStore()
        verifier = revocable(store)
        token = mint(claims_of(nbf=NOW + 60))
        await revoke_token(token, verifier, store, now=NOW)
        assert await verifier.verify(token, now=NOW + 60) == Refused("revoked")

    @pytest.mark.parametrize(
        ("fail_open", "expected"), [(False, Unavailable), (True, Verified)], ids=["V78", "V78 open"]
    )
    async def test_a_failing_store(self, fail_open: bool, expected: type) -> None:  # noqa: FBT001
        class Failing:
            async def is_revoked(self, ids: object, **_: object) -> bool:
                raise StorageError("down")

        verifier = revocable(Failing(), fail_open=fail_open)
        assert isinstance(await verifier.verify(TOKEN, now=NOW), expected)

    async def test_a_bad_token_is_not_asked_about(self) -> None:
        verifier = revocable(object())
        assert await verifier.verify(mint(secret=OLD), now=NOW) == Refused("bad_signature")
        assert await verifier.verify("\u00e9", now=NOW) == Refused("malformed")
