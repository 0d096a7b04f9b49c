"""What an `AttemptStore` must do."""
# ruff: noqa: N802 -- the names cite the numbers of the specification

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from asgi_security.storage.protocols import (
    AttemptKey,
    AttemptRecord,
    AttemptStatus,
    Busy,
    Locked,
    Outcome,
)
from asgi_security.testing.contracts.attempt_races import AttemptRaces
from asgi_security.testing.contracts.expecting import (
    SCHEDULE,
    START,
    build_account,
    build_client,
    build_digest,
    build_ticket,
    expect,
    fail,
    open_charge,
)

if TYPE_CHECKING:
    from asgi_security.storage.protocols import AttemptStore

CLEAN = AttemptStatus(0, None, locked=False, locked_until=None)


class HasAttempts(Protocol):
    """A store, as far as this contract uses it."""

    @property
    def attempts(self) -> AttemptStore:
        """The facet under test."""
        ...


class AttemptContract(AttemptRaces):
    """An `AttemptStore`, rule by rule."""

    async def test_D55_absent_is_clean(self, store: HasAttempts) -> None:
        """A key never charged has no failures, and clearing it is fine."""
        await store.attempts.clear([build_account()])
        expect(await store.attempts.status([build_account()], now=START), (CLEAN,))

    async def test_D55_kinds_do_not_mix(self, store: HasAttempts) -> None:
        """The same digest of another kind is another key."""
        account = build_account()
        await fail(store.attempts, [account], now=START, times=5)
        other = AttemptKey("totp", account.digest, SCHEDULE, forgets_on_success=True)
        expect(await store.attempts.status([other], now=START), (CLEAN,))

    async def test_L5_L6_L7_schedule(self, store: HasAttempts) -> None:
        """Locks end at their instant, grow with each failure, and the streak is forgotten late."""
        keys = [build_account()]
        await fail(store.attempts, keys, now=START, times=4)
        expect((await store.attempts.status(keys, now=START))[0].locked, wanted=False)
        at = START
        for failures, cooldown in ((5, 30.0), (6, 60.0), (7, 120.0), (8, 120.0)):
            await fail(store.attempts, keys, now=at)
            status = AttemptStatus(failures, at, locked=True, locked_until=at + cooldown)
            expect(await store.attempts.status(keys, now=at), (status,))
            late = await store.attempts.charge(keys, ticket=build_ticket(0), now=at + cooldown - 1)
            expect(late, Locked(at + cooldown))
            at += cooldown
        reopened = AttemptStatus(8, at - 120, locked=False, locked_until=None)
        expect(await store.attempts.status(keys, now=at), (reopened,))
        expect(await store.attempts.status(keys, now=at + 899.5), (reopened,))
        expect(await store.attempts.status(keys, now=at + 900), (CLEAN,))
        await fail(store.attempts, keys, now=at + 900)
        expect((await store.attempts.status(keys, now=at + 900))[0].failures, 1)

    async def test_L9_locked_until_cleared(self, store: HasAttempts) -> None:
        """At `max_consecutive` failures only `clear` opens the key again."""
        keys = [build_account(schedule=replace(SCHEDULE, max_consecutive=5))]
        await fail(store.attempts, keys, now=START, times=5)
        far = START + 10 * 365 * 86_400
        locked = AttemptStatus(5, START, locked=True, locked_until=None)
        expect(await store.attempts.status(keys, now=far), (locked,))
        expect(await store.attempts.charge(keys, ticket=b"t" * 16, now=far), Locked(None))
        await store.attempts.clear(keys)
        expect(await store.attempts.status(keys, now=far), (CLEAN,))

    async def test_L11_clock_went_back(self, store: HasAttempts) -> None:
        """The anchor moves to now, stays there, and the wait is one cooldown from then."""
        keys = [build_account()]
        await fail(store.attempts, keys, now=START, times=5)
        back = START - 86_400
        expect((await store.attempts.status(keys, now=back))[0].locked_until, back + 30)
        expect(await store.attempts.charge(keys, ticket=b"t" * 16, now=back), Locked(back + 30))
        expect((await store.attempts.status(keys, now=back + 20))[0].locked_until, back + 30)
        await open_charge(store.attempts, keys, "reopened", now=back + 30)

    async def test_E13_all_keys_or_none(self, store: HasAttempts) -> None:
        """One locked key refuses the others' charge too; the latest lock is shown."""
        attempts = store.attempts
        account, client = build_account(), build_client()
        await fail(attempts, [client], now=START, times=5)
        await fail(attempts, [build_client("later")], now=START + 1, times=5)
        keys = [account, client, build_client("later")]
        for turn in range(10):
            charge = await attempts.charge(keys, ticket=build_ticket(turn), now=START + 1)
            expect(charge, Locked(START + 31))
        for turn in range(5):
            await open_charge(attempts, [account], f"free {turn}", now=START + 1)
        expect(await attempts.charge([account], ticket=b"t" * 16, now=START + 1), Busy())
        expect(
            await attempts.charge([account, build_client("idle")], ticket=b"t" * 16, now=START + 1),
            Busy(),
        )
        for turn in range(5):
            await open_charge(attempts, [build_client("idle")], f"idle {turn}", now=START + 1)

    async def test_E13_budget_shrinks_with_failures(self, store: HasAttempts) -> None:
        """With three failures of five, two may be under way."""
        keys = [build_account()]
        await fail(store.attempts, keys, now=START, times=3)
        for turn in range(2):
            await open_charge(store.attempts, keys, turn, now=START)
        expect(await store.attempts.charge(keys, ticket=b"t" * 16, now=START), Busy())

    async def test_E13_same_ticket_again(self, store: HasAttempts) -> None:
        """A charge whose answer was lost is repeated and counts once, even with a full budget."""
        keys = [build_account(), build_client()]
        first = await open_charge(store.attempts, keys, 0, now=START)
        for turn in range(1, 5):
            await open_charge(store.attempts, keys, turn, now=START)
        again = await open_charge(store.attempts, keys, 0, now=START + 1)
        expect((again.ticket, again.charged_at), (first.ticket, START))
        await store.attempts.settle(first, Outcome.FAILURE, now=START + 1)
        statuses = await store.attempts.status(keys, now=START + 1)
        expect([status.failures for status in statuses], [1, 1])

    async def test_E16_success_forgets_up_to_its_own_begin(self, store: HasAttempts) -> None:
        """The account keeps what was charged later; the address keeps its failures."""
        attempts = store.attempts
        keys = [build_account(), build_client()]
        await fail(attempts, keys, now=START, times=2)
        early = await open_charge(attempts, keys, "early", now=START + 1)
        right = await open_charge(attempts, keys, "right", now=START + 2)
        later = await open_charge(attempts, keys, "later", now=START + 3)
        await attempts.settle(later, Outcome.FAILURE, now=START + 4)
        settled = await attempts.settle(right, Outcome.SUCCESS, now=START + 5)
        if settled is None:
            raise AssertionError("an open charge was not settled")
        expect([status.failures for status in settled.before], [3, 3])
        expect([status.failures for status in settled.after], [1, 3])
        expect(settled.after[0].last_failure_at, START + 3)
        await attempts.settle(early, Outcome.FAILURE, now=START + 6)
        statuses = await attempts.status(keys, now=START + 6)
        expect([status.failures for status in statuses], [1, 4], "the early one is forgotten too")

    async def test_E16_later_charge_stays_open(self, store: HasAttempts) -> None:
        """A success does not take away the charge of an attempt that began after it."""
        attempts = store.attempts
        keys = [build_account()]
        right = await open_charge(attempts, keys, "right", now=START)
        later = await open_charge(attempts, keys, "later", now=START)
        await attempts.settle(right, Outcome.SUCCESS, now=START + 1)
        await attempts.settle(later, Outcome.FAILURE, now=START + 2)
        expect((await attempts.status(keys, now=START + 2))[0].failures, 1)

    async def test_E17_settled_once(self, store: HasAttempts) -> None:
        """A failure is anchored where it was charged; again, forged and foreign change nothing."""
        attempts = store.attempts
        keys = [build_account()]
        receipt = await open_charge(attempts, keys, 0, now=START)
        settled = await attempts.settle(receipt, Outcome.FAILURE, now=START + 9)
        expect(settled and settled.after, (AttemptStatus(1, START, False, None),))
        for outcome in Outcome:
            expect(await attempts.settle(receipt, outcome, now=START + 9), None, "again")
        forged = replace(receipt, ticket=b"forged ticket 16")
        expect(await attempts.settle(forged, Outcome.SUCCESS, now=START + 9), None, "forged")
        expect((await attempts.status(keys, now=START + 9))[0].failures, 1)

    async def test_E18_E20_unsettled_becomes_a_failure(self, store: HasAttempts) -> None:
        """At its timeout a charge is a failure of the instant it was charged; its slot is free."""
        attempts = store.attempts
        keys = [build_account()]
        receipts = [await open_charge(attempts, keys, turn, now=START + turn) for turn in range(5)]
        expect(await attempts.charge(keys, ticket=b"t" * 16, now=START + 29.5), Busy())
        expect((await attempts.status(keys, now=START + 30))[0].failures, 1)
        expect(await attempts.settle(receipts[0], Outcome.SUCCESS, now=START + 30), None)
        locked = AttemptStatus(5, START + 4, locked=True, locked_until=START + 34)
        expect(await attempts.charge(keys, ticket=b"t" * 16, now=START + 33.5), Busy())
        expect((await attempts.status(keys, now=START + 33.5))[0].failures, 4)
        expect((await attempts.status(keys, now=START + 34))[0].failures, 5)
        expect((await attempts.status(keys, now=START + 34))[0], replace_unlocked(locked))
        await fail(attempts, keys, now=START + 34)
        expect((await attempts.status(keys, now=START + 34))[0].locked_until, START + 94)

    async def test_E19_refund(self, store: HasAttempts) -> None:
        """A refunded charge leaves every key as it was."""
        keys = [build_account(), build_client()]
        receipt = await open_charge(store.attempts, keys, 0, now=START)
        settled = await store.attempts.settle(receipt, Outcome.REFUND, now=START)
        expect(settled and settled.after, (CLEAN, CLEAN))
        expect(await store.attempts.settle(receipt, Outcome.FAILURE, now=START), None)
        expect(await store.attempts.status(keys, now=START + 60), (CLEAN, CLEAN))

    async def test_E21_locked_attempts_do_not_extend(self, store: HasAttempts) -> None:
        """Knocking at a locked key changes nothing."""
        keys = [build_account()]
        await fail(store.attempts, keys, now=START, times=5)
        before = await store.attempts.status(keys, now=START + 20)
        for turn in range(20):
            await store.attempts.charge(keys, ticket=build_ticket(turn), now=START + turn)
        expect(await store.attempts.status(keys, now=START + 20), before)

    async def test_E23_clear(self, store: HasAttempts) -> None:
        """Failures, lock and open charges go, under old digests too; twice is fine."""
        attempts = store.attempts
        keys = [build_account(old=["retired"])]
        await fail(attempts, [build_account("retired")], now=START, times=5)
        await fail(attempts, [build_account()], now=START, times=4)
        receipt = await open_charge(attempts, [build_account()], 0, now=START)
        for _ in range(2):
            await attempts.clear(keys)
            expect(await attempts.status(keys, now=START), (CLEAN,))
        expect(await attempts.settle(receipt, Outcome.FAILURE, now=START), None)

    async def test_E28_old_digests(self, store: HasAttempts) -> None:
        """Rows under a retired secret lock, are never charged, and go with a success."""
        attempts = store.attempts
        old, current = build_account("retired"), build_account(old=["retired", "unknown"])
        await fail(attempts, [old], now=START, times=5)
        await fail(attempts, [build_account()], now=START + 1, times=2)
        worse = AttemptStatus(5, START + 1, locked=True, locked_until=START + 30)
        expect(await attempts.status([current], now=START + 1), (worse,))
        expect(
            await attempts.charge([current], ticket=b"t" * 16, now=START + 29), Locked(START + 30)
        )
        await fail(attempts, [current], now=START + 30)
        expect((await attempts.status([old], now=START + 30))[0].failures, 5)
        expect((await attempts.status([build_account()], now=START + 30))[0].failures, 3)
        receipt = await open_charge(attempts, [current], "right", now=START + 31)
        await attempts.settle(receipt, Outcome.SUCCESS, now=START + 31)
        expect(await attempts.status([current, old], now=START + 31), (CLEAN, CLEAN))

    async def test_P9_add_failure(self, store: HasAttempts) -> None:
        """A failure without a charge counts like any other, and is later than open charges."""
        keys = [build_account(), build_client()]
        receipt = await open_charge(store.attempts, keys, 0, now=START)
        await store.attempts.add_failure(keys, now=START + 1)
        await store.attempts.settle(receipt, Outcome.SUCCESS, now=START + 2)
        status = AttemptStatus(1, START + 1, locked=False, locked_until=None)
        expect(await store.attempts.status(keys, now=START + 2), (status, status))

    async def test_D62_history(self, store: HasAttempts) -> None:
        """Records come newest first, by account or client, cut; a lost settlement leaves none."""
        attempts = store.attempts
        keys = [build_account(), build_client()]
        account, client = keys[0].digest, keys[1].digest
        records: list[AttemptRecord] = []
        for turn in range(4):
            receipt = await open_charge(attempts, keys, turn, now=START + turn)
            record = AttemptRecord(
                START + turn,
                account if turn % 2 else build_digest("someone"),
                client,
                "password",
                Outcome.REFUND.value,
                "agent" * 100,
                "192.0.2.1" if turn == 3 else None,
            )
            for _ in range(2):
                await attempts.settle(receipt, Outcome.REFUND, now=START + turn, record=record)
            records.insert(0, replace(record, user_agent=record.user_agent[:200]))
        expect(await attempts.history(), tuple(records))
        expect(await attempts.history(limit=1), (records[0],))
        expect(await attempts.history(account=account), (records[0], records[2]))
        expect(await attempts.history(client=client, limit=3), tuple(records[:3]))
        expect(await attempts.history(account=build_digest("no one"), client=client), ())
        expect(Counter(record.kind for record in await attempts.history()), {"password": 4})


def replace_unlocked(status: AttemptStatus) -> AttemptStatus:
    """Return the status as it is once its lock is over."""
    return replace(status, locked=False, locked_until=None)
