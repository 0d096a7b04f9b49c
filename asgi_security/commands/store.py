"""Advises: `asgi-security store`, for whoever looks after one: its tables, health and rows.

The URL may hold a password, so it is never printed; as an argument it can be seen in the list of
processes, which `--url-env NAME` avoids.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from asgi_security.clock import system_clock, system_entropy
from asgi_security.errors import ConfigError, StorageError
from asgi_security.settings import load_store_url
from asgi_security.storage.inspecting import TABLES, Inspectable, Migratable, Observation
from asgi_security.storage.opening import open_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.storage.protocols import Store

_DIGEST_BYTES = 32
_KEPT_SECONDS = 60.0

FINE, BAD, USAGE = 0, 1, 2


def add_store(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `store` and its actions to the command line."""
    store = commands.add_parser("store", help="look after a store: tables, health, expired rows")
    actions = store.add_subparsers(dest="action", required=True)
    migrate = actions.add_parser("migrate", help="bring the tables to this version")
    migrate.add_argument("--sql", action="store_true", help="print the SQL, and touch nothing")
    migrate.add_argument(
        "--from-version",
        type=int,
        default=0,
        metavar="N",
        help="with --sql: what is there, 0: nothing",
    )
    check = actions.add_parser("check", help="look at everything the store rests on")
    sweep = actions.add_parser("sweep", help="remove what has expired")
    for action in (migrate, check, sweep):
        given = action.add_mutually_exclusive_group(required=True)
        given.add_argument(
            "--url", help="sqlite:///file, redis://host/0, postgresql://host/database"
        )
        given.add_argument("--url-env", metavar="NAME", help="the variable that holds the URL")
        # Taken, and refused later: argparse would print a URL that stands without its option.
        action.add_argument("stray", nargs="*", help=argparse.SUPPRESS)


def run_store(chosen: argparse.Namespace) -> int:
    """Run one action. 0 if all is well, 1 if something is bad or failed, 2 for a wrong usage."""
    if chosen.stray:
        return _complain("give the URL with --url or --url-env, and nothing else", USAGE)
    try:
        url = chosen.url
        if url is None:
            url = load_store_url(chosen.url_env).reveal().decode()
        store = open_store(url)
    except ConfigError as error:
        return _complain(str(error), USAGE)
    if chosen.action == "migrate" and chosen.sql:
        return _print_sql(store, chosen.from_version)
    try:
        if chosen.action == "migrate":
            return asyncio.run(_migrate(store))
        if chosen.action == "check":
            return asyncio.run(_check(store))
        return asyncio.run(_sweep(store))
    except StorageError as error:
        return _complain(str(error), BAD)


def _complain(text: str, status: int) -> int:
    print(text, file=sys.stderr)
    return status


def _print_sql(store: Store, version: int) -> int:
    if not isinstance(store, Migratable):
        return _complain("this store has no tables, and so no SQL", USAGE)
    if version < 0:
        return _complain("--from-version: give 0 or more", USAGE)
    print(store.render_migrations(version=version))
    return FINE


async def _migrate(store: Store) -> int:
    async with store:
        if not isinstance(store, Migratable):
            print("nothing to migrate: this store has no tables")
            return FINE
        await store.migrate()
    print("the tables are of this version")
    return FINE


async def _sweep(store: Store) -> int:
    async with store:
        print(f"{await store.sweep(now=system_clock())} rows removed")
    return FINE


async def _check(store: Store) -> int:
    async with store:
        observations = await _observe(store)
    width = max(len(one.subject) for one in observations)
    for one in observations:
        print(f"{'bad ' if one.is_bad else 'ok  '} {one.subject:<{width}}  {one.told}")
    count = sum(one.is_bad for one in observations)
    print(f"{count} of {len(observations)} are bad" if count else "all is well")
    return BAD if count else FINE


async def _observe(store: Store) -> Sequence[Observation]:
    observations: list[Observation] = []
    try:
        if isinstance(store, Inspectable):
            observations.extend(await store.inspect(now=system_clock()))
    except StorageError as error:
        return [Observation("connection", str(error), is_bad=True)]
    if not any(one.subject == TABLES and one.is_bad for one in observations):
        observations.append(await _make_round_trip(store))  # else it would migrate
    return observations


async def _make_round_trip(store: Store) -> Observation:
    """Put a value of a moment and take it, as a request would."""
    subject = "round trip"
    digest, value, now = system_entropy(_DIGEST_BYTES), b"check", system_clock()
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    try:
        await store.once.put("check", digest, value, expires_at=now + _KEPT_SECONDS, now=now)
        found = await store.once.take("check", digest, now=now)
    except StorageError as error:
        return Observation(subject, str(error), is_bad=True)
    if found != value:
        return Observation(subject, "what was put could not be taken", is_bad=True)
    return Observation(subject, f"put and taken in {(loop.time() - began_at) * 1000:.1f} ms")
