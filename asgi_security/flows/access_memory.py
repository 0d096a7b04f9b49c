"""Remembers, for one request, what was loaded to decide on access: each record is loaded once."""

from __future__ import annotations

from functools import partial
from inspect import isawaitable, iscoroutinefunction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from anyio import Lock

_MISSING = object()


class AccessMemory:
    """What one request has loaded. A new request has a new one, so nothing crosses over.

    What failed to load is not remembered, nor what is loaded by a key without a hash.
    """

    __slots__ = ("_locks", "_noted", "_values", "resolved")

    def __init__(self) -> None:
        self.resolved: tuple[object, int] | None = None
        """The loader asked last and the id of the principal it gave, kept alive in `_values`."""
        self._values: dict[Hashable, Any] = {}
        self._locks: dict[Hashable, Lock] = {}
        self._noted: set[str] = set()

    def note(self, name: str) -> bool:
        """Tell whether this is the first time of `name` in the request."""
        first = name not in self._noted
        self._noted.add(name)
        return first

    async def load(self, slot: Hashable, load: Callable[[Any], Any], key: object) -> Any:
        """Load what belongs in `slot`, however many ask at once; the rest wait for the first."""
        if not _is_hashable(slot):
            return await _call(load, key)
        from anyio import Lock  # noqa: PLC0415 -- only who loads pays for it

        if slot not in self._values:
            async with self._locks.setdefault(slot, Lock()):
                if slot not in self._values:  # those who waited find it
                    self._values[slot] = await _call(load, key)
        return self._values[slot]

    def load_now(self, slot: Hashable, load: Callable[[Any], Any], key: object) -> Any:
        """Load from a plain function. Two threads at once may each load; both get the first's."""
        if not _is_hashable(slot):
            return load(key)
        if slot not in self._values:
            self._values.setdefault(slot, load(key))
        return self._values[slot]


def build_slot(load: Callable[[Any], Any], key: object) -> tuple[object, ...]:
    """Return where a record is kept: by its type too, as keys 1, 1.0 and True would be one."""
    return load, type(key), key


async def _call(load: Callable[[Any], Any], key: object) -> Any:
    value = load(key)
    return await value if isawaitable(value) else value


def _is_hashable(slot: Hashable) -> bool:
    try:
        hash(slot)
    except TypeError:
        return False
    return True


def is_async(function: Callable[..., object]) -> bool:
    """Tell whether calling a function gives something to await."""
    while isinstance(function, partial):
        function = function.func
    called = getattr(function, "__call__", None)  # noqa: B004 -- an object's own method
    return iscoroutinefunction(function) or iscoroutinefunction(called)
