"""Complains: every error this package raises, and the one-line shape of a configuration problem."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Problem(NamedTuple):
    """One fault of a configuration: where it is, what stands there, why it is wrong, what to do.

    `value` is a `repr` cut to a readable length, and `"<secret>"` for every field that holds one.
    """

    field: str
    value: str
    reason: str
    hint: str

    def __str__(self) -> str:
        return f"{self.field}={self.value}: {self.reason}; {self.hint}"


class ConfigError(ValueError):
    """A configuration that cannot be made safe sense of, raised at construction.

    All its problems are found in one go; `problems` lists them sorted by field.
    """

    def __init__(self, owner: str, problems: Iterable[Problem]) -> None:
        self.owner = owner
        self.problems = tuple(sorted(problems, key=lambda problem: problem.field))
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        super().__init__(f"{owner}: {len(self.problems)} problem(s){lines}")


class StorageError(Exception):
    """A store failed, or did not answer within its time bound.

    The only exception a store lets out. The driver's own error is its `__cause__`; its text may
    hold addresses or statements, so it is for logs and never for a response.
    """


class SignatureError(ValueError):
    """A signed value was refused. `reason` is one word of a fixed set, never part of the value."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class SessionNotLoadedError(RuntimeError):
    """A store-backed session with `lazy_load=True` was read before `await session.load()`."""
