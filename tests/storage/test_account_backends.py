"""Accounts and API keys: what no contract can say of one backend."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
import redis

from asgi_security.errors import ConfigError, StorageError
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.opening import open_store
from asgi_security.storage.protocols import (
    AccountCreated,
    AccountGone,
    IdentityTaken,
    NameTaken,
    Unlinked,
)
from asgi_security.storage.sqlite import SqliteStore
from asgi_security.testing.contracts.api_keys import build_key
from asgi_security.testing.contracts.expecting import (
    START,
    build_factor,
    build_identity,
    build_user,
)
from tests.storage import postgres_servers, redis_servers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from asgi_security.storage.protocols import Store

pytestmark = pytest.mark.anyio

store = pytest.fixture(postgres_servers.provide_store)

ADA = build_user("ada")
IDENTITY = build_identity("ada")
PLACE = (IDENTITY.issuer, IDENTITY.subject)
KEY = build_key()

OPERATIONS: tuple[tuple[str, Callable[[Store], Awaitable[object]]], ...] = (
    ("create", lambda store: store.accounts.create(ADA, identity=IDENTITY)),
    ("load", lambda store: store.accounts.load(ADA.id)),
    ("find", lambda store: store.accounts.find(ADA.name)),
    ("save", lambda store: store.accounts.save(ADA)),
    ("link", lambda store: store.accounts.link(IDENTITY)),
    ("find_identity", lambda store: store.accounts.find_identity(*PLACE)),
    ("list_identities", lambda store: store.accounts.list_identities(ADA.id)),
    (
        "replace_factors",
        lambda store: store.accounts.replace_factors(ADA.id, "totp", [build_factor(ADA.id)]),
    ),
    ("list_factors", lambda store: store.accounts.list_factors(ADA.id)),
    ("advance_factor", lambda store: store.accounts.advance_factor(ADA.id, "totp", "phone", 5)),
    ("delete_factor", lambda store: store.accounts.delete_factor(ADA.id, "totp", "phone")),
    ("unlink", lambda store: store.accounts.unlink(ADA.id, *PLACE)),
    ("create_key", lambda store: store.api_keys.create(KEY)),
    ("load_key", lambda store: store.api_keys.load(KEY.id)),
    ("touch_key", lambda store: store.api_keys.touch(KEY.id, used_at=START)),
    ("list_keys", lambda store: store.api_keys.list_for("ada")),
    ("revoke_key", lambda store: store.api_keys.revoke("ada", KEY.id, now=START)),
    ("revoke_keys", lambda store: store.api_keys.revoke_for("ada", now=START)),
    ("delete_key", lambda store: store.api_keys.delete("ada", KEY.id)),
    ("delete", lambda store: store.accounts.delete(ADA.id)),
)


async def count_trips(store: Store, read_count: Callable[[], int]) -> dict[str, int]:
    """Return the trips of each operation, in their second turn: by then everything is known."""
    counts: dict[str, int] = {}
    for _ in range(2):
        for name, operation in OPERATIONS:
            before = read_count()
            await operation(store)
            counts[name] = read_count() - before
    return counts


class TestOnAsyncio:
    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"  # the drivers need it

    async def test_D61_one_trip_for_each_operation_of_redis(self, prefix: str) -> None:
        async with (
            redis_servers.Proxy.to(redis_servers.URL) as proxy,
            redis_servers.open_redis(proxy.url, prefix) as store,
        ):
            counts = await count_trips(store, lambda: len(proxy.chunks))
        assert counts == dict.fromkeys(counts, 1)

    async def test_D61_one_trip_for_each_operation_of_postgres(
        self, schema: str, anyio_backend: str
    ) -> None:
        await postgres_servers.empty(schema, migrate=True)
        async with (
            postgres_servers.Proxy() as proxy,
            open_store(proxy.url, schema=schema, timeout_seconds=20) as store,
        ):
            counts = await count_trips(store, lambda: proxy.round_trips)
        assert counts == dict.fromkeys(counts, 1)

    async def test_in_redis_nothing_of_them_expires_or_is_left_behind(self, prefix: str) -> None:
        with redis.Redis.from_url(redis_servers.URL) as raw:
            async with redis_servers.open_redis(redis_servers.URL, prefix) as store:
                await store.accounts.create(ADA, identity=IDENTITY)
                await store.accounts.replace_factors(ADA.id, "totp", [build_factor(ADA.id)])
                await store.accounts.save(replace(ADA, name="grace"))
                await store.api_keys.create(KEY)
                await store.sweep(now=START + 1e9)
                names = list(raw.scan_iter(f"*{prefix}*"))
                assert {raw.ttl(name) for name in names} == {-1}
                tags = {b"{%b:%b}" % (prefix.encode(), tag) for tag in (b"accounts", b"api_keys")}
                assert {name.partition(b"}")[0] + b"}" for name in names} == tags
                await store.accounts.delete(ADA.id)
                await store.api_keys.delete(KEY.account, KEY.id)
                assert list(raw.scan_iter(f"*{prefix}*")) == []

    async def test_in_postgres_nothing_outlives_an_account(self, schema: str, store: Store) -> None:
        await store.accounts.create(ADA, identity=IDENTITY)
        await store.accounts.replace_factors(ADA.id, "totp", [build_factor(ADA.id)])
        await store.accounts.delete(ADA.id)
        for table in ("account_factors", "account_identities"):
            answer = await postgres_servers.run_sql(f'DELETE FROM "{schema}".{table}')  # noqa: S608
            assert answer == "DELETE 0"


async def wait_for_a_lock(schema: str) -> None:
    """Return as soon as a statement of that schema waits for another's lock."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1"
    )
    with anyio.fail_after(20):
        while not await postgres_servers.run_sql(waiting, f"%{schema}%"):
            continue


