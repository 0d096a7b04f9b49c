"""From an address to lanes: one to a server, or one to each node of a cluster that is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from asgi_security.errors import StorageError
from asgi_security.storage.redis.lane import Lane

if TYPE_CHECKING:
    from redis.asyncio.cluster import ClusterNode, RedisCluster
    from redis.asyncio.connection import AbstractConnection

    from asgi_security.storage.redis.addresses import Address
    from asgi_security.storage.redis.lane import Call


class Route(Protocol):
    """The way to the servers, within one event loop."""

    async def find_lane(self, key: bytes) -> Lane:
        """Return the lane to the server that holds a key."""
        ...

    async def follow(self, call: Call, reply: Exception) -> Any:
        """Return the reply of a call that was refused by `reply`, if it belongs elsewhere."""
        ...

    def doubt(self) -> None:
        """Look anew where the servers are, since one has failed."""
        ...

    async def aclose(self) -> None:
        """Close all lanes."""
        ...


class ServerRoute:
    """One server, or the primary that Sentinels name whenever a connection is made."""

    def __init__(
        self, address: Address, timeout_seconds: float, wait: tuple[int, int] | None
    ) -> None:
        self._sentinels: Any = None
        if address.kind == "sentinel":
            make = self._watch(address, timeout_seconds)
        else:
            make = _build_connector(address)
        self.lane = Lane(make, wait=wait)

    async def find_lane(self, key: bytes) -> Lane:
        """Return the only lane."""
        del key
        return self.lane

    async def follow(self, call: Call, reply: Exception) -> Any:
        """Return the refusal itself."""
        del call
        return reply

    def doubt(self) -> None:
        """Do nothing: every new connection looks."""

    async def aclose(self) -> None:
        """Close the lane, and the connections to Sentinels."""
        await self.lane.aclose()
        if self._sentinels is not None:
            for client in self._sentinels.sentinels:
                await client.aclose()

    def _watch(self, address: Address, timeout_seconds: float) -> Any:
        from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool  # noqa: PLC0415

        share = _share_bound(address, timeout_seconds)
        options = _build_options(address)
        shared = [name for name in options if name.startswith("ssl_") or name == "retry"]
        sentinel_options = {
            **{name: options[name] for name in shared},
            "ssl": address.has_tls,
            "socket_timeout": share,
            "socket_connect_timeout": share,
            **address.sentinel_options,
        }
        sentinels: Any = Sentinel
        self._sentinels = sentinels(list(address.hosts), sentinel_kwargs=sentinel_options)
        # The pool is only asked to make connections, which ask it for the primary.
        pool: Any = SentinelConnectionPool
        self._pool = pool(
            address.service, self._sentinels, ssl=address.has_tls, db=address.db, **options
        )
        return self._pool.make_connection


class ClusterRoute:
    """A cluster: the driver knows which node holds a slot, a lane leads to each."""

    def __init__(
        self, address: Address, timeout_seconds: float, wait: tuple[int, int] | None
    ) -> None:
        self._address = address
        self._timeout_seconds = timeout_seconds
        self._wait = wait
        self._client: RedisCluster | None = None
        self._is_doubtful = False
        self._lanes: dict[str, Lane] = {}

    async def find_lane(self, key: bytes) -> Lane:
        """Return the lane to the node that holds the key's slot."""
        client = await self._find_client()
        node: ClusterNode | None = client.get_node_from_key(key.decode("latin-1"))
        if node is None:
            raise StorageError("no node of the Redis cluster holds this key")
        lane = self._lanes.get(node.name)
        if lane is None:
            kind = node.connection_class
            options = {**node.connection_kwargs, **_UNBOUNDED}

            def make() -> AbstractConnection:
                return kind(**options)

            lane = self._lanes[node.name] = Lane(make, wait=self._wait)
        return lane

    async def follow(self, call: Call, reply: Exception) -> Any:
        """Let the driver carry out a call that was refused because its slot has moved."""
        from redis.exceptions import (  # noqa: PLC0415 -- an extra
            AskError,
            ClusterDownError,
            MovedError,
            ReadOnlyError,
            RedisError,
            ResponseError,
            TryAgainError,
        )

        if isinstance(reply, (MovedError, AskError, TryAgainError, ClusterDownError)):
            client = await self._find_client()
            try:
                return await client.execute_command("EVAL", *call.command.as_script())
            except RedisError as error:
                reply = error
        if not isinstance(reply, ResponseError) or isinstance(reply, ReadOnlyError):
            self.doubt()
        return reply

    def doubt(self) -> None:
        """Ask which node holds what, before the next operation."""
        self._is_doubtful = True

    async def aclose(self) -> None:
        """Close all lanes and the driver."""
        lanes, self._lanes = self._lanes, {}
        for lane in lanes.values():
            await lane.aclose()
        await self._forget_client()

    async def _find_client(self) -> RedisCluster:
        if self._is_doubtful:
            self._is_doubtful = False
            await self._forget_client()
        if self._client is None:
            from redis.asyncio.cluster import ClusterNode, RedisCluster  # noqa: PLC0415

            share = _share_bound(self._address, self._timeout_seconds)
            options = _build_options(self._address)
            options |= {"socket_timeout": share, "socket_connect_timeout": share}
            nodes = [ClusterNode(host, port) for host, port in self._address.hosts]
            self._client = RedisCluster(startup_nodes=nodes, ssl=self._address.has_tls, **options)
        return await self._client.initialize()

    async def _forget_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


_UNBOUNDED = {"socket_timeout": None, "socket_connect_timeout": None}
"""A lane has bounds of its own, and reads also while no reply is due."""


def _share_bound(address: Address, timeout_seconds: float) -> float:
    """Return how long one of several servers may be silent, lest it use up the whole bound."""
    return timeout_seconds / (len(address.hosts) + 1)


def _build_connector(address: Address) -> Any:
    from redis.asyncio.connection import Connection, SSLConnection  # noqa: PLC0415

    ((host, port),) = address.hosts
    options = {**_build_options(address), "host": host, "port": port, "db": address.db}
    return lambda: (SSLConnection if address.has_tls else Connection)(**options)


def _build_options(address: Address) -> dict[str, Any]:
    """Return the driver's keywords: no bounds and no repetitions but the lane's own."""
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415

    options: dict[str, Any] = {
        "protocol": 2,
        **_UNBOUNDED,
        "retry": Retry(NoBackoff(), 0),
        **address.options,
    }
    if address.has_tls:
        options |= {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
    return options
