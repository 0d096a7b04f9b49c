"""Making, verifying, listing and ending API keys."""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from trio.testing import MockClock

from asgi_security.crypto.api_keys import ID_BYTES, SECRET_BYTES, build_api_key
from asgi_security.errors import StorageError
from asgi_security.flows.api_keys import (
    ApiKeyCreated,
    ApiKeyRefused,
    ApiKeys,
    ApiKeysUnavailable,
    ApiKeyVerified,
)
from asgi_security.flows.visits import Visit
from asgi_security.policy.api_keys import ApiKeyConfig, GrantRefused
from asgi_security.principal import Principal
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.memory.accounts import MemoryAccounts
from asgi_security.storage.memory.api_keys import MemoryApiKeys
from asgi_security.testing import EventRecorder, FakeClock, SeededEntropy
from asgi_security.testing.contracts.expecting import build_user

if TYPE_CHECKING:
    from asgi_security.flows.auditing import AuditEntry
    from asgi_security.storage.protocols import Account, ApiKey

pytestmark = pytest.mark.anyio

SECRET, OLD = "s" * 32, "o" * 32
ADA = build_user("ada")
YEAR = 8760 * 3600.0


class Log:
    """An `Auditor` that keeps what it is given."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    async def record(self, entry: AuditEntry) -> None:
        self.entries.append(entry)


class CountingKeys(MemoryApiKeys):
    """Keys in memory that can be looked at, cut off, and made slow."""

    def __init__(self) -> None:
        super().__init__(limit=1000)
        self.asked: list[str] = []
        self.down: set[str] = set()
        self.stalled = False

    async def _ask(self, name: str) -> None:
        self.asked.append(name)
        if self.stalled:
            await anyio.sleep_forever()
        if name in self.down:
            raise StorageError("down")

    async def create(self, key: ApiKey) -> None:
        await self._ask("create")
        await super().create(key)

    async def load(self, key_id: str) -> ApiKey | None:
        await self._ask("load")
        return await super().load(key_id)

    async def touch(self, key_id: str, *, used_at: float) -> bool:
        await self._ask("touch")
        return await super().touch(key_id, used_at=used_at)

    async def revoke(self, account: str, key_id: str, *, now: float) -> bool:
        await self._ask("revoke")
        return await super().revoke(account, key_id, now=now)

    async def revoke_for(self, account: str, *, now: float) -> int:
        await self._ask("revoke_for")
        return await super().revoke_for(account, now=now)

    async def delete(self, account: str, key_id: str) -> bool:
        await self._ask("delete")
        return await super().delete(account, key_id)

    async def list_for(self, account: str) -> tuple[ApiKey, ...]:
        await self._ask("list_for")
        return await super().list_for(account)


class CountingAccounts(MemoryAccounts):
    def __init__(self) -> None:
        super().__init__(limit=1000)
        self.loads = 0
        self.is_down = False

    async def load(self, account_id: str) -> Account | None:
        self.loads += 1
        if self.is_down:
            raise StorageError("down")
        return await super().load(account_id)


class World:
    """One app's keys, and ada, who may read and write."""

    def __init__(self, **fields: Any) -> None:
        self.clock = FakeClock()
        self.events = EventRecorder()
        self.log = Log()
        self.stored = CountingKeys()
        self.accounts = CountingAccounts()
        self.entropy = SeededEntropy()
        self.store = MemoryStore(api_keys=self.stored, accounts=self.accounts)
        self.keys = self.open(**fields)

    def open(self, **fields: Any) -> ApiKeys:
        return ApiKeys(
            ApiKeyConfig(**{"secret": SECRET, **fields}),
            self.store,
            clock=self.clock,
            entropy=self.entropy,
            events=self.events,
            audit=self.log,
        )

    async def make(self, *scopes: str, **wishes: Any) -> ApiKeyCreated:
        created = await self.keys.create(
            ADA.id, name="CI", scopes=scopes, granted={"read", "write"}, **wishes
        )
        assert isinstance(created, ApiKeyCreated)
        return created

    def read_reasons(self) -> list[object]:
        found = [each for each in self.events.events if each.name == "api_key_refused"]
        return [event.facts["reason"] for event in found]


