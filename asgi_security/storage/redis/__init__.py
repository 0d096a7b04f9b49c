"""The Redis backend: for many machines, through one server, Sentinels or a cluster."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING

from asgi_security.events import log_event
from asgi_security.storage.facets import FacetStore
from asgi_security.storage.redis.accounts import RedisAccounts
from asgi_security.storage.redis.addresses import read_address
from asgi_security.storage.redis.api_keys import RedisApiKeys
from asgi_security.storage.redis.attempts import RedisAttempts
from asgi_security.storage.redis.audit import RedisAudit
from asgi_security.storage.redis.dispatcher import Dispatcher
from asgi_security.storage.redis.inspecting import inspect_servers
from asgi_security.storage.redis.once import RedisOnce
from asgi_security.storage.redis.refresh import RedisRefresh
from asgi_security.storage.redis.revocations import RedisRevocations
from asgi_security.storage.redis.sessions import RedisSessions
from asgi_security.storage.redis.throttles import RedisThrottles
from asgi_security.validation import Findings

if TYPE_CHECKING:
    from typing import Unpack

    from asgi_security.events import EventSink
    from asgi_security.storage.facets import Facets
    from asgi_security.storage.inspecting import Observation

__all__ = ["RedisStore"]

_PREFIX = re.compile(r"[!-z|~]+")
"""No braces: they mark the hash tags."""


def _is_prefix(value: object) -> bool:
    return isinstance(value, str) and _PREFIX.fullmatch(value) is not None


class RedisStore(FacetStore):
    """All facets in Redis 6.2 or newer, shared by any number of processes on any machines.

    The URL is one of `redis://host/0`, `redis+sentinel://host,host/service`,
    `redis+cluster://host,host`; `rediss` in place of `redis` speaks TLS. It needs asyncio. The
    operations of all tasks of an event loop share one connection and travel in pipelines; each is
    one script or command, and takes at most `timeout_seconds`, else it raises `StorageError`.

    Every key begins with the prefix, and has an expiry unless it is of an account, an API key or
    the audit log. Attempts, sessions, revocations, accounts, API keys and the audit log each share
    one hash tag, so that an operation finds all its keys on one node of a cluster: each of these is
    carried by one node, whatever the size of the cluster. Quotas, one-time values and claims are
    spread over all nodes.

    What is acknowledged outlives a crash of the server as its `appendfsync` promises, and a
    failover as replication promises: the last writes may be lost. With `wait_replicas` a write is
    answered when so many replicas have it, and raises `StorageError` if they do not confirm in
    time, though it stands on the server.

    A server that may evict keys when it is full gives locks and revocations away: its
    `maxmemory-policy` should be `noeviction`. The event `store_may_evict` reports any other, and
    `clock_skew` a server's clock more than 2 seconds from the caller's.

    A sweep tidies the lists of sessions and of records; all else goes by its expiry.

    A facet given as a keyword takes the place of the store's own; it is neither swept nor closed.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "asgi_security",
        timeout_seconds: float = 1.0,
        wait_replicas: int = 0,
        events: EventSink = log_event,
        **facets: Unpack[Facets],
    ) -> None:
        findings = Findings("RedisStore")
        address = read_address(url, findings)
        if not _is_prefix(prefix):
            hint = "give a short name in ASCII without blanks, { or }"
            findings.add("prefix", prefix, "not a prefix for keys", hint)
        findings.check_number("timeout_seconds", timeout_seconds, minimum=0.001, maximum=3600)
        findings.check_number("wait_replicas", wait_replicas, minimum=0, integer=True)
        if find_spec("redis") is None:
            hint = "pip install 'asgi-security[redis]'"
            findings.add_secret("url", "needs redis-py, which is not installed", hint)
        findings.raise_if_any()
        self._shown = str(address)
        self._dispatcher = Dispatcher(
            address, timeout_seconds=timeout_seconds, wait_replicas=wait_replicas, events=events
        )
        start = prefix.encode()
        own = {
            "attempts": RedisAttempts(self._dispatcher, start),
            "sessions": RedisSessions(self._dispatcher, start),
            "revocations": RedisRevocations(self._dispatcher, start),
            "once": RedisOnce(self._dispatcher, start),
            "throttles": RedisThrottles(self._dispatcher, start),
            "audit": RedisAudit(self._dispatcher, start),
            "accounts": RedisAccounts(self._dispatcher, start),
            "api_keys": RedisApiKeys(self._dispatcher, start),
            "refresh": RedisRefresh(self._dispatcher, start),
        }
        # Of a cluster, keys in so many slots that every node is asked.
        spread = 64 if address.kind == "cluster" else 1
        self._probes = [b"%b:%d" % (start, number) for number in range(spread)]
        self._install(own, facets)

    def __repr__(self) -> str:
        return f"RedisStore({self._shown!r})"

    async def inspect(self, *, now: float) -> tuple[Observation, ...]:
        """Look at the servers: version, clock, durability, evictions. Nothing is changed.

        Raises:
            StorageError: They could not be reached or asked in time.
        """
        return await inspect_servers(self._dispatcher, self._probes, now)

    async def aclose(self) -> None:
        """Close all connections; an operation after that opens again."""
        await self._dispatcher.aclose()
