"""The Redis backend: for many machines, through one server, Sentinels or a cluster."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING

from asgi_security.events import log_event
from asgi_security.storage.closing import Closing
from asgi_security.storage.redis.addresses import read_address
from asgi_security.storage.redis.attempts import RedisAttempts
from asgi_security.storage.redis.dispatcher import Dispatcher
from asgi_security.storage.redis.once import RedisOnce
from asgi_security.storage.redis.revocations import RedisRevocations
from asgi_security.storage.redis.sessions import RedisSessions
from asgi_security.storage.redis.throttles import RedisThrottles
from asgi_security.validation import Findings

if TYPE_CHECKING:
    from asgi_security.events import EventSink
    from asgi_security.storage.protocols import (
        AttemptStore,
        OneTimeStore,
        RevocationStore,
        SessionStore,
    )
    from asgi_security.storage.protocols.throttle import ThrottleStore

__all__ = ["RedisStore"]

SWEEP_BATCH = 500

_PREFIX = re.compile(r"[!-z|~]+")
"""No braces: they mark the hash tags."""


def _is_prefix(value: object) -> bool:
    return isinstance(value, str) and _PREFIX.fullmatch(value) is not None


class RedisStore(Closing):
    """All facets in Redis 6.2 or newer, shared by any number of processes on any machines.

    The URL is one of `redis://host/0`, `redis+sentinel://host,host/service`,
    `redis+cluster://host,host`; `rediss` in place of `redis` speaks TLS. It needs asyncio. The
    operations of all tasks of an event loop share one connection and travel in pipelines; each is
    one script or command, and takes at most `timeout_seconds`, else it raises `StorageError`.

    Every key begins with the prefix and has an expiry. Attempts, sessions and revocations each
    share one hash tag, so that an operation finds all its keys on one node of a cluster: each of
    the three is carried by one node, whatever the size of the cluster. Quotas, one-time values and
    claims are spread over all nodes.

    What is acknowledged outlives a crash of the server as its `appendfsync` promises, and a
    failover as replication promises: the last writes may be lost. With `wait_replicas` a write is
    answered when so many replicas have it, and raises `StorageError` if they do not confirm in
    time, though it stands on the server.

    A server that may evict keys when it is full gives locks and revocations away: its
    `maxmemory-policy` should be `noeviction`. The event `store_may_evict` reports any other, and
    `clock_skew` a server's clock more than 2 seconds from the caller's.

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
        attempts: AttemptStore | None = None,
        revocations: RevocationStore | None = None,
        sessions: SessionStore | None = None,
        once: OneTimeStore | None = None,
        throttles: ThrottleStore | None = None,
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
        own_attempts = RedisAttempts(self._dispatcher, start)
        own_sessions = RedisSessions(self._dispatcher, start)
        self._own = (own_attempts, own_sessions)
        own_revocations = RedisRevocations(self._dispatcher, start)
        own_once = RedisOnce(self._dispatcher, start)
        own_throttles = RedisThrottles(self._dispatcher, start)
        self.attempts: AttemptStore = own_attempts if attempts is None else attempts
        self.revocations: RevocationStore = own_revocations if revocations is None else revocations
        self.sessions: SessionStore = own_sessions if sessions is None else sessions
        self.once: OneTimeStore = own_once if once is None else once
        self.throttles: ThrottleStore = own_throttles if throttles is None else throttles

    def __repr__(self) -> str:
        return f"RedisStore({self._shown!r})"

    async def sweep(self, *, now: float) -> int:
        """Tidy the lists of sessions and of records, 500 at once; all else goes by its expiry."""
        total = 0
        for facet in self._own:
            while removed := await facet.sweep(now, SWEEP_BATCH):
                total += removed
        return total

    async def aclose(self) -> None:
        """Close all connections; an operation after that opens again."""
        await self._dispatcher.aclose()
