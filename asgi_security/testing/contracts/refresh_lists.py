"""What a `RefreshStore` must do with the families of one subject."""
# ruff: noqa: N802 -- the names cite the numbers of the specification

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from asgi_security.storage.protocols import FamilyGone, RefreshFamily
from asgi_security.testing.contracts.expecting import START, build_digest, expect, race

if TYPE_CHECKING:
    from asgi_security.storage.protocols import Advance, RefreshStore

DAY = 86_400.0
GRACE = 10.0


class HasRefresh(Protocol):
    """A store, as far as this contract uses it."""

    @property
    def refresh(self) -> RefreshStore:
        """The facet under test."""
        ...


def build_family(name: str = "family", **fields: object) -> RefreshFamily:
    """Return a family that begins now, idles for a week and ends in 30 days."""
    values: dict[str, object] = {
        "digest": build_digest(name),
        "handle": f"handle of {name}",
        "subject": "ada",
        "data": b'{"scopes":[]}',
        "created_at": START,
        "advanced_at": START,
        "idle_expires_at": START + 7 * DAY,
        "absolute_expires_at": START + 30 * DAY,
        "user_agent": "Browser/1.0",
        "client": build_digest("address"),
    }
    return RefreshFamily(**{**values, **fields})  # type: ignore[arg-type]


async def advance(
    refresh: RefreshStore,
    family: RefreshFamily,
    generation: int,
    *,
    now: float,
    grace_seconds: float = GRACE,
    idle_expires_at: float | None = None,
) -> Advance:
    """Use the token of that generation, which keeps the family for another week."""
    return await refresh.advance(
        family.digest,
        generation,
        grace_seconds=grace_seconds,
        idle_expires_at=now + 7 * DAY if idle_expires_at is None else idle_expires_at,
        now=now,
    )


class RefreshLists:
    """Listing and ending."""

    async def test_P19_list(self, store: HasRefresh) -> None:
        """A subject's live families come with the one advanced last first, nobody else's."""
        refresh = store.refresh
        families = [build_family(f"{number}", advanced_at=START + number) for number in range(3)]
        over = build_family("over", idle_expires_at=START + 5)
        for family in (*families, over, build_family("bob's", subject="bob")):
            await refresh.open_family(family, now=START)
        expect(await refresh.list_for("ada", now=START + 5), tuple(reversed(families)))
        expect(await refresh.list_for("nobody", now=START + 5), ())
        await advance(refresh, families[0], 0, now=START + 60)
        listed = await refresh.list_for("ada", now=START + 60)
        expect([each.handle for each in listed], [f"handle of {number}" for number in (0, 2, 1)])

    async def test_R87_a_revoked_family_is_gone(self, store: HasRefresh) -> None:
        """It is returned once, as it was; after that no token of it is anything."""
        refresh = store.refresh
        family = build_family()
        await refresh.open_family(family, now=START)
        await advance(refresh, family, 0, now=START)
        standing = await refresh.load_family(family.digest, now=START)
        expect(await refresh.revoke_family(build_digest("unknown")), None)
        expect(await refresh.revoke_family(family.digest), standing)
        expect(await refresh.revoke_family(family.digest), None)
        for generation in range(3):
            expect(await advance(refresh, family, generation, now=START), FamilyGone())
        expect(await refresh.load_family(family.digest, now=START), None)
        expect(await refresh.list_for("ada", now=START), ())

    async def test_P19_revoke_by_handle(self, store: HasRefresh) -> None:
        """A handle ends only for the subject whose family it names."""
        refresh = store.refresh
        family = build_family()
        await refresh.open_family(family, now=START)
        expect(await refresh.revoke_handle("bob", family.handle), wanted=False)
        expect(await refresh.load_family(family.digest, now=START), family)
        expect(await refresh.revoke_handle("ada", "unknown"), wanted=False)
        expect(await refresh.revoke_handle("ada", family.handle), wanted=True)
        expect(await refresh.load_family(family.digest, now=START), None)
        expect(await advance(refresh, family, 0, now=START), FamilyGone())
        expect(await refresh.revoke_handle("ada", family.handle), wanted=False)

    async def test_P19_revoke_others_and_all(self, store: HasRefresh) -> None:
        """All but one, then all; the live ones are named; other subjects keep theirs."""
        refresh = store.refresh
        families = [build_family(f"{number}", advanced_at=START + number) for number in range(4)]
        over = build_family("over", idle_expires_at=START + 5)
        bob = build_family("bob's", subject="bob")
        for family in (*families, over, bob):
            await refresh.open_family(family, now=START)
        kept = families[2]
        ended = await refresh.revoke_subject("ada", keep=kept.handle, now=START + 5)
        expect(ended, tuple(f"handle of {number}" for number in (3, 1, 0)))
        expect(await refresh.list_for("ada", now=START), (kept,))
        expect(await refresh.revoke_subject("ada", keep=kept.handle, now=START + 5), ())
        expect(await refresh.revoke_subject("ada", now=START + 5), (kept.handle,))
        for family in (*families, over):
            expect(await advance(refresh, family, 0, now=START), FamilyGone())
        expect(await refresh.list_for("bob", now=START), (bob,))
        expect(await refresh.revoke_subject("nobody", now=START), ())

    async def test_P19_ended_by_reuse_is_not_named(self, store: HasRefresh) -> None:
        """What a reuse has ended is in no list, and no revocation claims to have ended it."""
        refresh = store.refresh
        families = [build_family("ended"), build_family("living")]
        for family in families:
            await refresh.open_family(family, now=START)
        await advance(refresh, families[0], 0, now=START)
        await advance(refresh, families[0], 0, now=START + GRACE)
        expect(await refresh.list_for("ada", now=START + GRACE), (families[1],))
        ended = await refresh.revoke_subject("ada", now=START + GRACE)
        expect(ended, (families[1].handle,))

    async def test_R91_revoked_by_exactly_one(self, store: HasRefresh) -> None:
        """Of 100 that end a family at once, by whatever way, one has ended it."""
        refresh = store.refresh
        family = build_family()
        await refresh.open_family(family, now=START)

        async def end(number: int) -> bool:
            if number % 3 == 0:
                return await refresh.revoke_family(family.digest) is not None
            if number % 3 == 1:
                return await refresh.revoke_handle("ada", family.handle)
            return len(await refresh.revoke_subject("ada", now=START)) == 1

        expect(Counter(await race(100, end)), {True: 1, False: 99})

    async def test_R91_a_rotation_never_revives(self, store: HasRefresh) -> None:
        """Advances and an ending at once: afterwards the family is gone, whoever came last."""
        refresh = store.refresh
        family = build_family()
        await refresh.open_family(family, now=START)

        async def run(number: int) -> None:
            if number == 50:
                await refresh.revoke_family(family.digest)
            else:
                await advance(refresh, family, number // 10, now=START)

        await race(100, run)
        # A reuse among them may have ended it first: that it was ended is known, and no more.
        expect(await refresh.load_family(family.digest, now=START), None)
        expect(await refresh.list_for("ada", now=START), ())
