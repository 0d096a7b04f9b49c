"""The parts of a store, each of which an object of the user's own can replace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from asgi_security.storage.closing import Closing
from asgi_security.validation import suggest_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asgi_security.storage.protocols import (
        AccountStore,
        ApiKeyStore,
        AttemptStore,
        AuditStore,
        OneTimeStore,
        RefreshStore,
        RevocationStore,
        SessionStore,
        ThrottleStore,
    )

FACETS = (
    *("attempts", "revocations", "sessions", "once", "throttles"),
    *("refresh", "audit", "accounts", "api_keys"),
)


SWEEP_BATCH = 500
"""How many rows one transaction of a sweep removes at most."""


class Facets(TypedDict, total=False):
    """What may take the place of a store's own; it is then neither swept nor closed by it."""

    attempts: AttemptStore
    revocations: RevocationStore
    sessions: SessionStore
    once: OneTimeStore
    throttles: ThrottleStore
    refresh: RefreshStore
    audit: AuditStore
    accounts: AccountStore
    api_keys: ApiKeyStore


class FacetStore(Closing):
    """A store of facets: its own, and those that were given in their place."""

    attempts: AttemptStore
    revocations: RevocationStore
    sessions: SessionStore
    once: OneTimeStore
    throttles: ThrottleStore
    refresh: RefreshStore
    audit: AuditStore
    accounts: AccountStore
    api_keys: ApiKeyStore

    def _install(self, own: Mapping[str, object], given: Mapping[str, Any]) -> None:
        """Set every facet.

        Raises:
            TypeError: Something was given that is no facet; the nearest name is suggested.
        """
        for name in given:
            if name not in FACETS:
                near = suggest_name(name, FACETS)
                hint = f"did you mean {near!r}?" if near else f"facets are {', '.join(FACETS)}"
                raise TypeError(f"{type(self).__name__} takes no {name!r}; {hint}")
        self._swept: tuple[Any, ...] = tuple(
            facet for facet in own.values() if hasattr(facet, "sweep")
        )
        for name, facet in own.items():
            replaced = given.get(name)
            setattr(self, name, facet if replaced is None else replaced)

    async def sweep(self, *, now: float) -> int:
        """Remove what has expired, each batch of 500 in a transaction of its own."""
        total = 0
        for facet in self._swept:
            while removed := await facet.sweep(now, SWEEP_BATCH):
                total += removed
        return total
