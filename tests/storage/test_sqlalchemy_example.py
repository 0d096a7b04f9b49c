"""The store that an app brings, `docs/examples/sqlalchemy_accounts.py`, keeps its contracts."""

from __future__ import annotations

import importlib.util
import secrets
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("aiosqlite", reason="pip install 'asgi-security[test]'")
pytest.importorskip("asyncpg", reason="pip install 'asgi-security[postgres]'")

from sqlalchemy import event
from sqlalchemy.ext.asyncio import async_sessionmaker

from asgi_security.errors import StorageError
from asgi_security.flows.api_keys import ApiKeyCreated, ApiKeys, ApiKeyVerified
from asgi_security.policy.api_keys import ApiKeyConfig
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.opening import open_store
from asgi_security.testing.contracts import AccountContract, OneTimeContract
from asgi_security.testing.contracts.expecting import START, build_user
from tests.package_source import ROOT
from tests.storage.backends import use_asyncio
from tests.storage.postgres_servers import URL, run_sql

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from types import ModuleType

    from sqlalchemy.ext.asyncio import AsyncEngine

    from asgi_security.storage.protocols import Store

pytestmark = pytest.mark.anyio
anyio_backend = pytest.fixture(use_asyncio)  # SQLAlchemy runs on nothing else


def load_example() -> ModuleType:
    path = ROOT / "docs" / "examples" / "sqlalchemy_accounts.py"
    spec = importlib.util.spec_from_file_location("sqlalchemy_accounts", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


EXAMPLE: Any = load_example()


def forgo_durability(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture(params=["sqlite", "postgres"])
async def engine(
    request: pytest.FixtureRequest, tmp_path: Path, schema: str, anyio_backend: str
) -> AsyncIterator[AsyncEngine]:
    if request.param == "sqlite":
        options = {"connect_args": {"timeout": 20}}
        engine = EXAMPLE.open_engine(f"sqlite+aiosqlite:///{tmp_path}/app.db", **options)
        event.listen(engine.sync_engine, "connect", forgo_durability)
    else:
        own = f"{schema}_{secrets.token_hex(3)}"
        await run_sql(f'CREATE SCHEMA "{own}"')
        settings = {"server_settings": {"search_path": own, "synchronous_commit": "off"}}
        url = URL.replace("postgresql://", "postgresql+asyncpg://")
        engine = EXAMPLE.open_engine(url, connect_args=settings)
    async with engine.begin() as connection:
        await connection.run_sync(EXAMPLE.Base.metadata.create_all)
    yield engine
    await engine.dispose()
    if request.param == "postgres":
        await run_sql(f'DROP SCHEMA "{own}" CASCADE')


@pytest.fixture
def store(engine: AsyncEngine) -> Store:
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    return MemoryStore(accounts=EXAMPLE.OwnAccounts(sessions), once=EXAMPLE.OwnOnce(sessions))


class TestAccounts(AccountContract): ...


class TestOneTime(OneTimeContract): ...


async def test_the_apps_own_columns_stay_the_apps(engine: AsyncEngine, store: Store) -> None:
    ada = build_user("ada")
    await store.accounts.create(ada)
    users = EXAMPLE.User.__table__
    async with engine.begin() as connection:
        await connection.execute(users.update().values(full_name="Ada Lovelace"))
    await store.accounts.save(ada)
    async with engine.begin() as connection:
        names = (await connection.execute(users.select())).mappings().all()
    assert [row["full_name"] for row in names] == ["Ada Lovelace"]


async def test_what_is_brought_takes_its_place_in_a_store(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    """API keys in the store's own table, for accounts in the app's."""
    accounts = EXAMPLE.OwnAccounts(async_sessionmaker(engine, expire_on_commit=False))
    url = f"sqlite:///{tmp_path}/security.db?timeout_seconds=20"
    async with open_store(url, accounts=accounts) as store:
        ada = build_user("ada")
        await store.accounts.create(ada)
        keys = ApiKeys(ApiKeyConfig(secret="s" * 32, store_timeout_seconds=20), store)
        made = await keys.create(ada.id, name="CI", scopes=[], granted=set())
        assert isinstance(made, ApiKeyCreated)
        assert isinstance(await keys.verify(made.text), ApiKeyVerified)


async def test_a_sweep_takes_what_has_expired(engine: AsyncEngine) -> None:
    once = EXAMPLE.OwnOnce(async_sessionmaker(engine, expire_on_commit=False))
    await once.put("k", b"old", b"v", expires_at=START, now=START - 1)
    await once.put("k", b"new", b"v", expires_at=START + 1, now=START - 1)
    await once.sweep(now=START)
    async with engine.begin() as connection:
        rows = (await connection.execute(EXAMPLE.OneTimeValue.__table__.select())).all()
    assert len(rows) == 1
    assert await once.take("k", b"new", now=START) == b"v"


@pytest.mark.parametrize("text", ["\ud800", "\0"])
async def test_only_a_storage_error_comes_out(store: Store, text: str) -> None:
    found: object = None
    with suppress(StorageError):  # SQLite stores a NUL
        found = await store.accounts.find(text)
    assert found is None


async def test_an_unreachable_database_is_a_storage_error() -> None:
    engine = EXAMPLE.open_engine("postgresql+asyncpg://root@127.0.0.1:1/none")
    accounts = EXAMPLE.OwnAccounts(async_sessionmaker(engine))
    with pytest.raises(StorageError):
        await accounts.find("ada")
    await engine.dispose()
