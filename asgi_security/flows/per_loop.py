"""Keeps one of something for each event loop: what waits in one cannot be waited for in another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    import anyio.lowlevel

T = TypeVar("T")


class PerLoop(Generic[T]):
    """One object for each event loop, made when it is first asked for and gone with the loop."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._here: anyio.lowlevel.RunVar[T] | None = None

    def get(self) -> T:
        """Return that of the running loop."""
        from anyio.lowlevel import RunVar  # noqa: PLC0415 -- only who waits pays for it

        if self._here is None:
            # Its own name, because those of older versions are shared by name.
            self._here = RunVar(f"asgi_security {id(self)}")
        try:
            return self._here.get()
        except LookupError:
            made = self._make()
            self._here.set(made)
            return made
