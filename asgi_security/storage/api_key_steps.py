"""Decisions about one API key, for every backend that makes them in Python."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from asgi_security.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asgi_security.storage.protocols.api_keys import ApiKey


def check_repeated(present: ApiKey | None, key: ApiKey) -> bool:
    """Tell whether a creation has been made before.

    Raises:
        StorageError: Another key has this id: the ids are not random.
    """
    if present is None:
        return False
    if (present.account, present.digest) != (key.account, key.digest):
        raise StorageError("another API key has this id")
    return True


def move_used_at(key: ApiKey, used_at: float) -> ApiKey:
    """Return the key as used then, or later if it was."""
    if key.used_at is not None and key.used_at >= used_at:
        return key
    return replace(key, used_at=used_at)


def sort_keys(keys: Iterable[ApiKey]) -> tuple[ApiKey, ...]:
    """Return keys with the newest first, then by id."""
    return tuple(sorted(keys, key=lambda key: (-key.created_at, key.id)))
