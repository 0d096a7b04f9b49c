"""What a look at a store tells, and what a store must offer to be looked at and brought up to date.

A store of your own that has these methods works with `asgi-security store` too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TABLES = "tables"
"""The subject of what tells whether the tables are of this version."""

MOST_SKEW_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Observation:
    """One thing that was looked at. Safe to print because no credential and no key is told."""

    subject: str
    told: str
    is_bad: bool = False


@runtime_checkable
class Inspectable(Protocol):
    """A store that tells what it rests on."""

    async def inspect(self, *, now: float) -> tuple[Observation, ...]:
        """Look, and change nothing: no table is made, no file created.

        Raises:
            StorageError: It could not be looked at at all.
        """
        ...


@runtime_checkable
class Migratable(Protocol):
    """A store with tables."""

    async def migrate(self) -> None:
        """Bring the tables to this version; the first operation does the same.

        Raises:
            StorageError: They are of a newer version, or the database failed.
        """
        ...

    def render_migrations(self, *, version: int = 0) -> str:
        """Return, as one SQL script, what leads from tables of `version` to this one."""
        ...


def observe_version(found: int, known: int) -> Observation:
    """Tell how the tables that are there relate to those that this release knows."""
    if found == known:
        return Observation(TABLES, f"version {found}")
    told = f"version {found}, and this release knows {known}" if found else "none yet"
    hint = "upgrade asgi-security" if found > known else "run `asgi-security store migrate`"
    return Observation(TABLES, f"{told}; {hint}", is_bad=True)


def observe_clock(ahead_seconds: float, passed_seconds: float) -> Observation:
    """Tell how far a server's clock is from ours.

    Args:
        ahead_seconds: the server's clock less ours at the question.
        passed_seconds: from the question to the answer; at some moment in between it looked.
    """
    is_bad = not -MOST_SKEW_SECONDS <= ahead_seconds <= MOST_SKEW_SECONDS + passed_seconds
    told = f"the server is {abs(ahead_seconds):.3f} s {'ahead' if ahead_seconds > 0 else 'behind'}"
    if is_bad:
        told += "; machines that disagree about the time disagree about locks and expiries"
    return Observation("clock", told, is_bad)


def observe_settings(
    found: Mapping[str, str], wanted: Iterable[tuple[str, tuple[str, ...], str]]
) -> list[Observation]:
    """Compare settings with the values that each may have.

    Args:
        found: values by name; one that is not there could not be asked for, and is not judged.
        wanted: name, good values, and what any other one means.
    """
    observations: list[Observation] = []
    for name, good, meaning in wanted:
        if name in found:
            is_bad = found[name] not in good
            told = f"{found[name]}; {meaning}; set it to {good[0]}" if is_bad else found[name]
            observations.append(Observation(name, told, is_bad))
    return observations
