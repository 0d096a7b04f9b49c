"""Families of refresh tokens, of which one generation is valid at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class RefreshFamily:
    """A family as it is stored: one login, and all refresh tokens that came of it.

    `digest` is the SHA-256 of the random id inside the tokens, 32 bytes: a dump of the store yields
    no token. `handle` names the family in lists, in its access tokens (`sid`) and in revocations;
    it opens nothing. `data` is JSON of the caller's. The family is absent from
    `min(idle_expires_at, absolute_expires_at)` on.
    """

    digest: bytes
    handle: str
    subject: str
    data: bytes
    created_at: float
    advanced_at: float
    """When the present generation began."""
    idle_expires_at: float
    absolute_expires_at: float
    user_agent: str = ""
    client: bytes | None = None
    """Keyed digest of the client's address."""
    generation: int = 0
    """That of the one token which has not been used yet."""


@dataclass(frozen=True, slots=True)
class Rotated:
    """The token was the present one; `family` is as it stands now, one generation on."""

    family: RefreshFamily


@dataclass(frozen=True, slots=True)
class Retried:
    """The token was the one before the present, its reply perhaps lost; nothing was changed.

    The successor is made again from `family`, whose generation has not been used yet.
    """

    family: RefreshFamily


@dataclass(frozen=True, slots=True)
class Reused:
    """The token had been used up before: the family is ended, for the thief and for the owner.

    It stays known until its absolute expiry, and each later advance is answered `Reused` again, so
    that a caller whose reply was lost can still refuse the access tokens. `is_first` is True for
    one caller only. `age` counts generations between the token and the present one.
    """

    family: RefreshFamily
    age: int
    is_first: bool


@dataclass(frozen=True, slots=True)
class FamilyGone:
    """There is no such family (any more). Nothing was changed."""


Advance: TypeAlias = Rotated | Retried | Reused | FamilyGone


class RefreshStore(Protocol):
    """Families of refresh tokens."""

    async def open_family(self, family: RefreshFamily, *, now: float) -> None:
        """Store a new family; storing the same one again is a success without effect.

        Raises:
            StorageError: Another family has this digest.
        """
        ...

    async def advance(
        self,
        digest: bytes,
        generation: int,
        *,
        grace_seconds: float,
        idle_expires_at: float,
        now: float,
    ) -> Advance:
        """Use up the token of `generation`.

        * the present one: `Rotated`. The generation grows by one, `advanced_at` becomes `now` and
          the idle expiry `idle_expires_at`, never earlier than it was; the absolute one stays.
        * the one before it, until `advanced_at + grace_seconds` (excluded): `Retried`.
        * any older one, or that one later: `Reused`, and the family ends.
        * one that is yet to come, or of a family that is absent: `FamilyGone`.

        Atomic because two rotations of one token at once would be two families in one.
        """
        ...

    async def load_family(self, digest: bytes, *, now: float) -> RefreshFamily | None:
        """Return the live family, or None; one that ended by reuse is None."""
        ...

    async def revoke_family(self, digest: bytes) -> RefreshFamily | None:
        """End a family and return it as it was; None if there was none (or on a repeat)."""
        ...

    async def revoke_handle(self, subject: str, handle: str) -> bool:
        """End the subject's family of that handle; False if the subject has none such."""
        ...

    async def revoke_subject(
        self, subject: str, *, keep: str | None = None, now: float
    ) -> tuple[str, ...]:
        """End all of the subject's families but that of handle `keep`; return their handles.

        Only live ones are named; what has expired or ended by reuse may be dropped silently.
        """
        ...

    async def list_for(self, subject: str, *, now: float) -> tuple[RefreshFamily, ...]:
        """Return the subject's live families, the one advanced last first."""
        ...
