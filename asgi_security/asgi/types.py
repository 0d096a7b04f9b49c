"""Names the shapes of ASGI 3.

Source: https://asgi.readthedocs.io/en/latest/specs/main.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
"""An app, called with (Scope, Receive, Send). Any, as each framework narrows the three its way."""

Header: TypeAlias = tuple[bytes, bytes]
HeaderList: TypeAlias = list[Header]
"""Field lines in order, names in lower case, every duplicate kept."""
