"""Logins with refresh tokens, from the first pair to the last."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from asgi_security.crypto.base64url import parse_base64url
from asgi_security.crypto.refresh_tokens import RefreshTokenFormat
from asgi_security.errors import ConfigError, StorageError
from asgi_security.events import Severity
from asgi_security.flows.issuing import issue_jwt
from asgi_security.flows.jwt import Refused, Verified
from asgi_security.flows.refresh import (
    FamiliesEnded,
    Refreshed,
    RefreshRefused,
    RefreshTokens,
    TokenPair,
    Unavailable,
)
from asgi_security.flows.visits import Visit
from asgi_security.policy.refresh import RefreshConfig
from asgi_security.secret import Secret
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.sqlite import SqliteStore
from asgi_security.testing import SeededEntropy
from asgi_security.testing.contracts.expecting import race
from tests.flows.refreshing import ACCESS, APP, OLD, SECRET, Failing, Logins, build_config

if TYPE_CHECKING:
    from pathlib import Path

    from asgi_security.flows.auditing import AuditEntry
    from asgi_security.testing import EventRecorder, FakeClock

pytestmark = pytest.mark.anyio

DAY = 86_400
REUSED, GONE = RefreshRefused("reused"), RefreshRefused("gone")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def logins(store: MemoryStore, clock: FakeClock, events: EventRecorder) -> Logins:
    return Logins(store, clock, events)


class Log:
    """An audit log in a list."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    async def record(self, entry: AuditEntry) -> None:
        self.entries.append(entry)


async def test_R80_a_chain_of_pairs(logins: Logins) -> None:
    pairs = [await logins.open(scopes=["read"], amr=["pwd"], claims={"roles": ["admin"]})]
    for _ in range(5):
        logins.clock.advance(DAY)
        pairs.append(await logins.refresh(pairs[-1]))
    assert len({pair.refresh_token for pair in pairs}) == 6
    assert len({pair.access_token for pair in pairs}) == 6
    assert len({pair.handle for pair in pairs}) == 1
    claims = await logins.read_claims(pairs[-1])
    assert claims["sid"] == pairs[0].handle
    assert claims["auth_time"] == int(logins.clock()) - 5 * DAY
    assert claims["roles"] == ["admin"]


@pytest.mark.parametrize(
    ("confirmed", "outcome"),
    [
        pytest.param(True, TokenPair, id="it stands"),
        pytest.param(False, RefreshRefused, id="it does not"),
        pytest.param(1, RefreshRefused, id="V77 no plain answer"),
        pytest.param(StorageError("secret"), Unavailable, id="nobody knows"),
    ],
)
async def test_V77_a_login_is_confirmed_once_it_is_stored(
    logins: Logins, store: MemoryStore, clock: FakeClock, confirmed: Any, outcome: type
) -> None:
    stored: list[object] = []

    async def confirm() -> Any:
        stored.extend(await store.refresh.list_for("ada", now=clock()))
        if isinstance(confirmed, Exception):
            raise confirmed
        return confirmed

    opened = await logins.tokens.open("ada", confirm=confirm)
    assert isinstance(opened, outcome)
    assert len(stored) == 1
    if outcome is RefreshRefused:
        assert not await store.refresh.list_for("ada", now=clock())


async def test_P23_an_access_token_says_all_a_verifier_needs(logins: Logins) -> None:
    pair = await logins.open(scopes=["read", "write"], amr=["pwd", "otp"], auth_time=1e9 + 0.7)
    claims = await logins.read_claims(pair)
    assert claims.pop("jti")
    now = int(logins.clock())
    assert claims == {
        "iss": "https://id.example",
        "aud": "https://api.example",
        "sub": "ada",
        "client_id": APP,
        "sid": pair.handle,
        "iat": now,
        "exp": now + pair.expires_in_seconds,
        "scope": "read write",
        "amr": ["pwd", "otp"],
        "auth_time": 1_000_000_000,
    }
    assert pair.subject == "ada"
    assert pair.scopes == ("read", "write")
    assert pair.refresh_expires_at == logins.clock() + 7 * DAY


async def test_R80_the_absolute_end_is_never_moved(logins: Logins) -> None:
    pair = await logins.open()
    start = logins.clock()
    while logins.clock() + 5 * DAY < start + 30 * DAY:
        logins.clock.advance(5 * DAY)
        pair = await logins.refresh(pair)
    assert pair.refresh_expires_at == start + 30 * DAY
    logins.clock.now = start + 30 * DAY - 100
    pair = await logins.refresh(pair)
    assert pair.expires_in_seconds <= 100
    logins.clock.advance(100)
    assert await logins.tokens.refresh(pair.refresh_token) == GONE


