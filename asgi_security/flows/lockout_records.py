"""Tells what a settled attempt has changed: as events for operators, and as a row for queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.events import SecurityEvent, Severity
from asgi_security.flows.lockout_keys import CLIENT
from asgi_security.storage.protocols import AttemptRecord, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from asgi_security.storage.protocols import AttemptKey, Receipt, Settled

_USER_AGENT_CHARACTERS = 200


def describe_settlement(
    keys: Sequence[AttemptKey], settled: Settled, outcome: Outcome
) -> Iterator[SecurityEvent]:
    """Yield the events of a settlement.

    They are `account_locked`, `device_locked` and `client_locked`, once per lock, and
    `success_after_failures`.

    Safe to log because keys appear as keyed digests only.
    """
    for key, before, after in zip(keys, settled.before, settled.after, strict=True):
        facts: dict[str, object] = {"kind": key.kind, "key": key.digest.hex()}
        if after.locked and not before.locked:
            name = f"{key.kind.partition(':')[0]}_locked"
            facts |= {"failures": after.failures, "until": after.locked_until}
            yield SecurityEvent(name=name, severity=Severity.WARNING, facts=facts)
        if outcome is Outcome.SUCCESS and key.forgets_on_success and before.failures:
            # ASVS 6.3.5: the account's owner may want to hear of it.
            facts["failures"] = before.failures
            yield SecurityEvent(name="success_after_failures", facts=facts)


def build_record(
    receipt: Receipt, outcome: Outcome, *, now: float, user_agent: str, address: str | None
) -> AttemptRecord:
    """Build the row of an attempt. No verdict ever comes from one."""
    digests = {key.kind == CLIENT: key.digest for key in receipt.keys}
    return AttemptRecord(
        at=now,
        account=digests.get(False),
        client=digests.get(True),
        kind=receipt.keys[0].kind,
        outcome=outcome.value,
        user_agent=user_agent[:_USER_AGENT_CHARACTERS],
        address=address,
    )
