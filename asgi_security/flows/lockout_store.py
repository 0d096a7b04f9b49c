"""Reaches the attempts of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from asgi_security.storage.protocols import AttemptStore, Store


def resolve_attempts(store: Store | AttemptStore) -> AttemptStore:
    """Return the attempts of a whole store, or what is that facet already."""
    return cast("AttemptStore", getattr(store, "attempts", store))
