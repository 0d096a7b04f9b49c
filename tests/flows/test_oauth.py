"""External login from the button to the account, at a real provider in a process of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx
import pytest

from asgi_security.errors import StorageError
from asgi_security.flows.lockout import LockedOut, Lockout
from asgi_security.flows.oauth import (
    IdentityLinked,
    IdentityVerified,
    LinkRequired,
    OAuthRefused,
    Redirect,
)
from asgi_security.policy.lockout import LockoutConfig
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.protocols import Admitted, Outcome
from asgi_security.storage.protocols.accounts import AccountSaved
from tests.flows.oauth_world import World, build_oidc

pytestmark = pytest.mark.anyio

INVALID_STATE = OAuthRefused(400, "invalid_state")


def read_query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


class Broken:
    """A facet that answers nothing any more."""

    def __getattr__(self, name: str) -> Any:
        async def fail(*args: Any, **kwargs: Any) -> None:
            raise StorageError("down")

        return fail


async def test_O100_what_the_browser_is_sent_with() -> None:
    world = World()
    first, second = read_query(await world.begin()), read_query(await world.begin())
    assert first["response_type"] == "code"
    assert first["redirect_uri"] == world.provider.redirect_uri
    assert first["scope"] == "openid email profile"
    assert first["code_challenge_method"] == "S256"
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) == 43
        assert first[name] != second[name]
    assert "code_verifier" not in first
    assert world.browser is not None
    assert not set(first.values()) & set(world.browser.split("."))


async def test_a_login_makes_an_account_and_the_next_one_opens_it() -> None:
    world = World(trusted=True)
    outcome = await world.log_in_well()
    assert outcome.created
    assert (outcome.amr, outcome.provider, outcome.next_path) == (("fed",), "acme", "/")
    assert 0 < world.clock.now - outcome.auth_time < 60  # when the provider says it was
    assert (outcome.account.name, outcome.account.is_verified) == ("alice@example.com", True)
    again = await world.log_in_well()
    assert (again.account.id, again.created) == (outcome.account.id, False)
    actions = [entry.action for entry in world.audit.entries]
    assert actions == [
        *("oauth_account_created", "oauth_identity_verified", "oauth_identity_verified")
    ]
    assert {entry.actor for entry in world.audit.entries} == {outcome.account.id}
    assert "alice" not in repr(world.audit.entries) + repr(world.events.events)


async def test_X115_the_provider_counts_as_mfa_only_if_it_is_believed() -> None:
    assert (await World().log_in_well()).amr == ("fed",)
    believed = World(changes={"amr_counts_as_mfa": True})
    assert (await believed.log_in_well()).amr == ("fed", "mfa")


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda w: None, id="O99 no cookie"),
        pytest.param(lambda w: "", id="O99 empty cookie"),
        pytest.param(lambda w: "junk", id="O99 junk"),
        pytest.param(lambda w: f"{w.browser}.", id="O99 cut short"),
        pytest.param(lambda w: "A" * 43, id="O99 other browser"),
        pytest.param(lambda w: ".".join(["A" * 43] * 6), id="O101 more than it may hold"),
    ],
)
async def test_O99_an_answer_in_another_browser(spoil: Any) -> None:
    world = World()
    params = await world.visit(await world.begin())
    assert await world.complete(params, browser=spoil(world)) == INVALID_STATE
    # Nothing was consumed: the browser that began it may still finish it.
    assert isinstance(await world.complete(params), IdentityVerified)


async def test_O99_another_browser_that_has_begun_a_login_of_its_own() -> None:
    victim, attacker = World(), World()
    attacker.site, attacker.issuer = victim.site, victim.issuer
    params = await attacker.visit(await attacker.begin(), "bob")
    await victim.begin()
    # Login CSRF: the victim would go on as the attacker.
    assert await victim.complete(params) == INVALID_STATE


@pytest.mark.parametrize(
    "params",
    [
        pytest.param([], id="O99 nothing"),
        pytest.param([("code", "c")], id="O99 no state"),
        pytest.param([("state", "s")], id="X111 neither code nor error"),
        pytest.param([("state", ""), ("code", "c")], id="O99 empty state"),
    ],
)
async def test_O99_what_no_provider_sends(params: list[tuple[str, str]]) -> None:
    world = World()
    await world.begin()
    assert await world.complete(params) == OAuthRefused(400, "invalid_response")
    assert await world.complete([("state", "\udc80"), ("code", "c")]) == INVALID_STATE


async def test_O99_X111_a_hundred_answers_at_once_are_one_login() -> None:
    world = World()
    params = await world.visit(await world.begin())
    outcomes: list[Any] = []

    async def complete() -> None:
        outcomes.append(await world.complete(params))

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(complete)
    assert sum(isinstance(one, IdentityVerified) for one in outcomes) == 1
    assert outcomes.count(INVALID_STATE) == 99
    assert await world.complete(params) == INVALID_STATE  # later, too
    assert (await world.read_seen())["token"] == 1


async def test_X111_an_attempt_that_failed_is_spent() -> None:
    world = World("token_500")
    params = await world.visit(await world.begin())
    assert await world.complete(params) == OAuthRefused(502, "provider_error")
    assert await world.complete(params) == INVALID_STATE
    assert (await world.read_seen())["token"] == 1


@pytest.mark.parametrize(("seconds", "lives"), [(599.0, True), (600.0, False)])
async def test_O99_ten_minutes(seconds: float, *, lives: bool) -> None:
    world = World(config={"leeway_seconds": 600})
    params = await world.visit(await world.begin())
    world.clock.advance(seconds)
    assert isinstance(await world.complete(params), IdentityVerified) is lives


async def test_O101_five_tabs_and_the_oldest_is_dropped() -> None:
    world = World()
    urls = [await world.begin() for _ in range(6)]
    assert len(world.browser or "") == 5 * 43 + 4
    first, *others = [await world.visit(url) for url in urls]
    assert await world.complete(first) == INVALID_STATE
    for params in others:
        assert isinstance(await world.complete(params), IdentityVerified)


async def test_O101_a_dropped_attempt_is_gone_from_the_store_too() -> None:
    world = World()
    url = await world.begin()
    old = world.browser
    for _ in range(5):
        await world.begin()
    assert await world.complete(await world.visit(url), browser=old) == INVALID_STATE


async def test_the_store_holds_nothing_that_finishes_a_login() -> None:
    world = World()
    url = await world.begin()
    query = read_query(url)
    stored = repr(vars(world.store.once)["_values"].__dict__)
    assert "oauth_attempt" in stored
    for secret in (query["state"], query["nonce"], query["code_challenge"], world.browser):
        assert str(secret) not in stored


@pytest.mark.parametrize(
    ("next_path", "expected"),
    [
        pytest.param("/orders?page=2", "/orders?page=2", id="O101 a page"),
        pytest.param(None, "/home", id="O101 none"),
        pytest.param("//evil.example", "/home", id="O101 F100 other host"),
        pytest.param("/\\evil.example", "/home", id="O101 F100 backslash"),
        pytest.param("\\/evil.example", "/home", id="F100 leading backslash"),
        pytest.param("https:evil.example", "/home", id="O101 F100 scheme"),
        pytest.param(" /x", "/home", id="F100 leading blank"),
        pytest.param("/\t/evil.example", "/home", id="F100 tab"),
        pytest.param("/x\r\nset-cookie: a=b", "/home", id="O101 F100 CR LF"),
        pytest.param("/" + "x" * 2048, "/home", id="F100 too long"),
        pytest.param("javascript:alert(1)", "/home", id="P48 script"),
        pytest.param("https://evil.example/", "/home", id="P48 other origin"),
        pytest.param("https://app.example/x", "https://app.example/x", id="P48 allowed origin"),
        pytest.param("https://app.example.evil/x", "/home", id="P48 longer host"),
    ],
)
async def test_O101_where_a_login_ends(next_path: str | None, expected: str) -> None:
    config = {"default_path": "/home", "allowed_origins": ["https://app.example"]}
    world = World(config=config)
    outcome = await world.log_in(next_path=next_path)
    assert isinstance(outcome, IdentityVerified)
    assert outcome.next_path == expected


async def test_X110_an_answer_for_another_provider() -> None:
    honest = World()
    other = build_oidc(honest.issuer, "other")
    world = World(others=(other,))
    params = await world.visit(await world.begin())
    outcome = await world.site.complete("other", params, browser=world.browser)
    assert outcome == INVALID_STATE
    assert world.reasons == ["other_provider"]
    # The attempt is spent, and neither provider has seen the code.
    assert await world.complete(params) == INVALID_STATE
    assert "token" not in {**await world.read_seen(), **await honest.read_seen()}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param("access_denied", OAuthRefused(400, "access_denied"), id="O102 X114 denied"),
        pytest.param("server_error", OAuthRefused(502, "provider_error"), id="X114 server error"),
        pytest.param(
            "temporarily_unavailable", OAuthRefused(503, "provider_unavailable"), id="X114 busy"
        ),
        pytest.param("invalid_scope", OAuthRefused(502, "provider_error"), id="X114 our fault"),
        pytest.param("\r\n<script>", OAuthRefused(502, "provider_error"), id="X114 no error word"),
    ],
)
async def test_O102_the_provider_says_no(error: str, expected: OAuthRefused) -> None:
    world = World()
    state = read_query(await world.begin())["state"]
    answer = [("state", state), ("error", error), ("iss", world.issuer)]
    assert await world.complete([*answer, ("error_description", "a\nb" * 200)]) == expected
    said = [e.facts["text"] for e in world.events.events if e.name == "oauth_provider_said"]
    assert [(len(text), "\n" in text) for text in said] == [(200, False)]
    assert await world.complete(answer) == INVALID_STATE  # spent all the same
    assert "script" not in repr(world.audit.entries)


async def test_O102_a_user_who_says_no_at_the_provider() -> None:
    assert await World().log_in("nobody") == OAuthRefused(400, "access_denied")


async def test_X110_an_error_of_another_issuer_is_none_of_this_one() -> None:
    world = World()
    state = read_query(await world.begin())["state"]
    params = [("state", state), ("error", "access_denied")]
    assert await world.complete(params) == OAuthRefused(400, "issuer_mismatch")


async def test_an_unknown_provider() -> None:
    world = World()
    unknown = OAuthRefused(404, "unknown_provider")
    assert await world.site.begin("nobody") == unknown
    assert await world.site.complete("nobody", [], browser=None) == unknown


async def test_O102_a_provider_that_is_down() -> None:
    world = World("discovery_500")
    assert await world.site.begin("acme") == OAuthRefused(503, "provider_unavailable")
    plain = World(plain=True, changes={"token_endpoint": "http://127.0.0.1:9/token"})
    assert await plain.log_in() == OAuthRefused(503, "provider_unavailable")
    assert plain.reasons == ["network"]


async def test_O102_a_provider_that_goes_down_meanwhile() -> None:
    world = World(config={"discovery_ttl_seconds": 1, "discovery_max_stale_seconds": 0})
    params = await world.visit(await world.begin())
    world.site = World(
        issuer=world.issuer.replace("/fine.", "/discovery_500."),
        store=world.store,
        events=world.events,
    ).site
    assert await world.complete(params) == OAuthRefused(503, "provider_unavailable")
    assert world.reasons == ["no_endpoints"]


async def test_a_store_that_fails_closes() -> None:
    world = World()
    params = await world.visit(await world.begin())
    unavailable = OAuthRefused(503, "unavailable")
    world.store = MemoryStore(accounts=Broken())
    broken = World(issuer=world.issuer, store=world.store)
    params = await broken.visit(await broken.begin())
    assert await broken.complete(params) == unavailable
    assert broken.reasons == ["store"]
    down = World(store=MemoryStore(once=Broken()))
    assert await down.site.begin("acme") == unavailable
    assert down.events.names == ["oauth_unavailable"]
    down.browser, state = world.browser, read_query(await world.begin())["state"]
    outcome = await down.complete([("state", state), ("code", "c")], browser=world.browser)
    assert outcome == unavailable


async def test_X115_a_disabled_account_is_refused_and_a_locked_password_is_none() -> None:
    world = World(trusted=True)
    account = (await world.log_in_well()).account
    lockout = Lockout(
        LockoutConfig(threshold=1), world.store, clock=world.clock, events=world.events
    )
    begun = await lockout.begin(account=account.name, client="192.0.2.1")
    assert isinstance(begun, Admitted)
    await lockout.settle(begun, Outcome.FAILURE)
    assert isinstance(await lockout.begin(account=account.name, client="192.0.2.1"), LockedOut)
    assert isinstance(await world.log_in(), IdentityVerified)
    saved = await world.store.accounts.save(replace(account, is_active=False))
    assert isinstance(saved, AccountSaved)
    assert await world.log_in() == OAuthRefused(403, "account_disabled")


async def test_X113_linking_to_the_account_that_is_logged_in() -> None:
    world = World()
    mine = await world.add_account("mine@example.com", password_hash="x")
    linked = await world.link(mine.id)
    assert isinstance(linked, IdentityLinked)
    assert linked.account.id == mine.id
    assert (await world.log_in_well()).account.id == mine.id
    assert world.audit.entries[0].action == "oauth_identity_linked"
    theirs = await world.add_account("theirs@example.com")
    assert await world.link(theirs.id) == OAuthRefused(409, "identity_taken")
    assert await world.link("nobody") == OAuthRefused(400, "account_gone")


@pytest.mark.parametrize("current", [None, "another"])
async def test_X113_a_linking_that_another_account_began(current: str | None) -> None:
    world = World()
    mine = await world.add_account("mine@example.com")
    params = await world.visit(await world.begin(account=mine.id))
    outcome = await world.complete(params, current_account=current)
    assert outcome == OAuthRefused(400, "account_changed")
    assert await world.store.accounts.list_identities(mine.id) == ()


async def test_X113_a_login_links_nothing_to_who_happens_to_be_logged_in() -> None:
    world = World()
    mine = await world.add_account("mine@example.com")
    params = await world.visit(await world.begin())
    outcome = await world.complete(params, current_account=mine.id)
    assert isinstance(outcome, IdentityVerified)
    assert outcome.account.id != mine.id


@pytest.mark.parametrize(
    ("trusted", "user", "verified", "links"),
    [
        pytest.param(True, "alice", True, True, id="X113 all four"),
        pytest.param(False, "alice", True, False, id="X113 provider not trusted"),
        pytest.param(True, "bob", True, False, id="X113 P46 not verified there"),
        pytest.param(True, "carol", True, False, id="X113 P46 verified as a string"),
        pytest.param(True, "alice", False, False, id="X113 P47 not verified here"),
    ],
)
async def test_X113_linking_by_address(
    user: str, *, trusted: bool, verified: bool, links: bool
) -> None:
    world = World(trusted=trusted)
    known = await world.add_account(f"{user}@example.com", is_verified=verified)
    outcome = await world.log_in(user)
    if links:
        assert isinstance(outcome, IdentityVerified)
        assert (outcome.account.id, outcome.created) == (known.id, False)
        assert world.audit.entries[0].details["by_email"] is True
        return
    assert outcome == LinkRequired()
    assert await world.store.accounts.list_identities(known.id) == ()


async def test_X113_no_linking_without_being_asked_for_it() -> None:
    world = World(changes={"trust_email": True})
    await world.add_account("alice@example.com", is_verified=True)
    assert await world.log_in() == LinkRequired()


async def test_X113_an_address_whose_letters_only_look_alike() -> None:
    world = World(trusted=True)
    known = await world.add_account("kate@example.com", is_verified=True)
    outcome = await world.log_in_well("kate")
    assert outcome.account.id != known.id
    assert not outcome.account.is_verified


async def test_P46_an_address_that_nobody_verified() -> None:
    world = World(trusted=True, config={"require_verified_email": True})
    assert await world.log_in("bob") == OAuthRefused(400, "unverified_email")
    assert await world.log_in("dave") == OAuthRefused(400, "unverified_email")
    lenient = World(trusted=True)
    account = (await lenient.log_in_well("bob")).account
    # His address stays free for its owner.
    assert account.name.startswith("acme:")
    assert not account.is_verified


async def test_accounts_may_be_made_elsewhere_only() -> None:
    world = World(config={"creates_accounts": False})
    assert await world.log_in() == OAuthRefused(403, "no_account")
    mine = await world.add_account("mine@example.com")
    assert isinstance(await world.link(mine.id), IdentityLinked)
    assert (await world.log_in_well()).account.id == mine.id


async def test_a_hundred_first_logins_at_once_make_one_account() -> None:
    world = World(trusted=True)
    # Six browsers with five tabs each; every one of them logs in for the first time.
    answers: list[tuple[str, list[tuple[str, str]]]] = []
    for _ in range(6):
        world.browser = None
        urls = [await world.begin() for _ in range(5)]
        answers += [(str(world.browser), await world.visit(url)) for url in urls]
    outcomes: list[Any] = []

    async def complete(browser: str, params: list[tuple[str, str]]) -> None:
        outcomes.append(await world.complete(params, browser=browser))

    async with anyio.create_task_group() as group:
        for browser, params in answers:
            group.start_soon(complete, browser, params)
    assert {type(one) for one in outcomes} == {IdentityVerified}
    assert len({one.account.id for one in outcomes}) == 1
    assert sum(one.created for one in outcomes) == 1


async def test_the_transport_is_used_for_everything() -> None:
    asked: list[str] = []

    class Counting(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            asked.append(request.url.path.rpartition("/")[2])
            return await super().handle_async_request(request)

    world = World("lean", transport=Counting())
    await world.log_in_well()
    assert asked == ["openid-configuration", "token", "jwks", "userinfo"]


async def test_nothing_secret_is_shown() -> None:
    world = World()
    redirect = await world.site.begin("acme")
    assert repr(redirect) == "Redirect()"
    assert isinstance(redirect, Redirect)
    params = await world.visit(redirect.url)
    outcome = await world.complete(params, browser=redirect.browser)
    shown = repr(outcome) + repr(world.events.events) + repr(world.audit.entries)
    for secret in (dict(params)["code"], dict(params)["state"], redirect.browser):
        assert secret not in shown
