"""Looks at servers: their version, their clock, and what they do to keep what they were told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from asgi_security.errors import StorageError
from asgi_security.storage.inspecting import Observation, observe_clock, observe_settings
from asgi_security.storage.redis.commands import Command

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from asgi_security.storage.redis.dispatcher import Dispatcher

_LEAST_VERSION = (6, 2)
_NO_WRITES = "it takes no writes; see the server's log"
_WANTED = (
    ("role", ("master",), "a replica takes no writes"),
    ("maxmemory_policy", ("noeviction",), "locks and revocations may be evicted"),
    ("appendfsync", ("everysec", "always"), "the last writes before a crash of its machine go"),
    ("rdb_last_bgsave_status", ("ok",), _NO_WRITES),
    ("aof_last_write_status", ("ok",), _NO_WRITES),
)


async def inspect_servers(
    dispatcher: Dispatcher, keys: Iterable[bytes], now: float
) -> tuple[Observation, ...]:
    """Look at the servers that hold these keys, each once.

    Raises:
        StorageError: One could not be reached or asked in time.
    """
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    servers: dict[str, list[Observation]] = {}
    for key in keys:
        facts = await dispatcher.run(_build_question(key, b"INFO"), _read_facts)
        if facts["run_id"] in servers:
            continue
        asked_at = loop.time()
        ahead = await dispatcher.run(_build_question(key, b"TIME"), _read_time)
        ahead -= now + (asked_at - began_at)
        clock = observe_clock(ahead, loop.time() - asked_at)
        facts |= await _find_fsync(dispatcher, key, facts)
        observations = [_observe_server(facts), clock, _observe_durability(facts)]
        servers[facts["run_id"]] = [*observations, *observe_settings(facts, _WANTED)]
    if len(servers) == 1:
        return tuple(next(iter(servers.values())))
    return tuple(
        Observation(f"node {number}: {one.subject}", one.told, one.is_bad)
        for number, observations in enumerate(servers.values(), 1)
        for one in observations
    )


async def _find_fsync(
    dispatcher: Dispatcher, key: bytes, facts: Mapping[str, str]
) -> dict[str, str]:
    if facts.get("aof_enabled") != "1":
        return {}
    question = _build_question(key, b"CONFIG", b"GET", b"appendfsync")
    try:
        name, value = await dispatcher.run(question, _read_setting)
    except StorageError:
        return {}  # hosted ones often do not tell
    return {name: value}


def _build_question(key: bytes, *parts: bytes) -> Command:
    return Command(parts, key, is_repeatable=True, writes=False)


def _read_facts(reply: bytes) -> dict[str, str]:
    pairs = [line.partition(":") for line in reply.decode("latin-1").splitlines()]
    facts = {name: value for name, separator, value in pairs if separator}
    if "run_id" not in facts:
        raise ValueError("not what INFO answers")
    return facts


def _read_time(reply: Sequence[bytes]) -> float:
    seconds, microseconds = reply
    return int(seconds) + int(microseconds) / 1e6


def _read_setting(reply: Sequence[bytes]) -> tuple[str, str]:
    name, value = reply
    return name.decode(), value.decode("latin-1")


def _observe_server(facts: Mapping[str, str]) -> Observation:
    version = facts.get("redis_version", "0")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if numbers < _LEAST_VERSION:
        return Observation("server", f"Redis {version}; 6.2 or later is needed", is_bad=True)
    return Observation("server", f"Redis {version}")


def _observe_durability(facts: Mapping[str, str]) -> Observation:
    if facts.get("aof_enabled") == "1":
        return Observation("durability", "append-only file")
    replicas = facts.get("connected_slaves", "0")
    told = f"no append-only file, {replicas} replicas"
    if replicas == "0":
        told += "; a restart forgets locks and revocations; set appendonly to yes"
        return Observation("durability", told, is_bad=True)
    return Observation("durability", told)
