"""What an `AttemptStore` must do when many come at once."""
# ruff: noqa: N802 -- the names cite the numbers of the specification

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import anyio.lowlevel

from asgi_security.storage.protocols import Admitted, Outcome
from asgi_security.testing.contracts.expecting import (
    START,
    build_account,
    build_client,
    build_ticket,
    expect,
    fail,
    open_charge,
    race,
)

if TYPE_CHECKING:
    from asgi_security.storage.protocols import Charge, Settled
    from asgi_security.testing.contracts.attempts import HasAttempts


class AttemptRaces:
    """The rules that only a race can break."""

    async def test_E14_parallel_wrong_guesses(self, store: HasAttempts) -> None:
        """Of 100 at once five are verified, of 200 at a reopening one."""
        attempts = store.attempts
        keys = [build_account(), build_client()]
        at = START

        async def guess(number: int) -> Charge:
            return await attempts.charge(keys, ticket=build_ticket(f"{at} {number}"), now=at)

        for racers, admitted, failures in ((100, 5, 5), (200, 1, 6)):
            charges = await race(racers, guess)
            kinds = Counter(type(charge).__name__ for charge in charges)
            expect(kinds, {"Admitted": admitted, "Busy": racers - admitted})
            for charge in charges:
                if isinstance(charge, Admitted):
                    await attempts.settle(charge.receipt, Outcome.FAILURE, now=at)
            expect((await attempts.status(keys, now=at))[0].failures, failures)
            at += 30

    async def test_E15_parallel_right_logins(self, store: HasAttempts) -> None:
        """Of 100 at once none counts as a failure, and all pass on retry."""
        attempts = store.attempts
        keys = [build_account(), build_client()]

        async def log_in(number: int) -> int:
            for attempt in range(1000):
                ticket = build_ticket(f"{number} {attempt}")
                charge = await attempts.charge(keys, ticket=ticket, now=START)
                if isinstance(charge, Admitted):
                    await attempts.settle(charge.receipt, Outcome.SUCCESS, now=START)
                    return 1
                await anyio.lowlevel.checkpoint()
            return 0

        expect(sum(await race(100, log_in)), 100, "logins that passed")
        statuses = await attempts.status(keys, now=START)
        expect([status.failures for status in statuses], [0, 0])

    async def test_E17_parallel_settlements(self, store: HasAttempts) -> None:
        """Of 100 settlements of one charge one counts."""
        attempts = store.attempts
        keys = [build_account()]
        receipt = await open_charge(attempts, keys, 0, now=START)

        async def settle(_number: int) -> Settled | None:
            return await attempts.settle(receipt, Outcome.FAILURE, now=START)

        settled = [each for each in await race(100, settle) if each is not None]
        expect(len(settled), 1)
        expect((await attempts.status(keys, now=START))[0].failures, 1)

    async def test_P9_parallel_failures(self, store: HasAttempts) -> None:
        """None of 100 failures added at once gets lost."""
        keys = [build_account(), build_client()]

        async def add(_number: int) -> None:
            await store.attempts.add_failure(keys, now=START)

        await race(100, add)
        statuses = await store.attempts.status(keys, now=START)
        expect([status.failures for status in statuses], [100, 100])

    async def test_D60_same_ticket_in_parallel(self, store: HasAttempts) -> None:
        """One ticket charged 100 times at once takes one place."""
        keys = [build_account()]
        await fail(store.attempts, keys, now=START, times=3)

        async def charge(_number: int) -> str:
            answer = await store.attempts.charge(keys, ticket=build_ticket("one"), now=START)
            return type(answer).__name__

        expect(set(await race(100, charge)), {"Admitted"})
        await open_charge(store.attempts, keys, "two", now=START)
