"""Chains are read page by page, whatever a store that was tampered with holds."""

from __future__ import annotations

import tracemalloc
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from asgi_security.crypto.audit_seals import AuditKeys, ChainMark
from asgi_security.errors import StorageError
from asgi_security.flows.audit import AuditConfig, AuditEntry, Broken, Verified
from asgi_security.flows.audit_reading import (
    PAGE_RECORDS,
    ChainReader,
    build_audit_keys,
    parse_anchor,
    verify_export,
)
from asgi_security.flows.audit_sealing import ChainEnd, Sealer
from asgi_security.policy.audit import AuditFacts
from asgi_security.secret import Secret
from asgi_security.storage.protocols import AuditHead
from asgi_security.testing import EventRecorder
from tests.flows.audit_logs import SECRET, Scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgi_security.storage.protocols import AuditRecord

pytestmark = pytest.mark.anyio

KEYS = AuditKeys(Secret(SECRET))


@pytest.fixture
async def scene(anyio_backend: str) -> Scene:
    made = Scene()
    await made.fill(5)
    return made


class Endless:
    """A store of very many records, each made when it is read."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.sealer = Sealer(KEYS, EventRecorder())
        self.end = ChainEnd(None, KEYS.current)
        self.largest = 0

    def make(self, count: int) -> tuple[AuditRecord, ...]:
        at = "2023-11-14T22:13:20.000000Z"
        details = {"text": "x" * 500}
        facts = AuditFacts("i1", "main", at, "login", "a1", None, "success", None, details)
        records, self.end = self.sealer.seal([facts] * count, self.end)
        return records

    async def load_head(self, chain: str) -> AuditHead | None:
        # Before the reading nothing is known; after it, it is the last that was made.
        return self.end.head

    async def read(self, chain: str, *, after: int = 0, limit: int = 500) -> Any:
        self.largest = max(self.largest, limit)
        return self.make(min(limit, self.count - after))

    async def list_chains(self, *, after: str | None = None, limit: int = 500) -> tuple[str, ...]:
        return ("main",)

    async def append(self, records: Any, *, after: AuditHead | None) -> Any:
        raise NotImplementedError


class TestMemory:
    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.mark.parametrize("how", ["verify", "export"])
    async def test_H85_twenty_thousand_records_in_the_memory_of_a_page(self, how: str) -> None:
        store = Endless(20_000)
        reader = ChainReader(store, KEYS, timeout_seconds=60)
        lines = 0
        tracemalloc.start()
        try:
            if how == "verify":
                found = await reader.verify("main")
                assert isinstance(found, Verified)
                lines = found.count + 1
            else:
                async for _ in reader.export("main"):
                    lines += 1
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert lines == 20_001
        assert store.largest == PAGE_RECORDS
        # All of them are more than 30 MB; a page of 200 with what is made of it is below one.
        assert peak < 4_000_000


class TestTampered:
    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            pytest.param(lambda one: replace(one, sequence="3"), Broken(3, "column"), id="text"),
            pytest.param(lambda one: replace(one, sequence=None), Broken(3, "column"), id="null"),
            pytest.param(lambda one: replace(one, sequence=1), Broken(3, "column"), id="number"),
            pytest.param(lambda one: replace(one, body=None), Broken(3, "encoding"), id="body"),
            pytest.param(lambda one: replace(one, mac=3), Broken(3, "mac"), id="seal"),
            pytest.param(lambda one: replace(one, previous=""), Broken(3, "column"), id="previous"),
            pytest.param(
                lambda one: replace(one, chain=None), Broken(3, "wrong_chain"), id="chain"
            ),
        ],
    )
    async def test_H85_it_never_raises_on_bad_data(
        self, scene: Scene, change: Callable[[AuditRecord], AuditRecord], expected: Broken
    ) -> None:
        scene.stored()[2] = change(scene.stored()[2])
        assert await scene.verify() == expected
        lines = [line async for line in scene.log.export()]
        assert [line.count(b"\n") for line in lines] == [1] * len(lines)

    @pytest.mark.parametrize("last", [0, 5, "9", None])
    async def test_H85_numbers_that_do_not_ascend_end_the_reading(
        self, scene: Scene, last: Any
    ) -> None:
        await scene.fill(PAGE_RECORDS)
        place = PAGE_RECORDS - 1
        scene.stored()[place] = replace(scene.stored()[place], sequence=last)
        with anyio.fail_after(20):
            assert await scene.verify() == Broken(PAGE_RECORDS, "column")
            lines = [line async for line in scene.log.export()]
        # A number that lies further down reads records once more; none of them is signed for.
        assert not any(line.startswith(b"checkpoint") for line in lines)


class Rewound:
    """A store whose head says something else than its records."""

    def __init__(self, inner: Any, *heads: AuditHead | None) -> None:
        self.inner = inner
        self.heads = list(heads)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def load_head(self, chain: str) -> AuditHead | None:
        return self.heads.pop(0) if len(self.heads) > 1 else self.heads[0]


class TestHeads:
    async def verify(self, scene: Scene, *heads: AuditHead | None) -> object:
        reader = ChainReader(Rewound(scene.audit, *heads), KEYS, timeout_seconds=20)
        return await reader.verify("main")

    def head(self, scene: Scene, sequence: int) -> AuditHead:
        return AuditHead(sequence, scene.stored()[sequence - 1].mac)

    async def test_H84_one_that_stayed_behind_the_records(self, scene: Scene) -> None:
        assert await self.verify(scene, self.head(scene, 3)) == Broken(4, "link")
        assert await self.verify(scene, None) == Broken(1, "link")

    async def test_H84_one_that_names_other_records(self, scene: Scene) -> None:
        assert await self.verify(scene, AuditHead(5, b"m" * 32)) == Broken(5, "truncated")
        later = AuditHead(5, b"m" * 32)
        assert await self.verify(scene, self.head(scene, 5), later) == Broken(5, "link")

    async def test_H87_records_missing_before_it(self, scene: Scene) -> None:
        assert await self.verify(scene, AuditHead(7, b"m" * 32)) == Broken(6, "truncated")

    async def test_H85_records_that_came_meanwhile_count(self, scene: Scene) -> None:
        early, late = self.head(scene, 2), AuditHead(9, b"m" * 32)
        found = await self.verify(scene, early, late)
        assert isinstance(found, Verified)
        assert found.count == 5


class TestLists:
    async def test_H90_all_chains_page_by_page(self, anyio_backend: str) -> None:
        scene = Scene()
        for number in range(PAGE_RECORDS + 5):
            await scene.log.record(AuditEntry(action="x", tenant=f"{number:04}"))
        tenants = [tenant async for tenant in scene.log.list_tenants()]
        assert tenants == [f"{number:04}" for number in range(PAGE_RECORDS + 5)]

    async def test_chains_of_other_makers_are_nobodys(self, scene: Scene) -> None:
        scene.audit._chains["other"] = scene.stored()
        assert [tenant async for tenant in scene.log.list_tenants()] == [None]

    async def test_whoever_stops_before_the_end_leaves_nothing_open(self, scene: Scene) -> None:
        async with aclosing(scene.log.export()) as lines:
            assert (await anext(lines)).startswith(scene.stored()[0].mac.hex().encode())

    async def test_a_store_that_does_not_answer(self, anyio_backend: str) -> None:
        class Slow:
            async def load_head(self, chain: str) -> None:
                await anyio.sleep_forever()

            read = list_chains = append = load_head

        slow: Any = Slow()
        reader = ChainReader(slow, KEYS, timeout_seconds=0.02)
        with pytest.raises(StorageError, match="time"):
            await reader.verify("main")


class TestAnchors:
    def test_H87_a_kept_checkpoint(self) -> None:
        mark = ChainMark("main", 3, b"m" * 32)
        text = KEYS.sign(mark, KEYS.current)
        assert parse_anchor(text, KEYS) == mark
        assert parse_anchor(text, KEYS, chain="main") == mark
        for wrong, keys, chain in (
            ("", KEYS, None),
            (text, AuditKeys(Secret("x" * 32)), None),
            (text, KEYS, "tenant:main"),
        ):
            with pytest.raises(ValueError, match="checkpoint"):
                parse_anchor(wrong, keys, chain=chain)
        with pytest.raises(ValueError, match="checkpoint"):
            verify_export([], AuditConfig(secret=SECRET), anchor="x")


def test_H83_the_keys_of_a_configuration() -> None:
    keys = build_audit_keys(AuditConfig(secret=SECRET, old_secrets=["o" * 32]))
    assert keys.current == KEYS.current
    assert None not in keys
    assert AuditKeys(Secret("o" * 32)).current in keys
    assert None in build_audit_keys(AuditConfig(dangerously_unkeyed=True))