async def test_R81_a_lost_reply_is_repeated(logins: Logins) -> None:
    first = await logins.open()
    second = await logins.refresh(first)
    logins.clock.advance(9.5)
    again = await logins.tokens.refresh(first.refresh_token)
    assert isinstance(again, Refreshed)
    assert again.is_retry
    assert again.pair.refresh_token == second.refresh_token
    assert again.pair.access_token != second.access_token
    third = await logins.refresh(second)
    assert third.refresh_token != second.refresh_token


async def test_R81_fifty_at_once_have_one_successor(logins: Logins) -> None:
    first = await logins.open()

    async def use(_number: int) -> tuple[str, bool]:
        refreshed = await logins.tokens.refresh(first.refresh_token)
        assert isinstance(refreshed, Refreshed)
        return refreshed.pair.refresh_token, refreshed.is_retry

    answers = await race(50, use)
    assert len({token for token, _ in answers}) == 1
    assert Counter(retry for _, retry in answers) == {True: 49, False: 1}


async def test_R82_reused_within_the_grace_once_its_successor_was_used(logins: Logins) -> None:
    first = await logins.open()
    second = await logins.refresh(first)
    third = await logins.refresh(second)
    assert await logins.tokens.refresh(first.refresh_token) == REUSED
    assert await logins.tokens.refresh(third.refresh_token) == REUSED


@pytest.mark.parametrize(
    ("late", "kind"),
    [
        pytest.param(10, "recent", id="R83 just after the grace"),
        pytest.param(3600, "stale", id="R83 an hour later"),
    ],
)
async def test_R83_reused_after_the_grace(
    late: float, kind: str, store: MemoryStore, clock: FakeClock, events: EventRecorder
) -> None:
    log = Log()
    logins = Logins(store, clock, events, audit=log)
    first = await logins.open()
    second = await logins.refresh(first)
    clock.advance(late)
    present = await logins.refresh(await logins.open("bob"))
    events.events.clear()
    outcome = await logins.tokens.refresh(first.refresh_token, visit=Visit(request_id="r-1"))
    assert outcome == REUSED
    assert isinstance(outcome, RefreshRefused)
    assert (outcome.code, outcome.ends_cookie) == ("invalid_grant", True)
    (event,) = events.events
    assert (event.name, event.severity) == ("refresh_reuse", Severity.WARNING)
    assert event.facts["class"] == kind
    assert event.facts["family"] == first.handle
    assert (log.entries[-1].action, log.entries[-1].request_id) == ("refresh_reuse", "r-1")
    if late < 900:
        for pair in (first, second):
            assert await logins.call_api(pair.access_token) == Refused("revoked")
    assert isinstance(await logins.call_api(present.access_token), Verified)


async def test_R84_the_lawful_holder_is_refused_too(
    store: MemoryStore, clock: FakeClock, events: EventRecorder
) -> None:
    log = Log()
    logins = Logins(store, clock, events, audit=log)
    first = await logins.open()
    second = await logins.refresh(first)
    clock.advance(10)
    for token in (first, second, first):
        assert await logins.tokens.refresh(token.refresh_token) == REUSED
    reuses = [event for event in events.events if event.name == "refresh_reuse"]
    assert [event.severity for event in reuses] == [30, 20, 20]
    assert [each.action for each in log.entries] == ["refresh_family_opened", "refresh_reuse"]


@pytest.mark.parametrize("ancestor", range(3))
async def test_R85_an_ancestor_ends_it_even_inside_the_window(
    logins: Logins, ancestor: int
) -> None:
    pairs = [await logins.open()]
    for _ in range(4):
        pairs.append(await logins.refresh(pairs[-1]))
    assert await logins.tokens.refresh(pairs[ancestor].refresh_token) == REUSED
    assert logins.events.events[-1].facts["class"] == "stale"
    assert await logins.tokens.refresh(pairs[-1].refresh_token) == REUSED


