"""Chooses how sessions are kept: in a store where one is given, else in their cookies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgi_security.errors import ConfigError, Problem
from asgi_security.flows.session_cookies import CookieSessionKeeper
from asgi_security.flows.session_records import StoredSessionKeeper

if TYPE_CHECKING:
    from asgi_security.clock import Clock, Entropy
    from asgi_security.events import EventSink
    from asgi_security.flows.session_keeping import FindCookies, SessionKeeper
    from asgi_security.policy.sessions import SessionConfig


def build_keeper(
    config: SessionConfig,
    *,
    find: FindCookies,
    clock: Clock,
    entropy: Entropy,
    events: EventSink,
) -> SessionKeeper:
    """Build the keeper that the configuration asks for.

    Raises:
        ConfigError: for a store, or revocations, that are none.
    """
    outside = {"find": find, "clock": clock, "entropy": entropy, "events": events}
    if config.store is not None:
        store = _resolve_facet("store", config.store, "sessions", "replace")
        return StoredSessionKeeper(config, store=store, **outside)
    revocations = None
    if config.revocations is not None:
        revocations = _resolve_facet("revocations", config.revocations, "revocations", "is_revoked")
    return CookieSessionKeeper(config, revocations=revocations, **outside)


def _resolve_facet(field: str, given: object, facet: str, operation: str) -> Any:
    """Return the facet of a whole store, or the facet itself where that was given."""
    found = getattr(given, facet, given)
    if not hasattr(found, operation):
        hint = f"give a store such as MemoryStore(), or its `{facet}` facet"
        reason = f"it has no `{operation}` operation"
        raise ConfigError("SessionConfig", [Problem(field, type(given).__name__, reason, hint)])
    return found
