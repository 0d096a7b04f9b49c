"""Ends everything that an account has open: sessions, families of refresh tokens, access tokens.

For whatever makes old proofs worthless: a new password, a reset, a disabled or deleted account.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from asgi_security.clock import system_clock
from asgi_security.errors import StorageError
from asgi_security.flows.revocations import revoke_subject
from asgi_security.flows.store_bound import StoreBound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asgi_security.clock import Clock
    from asgi_security.storage.protocols import Store

_TRIES = 2


@dataclass(frozen=True, slots=True)
class Ended:
    """So many sessions and families of refresh tokens are over, and all access tokens."""

    sessions: int
    families: int


async def end_everything(
    store: Store,
    account_id: str,
    *,
    longest_token_seconds: float,
    timeout_seconds: float = 1.0,
    clock: Clock = system_clock,
    keep_session: bytes | None = None,
    keep_family: str | None = None,
) -> Ended:
    """End all of an account, but the session and the family from which it was asked for.

    Access tokens issued up to this second are refused without exception: the family that is kept
    gets another at its next refresh. Each of the three is tried although another failed,
    and tried once more. Idempotent.

    Args:
        store: whose facets `sessions`, `refresh` and `revocations` are asked.
        account_id: under which sessions and tokens were issued.
        longest_token_seconds: what no access token outlives.
        timeout_seconds: the time bound of each call.
        keep_session: digest of the session that stays.
        keep_family: handle of the family that stays.

    Raises:
        StorageError: Something may still be open.
    """
    counts: list[int] = []
    failures: list[StorageError] = []
    # Tokens last: what a refresh still made while families were being ended is refused with them.
    steps: tuple[Callable[[], Awaitable[int]], ...] = (
        partial(_end_families, store, account_id, keep=keep_family, clock=clock),
        partial(store.sessions.delete_for, account_id, keep=keep_session),
        partial(_end_tokens, store, account_id, seconds=longest_token_seconds, clock=clock),
    )
    for step in steps:
        try:
            counts.append(await _try(step, timeout_seconds))
        except StorageError as error:
            failures.append(error)
    if failures:
        raise StorageError("not everything could be ended") from failures[0]
    families, sessions, _ = counts
    return Ended(sessions=sessions, families=families)


async def _end_families(store: Store, subject: str, *, keep: str | None, clock: Clock) -> int:
    return len(await store.refresh.revoke_subject(subject, keep=keep, now=clock()))


async def _end_tokens(store: Store, subject: str, *, seconds: float, clock: Clock) -> int:
    now = clock()
    await revoke_subject(subject, store, before=now, expires_at=now + seconds)
    return 0


async def _try(step: Callable[[], Awaitable[int]], timeout_seconds: float) -> int:
    for _ in range(_TRIES - 1):
        try:
            with StoreBound(timeout_seconds):
                return await step()
        except StorageError:
            continue
    with StoreBound(timeout_seconds):
        return await step()
