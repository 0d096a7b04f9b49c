"""What a `OneTimeStore` must do."""
# ruff: noqa: N802 -- the names cite the numbers of the specification

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from asgi_security.testing.contracts.expecting import START, build_digest, expect, race

if TYPE_CHECKING:
    from asgi_security.storage.protocols import OneTimeStore

CODE = build_digest("code")


class HasOnce(Protocol):
    """A store, as far as this contract uses it."""

    @property
    def once(self) -> OneTimeStore:
        """The facet under test."""
        ...


class OneTimeContract:
    """A `OneTimeStore`, rule by rule."""

    async def test_X111_taken_once(self, store: HasOnce) -> None:
        """A value comes out once, under its own kind and digest only."""
        once = store.once
        await once.put("state", CODE, b"\x00value", expires_at=START + 60, now=START)
        expect(await once.take("other", CODE, now=START), None)
        expect(await once.take("state", build_digest("else"), now=START), None)
        expect(await once.take("state", CODE, now=START + 59.5), b"\x00value")
        expect(await once.take("state", CODE, now=START), None)

    async def test_X111_expired_is_absent(self, store: HasOnce) -> None:
        """At its instant a value is gone."""
        await store.once.put("state", CODE, b"", expires_at=START + 60, now=START)
        expect(await store.once.take("state", CODE, now=START + 60), None)

    async def test_O101_put_replaces(self, store: HasOnce) -> None:
        """The last value under a name is the one that counts, with its own expiry."""
        once = store.once
        await once.put("state", CODE, b"old", expires_at=START + 60, now=START)
        await once.put("state", CODE, b"", expires_at=START + 600, now=START)
        expect(await once.take("state", CODE, now=START + 300), b"")

    async def test_M96_taken_by_exactly_one(self, store: HasOnce) -> None:
        """Of 100 takers at once one gets the value."""
        await store.once.put("mfa", CODE, b"value", expires_at=START + 60, now=START)

        async def take(_number: int) -> bytes | None:
            return await store.once.take("mfa", CODE, now=START)

        taken = [value for value in await race(100, take) if value is not None]
        expect(taken, [b"value"])

    async def test_F97_claimed_by_exactly_one(self, store: HasOnce) -> None:
        """Of 100 claims at once one is the first; the claim ends at its instant."""
        once = store.once

        async def claim(_number: int) -> bool:
            return await once.claim("totp", CODE, expires_at=START + 60, now=START)

        expect(sorted(await race(100, claim)), [False] * 99 + [True])
        expect(await once.claim("totp", CODE, expires_at=START + 90, now=START + 59.5), False)
        expect(await once.claim("other", CODE, expires_at=START + 60, now=START), wanted=True)
        expect(await once.claim("totp", CODE, expires_at=START + 90, now=START + 60), wanted=True)
        expect(await once.claim("totp", CODE, expires_at=START + 99, now=START + 89.5), False)

    async def test_F97_claims_are_no_values(self, store: HasOnce) -> None:
        """A claim cannot be taken, and a value is no claim."""
        once = store.once
        await once.claim("kind", CODE, expires_at=START + 60, now=START)
        expect(await once.take("kind", CODE, now=START), None)
        expect(await once.claim("kind", CODE, expires_at=START + 60, now=START), wanted=False)
        other = build_digest("other")
        await once.put("kind", other, b"v", expires_at=START + 60, now=START)
        expect(await once.claim("kind", other, expires_at=START + 60, now=START), wanted=True)
        expect(await once.take("kind", other, now=START), b"v")
