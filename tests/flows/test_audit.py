"""The audit log as an app uses it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from asgi_security.crypto.audit_chain import KEY_ROTATED
from asgi_security.crypto.audit_seals import check_commitment, compute_audit_key_id
from asgi_security.errors import StorageError
from asgi_security.flows.audit import (
    AuditConfig,
    AuditEntry,
    AuditLog,
    Broken,
    Empty,
    Verified,
    verify_export,
)
from asgi_security.flows.auditing import Reporter
from asgi_security.secret import Secret
from asgi_security.storage.sqlite import SqliteStore
from asgi_security.testing import EventRecorder, FakeClock
from tests.flows.audit_logs import NEW, SECRET, Scene

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from asgi_security.crypto.audit_chain import Verification

pytestmark = pytest.mark.anyio

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhMSJ9.c2lnbmF0dXJlLW9mLWl0"


@pytest.fixture
async def scene(anyio_backend: str) -> Scene:
    return Scene()


@pytest.fixture
async def file_store(tmp_path: Path, anyio_backend: str) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(tmp_path / "a.db", timeout_seconds=20, durability="normal") as store:
        yield store


def open_log(store: SqliteStore, **config: Any) -> AuditLog:
    return AuditLog(AuditConfig(**{"secret": SECRET, **config}), store, clock=FakeClock())


class TestRecord:
    async def test_H81_what_is_stored(self, scene: Scene) -> None:
        scene.clock.now = 1_700_000_000.123456
        entry = AuditEntry(
            action="login_refused",
            actor="a1",
            target="t1",
            outcome="failure",
            tenant="acme",
            request_id="r1",
            details={"n": 1, "password": "hunter2", "deep": [{"note": JWT}]},
        )
        await scene.log.record(entry)
        (record,) = scene.stored("tenant:acme")
        said = json.loads(record.body)
        assert len(said["id"]) == 16
        assert said == {
            "v": 1,
            "id": said["id"],
            "chain": "tenant:acme",
            "seq": 1,
            "at": "2023-11-14T22:13:20.123456Z",
            "action": "login_refused",
            "actor": "a1",
            "target": "t1",
            "outcome": "failure",
            "request_id": "r1",
            "details": {"n": 1, "password": "[redacted]", "deep": [{"note": "[redacted]"}]},
            "prev": "00" * 32,
            "key": compute_audit_key_id(Secret(SECRET)),
        }
        assert (record.at, record.action, record.actor) == (
            *("2023-11-14T22:13:20.123456Z", "login_refused", "a1"),
        )
        assert await scene.verify("acme") == Verified(1, (await read_head(scene, "acme")))

    async def test_H89_the_secret_is_in_no_byte_of_the_store(self, file_store: SqliteStore) -> None:
        log = open_log(file_store, redacted_names=["iban"])
        details = {"set-cookie": "canary-1", "a": [{"iban": "canary-2"}], "t": JWT, "code": 993311}
        await log.record(AuditEntry(action="x", request_id=JWT, details=details))
        (record,) = await file_store.audit.read("main")
        for canary in (b"canary", b"eyJ", b"993311"):
            assert canary not in repr(record).encode()

    async def test_H82_order_is_the_number_whatever_the_clock(self, scene: Scene) -> None:
        await scene.fill(1)
        scene.clock.advance(-3600)
        await scene.fill(1)
        assert await scene.verify() == Verified(2, await read_head(scene))

    @pytest.mark.parametrize(
        "details",
        [
            pytest.param({"x": float("nan")}, id="H81 NaN"),
            pytest.param({"x": 2**53}, id="H81 large integer"),
            pytest.param({"x": "\ud800"}, id="H81 lone surrogate"),
            pytest.param({"x": b"bytes"}, id="H81 bytes"),
            pytest.param({1: "x"}, id="H81 a name that is no text"),
            pytest.param({"x": "y" * (16 * 1024 - 7)}, id="H81 one byte more than 16 KiB"),
            pytest.param({"x": "é" * (8 * 1024)}, id="H81 more than 16 KiB of bytes"),
        ],
    )
    async def test_what_can_be_no_record(self, scene: Scene, details: dict[Any, Any]) -> None:
        with pytest.raises(ValueError):
            await scene.log.record(AuditEntry(action="x", details=details))
        assert scene.between.batches == []

    async def test_H81_as_large_as_it_may_be(self, scene: Scene) -> None:
        details = {"x": "y" * (16 * 1024 - len('{"x":""}'))}
        await scene.log.record(AuditEntry(action="x", details=details))
        assert await scene.verify() == Verified(1, await read_head(scene))

    async def test_H90_nobody_else_writes_the_records_of_rotations(self, scene: Scene) -> None:
        with pytest.raises(ValueError, match="reserved"):
            await scene.log.record(AuditEntry(action=KEY_ROTATED, details={"key": "x"}))

    async def test_H91_a_log_that_fails_is_an_alarm(self, scene: Scene) -> None:
        events = EventRecorder()
        reporter = Reporter(events, scene.log)
        scene.between.is_down = True
        await reporter.record("signed_in", actor="a1")
        assert events.names == ["signed_in", "audit_failed"]
        with pytest.raises(StorageError):
            await reporter.record("erased", required=True)
        scene.between.is_down = False
        await reporter.record("signed_in", actor="a1")
        assert await scene.verify() == Verified(1, await read_head(scene))

    async def test_like_events_at_one_instant_are_two_records(self, scene: Scene) -> None:
        for log in (scene.log, scene.open()):
            for _ in range(2):
                await log.record(AuditEntry(action="x"))
        assert len({json.loads(record.body)["id"] for record in scene.stored()}) == 4
        assert await scene.verify() == Verified(4, await read_head(scene))

    async def test_a_whole_store_or_its_facet(self, scene: Scene) -> None:
        log = AuditLog(AuditConfig(secret=SECRET), scene.memory)
        await log.record(AuditEntry(action="x"))
        assert len(scene.stored()) == 1


async def read_head(scene: Scene, tenant: str | None = None) -> Any:
    """Return the head as `verify` tells it, from the store."""
    from asgi_security.crypto.audit_seals import ChainMark  # noqa: PLC0415

    chain = "main" if tenant is None else f"tenant:{tenant}"
    head = await scene.audit.load_head(chain)
    assert head is not None
    return ChainMark(chain, head.sequence, head.mac)


class TestVerify:
    async def test_H85_empty_whole_and_broken(self, scene: Scene) -> None:
        assert await scene.verify() == Empty()
        await scene.fill(450)  # several pages
        assert await scene.verify() == Verified(450, await read_head(scene))
        stored = scene.stored()
        stored[420] = replace(stored[420], outcome="failure")
        assert await scene.verify() == Broken(421, "column")
        stored[410] = replace(stored[410], body=stored[410].body.replace(b"a1", b"a2"))
        assert await scene.verify() == Broken(411, "mac")

    async def test_H86_tenants_are_apart(self, scene: Scene) -> None:
        for tenant in (None, "a", "b"):
            await scene.fill(3, tenant=tenant)
        for tenant in (None, "a", "b"):
            assert await scene.verify(tenant) == Verified(3, await read_head(scene, tenant))
        scene.stored("tenant:a")[1] = scene.stored("tenant:b")[1]
        assert await scene.verify("a") == Broken(2, "wrong_chain")
        assert await scene.verify("b") == Verified(3, await read_head(scene, "b"))

    async def test_H86_a_row_removed(self, scene: Scene) -> None:
        await scene.fill(5)
        del scene.stored()[2]
        assert await scene.verify() == Broken(3, "gap")

    async def test_H87_a_cut_end_is_found_with_a_checkpoint_only(self, scene: Scene) -> None:
        await scene.fill(5)
        anchor = await scene.log.checkpoint()
        assert anchor is not None
        assert await scene.verify(anchor=anchor) == Verified(5, await read_head(scene))
        del scene.stored()[3:]
        assert await scene.verify() == Verified(3, await read_head(scene))
        assert await scene.verify(anchor=anchor) == Broken(4, "truncated")
        scene.stored().clear()
        assert await scene.verify() == Empty()
        assert await scene.verify(anchor=anchor) == Broken(1, "truncated")

    async def test_H87_a_cut_end_that_was_written_anew(self, scene: Scene) -> None:
        await scene.fill(5)
        anchor = await scene.log.checkpoint()
        del scene.stored()[3:]
        await scene.fill(4)
        assert isinstance(await scene.verify(), Verified)
        assert await scene.verify(anchor=anchor) == Broken(5, "truncated")

    async def test_H87_no_checkpoint_of_this_chain(self, scene: Scene) -> None:
        await scene.fill(1)
        await scene.fill(1, tenant="a")
        anchor = await scene.log.checkpoint("a")
        assert anchor is not None
        foreign = Scene(secret="x" * 32)
        await foreign.fill(1)
        theirs = await foreign.log.checkpoint()
        for wrong in (anchor, theirs, "no checkpoint", anchor[:-4] + "AAAA"):
            with pytest.raises(ValueError, match="checkpoint"):
                await scene.verify(anchor=wrong)

    async def test_H83_unkeyed_says_so(self) -> None:
        scene = Scene(dangerously_unkeyed=True)
        await scene.fill(2)
        assert await scene.verify() == Verified(2, await read_head(scene), unkeyed=True)
        anchor = await scene.log.checkpoint()
        assert await scene.verify(anchor=anchor) == Verified(2, await read_head(scene), True)
        keyed = scene.open()
        assert await keyed.verify() == Broken(1, "unknown_key")

    async def test_H85_a_store_that_fails_is_no_proof(self, scene: Scene) -> None:
        await scene.fill(1)
        scene.between.is_down = True
        with pytest.raises(StorageError):
            await scene.verify()


class TestCheckpoint:
    async def test_H87_there_is_none_of_an_empty_chain(self, scene: Scene) -> None:
        assert await scene.log.checkpoint() is None

    async def test_H87_what_is_false_is_not_signed(self, scene: Scene) -> None:
        await scene.fill(2)
        scene.stored()[1] = replace(scene.stored()[1], actor="eve")
        with pytest.raises(StorageError, match="column"):
            await scene.log.checkpoint()
        assert "audit_chain_broken" in scene.events.names


class TestExport:
    async def export(self, log: AuditLog, tenant: str | None = None) -> list[bytes]:
        return [line async for line in log.export(tenant)]

    async def test_H90_it_is_checked_offline_alike(self, scene: Scene) -> None:
        await scene.fill(250)
        lines = await self.export(scene.log)
        assert len(lines) == 251
        assert all(line.endswith(b"\n") for line in lines)
        assert lines[3].split(b" ", 1)[1] == scene.stored()[3].body + b"\n"
        config = AuditConfig(secret=SECRET)
        assert verify_export(lines, config) == await scene.verify()
        texts = [line.decode() for line in lines]
        assert verify_export(texts, config, anchor=await scene.log.checkpoint()) == (
            await scene.verify()
        )

    async def test_H90_what_is_changed_is_found(self, scene: Scene) -> None:
        await scene.fill(3, tenant="a")
        lines = await self.export(scene.log, "a")
        config = AuditConfig(secret=SECRET)
        changed = [*lines[:1], lines[1].replace(b'"a1"', b'"a2"'), *lines[2:]]
        assert verify_export(changed, config) == Broken(2, "mac")
        assert verify_export(lines[:-1], config) == Broken(4, "truncated")
        assert verify_export(["\udcff"], config) == Broken(1, "encoding")
        await scene.fill(1, tenant="a")
        later = await scene.log.checkpoint("a")
        assert verify_export(lines, config, anchor=later) == Broken(4, "truncated")
        await scene.fill(1)
        other = await scene.log.checkpoint()
        assert verify_export(lines, config, anchor=other) == Broken(1, "wrong_chain")

    async def test_H90_what_is_false_is_exported_and_not_signed(self, scene: Scene) -> None:
        await scene.fill(3)
        broken = replace(scene.stored()[1], body=b'{"a":\n1}')
        scene.stored()[1] = broken
        lines = await self.export(scene.log)
        assert len(lines) == 3
        assert verify_export(lines, AuditConfig(secret=SECRET)) == Broken(2, "encoding")

    async def test_H90_an_empty_chain(self, scene: Scene) -> None:
        assert await self.export(scene.log) == []
        assert verify_export([], AuditConfig(secret=SECRET)) == Empty()

    async def test_H90_the_chains_of_all_tenants(self, scene: Scene) -> None:
        for tenant in ("b", None, "a"):
            await scene.fill(1, tenant=tenant)
        assert [tenant async for tenant in scene.log.list_tenants()] == [None, "a", "b"]


class TestRotation:
    async def test_H90_the_old_key_names_the_new_one(self, scene: Scene) -> None:
        await scene.fill(2)
        await scene.fill(1, tenant="a")
        log = scene.open(secret=NEW, old_secrets=[SECRET])
        await log.record(AuditEntry(action="before"))
        assert await log.rotate_key() == 2
        assert await log.rotate_key() == 0
        await log.record(AuditEntry(action="after"))
        keys = [json.loads(record.body)["key"] for record in scene.stored()]
        old, new = (compute_audit_key_id(Secret(one)) for one in (SECRET, NEW))
        assert keys == [old, old, old, old, new]
        rotation = scene.stored()[3]
        assert (rotation.action, json.loads(rotation.body)["details"]) == (
            *(KEY_ROTATED, {"key": new}),
        )
        assert await log.verify() == Verified(5, await read_head(scene))
        assert await scene.verify() == Broken(5, "unknown_key")  # with the old secret only

    async def test_H90_processes_of_two_generations(self, scene: Scene) -> None:
        """Until the rotation all append; then those that have only the old secret must stop."""
        log = scene.open(secret=NEW, old_secrets=[SECRET])
        for one in (scene.log, log, scene.log, log):
            await one.record(AuditEntry(action="x"))
        await log.rotate_key()
        with pytest.raises(StorageError, match="secrets"):
            await scene.log.record(AuditEntry(action="x"))
        with pytest.raises(StorageError, match="secrets"):
            await scene.log.record(AuditEntry(action="x"))
        await log.record(AuditEntry(action="x"))
        assert await log.verify() == Verified(6, await read_head(scene))

    async def test_H90_new_chains_begin_with_the_current_key(self, scene: Scene) -> None:
        log = scene.open(secret=NEW, old_secrets=[SECRET])
        await log.record(AuditEntry(action="x"))
        assert await log.rotate_key() == 0
        assert await scene.open(secret=NEW).verify() == Verified(1, await read_head(scene))

    async def test_H90_exports_and_checkpoints_outlive_a_rotation(self, scene: Scene) -> None:
        await scene.fill(2)
        anchor = await scene.log.checkpoint()
        log = scene.open(secret=NEW, old_secrets=[SECRET])
        await log.rotate_key()
        await log.record(AuditEntry(action="x"))
        found: Verification = await log.verify(anchor=anchor)
        assert found == Verified(4, await read_head(scene))
        lines = [line async for line in log.export()]
        config = AuditConfig(secret=NEW, old_secrets=[SECRET])
        assert verify_export(lines, config, anchor=anchor) == found

    async def test_H90_from_no_key_to_one(self) -> None:
        scene = Scene(dangerously_unkeyed=True)
        await scene.fill(2)
        assert await scene.log.rotate_key() == 0
        log = scene.open(dangerously_unkeyed=True, secret=NEW)
        assert await log.rotate_key() == 1
        await log.record(AuditEntry(action="x"))
        assert await log.verify() == Verified(4, await read_head(scene), unkeyed=True)
        assert json.loads(scene.stored()[3].body)["key"] == compute_audit_key_id(Secret(NEW))


class TestErasure:
    async def test_H88_a_deleted_actor_breaks_nothing(self, file_store: SqliteStore) -> None:
        log = open_log(file_store)
        await log.record(AuditEntry(action="x", actor="never existed"))
        assert isinstance(await log.verify(), Verified)

    async def test_H88_a_commitment_stands_for_what_may_be_erased(self, scene: Scene) -> None:
        made = scene.log.commit("ada@example.com")
        again = scene.log.commit("ada@example.com")
        assert made.text != again.text
        assert check_commitment(made.text, "ada@example.com", made.salt)
        assert not check_commitment(made.text, "ada@example.com", again.salt)
        await scene.log.record(AuditEntry(action="mailed", details={"recipient": made.text}))
        (record,) = scene.stored()
        assert made.text.encode() in record.body
        assert b"ada" not in record.body
        assert repr(made.salt) not in repr(made)


class TestWithin:
    """`record_in`, over a SQLite file; PostgreSQL's is in `tests/storage`."""

    async def test_H91_both_are_stored_or_neither(
        self, file_store: SqliteStore, tmp_path: Path
    ) -> None:
        log = open_log(file_store)
        await log.record(AuditEntry(action="before"))
        with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
            connection.execute("CREATE TABLE things (name TEXT)")
            for name in ("kept", "undone", "kept too"):
                connection.execute("INSERT INTO things VALUES (?)", (name,))
                await log.record_in(connection, AuditEntry(action=name))
                await log.record_in(connection, AuditEntry(action=f"{name}, twice"))
                if name == "undone":
                    connection.rollback()
                else:
                    connection.commit()
            names = connection.execute("SELECT name FROM things ORDER BY rowid").fetchall()
        await log.record(AuditEntry(action="behind"))
        actions = [record.action for record in await file_store.audit.read("main")]
        assert names == [("kept",), ("kept too",)]
        assert actions == [
            *("before", "kept", "kept, twice", "kept too", "kept too, twice", "behind"),
        ]
        found = await log.verify()
        assert isinstance(found, Verified)
        assert found.count == 6

    async def test_H91_a_store_without_transactions_says_so(self, scene: Scene) -> None:
        with pytest.raises(StorageError, match="transaction"):
            await scene.log.record_in(None, AuditEntry(action="x"))

    async def test_H91_what_can_be_no_record_changes_nothing(
        self, file_store: SqliteStore, tmp_path: Path
    ) -> None:
        log = open_log(file_store)
        await log.record(AuditEntry(action="x"))
        with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
            with pytest.raises(ValueError):
                await log.record_in(connection, AuditEntry(action=""))
            assert not connection.in_transaction


async def test_H84_two_logs_at_once_over_one_file(tmp_path: Path) -> None:
    """As two processes would, each with a store of its own."""
    path = tmp_path / "a.db"
    async with SqliteStore(path, timeout_seconds=20) as one, SqliteStore(path) as two:
        logs = [open_log(store, store_timeout_seconds=20) for store in (one, two)]
        async with anyio.create_task_group() as group:
            for number in range(200):
                entry = AuditEntry(action=f"n{number}", tenant="a" if number % 3 else None)
                group.start_soon(logs[number % 2].record, entry)
        found = [await log.verify(tenant) for log in logs for tenant in (None, "a")]
        assert [each.count for each in found if isinstance(each, Verified)] == [67, 133, 67, 133]
        actions = {r.action for chain in ("main", "tenant:a") for r in await one.audit.read(chain)}
        assert len(actions) == 200
