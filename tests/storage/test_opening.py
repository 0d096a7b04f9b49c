"""A URL opens a store, or says everything that is wrong with it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from asgi_security import ConfigError, MemoryStore, SqliteStore, open_store
from asgi_security.events import discard_event
from asgi_security.storage.protocols import ThrottleRule
from asgi_security.testing.contracts.expecting import START, build_session

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("url", "path"),
    [
        pytest.param("sqlite:///security.db", "security.db", id="relative"),
        pytest.param("sqlite:///a/b.db", "a/b.db", id="relative in a folder"),
        pytest.param("sqlite:////var/lib/x.db", "/var/lib/x.db", id="absolute"),
        pytest.param("SQLITE:///a%20b%23.db?durability=normal", "a b#.db", id="escaped"),
    ],
)
def test_sqlite_paths(url: str, path: str) -> None:
    store = open_store(url)
    assert isinstance(store, SqliteStore)
    assert repr(store) == f"SqliteStore({path!r})"


@pytest.mark.anyio
async def test_options_and_facets_reach_the_store(tmp_path: Path) -> None:
    mine = MemoryStore().sessions
    async with open_store(f"sqlite:///{tmp_path}/s.db?timeout_seconds=20", sessions=mine) as store:
        assert store.sessions is mine
        await store.revocations.revoke(b"d" * 32, expires_at=START)
        assert await store.sweep(now=START) == 1
    async with open_store("memory://?max_sessions=1", max_keys=1, sessions=mine) as memory:
        assert memory.sessions is mine
        await mine.create(build_session(), now=START)
        assert await memory.sweep(now=START + 10**6) == 0, "a facet of your own is yours to sweep"


@pytest.mark.parametrize(
    ("url", "options", "expected"),
    [
        pytest.param(5, {}, {"url": "memory://"}, id="not a string"),
        pytest.param("security.db", {}, {"url": "sqlite:///security.db"}, id="no scheme"),
        pytest.param("memory://[", {}, {"url": "memory://"}, id="not parseable"),
        pytest.param("sqllite:///x.db", {}, {"url": "did you mean sqlite://?"}, id="misspelt"),
        pytest.param("mongodb://u:p4ss@h", {}, {"url": "sqlite:///"}, id="unknown scheme"),
        pytest.param(
            "redis://u:p4ss@h/0?wait_replicas=x",
            {"prefix": "{"},
            {"wait_replicas": "an integer", "prefix": "short name"},
            id="redis",
        ),
        pytest.param(
            "postgresql://u:p4ss@h/d?max_size=0",
            {"schema": "a b", "max_sizes": 1},
            {"max_size": "at least 1", "schema": "letters", "max_sizes": "did you mean max_size?"},
            id="postgresql",
        ),
        pytest.param("sqlite://x.db", {}, {"url": "three slashes", "path": "a file"}, id="slashes"),
        pytest.param("sqlite:///x.db#y", {}, {"url": "%23"}, id="fragment"),
        pytest.param("sqlite://", {}, {"path": "MemoryStore"}, id="no path"),
        pytest.param("sqlite:///:memory:", {}, {"path": "MemoryStore"}, id="in memory"),
        pytest.param("memory://name", {}, {"url": "give memory://"}, id="a name"),
        pytest.param(
            "memory://?max_key=1&max_sessions=x&max_values=0&max_revocations=1&max_revocations=1",
            {"max_revocations": 5, "timeout_seconds": 1, "zzz": "p4ss"},
            {
                "max_key": "did you mean max_keys?",
                "max_revocations": "leave",
                "max_sessions": "give an integer",
                "max_values": "at least 1",
                "timeout_seconds": "known are",
                "zzz": "known are",
            },
            id="all at once",
        ),
        pytest.param(
            "sqlite:///x.db?timeout_seconds=0&durability=ful",
            {"attempt": None},
            {"timeout_seconds": "0.001", "durability": "'full'", "attempt": "attempts"},
            id="sqlite options",
        ),
        pytest.param(
            "sqlite:///x.db?timeout_seconds=nan", {}, {"timeout_seconds": "finite"}, id="nan"
        ),
    ],
)
def test_problems(url: str, options: dict[str, object], expected: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        open_store(url, **options)
    hints = {problem.field: problem.hint for problem in caught.value.problems}
    assert hints.keys() == expected.keys()
    for name, hint in expected.items():
        assert hint in hints[name]
    assert "p4ss" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        pytest.param(
            "redis://ada:p4ss@h:1/2?timeout_seconds=2&client_name=x", "RedisStore(", id="redis"
        ),
        pytest.param("rediss+cluster://:p4ss@h:1", "RedisStore(", id="cluster"),
        pytest.param("redis+sentinel://:p4ss@h:1/service", "RedisStore(", id="sentinel"),
        pytest.param(
            "postgresql://ada:p4ss@h:1/d?schema=s&max_size=3&sslmode=require",
            "PostgresStore('postgresql://h:1/d', schema='s')",
            id="postgresql",
        ),
        pytest.param("postgres://h/d", "PostgresStore(", id="postgres"),
    ],
)
def test_remote_stores_open_without_a_connection_and_show_no_secret(url: str, shown: str) -> None:
    text = repr(open_store(url, events=discard_event))
    assert text.startswith(shown)
    assert "p4ss" not in text
    assert "ada" not in text


def test_memory_does_not_import_sqlite() -> None:
    script = (
        "import sys; from asgi_security import open_store; open_store('memory://');"
        "raise SystemExit('sqlite3' in sys.modules or 'anyio' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.anyio
async def test_throttles_by_url() -> None:
    async with open_store("memory://?max_throttles=1") as store:
        rule = ThrottleRule(1, 60.0)
        assert (await store.throttles.take(b"a", rule, now=START)).admitted
        assert not (await store.throttles.take(b"b", rule, now=START)).admitted, "it is full"
    mine = MemoryStore().throttles
    assert open_store("sqlite:///x.db", throttles=mine).throttles is mine
