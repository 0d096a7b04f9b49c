"""What a provider may do wrong, by a real one in a process of its own that does it."""

from __future__ import annotations

import pytest

from asgi_security.flows.oauth import IdentityVerified, OAuthRefused
from asgi_security.policy.oauth import ProfileApi
from asgi_security.storage.memory import MemoryStore
from tests.flows.oauth_world import World

pytestmark = pytest.mark.anyio

MIX_UP = OAuthRefused(400, "issuer_mismatch")
AMBIGUOUS = OAuthRefused(400, "invalid_response")
BAD_NONCE = OAuthRefused(400, "invalid_nonce")
BAD_TOKEN = OAuthRefused(400, "invalid_id_token")
BROKEN = OAuthRefused(502, "provider_error")
AWAY = OAuthRefused(503, "provider_unavailable")

FAULTS = [
    pytest.param("wrong_iss_param", MIX_UP, "wrong_issuer", id="O100 X110 mix-up"),
    pytest.param("no_iss_param", MIX_UP, "wrong_issuer", id="X110 iss announced, not there"),
    pytest.param("duplicate_code", AMBIGUOUS, "ambiguous", id="X111 code twice"),
    pytest.param("duplicate_state", AMBIGUOUS, "ambiguous", id="X111 state twice"),
    pytest.param("code_and_error", AMBIGUOUS, "ambiguous", id="X111 code and error"),
    pytest.param("wrong_nonce", BAD_NONCE, "wrong_nonce", id="O100 X112 wrong nonce"),
    pytest.param("no_nonce", BAD_NONCE, "wrong_nonce", id="X112 P46 no nonce"),
    pytest.param("wrong_issuer", BAD_TOKEN, "wrong_issuer", id="O100 wrong issuer"),
    pytest.param("wrong_audience", BAD_TOKEN, "wrong_audience", id="O100 wrong audience"),
    pytest.param("two_audiences", BAD_TOKEN, "wrong_party", id="O100 two audiences, no azp"),
    pytest.param("wrong_azp", BAD_TOKEN, "wrong_party", id="O100 X112 wrong azp"),
    pytest.param("alg_none", BAD_TOKEN, "algorithm_not_allowed", id="O100 X112 alg none"),
    pytest.param(
        "alg_hmac", BAD_TOKEN, "algorithm_not_allowed", id="O100 public key as HMAC secret"
    ),
    pytest.param("other_key", BAD_TOKEN, "bad_signature", id="X112 foreign key"),
    pytest.param("expired", BAD_TOKEN, "expired", id="X112 expired"),
    pytest.param("not_yet", BAD_TOKEN, "not_yet_valid", id="X112 of tomorrow"),
    pytest.param("no_expiry", BAD_TOKEN, "bad_claim", id="X112 no expiry"),
    pytest.param("wrong_at_hash", BAD_TOKEN, "wrong_hash", id="X112 wrong at_hash"),
    pytest.param("empty_subject", BAD_TOKEN, "bad_subject", id="X112 no subject"),
    pytest.param("access_token_type", BAD_TOKEN, "wrong_type", id="X112 J57 an access token"),
    pytest.param("no_id_token", BAD_TOKEN, "no_id_token", id="P46 no ID token"),
    pytest.param(
        "other_subject",
        OAuthRefused(400, "subject_mismatch"),
        "other_subject",
        id="X112 UserInfo of another",
    ),
    pytest.param("token_200_error", BROKEN, "bad_verification_code", id="X114 error with 200"),
    pytest.param("token_bad_json", BROKEN, "bad_json", id="X114 bad JSON"),
    pytest.param("token_twice", BROKEN, "bad_json", id="X114 a member twice"),
    pytest.param("token_huge", BROKEN, "too_long", id="X114 huge body"),
    pytest.param("token_redirect", BROKEN, "redirect", id="X114 redirect"),
    pytest.param("token_gzip", BROKEN, "encoding", id="X114 compressed unasked"),
    pytest.param("token_500", BROKEN, "status_500", id="X114 500"),
    pytest.param("token_503", AWAY, "status_503", id="X114 503"),
    pytest.param("token_busy", AWAY, "temporarily_unavailable", id="X114 busy"),
    pytest.param("token_slow", AWAY, "timeout", id="X114 slow"),
    pytest.param(
        "token_invalid_grant", OAuthRefused(400, "invalid_grant"), "invalid_grant", id="X114 grant"
    ),
    pytest.param("token_invalid_client", BROKEN, "invalid_client", id="X114 ours"),
    pytest.param("jwks_500", AWAY, "no_keys", id="X114 no keys"),
    pytest.param("jwks_slow", AWAY, "timeout", id="X114 slow keys"),
    pytest.param("jwks_redirect", AWAY, "no_keys", id="X114 keys moved"),
]


@pytest.mark.parametrize(("fault", "refused", "reason"), FAULTS)
async def test_a_faulty_provider_lets_nobody_in(
    fault: str, refused: OAuthRefused, reason: str
) -> None:
    slow = {"timeout_seconds": 0.6} if fault.endswith("_slow") else {}
    world = World(fault, trusted=True, config=slow)
    assert await world.log_in() == refused
    assert world.reasons == [reason]
    assert [(e.action, e.outcome, e.details["code"]) for e in world.audit.entries] == [
        ("oauth_refused", "refused", refused.code)
    ]
    assert isinstance(world.store, MemoryStore)
    assert len(world.store.accounts) == 0  # type: ignore[arg-type] # that of the memory store


