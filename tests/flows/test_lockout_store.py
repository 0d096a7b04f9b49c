"""A store or its facet."""

from __future__ import annotations

from asgi_security.flows.lockout_store import resolve_attempts
from asgi_security.storage.memory import MemoryStore


def test_a_store_and_its_facet_are_the_same() -> None:
    store = MemoryStore()
    assert resolve_attempts(store) is store.attempts
    assert resolve_attempts(store.attempts) is store.attempts