async def test_R86_garbage_that_names_a_family_does_not_end_it(
    store: MemoryStore, clock: FakeClock, events: EventRecorder
) -> None:
    watched = Failing(store.refresh)
    logins = Logins(watched, clock, events)
    pair = await logins.open()
    watched.calls.clear()
    token = pair.refresh_token
    parsed = RefreshTokenFormat(Secret(SECRET)).parse(token)
    assert parsed is not None
    forged = RefreshTokenFormat(Secret("x" * 32)).build(parsed.family_id, 0)
    swapped = token[:-1] + ("A" if token[-1] != "A" else "B")
    for garbage in (forged, swapped, token[:-1], token + "=", "", "\ud800", "x" * 1_000_000):
        outcome = await logins.tokens.refresh(garbage)
        assert outcome == RefreshRefused("malformed")
        assert isinstance(outcome, RefreshRefused)
        assert not outcome.ends_cookie
        assert await logins.tokens.end(garbage) == FamiliesEnded()
    assert watched.calls == []
    await logins.refresh(pair)


async def test_R87_past_the_idle_lifetime(logins: Logins) -> None:
    first = await logins.open()
    second = await logins.refresh(first)
    logins.clock.advance(7 * DAY)
    logins.events.events.clear()
    for pair in (first, second):
        assert await logins.tokens.refresh(pair.refresh_token) == GONE
    assert logins.events.names == []


async def test_R87_past_a_lifetime_that_has_become_shorter(
    store: MemoryStore, clock: FakeClock, events: EventRecorder
) -> None:
    pair = await Logins(store, clock, events).open()
    stricter = Logins(store, clock, events, idle_timeout_seconds=3600)
    clock.advance(3600)
    assert await stricter.tokens.list_for("ada") == ()
    assert await stricter.tokens.refresh(pair.refresh_token) == GONE


async def test_R87_a_logged_out_login_is_no_news(logins: Logins) -> None:
    first = await logins.open()
    second = await logins.refresh(first)
    assert await logins.tokens.end(second.refresh_token) == FamiliesEnded((first.handle,))
    logins.events.events.clear()
    for pair in (first, second):
        assert await logins.tokens.refresh(pair.refresh_token) == GONE
    assert logins.events.names == []
    assert (GONE.code, GONE.ends_cookie) == ("invalid_grant", True)


async def test_R89_no_store_holds_a_token_or_what_makes_one(
    tmp_path: Path, clock: FakeClock, events: EventRecorder
) -> None:
    path = tmp_path / "security.db"
    async with SqliteStore(path, timeout_seconds=20) as sqlite:
        logins = Logins(sqlite, clock, events)
        first = await logins.open()
        second = await logins.refresh(first)
    dump = path.read_bytes()  # closed: nothing is left in the log beside it
    assert first.handle.encode() in dump
    tokens = RefreshTokenFormat(Secret(SECRET))
    for pair in (first, second):
        parsed = tokens.parse(pair.refresh_token)
        assert parsed is not None
        secret = parsed.family_id
        text = pair.refresh_token.removeprefix("asgi_rt_").encode()
        for leak in (secret, secret[:12], secret.hex().encode(), text[:24], text[-24:]):
            assert leak not in dump
        assert parsed.digest in dump
    shown = repr(first) + repr(events.events)
    assert not any(each in shown for each in (first.refresh_token, first.access_token))


async def test_R90_each_token_is_good_for_one_thing(logins: Logins) -> None:
    pair = await logins.open()
    assert await logins.call_api(pair.refresh_token) == Refused("malformed")
    refused = RefreshRefused("malformed")
    assert await logins.tokens.refresh(pair.access_token) == refused
    assert await logins.tokens.end(pair.access_token) == FamiliesEnded()
    pre_token = issue_jwt({"sub": "ada"}, secret=ACCESS, audience="mfa", token_type="mfa+jwt")
    assert await logins.tokens.refresh(pre_token) == refused
    await logins.refresh(pair)


async def test_R92_scope_narrows_for_one_access_token(logins: Logins) -> None:
    pair = await logins.open(scopes=["read", "write", "read"])
    narrow = await logins.refresh(pair, scope="read")
    assert narrow.scopes == ("read",)
    assert (await logins.read_claims(narrow))["scope"] == "read"
    whole = await logins.refresh(narrow)
    assert (await logins.read_claims(whole))["scope"] == "read write"