@pytest.fixture
async def world(anyio_backend: str) -> World:
    world = World()
    await world.accounts.create(ADA)
    return world


class TestCreating:
    async def test_P50_a_key_that_speaks_for_its_owner(self, world: World) -> None:
        created = await world.make("write", "read")
        now = world.clock()
        assert created.text.startswith(f"ak_{created.key.id}_")
        assert created.key.scopes == ("read", "write")
        assert (created.key.created_at, created.key.expires_at) == (now, now + YEAR)
        verified = await world.keys.verify(created.text)
        assert isinstance(verified, ApiKeyVerified)
        assert verified.key == created.key
        assert verified.principal == Principal(
            subject=ADA.id,
            via="api_key",
            scopes=frozenset({"read", "write"}),
            claims={"api_key": created.key.id},
        )
        assert verified.principal.roles == frozenset()

    async def test_P50_the_store_does_not_know_the_secret(self, world: World) -> None:
        created = await world.make()
        secret = created.text.rpartition("_")[2]
        told = repr((created, await world.stored.load(created.key.id), world.events.events))
        assert secret not in told + repr(world.log.entries)
        assert len(created.key.digest) == 32

    async def test_P50_only_scopes_that_the_owner_holds(self, world: World) -> None:
        answer = await world.keys.create(
            ADA.id, name="CI", scopes=["read", "admin"], granted={"read"}
        )
        assert answer == GrantRefused("scope_not_held", ("admin",))
        assert world.stored.asked == []
        (entry,) = world.log.entries
        assert (entry.action, entry.outcome) == ("api_key_not_created", "scope_not_held")

    async def test_every_key_is_another(self, world: World) -> None:
        made = [await world.make() for _ in range(10)]
        assert len({each.key.id for each in made}) == 10
        assert len({each.key.digest for each in made}) == 10

    async def test_making_one_is_recorded(self, world: World) -> None:
        visit = Visit(request_id="r1")
        created = await world.make("read", actor="root", visit=visit)
        (entry,) = world.log.entries
        assert (entry.action, entry.actor, entry.target) == (
            *("api_key_created", "root", created.key.id),
        )
        assert entry.request_id == "r1"
        assert entry.details == {"scopes": ["read"]}
        assert world.events.names == ["api_key_created"]

    async def test_a_lifetime_of_its_own(self, world: World) -> None:
        created = await world.make(lifetime_seconds=60)
        assert created.key.expires_at == world.clock() + 60


