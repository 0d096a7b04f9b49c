"""What is asked of accounts, refresh families, API keys and the audit log, and how they are filled.

Of their many operations these are asked that requests wait for: reading, and changing what was
read. What a turn makes it removes again; an audit record cannot be removed, and stays.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from asgi_security.storage.protocols import (
    Account,
    ApiKey,
    AuditHead,
    AuditRecord,
    RefreshFamily,
)
from benchmarks.stores.operations import AGENT, DATA, KEPT_SECONDS, FacetPlan, Operation
from benchmarks.stores.operations import build_digest as digest_of

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from asgi_security.storage.protocols import Store
    from benchmarks.stores.operations import Turn

MOST_KEYS = 100_000
"""These facets are filled so far, and the others to the last size of a run."""
AUDIT_BATCH = 100
"""Records of one append, while the log is filled."""
_READ_LIMIT = 10
_CHAIN_LENGTH = 1_000_000_000
_PASSWORD_HASH = "$argon2id$v=19$m=19456,t=2,p=1$" + "s" * 22 + "$" + "h" * 43
_BODY = b'{"action":"login","actor":"ada","outcome":"success","request":"0123456789abcdef"}'


def build_account(number: int, now: float) -> Account:
    """Build an account with a password, found by its mail address."""
    return Account(
        id=f"account-{number}",
        name=f"user-{number}@example.com",
        password_hash=_PASSWORD_HASH,
        roles=("member",),
        created_at=now,
        data=DATA,
    )


def build_family(number: int, now: float) -> RefreshFamily:
    """Build a family of a subject that has no other, with its first token unused."""
    return RefreshFamily(
        digest=digest_of(number),
        handle=f"handle-{number}",
        subject=f"user-{number}",
        data=DATA,
        created_at=now,
        advanced_at=now,
        idle_expires_at=now + KEPT_SECONDS,
        absolute_expires_at=now + KEPT_SECONDS,
        user_agent=AGENT,
    )


def build_api_key(number: int, now: float) -> ApiKey:
    """Build a key of an account that has no other."""
    return ApiKey(
        id=f"key-{number}",
        digest=digest_of(number),
        account=f"account-{number}",
        name="deployment",
        scopes=("read", "write"),
        created_at=now,
        expires_at=now + KEPT_SECONDS,
    )


def build_record(number: int) -> AuditRecord:
    """Build a record of the chain that its number lies in, behind the record before it.

    >>> [(one.chain, one.sequence) for one in map(build_record, (0, 7, 2_000_000_000))]
    [('chain-0', 1), ('chain-0', 8), ('chain-2', 1)]
    """
    chain, place = divmod(number, _CHAIN_LENGTH)
    return AuditRecord(
        chain=f"chain-{chain}",
        sequence=place + 1,
        body=_BODY,
        mac=digest_of(number + 1),  # that of 0 are zeros, which stand before the first record
        previous=digest_of(number) if place else bytes(32),
        at="2026-01-01T00:00:00.000000Z",
        action="login",
        actor=f"user-{number}",
        target=None,
        outcome="success",
    )


def _find_head(number: int) -> AuditHead | None:
    before = number - 1
    return None if number % _CHAIN_LENGTH == 0 else AuditHead(*_seal(build_record(before)))


def _seal(record: AuditRecord) -> tuple[int, bytes]:
    return record.sequence, record.mac


def _save(store: Store, turn: Turn) -> Awaitable[object]:
    """Compare and set: the fresh account is at its first version."""
    changed = replace(build_account(turn.fresh, turn.now), epoch=1)
    return store.accounts.save(changed)


_ACCOUNTS = FacetPlan(
    fill=lambda store, turn: store.accounts.create(build_account(turn.walked, turn.now)),
    read=lambda store, turn: store.accounts.find(build_account(turn.walked, turn.now).name),
    expect=lambda turn: build_account(turn.walked, turn.now),
    operations=(
        Operation("load", lambda store, turn: store.accounts.load(f"account-{turn.walked}")),
        Operation(
            "find", lambda store, turn: store.accounts.find(f"user-{turn.walked}@example.com")
        ),
        Operation(
            "create", lambda store, turn: store.accounts.create(build_account(turn.fresh, turn.now))
        ),
        Operation("save", _save),
        Operation("delete", lambda store, turn: store.accounts.delete(f"account-{turn.fresh}")),
    ),
    most_keys=MOST_KEYS,
)


def _advance(store: Store, turn: Turn) -> Awaitable[object]:
    return store.refresh.advance(
        digest_of(turn.fresh),
        0,
        grace_seconds=10.0,
        idle_expires_at=turn.now + KEPT_SECONDS,
        now=turn.now,
    )


def _load_family(store: Store, turn: Turn) -> Awaitable[object]:
    return store.refresh.load_family(digest_of(turn.walked), now=turn.now)


_REFRESH = FacetPlan(
    fill=lambda store, turn: store.refresh.open_family(
        build_family(turn.walked, turn.now), now=turn.now
    ),
    read=_load_family,
    expect=lambda turn: build_family(turn.walked, turn.now),
    operations=(
        Operation("load_family", _load_family),
        Operation(
            "open_family",
            lambda store, turn: store.refresh.open_family(
                build_family(turn.fresh, turn.now), now=turn.now
            ),
        ),
        Operation("advance", _advance),
        Operation(
            "revoke_family", lambda store, turn: store.refresh.revoke_family(digest_of(turn.fresh))
        ),
    ),
    most_keys=MOST_KEYS,
)


def _load_key(store: Store, turn: Turn) -> Awaitable[object]:
    return store.api_keys.load(f"key-{turn.walked}")


_API_KEYS = FacetPlan(
    fill=lambda store, turn: store.api_keys.create(build_api_key(turn.walked, turn.now)),
    read=_load_key,
    expect=lambda turn: build_api_key(turn.walked, turn.now),
    operations=(
        Operation("load", _load_key),
        Operation(
            "create", lambda store, turn: store.api_keys.create(build_api_key(turn.fresh, turn.now))
        ),
        Operation(
            "touch",
            lambda store, turn: store.api_keys.touch(f"key-{turn.fresh}", used_at=turn.now + 1),
        ),
        Operation(
            "delete",
            lambda store, turn: store.api_keys.delete(f"account-{turn.fresh}", f"key-{turn.fresh}"),
        ),
    ),
    most_keys=MOST_KEYS,
)


def _fill_log(store: Store, turn: Turn) -> Awaitable[object]:
    records = [build_record(number) for number in range(turn.walked, turn.until)]
    return store.audit.append(records, after=_find_head(turn.walked))


def _append(store: Store, turn: Turn) -> Awaitable[object]:
    """Append to a chain of the turn's own: of one chain only one append at a time succeeds."""
    record = replace(build_record(0), chain=f"fresh-{turn.fresh}")
    return store.audit.append([record], after=None)


def _read(store: Store, turn: Turn, limit: int) -> Awaitable[object]:
    record = build_record(turn.walked)
    return store.audit.read(record.chain, after=record.sequence - 1, limit=limit)


_AUDIT = FacetPlan(
    fill=_fill_log,
    read=lambda store, turn: _read(store, turn, 1),
    expect=lambda turn: (build_record(turn.walked),),
    operations=(
        Operation("append", _append),
        Operation(
            "load_head",
            lambda store, turn: store.audit.load_head(build_record(turn.walked).chain),
        ),
        Operation("read", lambda store, turn: _read(store, turn, _READ_LIMIT)),
    ),
    most_keys=MOST_KEYS,
    batch=AUDIT_BATCH,
    fill_at_once=1,  # each append follows on the one before
)

CREDENTIAL_PLANS = {
    "accounts": _ACCOUNTS,
    "refresh": _REFRESH,
    "api_keys": _API_KEYS,
    "audit": _AUDIT,
}
"""By the name of the facet."""
