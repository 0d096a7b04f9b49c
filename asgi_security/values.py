"""Makes values: what never changes once it is made, at the price of a plain object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def value(cls: type[T]) -> type[T]:
    """Make a class a dataclass with slots that type checkers hold to be frozen.

    For what every request makes anew and nobody but that request ever holds. While it runs,
    nothing guards the fields: the guard of `frozen=True` writes each through a call of its own, and
    with it a value of four fields takes four times as long to make. What requests share, such as a
    `Principal`, is better frozen in earnest.

    >>> @value
    ... class Found:
    ...     token: str
    >>> Found("a") == Found("a"), Found("a")
    (True, Found(token='a'))
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