async def test_R92_scope_never_widens_and_the_token_stays_unused(logins: Logins) -> None:
    pair = await logins.open(scopes=["read"])
    outcome = await logins.tokens.refresh(pair.refresh_token, scope="read admin")
    assert outcome == RefreshRefused("scope_widened")
    assert isinstance(outcome, RefreshRefused)
    assert (outcome.code, outcome.ends_cookie) == ("invalid_scope", False)
    logins.clock.advance(60)
    await logins.refresh(pair)


@pytest.mark.parametrize(
    ("presented", "reason"),
    [
        pytest.param({"client_id": "other"}, "client_mismatch", id="R92 another client"),
        pytest.param({}, "client_mismatch", id="R92 the default client"),
        pytest.param({"client_id": "bound"}, "key_mismatch", id="R92 no key"),
        pytest.param(
            {"client_id": "bound", "confirmation": "x"}, "key_mismatch", id="R92 another key"
        ),
    ],
)
async def test_R92_a_stranger_is_refused_and_the_family_untouched(
    logins: Logins, presented: dict[str, Any], reason: str
) -> None:
    right = {"client_id": "bound", "confirmation": "thumbprint"}
    first = await logins.open(**right)
    second = await logins.refresh(first, **right)
    logins.clock.advance(60)
    for pair in (second, first):  # the used one too: who cannot use it has stolen nothing
        outcome = await logins.tokens.refresh(pair.refresh_token, **presented)
        assert outcome == RefreshRefused(reason)  # type: ignore[arg-type]
        assert isinstance(outcome, RefreshRefused)
        assert (outcome.code, outcome.ends_cookie) == ("invalid_grant", False)
        assert logins.events.events[-1].severity == Severity.WARNING
    claims = await logins.read_claims(await logins.refresh(second, **right))
    assert claims["cnf"] == {"jkt": "thumbprint"}
    assert claims["client_id"] == "bound"


async def test_R93_access_lifetimes_differ_and_are_never_longer(logins: Logins) -> None:
    lifetimes = [(await logins.open()).expires_in_seconds for _ in range(50)]
    assert 855 <= min(lifetimes) < max(lifetimes) <= 900


@pytest.mark.parametrize("after", [False, True], ids=["before", "after the step"])
@pytest.mark.parametrize("operation", ["open_family", "load_family", "advance", "list_for"])
async def test_V78_a_store_that_fails_fails_closed(
    operation: str,
    after: bool,  # noqa: FBT001
    clock: FakeClock,
    events: EventRecorder,
) -> None:
    broken = Failing(MemoryStore().refresh, after=after)
    logins = Logins(broken, clock, events)
    pair = await logins.open()
    broken.names = {operation}
    asked: dict[str, Any] = {
        "open_family": lambda: logins.tokens.open("ada"),
        "list_for": lambda: logins.tokens.list_for("ada"),
    }
    outcome = await asked.get(operation, lambda: logins.tokens.refresh(pair.refresh_token))()
    assert outcome == Unavailable()
    assert events.names[-1] == "refresh_store_failed"
    assert "secret details" not in str(events.events)
    broken.names = set()
    await logins.refresh(pair)  # the reply of an advance was lost: it is repeated


async def test_V78_a_store_that_hangs_is_not_waited_for(
    clock: FakeClock, events: EventRecorder
) -> None:
    class Hanging:
        async def load_family(self, *_: object, **__: object) -> None:
            await anyio.sleep_forever()

    logins = Logins(Hanging(), clock, events, store_timeout_seconds=0.01)
    token = RefreshTokenFormat(Secret(SECRET)).build(bytes(25), 0)
    assert await logins.tokens.refresh(token) == Unavailable()
    assert await logins.tokens.end(token) == Unavailable()


async def test_a_store_that_contradicts_itself_gives_no_tokens(
    store: MemoryStore, clock: FakeClock, events: EventRecorder
) -> None:
    class Forgetful(Failing):
        async def load_family(self, *_: object, **__: object) -> None:
            return None

    logins = Logins(Forgetful(store.refresh), clock, events)
    pair = await logins.open(client_id="bound")
    assert await logins.tokens.refresh(pair.refresh_token) == Unavailable()


async def test_a_family_that_nobody_can_read_is_gone(
    store: MemoryStore, clock: FakeClock, events: EventRecorder
) -> None:
    logins = Logins(store, clock, events)
    pair = await logins.open()
    (family,) = await store.refresh.list_for("ada", now=clock())
    await store.refresh.revoke_family(family.digest)
    object.__setattr__(family, "data", b"[]")
    await store.refresh.open_family(family, now=clock())
    assert await logins.tokens.refresh(pair.refresh_token) == GONE
    assert events.names[-1] == "refresh_family_unreadable"
    assert isinstance(await logins.tokens.list_for("ada"), tuple)


