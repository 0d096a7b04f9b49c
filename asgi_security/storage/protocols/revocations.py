"""Tokens and sessions that are refused before their time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class RevocationStore(Protocol):
    """Tokens and sessions that are refused before their time."""

    async def revoke(self, digest: bytes, *, expires_at: float) -> None:
        """Refuse this id from now on, at least until `expires_at`.

        Revoking again keeps the later expiry. An expiry in the past is a success without effect.
        """
        ...

    async def revoke_subject(self, subject: bytes, *, before: float, expires_at: float) -> None:
        """Refuse all that was issued to this subject digest at or before the instant `before`.

        Revoking again keeps the later `before` and the later expiry.
        """
        ...

    async def is_revoked(
        self,
        ids: Sequence[bytes],
        *,
        subject: bytes | None = None,
        issued_at: float | None = None,
        now: float,
    ) -> bool:
        """Tell in one trip whether any id is revoked, or the subject at or after `issued_at`.

        A subject with a revocation and no `issued_at` is revoked: unknown age is no excuse.
        """
        ...
