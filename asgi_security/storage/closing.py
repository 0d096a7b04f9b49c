"""What every store does at the end of an `async with`, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


class Closing:
    """Closes itself when its block ends, however it ends."""

    async def aclose(self) -> None:
        """Let go of files, connections and threads; a store says how."""
        raise TypeError(f"{type(self).__name__} does not say how it closes")

    async def __aenter__(self) -> Self:
        """Return the store itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the store."""
        await self.aclose()
