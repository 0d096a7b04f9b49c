"""Does: counts attempts in a few calls, for a login that keeps its own order of checks.

Simpler than `Lockout.begin` and `settle`, and weaker: between asking and recording, parallel
guesses pass. Put `LockoutMiddleware` in front of it, or use `Lockout` instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.clock import system_clock
from asgi_security.crypto.digests import KeyedDigests, compute_unkeyed_digest
from asgi_security.flows.lockout_keys import (
    CLIENT,
    PASSWORD,
    build_schedule,
    name_account_kind,
)
from asgi_security.flows.lockout_store import resolve_attempts
from asgi_security.flows.store_bound import StoreBound
from asgi_security.policy import lockout as policy
from asgi_security.policy.clients import compute_client_key
from asgi_security.policy.lockout import LockoutConfig, LockoutStatus, convert_instant
from asgi_security.secret import Secret
from asgi_security.storage.protocols import AttemptKey
from asgi_security.validation import Findings

if TYPE_CHECKING:
    from asgi_security.clock import Clock
    from asgi_security.policy.lockout import Instant, LockoutRules
    from asgi_security.storage.protocols import AttemptStore, Store

_DIGEST_BYTES = 32


def compute_lockout(
    fail_count: int,
    cfg: LockoutRules | None = None,
    *,
    last_failure_at: Instant | None = None,
    now: Instant | None = None,
    clock: Clock = system_clock,
) -> LockoutStatus:
    """Return the status of a key with that many failures in a row, at `now` or this instant.

    With two arguments the last failure is this instant too, for a caller who has just counted it.
    With `last_failure_at` and `now` it reads no clock: `policy.lockout.compute_lockout`.

    Raises:
        ValueError: for a count that is negative or no integer, and for a naive datetime.
    """
    instant = clock() if now is None else now
    return policy.compute_lockout(fail_count, cfg, last_failure_at=last_failure_at, now=instant)


def compute_ip_hash(address: str, *, secret: Secret | str | bytes) -> str:
    """Return an address as 64 hex digits that only holders of `secret` can recompute.

    IPv6 counts by its /64. Under the same secret it is the key of `Lockout` and its middleware.

    Raises:
        ConfigError: for a secret of less than 32 bytes.
    """
    findings = Findings("compute_ip_hash")
    findings.check_secret("secret", secret)
    findings.raise_if_any()
    return KeyedDigests(Secret(secret)).compute(CLIENT, compute_client_key(address)).hex()


def _read_ip_hash(ip_hash: str) -> bytes:
    try:
        digest = bytes.fromhex(ip_hash)
    except ValueError:
        digest = b""
    return digest if len(digest) == _DIGEST_BYTES else compute_unkeyed_digest(CLIENT, ip_hash)


def _build_keys(user_id: object, ip_hash: str | None, config: LockoutConfig) -> list[AttemptKey]:
    keys: list[AttemptKey] = []
    if user_id is not None:
        kind = name_account_kind(PASSWORD)
        # An id of the app's own gives nothing away; a login name does not belong here.
        digest = compute_unkeyed_digest(kind, str(user_id))
        keys.append(AttemptKey(kind, digest, build_schedule(config), forgets_on_success=True))
    if ip_hash is not None:
        schedule = build_schedule(config.client_rules or config)
        digest = _read_ip_hash(ip_hash)
        keys.append(AttemptKey(CLIENT, digest, schedule, forgets_on_success=False))
    return keys


async def record_attempt(
    store: Store | AttemptStore,
    *,
    user_id: object = None,
    ip_hash: str | None = None,
    success: bool,
    cfg: LockoutConfig | None = None,
    now: float | None = None,
    clock: Clock = system_clock,
) -> None:
    """Record how an attempt ended, durably by itself.

    A failure counts for the user and for the address, where given. A success clears the user's
    failures and leaves the address's: an attacker could clear them with an account of his own.

    `user_id` is the app's own id of a known user and never a login name, `ip_hash` is one of
    `compute_ip_hash`; None for either is simply no key. `cfg` must be the one that
    `get_lockout_status` is asked with.

    Raises:
        StorageError: when it could not be stored.
    """
    attempts = resolve_attempts(store)
    config = LockoutConfig() if cfg is None else cfg
    keys = _build_keys(user_id, None if success else ip_hash, config)
    if not keys:
        return
    with StoreBound(config.store_timeout_seconds):
        if success:
            await attempts.clear(keys)
        else:
            await attempts.add_failure(keys, now=clock() if now is None else now)


async def get_lockout_status(
    store: Store | AttemptStore,
    *,
    user_id: object = None,
    ip_hash: str | None = None,
    cfg: LockoutConfig | None = None,
    now: float | None = None,
    clock: Clock = system_clock,
) -> LockoutStatus:
    """Return the worse status of a user and an address; None for either is simply no key.

    `cfg` rules both, unless it has `client_rules` for addresses.

    Raises:
        StorageError: when the store did not answer; let no attempt pass then.
    """
    config = LockoutConfig() if cfg is None else cfg
    keys = _build_keys(user_id, ip_hash, config)
    if not keys:
        return LockoutStatus(locked=False, next_allowed_at=None, failure_count=0)
    with StoreBound(config.store_timeout_seconds):
        instant = clock() if now is None else now
        statuses = await resolve_attempts(store).status(keys, now=instant)
    failures = max(status.failures for status in statuses)
    ends = [status.locked_until for status in statuses if status.locked]
    until = None if None in ends else max((end for end in ends if end is not None), default=None)
    return LockoutStatus(
        locked=bool(ends),
        next_allowed_at=None if until is None else convert_instant(until),
        failure_count=failures,
    )
