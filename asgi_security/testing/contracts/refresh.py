"""What a `RefreshStore` must do."""
# ruff: noqa: N802 -- the names cite the numbers of the specification

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from asgi_security.errors import StorageError
from asgi_security.storage.protocols import FamilyGone, Retried, Reused, Rotated
from asgi_security.testing.contracts.expecting import START, build_digest, expect, race
from asgi_security.testing.contracts.refresh_lists import (
    DAY,
    GRACE,
    RefreshLists,
    advance,
    build_family,
)

if TYPE_CHECKING:
    from asgi_security.storage.protocols import RefreshFamily
    from asgi_security.testing.contracts.refresh_lists import HasRefresh


class RefreshContract(RefreshLists):
    """A `RefreshStore`, rule by rule."""

    async def test_R80_opens_and_loads(self, store: HasRefresh) -> None:
        """Every field comes back; opening again is fine; an unknown digest is absent."""
        refresh = store.refresh
        family = build_family(user_agent="Älter/1.0", data=b"\x00\xff", generation=2**40)
        bare = build_family("bare", client=None, user_agent="")
        for _ in range(2):
            await refresh.open_family(family, now=START)
            await refresh.open_family(bare, now=START)
        expect(await refresh.load_family(family.digest, now=START), family)
        expect(await refresh.load_family(bare.digest, now=START), bare)
        expect(await refresh.load_family(build_digest("unknown"), now=START), None)
        expect(len(await refresh.list_for("ada", now=START)), 2)

    async def test_R80_one_digest_is_one_family(self, store: HasRefresh) -> None:
        """A second family of a living digest is refused, and one of a dead digest is not."""
        refresh = store.refresh
        family = build_family()
        await refresh.open_family(family, now=START)
        other = build_family(handle="another", subject="bob", idle_expires_at=START + 30 * DAY)
        try:
            await refresh.open_family(other, now=START)
        except StorageError:
            pass
        else:
            expect("opened", "a StorageError")
        expect(await refresh.load_family(family.digest, now=START), family)
        expect(await refresh.list_for("bob", now=START), ())
        await refresh.open_family(other, now=family.idle_expires_at)
        expect(await refresh.list_for("ada", now=START), ())
        expect(await refresh.list_for("bob", now=START), (other,))

    async def test_R80_opening_again_undoes_nothing(self, store: HasRefresh) -> None:
        """What was repeated after a lost answer neither turns back nor revives a family."""
        refresh = store.refresh
        family = build_family()
        await refresh.open_family(family, now=START)
        rotated = await advance(refresh, family, 0, now=START + 1)
        await refresh.open_family(family, now=START + 1)
        expect(await advance(refresh, family, 0, now=START + 1), Retried(_expect_family(rotated)))
        await advance(refresh, family, 0, now=START + 1 + GRACE)
        await refresh.open_family(family, now=START + 1 + GRACE)
        expect(await refresh.load_family(family.digest, now=START + 1 + GRACE), None)

    async def test_R80_rotates(self, store: HasRefresh) -> None:
        """Each generation leads to the next; the absolute expiry and all else stays."""
        refresh = store.refresh
        family = build_family()
        await refresh.open_family(family, now=START)
        at = START
        for generation in range(5):
            at += DAY
            wanted = replace(
                family, generation=generation + 1, advanced_at=at, idle_expires_at=at + 7 * DAY
            )
            expect(await advance(refresh, family, generation, now=at), Rotated(wanted))
            expect(await refresh.load_family(family.digest, now=at), wanted)
        expect(await refresh.list_for("ada", now=at), (wanted,))

    async def test_R80_idle_expiry_never_goes_back(self, store: HasRefresh) -> None:
        """An earlier idle expiry, of a clock that is behind or a new rule, shortens nothing."""
        refresh = store.refresh
        family = build_family()
        await refresh.open_family(family, now=START)
        answer = await refresh.advance(
            family.digest,
            0,
            grace_seconds=GRACE,
            idle_expires_at=family.idle_expires_at - DAY,
            now=START - 60,
        )
        expect(answer, Rotated(replace(family, generation=1, advanced_at=START - 60)))

    async def test_R81_retried_within_the_grace(self, store: HasRefresh) -> None:
        """The token before the present one changes nothing, until the grace is over."""
        refresh = store.refresh
        family = build_family()
        await refresh.open_family(family, now=START)
        rotated = _expect_family(await advance(refresh, family, 0, now=START))
        for at in (START, START - 5, START + GRACE - 0.5, START + GRACE - 0.5):
            expect(await advance(refresh, family, 0, now=at), Retried(rotated), f"at {at}")
        expect(await refresh.load_family(family.digest, now=START), rotated)
        reused = Reused(rotated, age=1, is_first=True)
        expect(await advance(refresh, family, 0, now=START + GRACE), reused, "grace is over")

    async def test_R81_no_grace(self, store: HasRefresh) -> None:
        """With a grace of 0 a token serves once."""
        refresh = store.refresh
        family = build_family()
        await refresh.open_family(family, now=START)
        await advance(refresh, family, 0, now=START)
        answer = await advance(refresh, family, 0, now=START, grace_seconds=0.0)
        expect(type(answer), Reused)

    async def test_R81_one_successor_for_a_hundred(self, store: HasRefresh) -> None:
        """100 uses of one token at once: one rotates, all others see the same successor."""
        refresh = store.refresh
        family = build_family()
        await refresh.open_family(family, now=START)

        async def use(_number: int) -> object:
            return await advance(refresh, family, 0, now=START + 1)

        answers = await race(100, use)
        expect(Counter(type(each) for each in answers), {Rotated: 1, Retried: 99})
        wanted = replace(
            family, generation=1, advanced_at=START + 1, idle_expires_at=START + 1 + 7 * DAY
        )
        for answer in answers:
            expect(_expect_family(answer), wanted)

    async def test_R82_reused_once_its_successor_was_used(self, store: HasRefresh) -> None:
        """Within the grace, but two generations back: the family ends."""
        refresh = store.refresh
        family = build_family()
        await refresh.open_family(family, now=START)
        for generation in range(2):
            rotated = _expect_family(await advance(refresh, family, generation, now=START))
        expect(await advance(refresh, family, 0, now=START), Reused(rotated, 2, is_first=True))
        expect(await refresh.load_family(family.digest, now=START), None)
        expect(await refresh.list_for("ada", now=START), ())

    async def test_R84_an_ended_family_answers_alike(self, store: HasRefresh) -> None:
        """After a reuse every token is reused, the unused one too, until the absolute expiry."""
        refresh = store.refresh
        family = build_family()
        await refresh.open_family(family, now=START)
        await advance(refresh, family, 0, now=START)
        rotated = _expect_family(await advance(refresh, family, 1, now=START))
        await advance(refresh, family, 0, now=START)
        past_idle = rotated.idle_expires_at + DAY
        for at in (START, past_idle, family.absolute_expires_at - 0.5):
            for generation in range(3):
                wanted = Reused(rotated, 2 - generation, is_first=False)
                expect(await advance(refresh, family, generation, now=at), wanted)
            expect(await advance(refresh, family, 3, now=at), FamilyGone(), "yet to come")
        expect(await refresh.revoke_family(family.digest), None)
        expect(await refresh.revoke_handle("ada", family.handle), wanted=False)
        expect(type(await advance(refresh, family, 2, now=past_idle)), Reused, "still known")
        gone = await advance(refresh, family, 2, now=family.absolute_expires_at)
        expect(gone, FamilyGone())

    async def test_R85_any_ancestor_ends_it(self, store: HasRefresh) -> None:
        """However long the chain, whichever the ancestor, and whenever it comes."""
        refresh = store.refresh
        for ancestor in range(4):
            family = build_family(f"family {ancestor}")
            await refresh.open_family(family, now=START)
            for generation in range(5):
                rotated = await advance(refresh, family, generation, now=START)
            wanted = Reused(_expect_family(rotated), 5 - ancestor, is_first=True)
            expect(await advance(refresh, family, ancestor, now=START), wanted)

    async def test_R83_of_a_hundred_reuses_one_is_the_first(self, store: HasRefresh) -> None:
        """Exactly one of 100 at once is told to raise the alarm."""
        refresh = store.refresh
        family = build_family()
        await refresh.open_family(family, now=START)
        for generation in range(2):
            await advance(refresh, family, generation, now=START)

        async def use(number: int) -> bool:
            answer = await advance(refresh, family, number % 2, now=START + GRACE)
            return isinstance(answer, Reused) and answer.is_first

        expect(Counter(await race(100, use)), {True: 1, False: 99})

    async def test_R87_two_clocks(self, store: HasRefresh) -> None:
        """Past the idle or the absolute expiry a family is gone, and no reuse is told."""
        refresh = store.refresh
        idle = build_family("idle")
        await refresh.open_family(idle, now=START)
        await advance(refresh, idle, 0, now=START, idle_expires_at=START + 60)
        absolute = build_family("absolute", idle_expires_at=START + 99 * DAY)
        await refresh.open_family(absolute, now=START)
        for family, end in (
            (idle, idle.idle_expires_at),
            (absolute, absolute.absolute_expires_at),
        ):
            loaded = await refresh.load_family(family.digest, now=end - 0.5)
            expect(loaded is not None, wanted=True)
            expect(await refresh.load_family(family.digest, now=end), None)
            expect(await refresh.list_for("ada", now=end + 100 * DAY), ())
            for generation in range(3):
                expect(await advance(refresh, family, generation, now=end), FamilyGone())

    async def test_R87_what_never_was(self, store: HasRefresh) -> None:
        """A generation that is yet to come, and an unknown family, are gone; nothing changes."""
        refresh = store.refresh
        family = build_family()
        expect(await advance(refresh, family, 0, now=START), FamilyGone())
        await refresh.open_family(family, now=START)
        for generation in (1, 2, 2**47):
            expect(await advance(refresh, family, generation, now=START), FamilyGone())
        expect(await refresh.load_family(family.digest, now=START), family)


def _expect_family(answer: object) -> RefreshFamily:
    if not isinstance(answer, Rotated | Retried):
        raise AssertionError(f"got {answer!r}, wanted a living family")  # noqa: TRY004
    return answer.family