@pytest.mark.parametrize(
    ("place", "refused", "reason"),
    [
        pytest.param("500", BROKEN, "status_500", id="X114 500"),
        pytest.param("503", AWAY, "status_503", id="X114 503"),
        pytest.param("bad_json", BROKEN, "bad_json", id="X114 bad JSON"),
        pytest.param("huge", BROKEN, "too_long", id="X114 huge"),
        pytest.param("redirect", BROKEN, "redirect", id="X114 redirect"),
    ],
)
async def test_a_faulty_userinfo_or_profile_lets_nobody_in(
    place: str, refused: OAuthRefused, reason: str
) -> None:
    world = World(f"userinfo_{place}", trusted=True)
    assert await world.log_in("dave") == refused
    plain = World(f"api_{place}", plain=True)
    assert await plain.log_in() == refused
    assert [*world.reasons, *plain.reasons] == [reason, reason]


async def test_what_a_provider_says_is_logged_cut_and_never_told() -> None:
    world = World("token_200_error")
    assert await world.log_in() == OAuthRefused(502, "provider_error")
    said = [e for e in world.events.events if e.name == "oauth_provider_said"]
    assert [e.facts["text"] for e in said] == ["spent  by alice"]
    assert "spent" not in repr(world.audit.entries)


async def test_X112_userinfo_is_asked_for_an_address_that_the_token_lacks() -> None:
    world = World("lean", trusted=True)
    outcome = await world.log_in_well()
    assert outcome.account.name == "alice@example.com"
    assert (await world.read_seen())["userinfo"] == 1
    fine = World(trusted=True)
    assert (await fine.log_in_well()).account.name == "alice@example.com"
    assert "userinfo" not in await fine.read_seen()


async def test_O100_two_audiences_of_which_the_party_is_us() -> None:
    await World("two_audiences_ours").log_in_well()


async def test_O100_pkce_is_demanded_and_verified_by_the_provider() -> None:
    world = World(trusted=True)
    first = dict(await world.visit(await world.begin()))
    second = dict(await world.visit(await world.begin(), "bob"))
    # A code that was stolen from another browser, played into this one.
    injected = {**second, "code": first["code"]}
    assert await world.complete([*injected.items()]) == OAuthRefused(400, "invalid_grant")
    careless = World(changes={"dangerously_skip_pkce": True})
    with pytest.raises(AssertionError, match="500"):
        await careless.visit(await careless.begin())


@pytest.mark.parametrize("auth", ["client_secret_basic", "client_secret_post", "none"])
async def test_the_client_shows_itself_as_it_is_told(auth: str) -> None:
    secret = {"client_secret": None} if auth == "none" else {}
    await World(changes={"client_auth": auth, **secret}).log_in_well()


async def test_a_wrong_client_secret_is_our_fault() -> None:
    for auth in ("client_secret_basic", "client_secret_post"):
        world = World(changes={"client_auth": auth, "client_secret": "another"})
        assert await world.log_in() == OAuthRefused(502, "provider_error")
        assert world.reasons == ["invalid_client"]


async def test_O100_the_redirect_uri_is_the_same_to_the_byte() -> None:
    world = World()
    params = await world.visit(await world.begin())
    moved = World(
        issuer=world.issuer,
        store=world.store,
        changes={"redirect_uri": f"{world.provider.redirect_uri}/"},
    )
    outcome = await moved.site.complete("acme", params, browser=world.browser)
    assert outcome == OAuthRefused(400, "invalid_grant")


async def test_keys_are_kept_when_the_description_is_fetched_again() -> None:
    world = World(config={"discovery_ttl_seconds": 10})
    await world.log_in_well()
    await world.log_in_well()
    seen = await world.read_seen()
    assert (seen["jwks"], seen["discovery"], seen["token"]) == (1, 1, 2)
    world.clock.advance(11)
    await world.log_in_well()
    seen = await world.read_seen()
    assert (seen["jwks"], seen["discovery"], seen["token"]) == (1, 2, 3)


async def test_keys_that_move_are_fetched_at_their_new_address() -> None:
    world = World("moving_keys", config={"discovery_ttl_seconds": 10})
    await world.log_in_well()
    world.clock.advance(11)
    await world.log_in_well()
    assert (await world.read_seen())["jwks"] == 2


async def test_explicit_endpoints_need_no_discovery() -> None:
    issuer = World().issuer
    changes = {
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_url": f"{issuer}/jwks",
        "userinfo_endpoint": f"{issuer}/userinfo",
    }
    world = World(issuer=issuer, changes=changes)
    assert isinstance(await world.log_in(), IdentityVerified)
    assert "discovery" not in await world.read_seen()


@pytest.mark.parametrize("user", ["alice", "bob"])
async def test_P45_a_provider_without_id_tokens(user: str) -> None:
    world = World(plain=True, trusted=True)
    outcome = await world.log_in_well(user)
    (identity,) = await world.store.accounts.list_identities(outcome.account.id)
    # The id, not the login name, nor the address that anybody may write into his profile.
    assert identity.subject == {"alice": "1000", "bob": "1001"}[user]
    assert outcome.account.is_verified is (user == "alice")
    assert (outcome.account.name == "alice@example.com") is (user == "alice")
    again = await world.log_in_well(user)
    assert (again.account.id, again.created) == (outcome.account.id, False)


async def test_P45_a_profile_may_lack_its_addresses_but_not_its_id() -> None:
    world = World("no_emails", plain=True, trusted=True)
    outcome = await world.log_in_well()
    assert not outcome.account.is_verified
    nobody = World("profile_without_id", plain=True, trusted=True)
    assert await nobody.log_in() == OAuthRefused(502, "provider_error")
    assert nobody.reasons == ["no_subject"]


async def test_a_profile_may_hold_the_address_itself() -> None:
    issuer = World().issuer
    profile = ProfileApi(url=f"{issuer}/userinfo")
    world = World(issuer=issuer, plain=True, trusted=True, changes={"profile": profile})
    assert (await world.log_in_well()).account.name == "alice@example.com"
