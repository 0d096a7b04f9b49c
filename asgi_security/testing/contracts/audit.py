"""What an `AuditStore` must do."""
# ruff: noqa: N802 -- the names cite the numbers of the specification

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from asgi_security.errors import StorageError
from asgi_security.storage.protocols import Appended, AuditHead, AuditRecord, HeadMoved
from asgi_security.testing.contracts.expecting import expect, race

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.storage.protocols import AuditStore

_NO_SEAL = bytes(32)
_RACERS = 100


class HasAudit(Protocol):
    """A store, as far as this contract uses it."""

    @property
    def audit(self) -> AuditStore:
        """The facet under test."""
        ...


def build_records(
    count: int = 1, *, after: AuditHead | None = None, name: str = "", chain: str = "main"
) -> tuple[AuditRecord, ...]:
    """Return so many records to follow on a head; others for another name.

    Their seals are hashes: a store takes them as they are.
    """
    head = AuditHead(0, _NO_SEAL) if after is None else after
    made: list[AuditRecord] = []
    for _ in range(count):
        sequence = head.sequence + 1
        body = f'{{"n":{sequence},"name":"{name}\u00e9"}}'.encode()
        mac = hashlib.sha256(head.mac + body).digest()
        texts = ("2023-11-14T22:13:20.000000Z", "login", f"actor {name}", None, "success")
        made.append(AuditRecord(chain, sequence, body, mac, head.mac, *texts, request_id=None))
        head = find_head(made)
    return tuple(made)


def find_head(records: Sequence[AuditRecord]) -> AuditHead:
    """Return the head of a chain that ends in these records."""
    return AuditHead(records[-1].sequence, records[-1].mac)


async def append_at_the_end(audit: AuditStore, name: str, *, tries: int, chain: str) -> int:
    """Append a record behind whatever stands there by then; return its number."""
    head = await audit.load_head(chain)
    for _ in range(tries):
        records = build_records(after=head, name=name, chain=chain)
        answer = await audit.append(records, after=head)
        if isinstance(answer, Appended):
            return records[0].sequence
        head = answer.head
    raise AssertionError(f"{name} was not appended in {tries} tries")


