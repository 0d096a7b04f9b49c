"""Values that can be taken once, and names that can be claimed once."""

from __future__ import annotations

from typing import Protocol


class OneTimeStore(Protocol):
    """Values that can be taken once, and names that can be claimed once."""

    async def put(
        self, kind: str, digest: bytes, value: bytes, *, expires_at: float, now: float
    ) -> None:
        """Store a value under (kind, digest), in place of any other."""
        ...

    async def take(self, kind: str, digest: bytes, *, now: float) -> bytes | None:
        """Remove and return a live value, to exactly one caller; None to all others.

        Atomic because a code that two requests can both spend is worth two logins.
        """
        ...

    async def claim(self, kind: str, digest: bytes, *, expires_at: float, now: float) -> bool:
        """Claim (kind, digest) until `expires_at`: True for the first caller, False for the rest.

        Atomic because replay protection is exactly this one answer.
        """
        ...
