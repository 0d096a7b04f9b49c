"""Remembers tokens that were found good, within bounds that no flood of tokens can exceed."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")

_OVERHEAD_BYTES = 512
_BYTES_PER_TOKEN_BYTE = 6
"""The token itself, and its claims as Python objects: measured, and rounded up."""


class TokenCache(Generic[T]):
    """A map from exact token bytes to a value, in two generations of half the size each.

    When the young one is full it becomes the old one, and the old one is dropped; what is asked
    for moves to the young. That keeps what is in use without any bookkeeping on a hit.

    The key is the token as received and never a form derived from it: what was verified is what is
    remembered. It is looked up by hash, not compared in constant time: whoever can find a key by
    timing would need to guess whole MACs, not characters of them.

    Args:
        entries, limit_bytes: the bounds.
        admits_at_once: False to remember a token only when it is put a second time. Most tokens of
            a flood come once; to keep one costs a fifth of verifying it, and room that others use.
    """

    __slots__ = ("_entries", "_limit_bytes", "_met", "_old", "_used", "_young")

    def __init__(self, *, entries: int, limit_bytes: int, admits_at_once: bool = True) -> None:
        self._entries = entries // 2
        self._limit_bytes = limit_bytes // 2
        # By Python's own hash, keyed for each process: who is mistaken for another comes in early.
        self._met: set[int] | None = None if admits_at_once else set()
        self._young: dict[bytes, T] = {}
        self._old: dict[bytes, T] = {}
        self._used = 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, token: bytes) -> T | None:
        """Return what is remembered of a token."""
        found = self._young.get(token)
        if found is None:
            found = self._old.pop(token, None)
            if found is not None:
                self._keep(token, found)
        return found

    def put(self, token: bytes, value: T) -> None:
        """Remember a token; one that would take more than its share is not."""
        met = self._met
        if met is not None:
            mark = hash(token)
            if mark not in met:
                if len(met) >= self._entries:
                    met.clear()
                met.add(mark)
                return
            met.discard(mark)
        self._keep(token, value)

    def _keep(self, token: bytes, value: T) -> None:
        size = len(token) * _BYTES_PER_TOKEN_BYTE + _OVERHEAD_BYTES
        if size > self._limit_bytes or not self._entries:
            return
        if self._used + size > self._limit_bytes or len(self._young) >= self._entries:
            self._old, self._young, self._used = self._young, {}, 0
        self._young[token] = value
        self._used += size

    def clear(self) -> None:
        """Forget everything."""
        self._young, self._old, self._used = {}, {}, 0
