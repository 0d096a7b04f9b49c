"""`asgi-security store`, against real backends: what it prints, changes and returns."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from asgi_security.__main__ import main
from asgi_security.storage.opening import open_store
from asgi_security.testing.contracts.expecting import START, build_digest, build_session
from tests.storage.postgres_servers import URL as POSTGRES_URL
from tests.storage.postgres_servers import provide_schema, run_sql
from tests.storage.redis_servers import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWORD = "s3cret-pw"

fresh_schema = pytest.fixture(provide_schema)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(params=["memory", "sqlite", "redis", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty store; that of SQLite and PostgreSQL has no tables yet."""
    match request.param:
        case "sqlite":
            return f"sqlite:///{tmp_path / 'security.db'}?timeout_seconds=20"
        case "redis":
            own = request.getfixturevalue("server").url
            return f"{own}?timeout_seconds=20&prefix={secrets.token_hex(6)}"
        case "postgres":
            schema = request.getfixturevalue("fresh_schema")
            return f"{POSTGRES_URL}?schema={schema}&timeout_seconds=20"
    return "memory://"


def has_tables(url: str) -> bool:
    return url.startswith(("sqlite", "postgres"))


def test_from_nothing_to_a_store_that_is_well(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):  # a check alone makes no tables
        assert main(["store", "check", "--url", url]) == int(has_tables(url))
        assert ("bad  tables" in capsys.readouterr().out) is has_tables(url)
    for _ in range(2):
        assert main(["store", "migrate", "--url", url]) == 0
        told = "the tables are of this version" if has_tables(url) else "nothing to migrate"
        assert told in capsys.readouterr().out
    assert main(["store", "check", "--url", url]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "all is well"
    assert "round trip" in out
    assert err == ""


def test_a_sweep_removes_what_has_expired(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    if url == "memory://":
        assert main(["store", "sweep", "--url", url]) == 0  # its rows end with the process
        assert capsys.readouterr().out == "0 rows removed\n"
        return

    async def fill() -> None:
        async with open_store(url) as store:
            for number in range(3):
                await store.sessions.create(build_session(f"{number}"), now=START)
            later = START * 2
            session = build_session("later", idle_expires_at=later, absolute_expires_at=later)
            await store.sessions.create(session, now=START)

    async def find_later() -> bool:
        async with open_store(url) as store:
            return await store.sessions.load(build_digest("later"), now=START) is not None

    asyncio.run(fill())
    for count in (3, 0):
        assert main(["store", "sweep", "--url", url]) == 0
        assert capsys.readouterr().out == f"{count} rows removed\n"
    assert asyncio.run(find_later())


def test_the_sql_of_a_file_makes_the_same_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_hand, by_us = tmp_path / "by-hand.db", tmp_path / "by-us.db"
    assert main(["store", "migrate", "--sql", "--url", f"sqlite:///{by_hand}"]) == 0
    assert not by_hand.exists()
    script = capsys.readouterr().out
    assert main(["store", "migrate", "--url", f"sqlite:///{by_us}"]) == 0
    with closing(sqlite3.connect(by_hand)) as one, closing(sqlite3.connect(by_us)) as other:
        one.executescript(script)
        assert list(one.iterdump()) == list(other.iterdump())
        for pragma in ("user_version", "application_id"):
            question = f"PRAGMA {pragma}"
            assert one.execute(question).fetchone() == other.execute(question).fetchone()


def test_the_sql_of_a_database_is_a_script_for_psql(
    fresh_schema: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{POSTGRES_URL}?schema={fresh_schema}&timeout_seconds=20"
    assert main(["store", "migrate", "--sql", "--url", url]) == 0
    script = capsys.readouterr().out
    assert asyncio.run(run_sql("SELECT to_regnamespace($1) IS NULL", fresh_schema))
    psql = shutil.which("psql")
    if psql is None:
        asyncio.run(run_sql(script))
    else:
        command = [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", POSTGRES_URL]
        ran = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stderr) == (0, "")
    assert main(["store", "check", "--url", url]) == 0


def test_the_sql_from_a_version_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["store", "migrate", "--sql", "--url", f"sqlite:///{tmp_path / 'x.db'}"]
    assert main([*asked, "--from-version", "1"]) == 0
    script = capsys.readouterr().out
    assert "CREATE TABLE throttles" in script
    assert "CREATE TABLE attempt_keys" not in script
    assert main([*asked, "--from-version", "-1"]) == 2


@pytest.mark.parametrize("known", ["memory://", "redis://h"])
def test_no_tables_no_sql(known: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "migrate", "--sql", "--url", known]) == 2
    assert "no tables" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["check", "migrate", "sweep"])
@pytest.mark.parametrize(
    "unreachable",
    [
        pytest.param(f"redis://:{PASSWORD}@127.0.0.1:1/0", id="redis"),
        pytest.param(f"postgresql://u:{PASSWORD}@127.0.0.1:1/d", id="postgres"),
        pytest.param(f"sqlite:////proc/{PASSWORD}/x.db", id="sqlite"),
    ],
)
def test_what_cannot_be_reached_is_bad(
    unreachable: str, action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if unreachable.startswith("redis") and action == "migrate":
        return  # nothing is asked of it
    assert main(["store", action, "--url", unreachable]) == 1
    out, err = capsys.readouterr()
    assert out + err
    assert PASSWORD not in out + err


def test_the_url_comes_from_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.db"
    monkeypatch.setenv("STORE_URL", f"sqlite:///{path}")
    assert main(["store", "migrate", "--url-env", "STORE_URL"]) == 0
    assert path.exists()
    monkeypatch.setenv("STORE_URL", "")
    assert main(["store", "migrate", "--url-env", "STORE_URL"]) == 2
    monkeypatch.delenv("STORE_URL")
    assert main(["store", "migrate", "--url-env", "STORE_URL"]) == 2
    err = capsys.readouterr().err
    assert "set but empty" in err
    assert "STORE_URL=<secret>: not set" in err


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([f"redis://:{PASSWORD}@h"], id="no option"),
        pytest.param(["--url", "memory://", f"redis://:{PASSWORD}@h"], id="one too many"),
        pytest.param(["--url", f"odd://:{PASSWORD}@h"], id="scheme"),
        pytest.param(["--url", f"redis://:{PASSWORD}@h/x/y?nonsense=1"], id="options"),
        pytest.param(["--url", "memory://", "--url-env", "X"], id="both"),
    ],
)
def test_a_wrong_usage_shows_no_password(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status: object = main(["store", "check", *arguments])
    except SystemExit as end:
        status = end.code
    out, err = capsys.readouterr()
    assert status == 2
    assert err
    assert PASSWORD not in out + err


LOSE = """
    CREATE FUNCTION "{schema}".lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER lose BEFORE INSERT ON "{schema}".one_time_values
        FOR EACH ROW EXECUTE FUNCTION "{schema}".lose()"""


def test_a_value_that_does_not_come_back_is_bad(
    fresh_schema: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{POSTGRES_URL}?schema={fresh_schema}&timeout_seconds=20"
    assert main(["store", "migrate", "--url", url]) == 0
    asyncio.run(run_sql(LOSE.format(schema=fresh_schema)))
    assert main(["store", "check", "--url", url]) == 1
    assert "what was put could not be taken" in capsys.readouterr().out


def test_a_server_that_takes_no_writes_is_bad(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.ask("CONFIG", "SET", "maxmemory", "1")
    try:
        assert main(["store", "check", "--url", f"{server.url}?timeout_seconds=20"]) == 1
    finally:
        server.ask("CONFIG", "SET", "maxmemory", "0")
    *_, trip, last = capsys.readouterr().out.splitlines()
    assert trip.startswith("bad  round trip")
    assert last == "1 of 9 are bad"


def test_as_a_program(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "asgi_security", "store", "migrate"]
    env = {**os.environ, "STORE_URL": f"sqlite:///{tmp_path / 'x.db'}"}
    ran = subprocess.run(
        [*command, "--url-env", "STORE_URL"], env=env, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "the tables are of this version\n", "")