async def test_P24_retired_secrets_are_taken_and_replaced(
    store: MemoryStore, clock: FakeClock, events: EventRecorder
) -> None:
    first = await Logins(store, clock, events, secret=OLD).open()
    logins = Logins(store, clock, events, old_secrets=[OLD])
    second = await logins.refresh(first)
    current = RefreshTokenFormat(Secret(SECRET))
    assert current.parse(first.refresh_token) is None
    assert current.parse(second.refresh_token) is not None
    assert (await logins.refresh(first)).refresh_token == second.refresh_token
    alone = Logins(store, clock, events)
    assert await alone.tokens.refresh(first.refresh_token) == RefreshRefused("malformed")


async def test_P25_the_secret_of_refresh_tokens_opens_nothing_else(logins: Logins) -> None:
    forged = issue_jwt({"sub": "ada"}, secret=SECRET, token_type="at+jwt")
    assert await logins.call_api(forged) == Refused("bad_signature")


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"subject": ""}, id="no subject"),
        pytest.param({"claims": {"exp": 2**40}}, id="R93 a claim that outlives"),
        pytest.param({"claims": {"sub": "bob"}}, id="somebody else"),
        pytest.param({"claims": {"x": float("nan")}}, id="no JSON"),
        pytest.param({"scopes": ["a b"]}, id="R92 two scopes in one"),
        pytest.param({"scopes": "read"}, id="R92 a string of scopes"),
        pytest.param({"amr": "pwd"}, id="a string of amr"),
    ],
)
async def test_what_makes_no_login_is_the_callers_fault(
    store: MemoryStore, logins: Logins, fields: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r".+"):
        await logins.tokens.open(**{"subject": "ada", **fields})
    with pytest.raises(TypeError):
        await logins.tokens.open("ada", claims={"x": object()})
    assert len(store.refresh) == 0  # type: ignore[arg-type]


async def test_public_keys_and_opaque_facets(
    clock: FakeClock, events: EventRecorder, store: MemoryStore
) -> None:
    jwk = json.loads(OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate()))
    config = RefreshConfig(secret=SECRET, access_key={**jwk, "kid": "own"}, access_key_id="named")
    tokens = RefreshTokens(
        config, store.refresh, clock=clock, entropy=SeededEntropy(), events=events
    )
    pair = await tokens.open("ada")
    assert isinstance(pair, TokenPair)
    header = parse_base64url(pair.access_token.partition(".")[0].encode())
    assert header is not None
    assert json.loads(header) == {"alg": "EdDSA", "typ": "at+jwt", "kid": "named"}


@pytest.mark.parametrize(
    "fields",
    [
        {"access_secret": None, "access_key": "no key"},
        {"access_secret": ACCESS, "access_algorithm": "RS256"},
    ],
    ids=["no key", "P23 no algorithm of a secret"],
)
def test_a_key_that_does_not_fit_is_refused_at_once(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        RefreshTokens(build_config(**fields), MemoryStore())


async def test_R83_a_lost_revocation_is_made_up_for(
    store: MemoryStore, clock: FakeClock, events: EventRecorder
) -> None:
    revocations = Failing(store.revocations, "revoke")
    logins = Logins(store, clock, events, revocations=revocations)
    first = await logins.open()
    second = await logins.refresh(first)
    clock.advance(60)
    assert await logins.tokens.refresh(first.refresh_token) == Unavailable()
    assert "refresh_reuse" in events.names
    assert isinstance(await logins.call_api(second.access_token), Verified)
    revocations.names = set()
    assert await logins.tokens.refresh(first.refresh_token) == REUSED
    assert await logins.call_api(second.access_token) == Refused("revoked")


async def test_V78_what_the_log_cannot_keep_stops_no_alarm(
    store: MemoryStore, clock: FakeClock, events: EventRecorder
) -> None:
    class Broken:
        async def record(self, _entry: AuditEntry) -> None:
            raise StorageError("secret details")

    logins = Logins(store, clock, events, audit=Broken())
    first = await logins.open()
    await logins.refresh(first)
    clock.advance(60)
    assert await logins.tokens.refresh(first.refresh_token) == REUSED
    assert events.names.count("audit_failed") == 2
