"""How a contract speaks: it expects, it builds what it needs, and it lets many race."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, TypeVar

import anyio

from asgi_security.storage.protocols import (
    Account,
    Admitted,
    AttemptKey,
    Factor,
    Identity,
    LockoutSchedule,
    Outcome,
    SessionRecord,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from asgi_security.storage.protocols import AttemptStore, Receipt

T = TypeVar("T")

START = 1_700_000_000.0
"""The instant at which every contract begins."""

SCHEDULE = LockoutSchedule(
    threshold=5, window_seconds=900.0, cooldowns_seconds=(30.0, 60.0, 120.0), max_consecutive=None
)


def expect(got: object, wanted: object, what: str = "") -> None:
    """Raise `AssertionError` unless the two are equal."""
    # An `assert` in an installed package is not rewritten by pytest, and gone under -O.
    if got != wanted:
        raise AssertionError(f"{what or 'answer'}: got {got!r}, wanted {wanted!r}")


def build_digest(name: str) -> bytes:
    """Return 32 bytes that stand for a keyed digest of `name`."""
    return hashlib.sha256(name.encode()).digest()


def build_account(
    name: str = "account", *, schedule: LockoutSchedule = SCHEDULE, old: Sequence[str] = ()
) -> AttemptKey:
    """Return a key that forgets on success."""
    olds = tuple(build_digest(each) for each in old)
    return AttemptKey("account", build_digest(name), schedule, True, olds)


def build_client(name: str = "client", *, schedule: LockoutSchedule = SCHEDULE) -> AttemptKey:
    """Return a key that does not."""
    return AttemptKey("client", build_digest(name), schedule, False)


def build_ticket(name: object) -> bytes:
    """Return 16 bytes, the same for the same name."""
    return build_digest(f"ticket {name}")[:16]


def build_session(name: str = "session", **fields: object) -> SessionRecord:
    """Return a session that starts now, idles for 30 minutes and ends in 12 hours."""
    values: dict[str, object] = {
        "digest": build_digest(name),
        "handle": f"handle of {name}",
        "user": "ada",
        "data": b'{"cart":[]}',
        "created_at": START,
        "seen_at": START,
        "idle_expires_at": START + 1800,
        "absolute_expires_at": START + 43_200,
        "user_agent": "Browser/1.0",
        "client": build_digest("address"),
    }
    return SessionRecord(**{**values, **fields})  # type: ignore[arg-type]


def build_user(name: str) -> Account:
    """Return an account of that name that was made now."""
    return Account(f"id of {name}", name, f"hash of {name}", created_at=START)


def build_factor(
    account: str, kind: str = "totp", name: str = "phone", *, data: bytes = b"sealed", step: int = 0
) -> Factor:
    """Return a second factor that was made now."""
    return Factor(account, kind, name, START, data, step)


def build_identity(name: str, *, account: str | None = None, subject: str = "") -> Identity:
    """Return an identity of the account that `build_user` makes of that name."""
    owner = build_user(name).id if account is None else account
    return Identity("https://id.example.test", subject or f"subject {name}", owner, START, b"{}")


async def open_charge(
    attempts: AttemptStore, keys: Sequence[AttemptKey], name: object, *, now: float
) -> Receipt:
    """Charge the keys and return the receipt of what must be admitted."""
    charge = await attempts.charge(keys, ticket=build_ticket(name), now=now)
    if not isinstance(charge, Admitted):
        raise AssertionError(f"charge {name}: got {charge!r}, wanted it admitted")  # noqa: TRY004
    return charge.receipt


async def fail(
    attempts: AttemptStore, keys: Sequence[AttemptKey], *, now: float, times: int = 1
) -> None:
    """Charge and fail so many times at `now`."""
    for turn in range(times):
        receipt = await open_charge(attempts, keys, f"fail {now} {turn}", now=now)
        await attempts.settle(receipt, Outcome.FAILURE, now=now)


async def race(count: int, run: Callable[[int], Awaitable[T]]) -> list[T]:
    """Run `run(0)` to `run(count - 1)` at once and return their results, first come first."""
    results: list[T] = []

    async def racer(number: int) -> None:
        results.append(await run(number))

    async with anyio.create_task_group() as group:
        for number in range(count):
            group.start_soon(racer, number)
    return results
