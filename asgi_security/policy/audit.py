"""Decides: what a record of the audit log says, and which chain it belongs to.

Source: RFC 3339 section 5.6 (times), OWASP ASVS 5.0 16.2.1-16.2.5 and 16.4.2, OWASP Logging Cheat
Sheet ("Event attributes").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from asgi_security.policy.audit_redaction import redact, redact_text
from asgi_security.validation import Findings, configuration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.secret import Secret

VERSION = 1
"""Of the form of a record."""

MAX_DETAILS_BYTES = 16 * 1024
"""Of the details of one record, as canonical JSON."""

KEY_ROTATED = "audit_key_rotated"
"""The action of the record that names the next key of its chain; nobody else may use it."""

_MAX_CHARACTERS = 512
_REQUEST_ID_CHARACTERS = 128
_NO_TENANT = "main"
_TENANT = "tenant:"
_WORD = re.compile(r"[a-z]+")
_UNSTORABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


@configuration
class AuditConfig:
    """The audit log of an app.

    Args:
        secret: at least 32 bytes, the key of every seal. Whoever has it can forge records; whoever
            can only write to the store cannot.
        old_secrets: keys of other times, which the log also verifies, and goes on with where a
            chain has not been rotated to `secret` yet.
        dangerously_unkeyed: seal with a plain hash where there is no `secret`, and accept records
            sealed so. It shows accidents, and hides whoever can write to the store.
        redacted_names: further words whose values are secrets, in lower case (`iban`).
        store_timeout_seconds: the time bound of one append with its repetitions, and of one page.
        max_tries: how often an append is repeated because another process was faster.
    """

    secret: Secret | str | bytes | None = None
    old_secrets: Sequence[Secret | str | bytes] = ()
    dangerously_unkeyed: bool = False
    redacted_names: Sequence[str] = ()
    store_timeout_seconds: float = 1.0
    max_tries: int = 100

    def __post_init__(self) -> None:
        findings = Findings("AuditConfig")
        findings.check_boolean("dangerously_unkeyed", self.dangerously_unkeyed)
        findings.check_number("store_timeout_seconds", self.store_timeout_seconds, minimum=0.01)
        findings.check_number("max_tries", self.max_tries, minimum=1, integer=True)
        self._check_secrets(findings)
        self._check_names(findings)
        findings.raise_if_any()

    def _check_secrets(self, findings: Findings) -> None:
        if self.secret is not None:
            object.__setattr__(self, "secret", findings.check_secret("secret", self.secret))
        elif self.dangerously_unkeyed is not True:
            hint = "make one with `asgi-security keys new`, or give dangerously_unkeyed=True"
            findings.add_secret("secret", "missing", hint)
        old = findings.check_secrets("old_secrets", self.old_secrets)
        object.__setattr__(self, "old_secrets", old)
        if old and self.secret is None:
            findings.add_secret("secret", "missing beside old_secrets", "give the current one")

    def _check_names(self, findings: Findings) -> None:
        if isinstance(self.redacted_names, str):
            hint = 'write ["iban"]'
            findings.add("redacted_names", self.redacted_names, "text, and no list", hint)
            return
        object.__setattr__(self, "redacted_names", tuple(self.redacted_names))
        for name in self.redacted_names:
            if _WORD.fullmatch(str(name)) is None:
                hint = "give single words of a-z, such as iban"
                findings.add("redacted_names", name, "not a word in lower case", hint)


@dataclass(frozen=True, slots=True)
class AuditFacts:
    """What a record says whatever its place in the chain; nothing of it is secret any more.

    `id` is random: two like events at one instant are two records, and no store may take the second
    for a repetition of the first.
    """

    id: str
    chain: str
    at: str
    action: str
    actor: str | None
    target: str | None
    outcome: str
    request_id: str | None
    details: Mapping[str, Any] = field(default_factory=dict)


def name_chain(tenant: str | None) -> str:
    """Return the name of a tenant's chain; that of no tenant equals none of theirs.

    >>> name_chain(None), name_chain("main")
    ('main', 'tenant:main')

    Raises:
        ValueError: No column can hold it.
    """
    return _NO_TENANT if tenant is None else _TENANT + _check_text("tenant", tenant)


def parse_chain(chain: str) -> tuple[str | None] | None:
    """Return the tenant of a chain in a tuple of one, None for a chain of another maker.

    >>> parse_chain("main"), parse_chain("tenant:acme"), parse_chain("else")
    ((None,), ('acme',), None)
    """
    if chain == _NO_TENANT:
        return (None,)
    return (chain.removeprefix(_TENANT),) if chain.startswith(_TENANT) else None


def format_instant(at: float) -> str:
    """Return an instant as RFC 3339 in UTC, always with six digits of a second.

    As text it comes back from every database as it was: nanoseconds that one of them cuts off
    would break every seal.

    >>> format_instant(1_700_000_000)
    '2023-11-14T22:13:20.000000Z'

    Raises:
        ValueError: It is beyond the calendar, or no number.
    """
    try:
        moment = datetime.fromtimestamp(at, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("an instant beyond the calendar") from error
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def build_facts(
    action: str,
    *,
    record_id: str,
    tenant: str | None,
    at: float,
    actor: str | None,
    target: str | None,
    outcome: str,
    request_id: str | None,
    details: Mapping[str, Any],
    redacted_names: Sequence[str] = (),
) -> AuditFacts:
    """Build what a record will say, without secrets.

    A request's id comes from outside and names nobody: what no column can hold is replaced in it.
    Ids of actors and targets are never changed, as they could become those of others.

    Raises:
        ValueError: An action or outcome is empty, an id is no text, has more than 512 characters
            or one that no column can hold; or the action is `KEY_ROTATED`.
    """
    if action == KEY_ROTATED:
        raise ValueError(f"the action {KEY_ROTATED} is reserved for the log itself")
    if not action or not outcome:
        raise ValueError("action and outcome must say something")
    if not isinstance(details, Mapping):
        raise ValueError("details must be a mapping")  # noqa: TRY004 -- as for all other faults
    return AuditFacts(
        id=record_id,
        chain=name_chain(tenant),
        at=format_instant(at),
        action=redact_text(_check_text("action", action)),
        actor=None if actor is None else redact_text(_check_text("actor", actor)),
        target=None if target is None else redact_text(_check_text("target", target)),
        outcome=redact_text(_check_text("outcome", outcome)),
        request_id=_clean_request_id(request_id),
        details=redact(details, redacted_names),  # type: ignore[arg-type] # of a mapping, one
    )


def build_rotation(chain: str, *, record_id: str, at: float, key_id: str) -> AuditFacts:
    """Build the record that names the key of the records after it."""
    return AuditFacts(
        id=record_id,
        chain=chain,
        at=format_instant(at),
        action=KEY_ROTATED,
        actor=None,
        target=None,
        outcome="success",
        request_id=None,
        details={"key": key_id},
    )


def build_body(
    facts: AuditFacts, *, sequence: int, previous: bytes, key_id: str | None
) -> dict[str, Any]:
    """Build the body of a record at its place: what is sealed, once it is canonical JSON."""
    return {
        "v": VERSION,
        "id": facts.id,
        "chain": facts.chain,
        "seq": sequence,
        "at": facts.at,
        "action": facts.action,
        "actor": facts.actor,
        "target": facts.target,
        "outcome": facts.outcome,
        "request_id": facts.request_id,
        "details": facts.details,
        "prev": previous.hex(),
        "key": key_id,
    }


def _check_text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} must be text")  # noqa: TRY004 -- as for all other faults
    if len(value) > _MAX_CHARACTERS:
        raise ValueError(f"{name} has more than {_MAX_CHARACTERS} characters")
    if _UNSTORABLE.search(value):
        raise ValueError(f"{name} has a control character or half a surrogate pair")
    return value


def _clean_request_id(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("request_id must be text")  # noqa: TRY004 -- as for all other faults
    return redact_text(_UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value[:_REQUEST_ID_CHARACTERS]))