class TestPostgresRaces:
    """What happens when another transaction commits after this one has looked."""

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    async def meet(
        self, schema: str, other: str, operation: Callable[[], Awaitable[object]]
    ) -> object:
        """Run an operation while `other` is open, and commit that when the two have met."""
        answers: list[object] = []

        async def run() -> None:
            answers.append(await operation())

        connection = await postgres_servers.asyncpg.connect(postgres_servers.URL)
        try:
            async with connection.transaction():
                await connection.execute(other.replace("{schema}", f'"{schema}"'))
                async with anyio.create_task_group() as group:
                    group.start_soon(run)
                    await wait_for_a_lock(schema)
                    await connection.execute("COMMIT")
                    await connection.execute("BEGIN")
        finally:
            await connection.close()
        return answers[0]

    async def test_P51_a_name_that_is_taken_meanwhile(self, schema: str, store: Store) -> None:
        await store.accounts.create(ADA)
        await store.accounts.create(build_user("bob"))
        taking = "UPDATE {schema}.accounts SET name = 'new' WHERE name = 'bob'"
        renamed = replace(ADA, name="new")
        answer = await self.meet(schema, taking, lambda: store.accounts.save(renamed))
        assert answer == NameTaken()
        assert await store.accounts.load(ADA.id) == ADA

    async def test_P51_a_name_that_is_registered_meanwhile(self, schema: str, store: Store) -> None:
        await store.accounts.create(build_user("bob"))
        taking = "UPDATE {schema}.accounts SET name = 'ada' WHERE name = 'bob'"
        create = partial(store.accounts.create, ADA, identity=IDENTITY)
        assert await self.meet(schema, taking, create) == NameTaken()
        assert await store.accounts.find_identity(*PLACE) is None

    async def test_X113_an_identity_that_is_linked_meanwhile(
        self, schema: str, store: Store
    ) -> None:
        bob = build_user("bob")
        await store.accounts.create(bob)
        linking = f"""INSERT INTO {{schema}}.account_identities
            VALUES ('{PLACE[0]}', '{PLACE[1]}', '{bob.id}', 0, '')"""  # noqa: S608
        create = partial(store.accounts.create, ADA, identity=IDENTITY)
        assert await self.meet(schema, linking, create) == IdentityTaken(bob.id)
        assert await store.accounts.load(ADA.id) is None
        assert await store.accounts.create(ADA) == AccountCreated()
        await store.accounts.unlink(bob.id, *PLACE)
        link = partial(store.accounts.link, IDENTITY)
        assert await self.meet(schema, linking, link) == IdentityTaken(bob.id)

    async def test_P52_an_account_that_is_deleted_meanwhile(
        self, schema: str, store: Store
    ) -> None:
        factors = [build_factor(ADA.id)]
        operations: list[tuple[object, Callable[[], Awaitable[object]]]] = [
            (AccountGone(), lambda: store.accounts.save(ADA)),
            (AccountGone(), lambda: store.accounts.link(build_identity("ada", subject="new"))),
            (False, lambda: store.accounts.replace_factors(ADA.id, "totp", factors)),
            (False, lambda: store.accounts.advance_factor(ADA.id, "totp", "phone", 9)),
            (False, lambda: store.accounts.delete_factor(ADA.id, "totp", "phone")),
            (Unlinked(), lambda: store.accounts.unlink(ADA.id, *PLACE, leave=1)),
        ]
        for wanted, operation in operations:
            await store.accounts.create(ADA, identity=IDENTITY)
            await store.accounts.replace_factors(ADA.id, "totp", factors)
            assert await self.meet(schema, "DELETE FROM {schema}.accounts", operation) == wanted
            assert await store.accounts.list_factors(ADA.id) == ()
            assert await store.accounts.list_identities(ADA.id) == ()


