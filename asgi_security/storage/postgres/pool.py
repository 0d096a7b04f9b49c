"""Connections that are shared by the tasks of an event loop."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from asgi_security.errors import StorageError
from asgi_security.storage.postgres.schema import fill

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from asgi_security.storage.postgres.options import Options

_IDLE_SECONDS = 300.0
"""A connection unused for longer may have been forgotten by a firewall, and would only stall."""

_MIGRATION_SECONDS = 60.0
