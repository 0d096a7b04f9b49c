"""Does: the audit log under the names and arguments that older apps call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgi_security.crypto.audit_chain import Broken
from asgi_security.flows.auditing import AuditEntry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asgi_security.flows.audit import AuditLog


async def append_event(
    log: AuditLog,
    *,
    event_type: str,
    actor_id: str | None = None,
    tenant_id: str | None = None,
    resource_ref: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Append an event to the chain of its tenant; the log itself knows what came before.

    Raises:
        StorageError: It could not be stored. It is never dropped in silence.
        ValueError: It can be no record.
    """
    entry = AuditEntry(
        action=event_type,
        actor=actor_id,
        target=resource_ref,
        tenant=tenant_id,
        details={} if metadata is None else metadata,
    )
    await log.record(entry)


async def verify_chain_for_tenant(
    log: AuditLog, *, tenant_id: str | None = None, anchor: str | None = None
) -> tuple[bool, list[int]]:
    """Tell whether a tenant's chain is whole, and the number of the first record that is not.

    An empty chain is whole. One number at most is told: behind a break nothing can be proven.

    Raises:
        StorageError: It could not be read, which is no proof of anything.
        ValueError: The anchor is no checkpoint of this chain.
    """
    found = await log.verify(tenant_id, anchor=anchor)
    return (False, [found.index]) if isinstance(found, Broken) else (True, [])
