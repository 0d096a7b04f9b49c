"""Redis behind TLS, behind Sentinels, and as a cluster whose slots move."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, cast

import pytest
import redis
from redis.crc import key_slot

from asgi_security.errors import StorageError
from asgi_security.storage.protocols.throttle import ThrottleRule
from asgi_security.testing.contracts.expecting import (
    START,
    build_account,
    build_digest,
    build_session,
)
from tests.storage.backends import use_asyncio
from tests.storage.redis_servers import (
    Server,
    build_cluster,
    find_free_port,
    missing,
    open_redis,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from asgi_security.storage.redis import RedisStore

pytestmark = pytest.mark.anyio
anyio_backend = pytest.fixture(use_asyncio)

TOKEN = build_digest("token")
KEYS = (build_account(),)


async def fail_once(store: RedisStore) -> int:
    await store.attempts.add_failure(KEYS, now=START)
    return (await store.attempts.status(KEYS, now=START))[0].failures


def make_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    program = shutil.which("openssl")
    if program is None:
        missing("no openssl to make a certificate")
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    subprocess.run(
        [
            *(program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-keyout", str(key), "-out", str(certificate), "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
        ],
        check=True,
        capture_output=True,
    )
    return key, certificate


async def test_TLS_with_the_certificate_checked(tmp_path: Path) -> None:
    key, certificate = make_certificate(tmp_path, "server")
    _, foreign = make_certificate(tmp_path, "foreign")
    port = find_free_port()
    options = ("--tls-port", str(port), "--tls-auth-clients", "no")
    files = ("--tls-cert-file", str(certificate), "--tls-key-file", str(key))
    with Server(tmp_path / "tls", *options, *files):
        good = f"rediss://localhost:{port}?ssl_ca_certs={certificate}"
        async with open_redis(good, "p") as store:
            assert [await fail_once(store) for _ in range(2)] == [1, 2]
        for bad in (
            f"rediss://localhost:{port}?ssl_ca_certs={foreign}",
            f"rediss://127.0.0.1:{port}?ssl_ca_certs={certificate}",
            f"rediss://localhost:{port}",
            f"redis://localhost:{port}",
        ):
            async with open_redis(bad, "p") as store:
                with pytest.raises(StorageError):
                    await fail_once(store)


class Sentinel(Server):
    """A Sentinel that watches one primary and needs nobody's agreement."""

    def __init__(self, folder: Path, primary: int) -> None:
        folder.mkdir()
        config = folder / "sentinel.conf"
        port = find_free_port()
        config.write_text(
            f"port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {primary} 1\n"
        )
        super().__init__(folder, port=port)
        self._command = [self._command[0], str(config), "--sentinel"]

    def begins_failover(self) -> bool:
        try:
            self.ask("SENTINEL", "FAILOVER", "main")
        except redis.ResponseError:
            return False  # it has yet to hear from the replica
        return True

    def names(self, server: Server) -> bool:
        return str(server.port) in str(self.ask("SENTINEL", "MASTER", "main"))


async def test_Sentinel_names_the_primary_also_after_a_failover(tmp_path: Path) -> None:
    with ExitStack() as stack:
        old = stack.enter_context(Server(tmp_path / "a"))
        new = stack.enter_context(Server(tmp_path / "b", "--replicaof", f"127.0.0.1 {old.port}"))
        wait_until(lambda: b"master_link_status:up" in new.read_section("replication"))
        sentinel = stack.enter_context(Sentinel(tmp_path / "s", old.port))
        url = f"redis+sentinel://127.0.0.1:{find_free_port()},127.0.0.1:{sentinel.port}/main"
        async with open_redis(url, "p") as store:
            assert await fail_once(store) == 1
            wait_until(lambda: len(new.list_keys()) == 1)
            wait_until(sentinel.begins_failover)
            wait_until(lambda: sentinel.names(new))
            old.kill()
            wait_until(lambda: b"role:master" in new.read_section("replication"))
            with suppress(StorageError):  # what went to the dead one, before its end was seen
                await fail_once(store)
            assert await fail_once(store) >= 2
        async with open_redis(url.replace("/main", "/other"), "p") as store:
            with pytest.raises(StorageError):
                await fail_once(store)


def assign(nodes: Sequence[Server], key: str, target: Server) -> None:
    """Give the empty slot of a key to another node."""
    slot = key_slot(key.encode())
    name = cast("bytes", target.ask("CLUSTER", "MYID")).decode()
    for node in (target, *nodes):
        node.ask("CLUSTER", "SETSLOT", slot, "NODE", name)


async def test_D61_a_slot_of_the_cluster_moves(tmp_path: Path) -> None:
    with build_cluster(tmp_path) as nodes:
        url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        async with open_redis(url, "p") as store:
            assert await fail_once(store) == 1
            for turn in range(6):
                await store.attempts.clear(KEYS)
                target = nodes[turn % 3]
                assign(nodes, "{p:attempts}:", target)
                assert [await fail_once(store) for _ in range(3)] == [1, 2, 3]
                assert any(b"attempts" in key for key in target.list_keys())
                # Plain commands find their way too, and their replies keep their shape.
                assign(nodes, "{p:sessions}:", target)
                assert await store.sessions.load(TOKEN, now=START) is None
                session = build_session(f"{turn}")
                await store.sessions.create(session, now=START)
                assert await store.sessions.load(session.digest, now=START) == session
                await store.sessions.delete(session.digest)
                assign(nodes, f"p:value:k:{TOKEN.hex()}", target)
                await store.once.put("k", TOKEN, b"v", expires_at=START + 1, now=START)
                assert await store.once.take("k", TOKEN, now=START) == b"v"
                assign(nodes, "{p:revocations}:", target)
                assert not await store.revocations.is_revoked([TOKEN, b"a"], now=START)
            # Quotas have no tag in common, so that all nodes carry some.
            for number in range(60):
                rule = ThrottleRule(1, 60.0)
                state = await store.throttles.take(build_digest(f"{number}"), rule, now=START)
                assert state.admitted
            carried = [sum(b"throttle" in key for key in node.list_keys()) for node in nodes]
            assert sum(carried) == 60
            assert min(carried) > 0


async def test_a_node_of_the_cluster_dies_and_comes_back(tmp_path: Path) -> None:
    with build_cluster(tmp_path) as nodes:
        url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        async with open_redis(url, "p", timeout_seconds=2) as store:
            assert await fail_once(store) == 1
            holder = next(node for node in nodes if node.list_keys())
            holder.kill()
            for _ in range(3):
                with pytest.raises(StorageError) as caught:
                    await fail_once(store)
                assert isinstance(caught.value.__cause__, (redis.RedisError, TimeoutError))
            holder.start()
            wait_until(lambda: all(b"cluster_state:ok" in node.read_info() for node in nodes))
            assert await fail_once(store) >= 2
