"""Decisions about one family of refresh tokens, for every backend that makes them in Python.

Each is given what is stored and live, and says what to write; the backend makes it atomic.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from asgi_security.errors import StorageError
from asgi_security.storage.protocols.refresh import FamilyGone, Retried, Reused, Rotated

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asgi_security.storage.protocols.refresh import Advance, RefreshFamily


@dataclass(frozen=True, slots=True)
class StoredFamily:
    """A family, and whether it was ended because one of its tokens came twice."""

    family: RefreshFamily
    is_ended: bool = False

    @property
    def expires_at(self) -> float:
        """When it is forgotten: one that was ended is known as long as its tokens could live."""
        absolute = self.family.absolute_expires_at
        return absolute if self.is_ended else min(self.family.idle_expires_at, absolute)


def check_repeated(present: StoredFamily | None, family: RefreshFamily) -> bool:
    """Tell whether an opening has been made before.

    Raises:
        StorageError: Another family has this digest: the ids are not random.
    """
    if present is not None and present.family.handle != family.handle:
        raise StorageError("another family has this digest")
    return present is not None


def decide_advance(
    present: StoredFamily | None,
    generation: int,
    *,
    grace_seconds: float,
    idle_expires_at: float,
    now: float,
) -> tuple[Advance, StoredFamily | None]:
    """Return the answer to a token of `generation`, and what to write, None for nothing."""
    if present is None or generation > present.family.generation:
        return FamilyGone(), None
    family = present.family
    age = family.generation - generation
    if present.is_ended:
        return Reused(family, age, is_first=False), None
    if age == 0:
        rotated = replace(
            family,
            generation=generation + 1,
            advanced_at=now,
            idle_expires_at=max(family.idle_expires_at, idle_expires_at),
        )
        return Rotated(rotated), StoredFamily(rotated)
    if age == 1 and now < family.advanced_at + grace_seconds:
        return Retried(family), None
    return Reused(family, age, is_first=True), StoredFamily(family, is_ended=True)


def list_live(stored: Iterable[StoredFamily]) -> tuple[RefreshFamily, ...]:
    """Return those of one subject's families that were not ended, the one advanced last first."""
    alive = [each.family for each in stored if not each.is_ended]
    alive.sort(key=lambda family: (family.advanced_at, family.digest), reverse=True)
    return tuple(alive)