class TestVerifying:
    async def test_P50_a_disabled_owners_key_is_refused(self, world: World) -> None:
        created = await world.make()
        await world.accounts.save(replace(ADA, is_active=False))
        assert await world.keys.verify(created.text) == ApiKeyRefused("account_disabled")
        await world.accounts.delete(ADA.id)
        assert await world.keys.verify(created.text) == ApiKeyRefused("account_disabled")
        assert world.read_reasons() == ["account_disabled"] * 2
        assert (await world.stored.load(created.key.id)) == created.key  # not even touched

    async def test_P50_revoked(self, world: World) -> None:
        created = await world.make()
        await world.keys.revoke(ADA.id, created.key.id)
        assert await world.keys.verify(created.text) == ApiKeyRefused("api_key_revoked")

    async def test_P50_expired(self, world: World) -> None:
        created = await world.make(lifetime_seconds=60)
        world.clock.advance(59.5)
        assert isinstance(await world.keys.verify(created.text), ApiKeyVerified)
        world.clock.advance(0.5)
        assert await world.keys.verify(created.text) == ApiKeyRefused("api_key_expired")

    async def test_P50_deleted(self, world: World) -> None:
        created = await world.make()
        await world.keys.delete(ADA.id, created.key.id)
        assert await world.keys.verify(created.text) == ApiKeyRefused("invalid_api_key")

    @pytest.mark.parametrize("text", ["", "junk", "ak_" * 30, b"\xff\xfe", b"ak_", "\ud800" * 76])
    async def test_P50_what_is_no_key_asks_no_store(self, world: World, text: str | bytes) -> None:
        assert await world.keys.verify(text) == ApiKeyRefused("invalid_api_key")
        assert world.stored.asked == []

    async def test_P50_an_unknown_id_costs_what_a_wrong_secret_costs(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And neither learns whether the key was revoked, nor is the owner looked up."""
        created = await world.make()
        await world.keys.revoke(ADA.id, created.key.id)
        nobodys = build_api_key("ak", world.entropy(ID_BYTES), world.entropy(SECRET_BYTES))
        world.keys = world.open(secret="w" * 32)  # under which the stored digest is wrong
        compared: list[list[int]] = []
        real = hmac.compare_digest

        def watch(one: bytes, other: bytes) -> bool:
            compared[-1] += (len(one), len(other))
            return real(one, other)

        monkeypatch.setattr(hmac, "compare_digest", watch)
        for text in (created.text, nobodys.text):
            world.stored.asked.clear()
            compared.append([])
            assert await world.keys.verify(text) == ApiKeyRefused("invalid_api_key")
            assert world.stored.asked == ["load"]
        assert compared == [[3, 3, 32, 32]] * 2
        assert world.accounts.loads == 0
        assert world.read_reasons()[-2:] == ["invalid_api_key"] * 2
        told = [event.facts for event in world.events.events if event.name == "api_key_refused"]
        assert all(set(facts) == {"reason"} for facts in told)

    async def test_a_key_outlives_a_rotation_of_the_secret(self, world: World) -> None:
        created = await world.make()
        rotated = world.open(secret="n" * 32, old_secrets=[OLD, SECRET])
        assert isinstance(await rotated.verify(created.text), ApiKeyVerified)
        retired = world.open(secret="n" * 32, old_secrets=[OLD])
        assert await retired.verify(created.text) == ApiKeyRefused("invalid_api_key")

    async def test_another_prefix_is_another_apps(self, world: World) -> None:
        created = await world.make()
        other = world.open(prefix="acme_live")
        assert await other.verify(created.text) == ApiKeyRefused("invalid_api_key")
        own = await other.create(ADA.id, name="CI", scopes=[], granted=set())
        assert isinstance(own, ApiKeyCreated)
        assert own.text.startswith("acme_live_")
        assert isinstance(await other.verify(own.text), ApiKeyVerified)

    async def test_bytes_are_taken_as_they_come_in_a_header(self, world: World) -> None:
        created = await world.make()
        assert isinstance(await world.keys.verify(created.text.encode()), ApiKeyVerified)


class TestLastUse:
    async def test_P50_written_once_a_minute(self, world: World) -> None:
        created = await world.make()
        start = world.clock()
        for _ in range(5):
            await world.keys.verify(created.text)
        assert world.stored.asked.count("touch") == 1
        world.clock.advance(59)
        await world.keys.verify(created.text)
        assert (await world.keys.list_for(ADA.id))[0].used_at == start  # type: ignore[index]
        world.clock.advance(1)
        await world.keys.verify(created.text)
        assert (await world.keys.list_for(ADA.id))[0].used_at == start + 60  # type: ignore[index]

    async def test_a_failing_write_turns_nobody_away(self, world: World) -> None:
        created = await world.make()
        world.stored.down = {"touch"}
        assert isinstance(await world.keys.verify(created.text), ApiKeyVerified)
        assert "api_key_not_touched" in world.events.names

    async def test_refused_keys_are_not_touched(self, world: World) -> None:
        created = await world.make()
        await world.keys.revoke(ADA.id, created.key.id)
        await world.keys.verify(created.text)
        assert "touch" not in world.stored.asked


class TestEnding:
    async def test_P50_only_by_its_own_account(self, world: World) -> None:
        created = await world.make()
        for operation in (world.keys.revoke, world.keys.delete):
            assert await operation("bob", created.key.id) is False
            assert await operation(ADA.id, "unknown") is False
        assert isinstance(await world.keys.verify(created.text), ApiKeyVerified)
        assert [entry.action for entry in world.log.entries] == ["api_key_created"]

    async def test_P50_revoked_keys_stay_in_the_list_and_deleted_ones_do_not(
        self, world: World
    ) -> None:
        first = await world.make()
        world.clock.advance(1)
        second = await world.make()
        assert await world.keys.list_for(ADA.id) == (second.key, first.key)
        assert await world.keys.revoke(ADA.id, first.key.id, actor="root") is True
        revoked = replace(first.key, revoked_at=world.clock())
        assert await world.keys.list_for(ADA.id) == (second.key, revoked)
        assert await world.keys.delete(ADA.id, second.key.id) is True
        assert await world.keys.list_for(ADA.id) == (revoked,)
        acts = [(entry.action, entry.actor, entry.target) for entry in world.log.entries[2:]]
        assert acts == [
            ("api_key_revoked", "root", first.key.id),
            ("api_key_deleted", ADA.id, second.key.id),
        ]

    async def test_P50_all_at_once(self, world: World) -> None:
        made = [await world.make() for _ in range(3)]
        await world.keys.revoke(ADA.id, made[0].key.id)
        assert await world.keys.revoke_all(ADA.id) == 2
        assert await world.keys.revoke_all(ADA.id) == 0
        for each in made:
            assert await world.keys.verify(each.text) == ApiKeyRefused("api_key_revoked")
        (entry,) = [each for each in world.log.entries if each.action == "api_keys_revoked"]
        assert (entry.target, entry.details) == (ADA.id, {"count": 2})


class TestOutage:
    @pytest.mark.parametrize(
        "operation", ["create", "load", "list_for", "revoke", "revoke_for", "delete"]
    )
    @pytest.mark.parametrize("stalls", [False, True], ids=["down", "stalled"])
    async def test_D59_fails_closed(self, operation: str, *, stalls: bool) -> None:
        world = World(store_timeout_seconds=0.01)
        await world.accounts.create(ADA)
        created = await world.make()
        world.stored.down, world.stored.stalled = {operation}, stalls
        world.log.entries.clear()
        key_id = created.key.id
        calls: dict[str, Any] = {
            "create": lambda: world.keys.create(ADA.id, name="CI", scopes=[], granted=set()),
            "load": lambda: world.keys.verify(created.text),
            "list_for": lambda: world.keys.list_for(ADA.id),
            "revoke": lambda: world.keys.revoke(ADA.id, key_id),
            "revoke_for": lambda: world.keys.revoke_all(ADA.id),
            "delete": lambda: world.keys.delete(ADA.id, key_id),
        }
        assert await calls[operation]() == ApiKeysUnavailable()
        assert world.events.names[-1] == "api_keys_unavailable"
        assert world.log.entries == []

    @pytest.mark.parametrize(
        "anyio_backend", [("trio", {"clock": MockClock(autojump_threshold=0)})], ids=["trio"]
    )
    async def test_D59_the_bound_is_the_configured_one(self) -> None:
        """On a clock that jumps over what nobody does."""
        world = World(store_timeout_seconds=7)
        await world.accounts.create(ADA)
        created = await world.make()
        world.stored.stalled = True
        before = anyio.current_time()
        assert await world.keys.verify(created.text) == ApiKeysUnavailable()
        assert anyio.current_time() - before == pytest.approx(7)

    async def test_D59_nobody_passes_while_owners_cannot_be_looked_up(self, world: World) -> None:
        created = await world.make()
        world.accounts.is_down = True
        assert await world.keys.verify(created.text) == ApiKeysUnavailable()