@pytest.mark.parametrize("text", ["\0", "\ud800"])
async def test_text_that_no_database_takes_is_a_storage_error(
    text: str, tmp_path: Path, anyio_backend: str
) -> None:
    urls = ["memory://", f"sqlite:///{tmp_path}/security.db?timeout_seconds=20"]
    for url in urls:
        async with open_store(url) as store:
            try:
                await store.accounts.create(replace(ADA, name=text))
                found = await store.accounts.find(text)
            except StorageError:
                continue
            assert found is not None


async def test_in_memory_no_account_ever_makes_room(anyio_backend: str) -> None:
    store = MemoryStore(max_accounts=2, max_api_keys=2)
    for name in ("ada", "bob"):
        await store.accounts.create(build_user(name))
        await store.api_keys.create(build_key(name))
    with pytest.raises(StorageError, match="2 accounts"):
        await store.accounts.create(build_user("eve"), identity=build_identity("eve"))
    with pytest.raises(StorageError, match="2 API keys"):
        await store.api_keys.create(build_key("eve"))
    eve = build_identity("eve")
    assert await store.accounts.find("eve") is None
    assert await store.accounts.find_identity(eve.issuer, eve.subject) is None
    assert await store.api_keys.load("eve") is None
    for name in ("ada", "bob"):
        await store.accounts.create(build_user(name))  # the same again needs no room
        await store.api_keys.create(build_key(name))
        assert await store.accounts.find(name) == build_user(name)
    await store.accounts.delete(ADA.id)
    await store.accounts.create(build_user("eve"))
    await store.api_keys.delete("ada", "bob")
    await store.api_keys.create(build_key("eve"))


async def test_limits_come_from_a_url_and_are_checked(anyio_backend: str) -> None:
    async with open_store("memory://?max_accounts=1&max_api_keys=1") as store:
        await store.accounts.create(ADA)
        with pytest.raises(StorageError):
            await store.accounts.create(build_user("bob"))
    with pytest.raises(ConfigError) as caught:
        MemoryStore(max_accounts=0, max_api_keys=0)
    assert [each.field for each in caught.value.problems] == ["max_accounts", "max_api_keys"]


async def test_accounts_survive_the_process_in_sqlite(tmp_path: Path, anyio_backend: str) -> None:
    for _ in range(2):
        async with SqliteStore(tmp_path / "security.db", timeout_seconds=20) as store:
            await store.accounts.create(ADA, identity=IDENTITY)
            await store.api_keys.create(KEY)
            assert await store.accounts.find_identity(*PLACE) == IDENTITY
            assert await store.api_keys.list_for("ada") == (KEY,)
