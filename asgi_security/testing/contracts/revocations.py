"""What a `RevocationStore` must do."""
# ruff: noqa: N802 -- the names cite the numbers of the specification

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from asgi_security.testing.contracts.expecting import START, build_digest, expect, race

if TYPE_CHECKING:
    from asgi_security.storage.protocols import RevocationStore

TOKEN, SESSION, ADA = build_digest("jti"), build_digest("sid"), build_digest("ada")


class HasRevocations(Protocol):
    """A store, as far as this contract uses it."""

    @property
    def revocations(self) -> RevocationStore:
        """The facet under test."""
        ...


class RevocationContract:
    """A `RevocationStore`, rule by rule."""

    async def test_V74_revoked_from_now_on(self, store: HasRevocations) -> None:
        """Any revoked id among those asked for refuses; others do not."""
        revocations = store.revocations
        expect(await revocations.is_revoked([TOKEN, SESSION], now=START), wanted=False)
        await revocations.revoke(SESSION, expires_at=START + 60)
        expect(await revocations.is_revoked([TOKEN, SESSION], now=START), wanted=True)
        expect(await revocations.is_revoked([SESSION], now=START), wanted=True)
        expect(await revocations.is_revoked([TOKEN], now=START), wanted=False)
        expect(await revocations.is_revoked([], now=START), wanted=False)

    async def test_V75_lives_until_its_expiry(self, store: HasRevocations) -> None:
        """It ends at its instant; revoking again keeps the later one; the past is no error."""
        revocations = store.revocations
        await revocations.revoke(TOKEN, expires_at=START + 60)
        for earlier in (START + 30, START - 30, 0.0):
            await revocations.revoke(TOKEN, expires_at=earlier)
        expect(await revocations.is_revoked([TOKEN], now=START + 59.5), wanted=True)
        expect(await revocations.is_revoked([TOKEN], now=START + 60), wanted=False)
        await revocations.revoke(TOKEN, expires_at=START + 120)
        expect(await revocations.is_revoked([TOKEN], now=START + 119.5), wanted=True)
        await revocations.revoke(SESSION, expires_at=START - 1)
        expect(await revocations.is_revoked([SESSION], now=START), wanted=False)

    async def test_V77_subject(self, store: HasRevocations) -> None:
        """What was issued before or at the instant is refused, and what has no date."""
        revocations = store.revocations
        await revocations.revoke_subject(ADA, before=START, expires_at=START + 600)
        for issued_at, wanted in (
            (START - 1, True),
            (START, True),
            (START + 0.001, False),
            (None, True),
        ):
            got = await revocations.is_revoked([], subject=ADA, issued_at=issued_at, now=START + 1)
            expect(got, wanted, f"issued at {issued_at}")
        bob = build_digest("bob")
        expect(await revocations.is_revoked([], subject=bob, now=START + 1), wanted=False)
        expect(await revocations.is_revoked([ADA], now=START + 1), wanted=False)
        await revocations.revoke(ADA, expires_at=START + 5)
        got = await revocations.is_revoked([ADA], subject=bob, issued_at=START, now=START + 1)
        expect(got, wanted=True)

    async def test_V77_subject_again_keeps_the_later(self, store: HasRevocations) -> None:
        """Neither a smaller `before` nor an earlier expiry weakens what stands."""
        revocations = store.revocations
        await revocations.revoke_subject(ADA, before=START, expires_at=START + 600)
        await revocations.revoke_subject(ADA, before=START - 50, expires_at=START + 700)
        await revocations.revoke_subject(ADA, before=START + 5, expires_at=START + 10)
        expect(
            await revocations.is_revoked([], subject=ADA, issued_at=START + 5, now=START + 699.5),
            wanted=True,
        )
        expect(await revocations.is_revoked([], subject=ADA, now=START + 700), wanted=False)

    async def test_V74_parallel(self, store: HasRevocations) -> None:
        """Of 100 revocations at once, one id with many expiries included, none gets lost."""
        revocations = store.revocations

        async def revoke(number: int) -> None:
            await revocations.revoke(TOKEN, expires_at=START + number)
            await revocations.revoke(build_digest(f"token {number}"), expires_at=START + 60)
            await revocations.revoke_subject(ADA, before=START + number, expires_at=START + 200)

        async def ask(number: int) -> bool:
            return await revocations.is_revoked([build_digest(f"token {number}")], now=START)

        await race(100, revoke)
        expect(all(await race(100, ask)), wanted=True)
        expect(await revocations.is_revoked([TOKEN], now=START + 98.5), wanted=True)
        got = await revocations.is_revoked([], subject=ADA, issued_at=START + 99, now=START)
        expect(got, wanted=True)
