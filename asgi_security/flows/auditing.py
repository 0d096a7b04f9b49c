"""How every flow says what it did: to the sink of events, and to the audit log where there is one.

The audit log is written by whoever implements `Auditor`; `flows.audit.AuditLog` does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from asgi_security.errors import StorageError
from asgi_security.events import SecurityEvent, Severity
from asgi_security.flows.visits import UNKNOWN_VISIT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asgi_security.events import EventSink
    from asgi_security.flows.visits import Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """What happened, before it has a place in a chain.

    `actor` and `target` are plain ids, never names or addresses; `tenant` chooses the chain.
    `details` is what JSON can hold.
    """

    action: str
    actor: str | None = None
    target: str | None = None
    outcome: str = "success"
    tenant: str | None = None
    request_id: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


class Auditor(Protocol):
    """Whoever keeps an audit log."""

    async def record(self, entry: AuditEntry) -> None:
        """Append the entry to its chain.

        Raises:
            StorageError: It could not be stored.
            ValueError: It can be no record.
        """
        ...


class Reporter:
    """Tells the events and the audit log what a flow did, under one name."""

    def __init__(self, events: EventSink, audit: Auditor | None = None) -> None:
        self._events = events
        self._audit = audit

    def tell(self, name: str, severity: Severity = Severity.INFO, **facts: object) -> None:
        """Emit an event only: for what is no act of anyone."""
        self._events(SecurityEvent(name=name, severity=severity, facts=facts))

    async def record(
        self,
        action: str,
        *,
        actor: str | None = None,
        target: str | None = None,
        outcome: str = "success",
        tenant: str | None = None,
        visit: Visit = UNKNOWN_VISIT,
        severity: Severity = Severity.INFO,
        required: bool = False,
        **details: Any,
    ) -> None:
        """Emit an event, and append to the audit log.

        A log that fails is an alarm and no obstacle: a login stands. With `required`, what is not
        recorded does not happen (ASVS 5.0 16.3.1).

        Raises:
            StorageError: It is `required` and could not be stored.
            ValueError: It is `required` and can be no record.
        """
        self.tell(action, severity, actor=actor, target=target, outcome=outcome, **details)
        if self._audit is None:
            return
        entry = AuditEntry(
            action=action,
            actor=actor,
            target=target,
            outcome=outcome,
            tenant=tenant,
            request_id=visit.request_id,
            details=details,
        )
        try:
            await self._audit.record(entry)
        except (StorageError, ValueError) as error:
            facts = {"action": action, "error": type(error).__name__}
            self.tell("audit_failed", Severity.ERROR, **facts)
            if required:
                raise