class AuditContract:
    """An `AuditStore`, rule by rule."""

    async def test_H84_an_empty_chain(self, store: HasAudit) -> None:
        """It has no head and no records, and is not listed."""
        expect(await store.audit.load_head("main"), None)
        expect(await store.audit.read("main"), ())
        expect(await store.audit.list_chains(), ())

    async def test_H81_what_was_appended_is_read(self, store: HasAudit) -> None:
        """Every byte and every column comes back as it was, whatever is None or empty."""
        audit = store.audit
        (first,) = build_records()
        texts = ("2023-11-14T22:13:20.123456Z", "x" * 512, "", "t\u00e9\U0001f600", "")
        body, mac = bytes(range(256)) * 64, bytes(range(32))
        second = AuditRecord("main", 2, body, mac, first.mac, *texts, request_id="r1")
        third = AuditRecord("main", 3, b"", b"\0" * 31 + b"\n", mac, "", "a", None, None, "o")
        expect(await audit.append([first], after=None), Appended(find_head([first])))
        answer = await audit.append([second, third], after=find_head([first]))
        expect(answer, Appended(find_head([third])))
        expect(await audit.load_head("main"), find_head([third]))
        expect(await audit.read("main"), (first, second, third))

    async def test_H84_a_head_that_moved(self, store: HasAudit) -> None:
        """Behind any other head than the last nothing is stored, and the last is told."""
        audit = store.audit
        records = build_records(3)
        await audit.append(records, after=None)
        head = find_head(records)
        other = AuditHead(3, b"o" * 32)
        for after in (None, find_head(records[:2]), other, AuditHead(9, b"n" * 32)):
            late = build_records(2, after=after, name="late")
            expect(await audit.append(late, after=after), HeadMoved(head), f"after {after}")
        expect(await audit.read("main"), records)
        expect(await audit.load_head("main"), head)

    async def test_H84_a_chain_that_is_not_there(self, store: HasAudit) -> None:
        """To follow on a record of an empty chain is refused, and leaves it empty."""
        audit = store.audit
        after = AuditHead(4, b"x" * 32)
        answer = await audit.append(build_records(after=after), after=after)
        expect(answer, HeadMoved(None))
        expect(await audit.load_head("main"), None)
        expect(await audit.list_chains(), ())
        expect(await audit.append(build_records(), after=None), Appended(AuditHead(1, _first())))

    async def test_H84_a_lost_answer(self, store: HasAudit) -> None:
        """The same append again is answered alike, and nothing is stored twice."""
        audit = store.audit
        first = build_records(2)
        more = build_records(2, after=find_head(first))
        for records, after in ((first, None), (more, find_head(first))):
            for _ in range(3):
                answer = await audit.append(records, after=after)
                expect(answer, Appended(find_head(records)))
        expect(await audit.read("main"), (*first, *more))

    async def test_H84_records_that_do_not_follow(self, store: HasAudit) -> None:
        """A gap, another chain, or nothing at all is refused whole."""
        audit = store.audit
        records = build_records(3)
        foreign = build_records(2, chain="tenant:b")
        wrong: tuple[tuple[Sequence[AuditRecord], AuditHead | None], ...] = (
            ((), None),
            (records[1:], None),
            ((records[0], records[2]), None),
            ((records[0], foreign[1]), None),
            (records, find_head(records)),
        )
        for given, after in wrong:
            try:
                answer = await audit.append(given, after=after)
            except StorageError:
                continue
            raise AssertionError(f"{given!r} was answered {answer!r}")
        expect(await audit.read("main"), ())

    async def test_H86_chains_are_apart(self, store: HasAudit) -> None:
        """Each has its own head and numbers, whatever its name."""
        audit = store.audit
        names = ("main", "tenant:a", "tenant:a:b", "tenant:\u00e9", "tenant:*", "tenant:")
        for name in names:
            records = build_records(2, chain=name, name=name)
            expect(await audit.append(records, after=None), Appended(find_head(records)))
        for name in names:
            expect(await audit.read(name), build_records(2, chain=name, name=name))

    async def test_H90_chains_are_listed(self, store: HasAudit) -> None:
        """In the order of their UTF-8, page by page."""
        audit = store.audit
        names = ["A", "B", "a", "b:", "z", "\u00e9", "\uff5e", "\U0001f600"]
        for name in reversed(names):
            await audit.append(build_records(chain=name), after=None)
        expect(list(await audit.list_chains()), names)
        paged: list[str] = []
        while page := await audit.list_chains(after=paged[-1] if paged else None, limit=3):
            paged.extend(page)
        expect(paged, names)
        expect(await audit.list_chains(after="bb", limit=1), ("z",))

    async def test_H85_reading_page_by_page(self, store: HasAudit) -> None:
        """Ascending, behind a number, no more than asked for."""
        audit = store.audit
        records = build_records(25)
        await audit.append(records[:10], after=None)
        await audit.append(records[10:], after=find_head(records[:10]))
        paged: list[AuditRecord] = []
        while page := await audit.read("main", after=len(paged), limit=7):
            expect(len(page) <= 7, wanted=True)
            paged.extend(page)
        expect(tuple(paged), records)
        expect(await audit.read("main", after=24, limit=7), records[24:])
        expect(await audit.read("main", after=25), ())
        expect(await audit.read("main", after=2**40), ())

    async def test_H84_a_hundred_appenders(self, store: HasAudit) -> None:
        """Each gets a number of its own, from 1, without a gap; the chain is one."""
        audit = store.audit

        async def run(number: int) -> int:
            return await append_at_the_end(audit, f"{number}", tries=_RACERS, chain="main")

        numbers = await race(_RACERS, run)
        expect(sorted(numbers), list(range(1, _RACERS + 1)))
        records = await audit.read("main")
        expect([record.sequence for record in records], list(range(1, _RACERS + 1)))
        before = _NO_SEAL
        for record in records:
            expect(record.previous, before, f"link of {record.sequence}")
            before = record.mac
        expect(await audit.load_head("main"), find_head(records))
        expect(len({record.actor for record in records}), _RACERS)

    async def test_H84_one_of_many_follows(self, store: HasAudit) -> None:
        """Of 100 that would follow on one record one does; the rest are told of it."""
        audit = store.audit
        (first,) = build_records()
        head = find_head([first])
        await audit.append([first], after=None)

        async def run(number: int) -> str:
            records = build_records(2, after=head, name=f"{number}")
            return type(await audit.append(records, after=head)).__name__

        expect(Counter(await race(_RACERS, run)), {"Appended": 1, "HeadMoved": _RACERS - 1})
        expect(len(await audit.read("main")), 3)

    async def test_H84_one_append_many_times_at_once(self, store: HasAudit) -> None:
        """The same 100 times at once is stored once."""
        records = build_records(3)

        async def run(_number: int) -> Appended | HeadMoved:
            return await store.audit.append(records, after=None)

        expect(set(await race(_RACERS, run)), {Appended(find_head(records))})
        expect(await store.audit.read("main"), records)


def _first() -> bytes:
    return build_records()[0].mac
