"""An empty store of every backend, for the tests that are told on all of them.

`tests/conftest.py` makes the fixtures `place` and `store` of what is here; `on` marks a test with
the backends that they are of. The servers are those of `redis_servers` and `postgres_servers`,
asked for by the tests of these two alone: these skip, or fail in CI, where one is missing.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.events import discard_event
from asgi_security.storage.opening import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
    from typing import Self

    from asgi_security.storage.protocols import Store

LOOPS: Mapping[str, tuple[str, ...]] = {
    "memory": ("asyncio", "trio"),
    "sqlite": ("asyncio", "trio"),
    "redis": ("asyncio",),
    "postgres": ("asyncio",),
}
"""The event loops that each backend runs on: those of its driver."""

ALL = tuple(LOOPS)
SHARED = ("sqlite", "redis", "postgres")
"""Those that several processes can use at once."""

SECONDS = 30.0
"""The bound of every operation: a slow machine is no failure."""

_SERVED = ("redis", "postgres")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a store of one's own is, and what it is opened with, in this process or another."""

    backend: str
    url: str
    options: dict[str, Any]

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls(**json.loads(text))

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @property
    def path(self) -> Path:
        """The file of a store of SQLite."""
        return Path(self.url.removeprefix("sqlite:///"))

    def open(self, **options: Any) -> Store:
        """Return the store, with other options where they are given."""
        quiet = {"events": discard_event} if self.backend in _SERVED else {}
        return open_store(self.url, **{**quiet, **self.options, **options})


def use_asyncio() -> str:
    """Return the one loop of tests whose drivers, or whose own means, run on no other."""
    return "asyncio"


def on(*backends: str) -> pytest.MarkDecorator:
    """Run tests that ask for a place or its store on these, and on every loop of each."""
    return pytest.mark.parametrize(
        ("place", "anyio_backend"),
        [
            pytest.param(backend, loop, id=f"{backend}-{loop}")
            for backend in backends
            for loop in LOOPS[backend]
        ],
        indirect=["place"],
    )


def provide_place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """Yield an empty place of the backend that is the parameter; PostgreSQL has its tables."""
    folder = tmp_path_factory.mktemp("store")
    if request.param == "redis":
        from tests.storage.redis_servers import fresh_prefix  # noqa: PLC0415 -- with the extra

        with fresh_prefix() as prefix:
            yield find_place("redis", folder, prefix)
    elif request.param == "postgres":
        schema = request.getfixturevalue("schema")
        from tests.storage.postgres_servers import empty  # noqa: PLC0415 -- with the extra

        asyncio.run(empty(schema, migrate=True))
        yield find_place("postgres", folder, schema)
    else:
        yield find_place(request.param, folder)


async def provide_store(place: Place, anyio_backend: str) -> AsyncIterator[Store]:
    """Yield the store of the place, open."""
    async with place.open() as store:
        yield store


def find_place(backend: str, folder: Path, own: str = "") -> Place:
    """Say where a store is: in a folder, or at the tests' server under a name of its own."""
    if backend == "memory":
        return Place(backend, "memory://", {})
    options: dict[str, Any] = {"timeout_seconds": SECONDS}
    if backend == "sqlite":
        url = f"sqlite:///{folder / 'security.db'}"
        return Place(backend, url, {**options, "durability": "normal"})
    if backend == "redis":
        from tests.storage import redis_servers  # noqa: PLC0415 -- with the extra

        return Place(backend, redis_servers.URL, {**options, "prefix": own})
    from tests.storage import postgres_servers  # noqa: PLC0415 -- with the extra

    return Place(backend, postgres_servers.URL, {**options, "schema": own})


class Servers:
    """What there is to compare: memory, files, and the servers that are there."""

    def __init__(self, prefix: str, schema: str) -> None:
        self._prefix = prefix
        self._schema = schema
        self._numbers = count()

    @asynccontextmanager
    async def open_all(self) -> AsyncIterator[Sequence[Store]]:
        """Open an empty store of each backend, memory first."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            places = [find_place("memory", folder), find_place("sqlite", folder)]
            if self._prefix:
                own = f"{self._prefix}-{next(self._numbers)}"
                places.append(find_place("redis", folder, own))
            if self._schema:
                from tests.storage.postgres_servers import empty  # noqa: PLC0415 -- with the extra

                await empty(self._schema)
                places.append(find_place("postgres", folder, self._schema))
            async with AsyncExitStack() as stack:
                yield [await stack.enter_async_context(place.open()) for place in places]


def provide_servers() -> Iterator[Servers]:
    """Yield those of a module; one that is missing is left out, except in CI, where it fails."""
    prefix = schema = ""
    with ExitStack() as stack:
        with suppress(pytest.skip.Exception):
            from tests.storage.redis_servers import fresh_prefix  # noqa: PLC0415 -- with the extra

            prefix = stack.enter_context(fresh_prefix())
        with suppress(pytest.skip.Exception):
            from tests.storage import postgres_servers  # noqa: PLC0415 -- with the extra

            schema = stack.enter_context(contextmanager(postgres_servers.provide_schema)())
            asyncio.run(postgres_servers.empty(schema, migrate=True))
        yield Servers(prefix, schema)
