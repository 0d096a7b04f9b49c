"""Does: counts attempts at an account before they are verified, and settles them afterwards.

Usable without ASGI: whoever verifies a password, a token or a code calls `begin` first, so that
all pathways to an account share its count (ASVS 6.3.4).

An account is typed text here, and normalised here, so that no caller can forget it. Sessions,
refresh tokens and remember-me cookies never come here: a lock stops guessing, not working.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import anyio

from asgi_security.clock import system_clock, system_entropy
from asgi_security.errors import StorageError
from asgi_security.events import SecurityEvent, Severity, log_event
from asgi_security.flows.lockout_accounts import Accounts
from asgi_security.flows.lockout_devices import KnownDevices
from asgi_security.flows.lockout_keys import DEVICE, FACTORS, PASSWORD, AttemptKeys, choose_secret
from asgi_security.flows.lockout_records import build_record, describe_settlement
from asgi_security.flows.lockout_store import resolve_attempts
from asgi_security.flows.store_bound import StoreBound
from asgi_security.policy.lockout import compute_retry_after
from asgi_security.storage.protocols import (
    Admitted,
    Busy,
    Locked,
    Outcome,
    Receipt,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractContextManager

    from asgi_security.clock import Clock, Entropy
    from asgi_security.events import EventSink
    from asgi_security.flows.lockout_accounts import AccountEpoch, AccountKey
    from asgi_security.policy.lockout import LockoutConfig
    from asgi_security.storage.protocols import AttemptKey, AttemptStore, Settled, Store

_TICKET_BYTES = 16
_UNBOUND = nullcontext()
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class LockedOut:
    """Nothing may be verified, right or wrong, before so many whole seconds have passed."""

    retry_after_seconds: int


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The store did not answer: nothing may be verified. Answer 503."""


Begun: TypeAlias = Admitted | LockedOut | Busy | Unavailable


class Lockout:
    """Counts attempts by account and by address in a store that is shared by all pathways.

    Args:
        config: the rules and secrets.
        attempts: where the counts are: a store, or its attempts facet.
        account_key: joins the names of one account. Give it too if the app's lookup takes more
            spellings for one than Unicode's NFKC and case folding do, such as a database that
            ignores accents.
        account_epoch: makes the known devices of an account strangers again when its text changes,
            such as at a password reset.
        sleep: waits between the tries of `wait_for_slot_seconds`.
    """

    def __init__(
        self,
        config: LockoutConfig,
        attempts: Store | AttemptStore,
        *,
        account_key: AccountKey | None = None,
        account_epoch: AccountEpoch | None = None,
        clock: Clock = system_clock,
        entropy: Entropy = system_entropy,
        events: EventSink = log_event,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self.config = config
        self._attempts = resolve_attempts(attempts)
        # What runs to its end in one step can neither take long nor be cancelled half-way.
        self._never_waits = bool(getattr(self._attempts, "is_process_local", False))
        self._keys = AttemptKeys(config, choose_secret(config, self._attempts, entropy))
        self._devices = KnownDevices(self._keys.digests, entropy=entropy)
        self._accounts = Accounts(account_key, account_epoch, events=events)
        self._clock = clock
        self._entropy = entropy
        self._events = events
        self._sleep = sleep
        self._has_warned = False

    async def check(self, client: str | None) -> LockedOut | Unavailable | None:
        """Tell whether an address is locked, before anything is paid for its request."""
        if not client:
            return None
        now = self._clock()
        try:
            with self._bound():
                key = self._keys.build_client_key(client)
                (status,) = await self._attempts.status((key,), now=now)
        except StorageError:
            return self._fail("status")
        return self._refuse(status.locked_until, now) if status.locked else None

    async def begin(
        self,
        *,
        account: str | None = None,
        client: str | None = None,
        factor: str = PASSWORD,
        devices: Sequence[str] = (),
    ) -> Begun:
        """Charge an attempt before it is verified; only `Admitted` may be, and must be settled.

        A name that nobody can have (blank, longer than 320 characters) has no key: one key shared
        by all of them would lock strangers out together.

        Args:
            account: the login name as it was typed, known or not (both are counted alike).
            client: the address behind trusted proxies.
            factor: one of `FACTORS`, or a name of your own; each has its own count.
            devices: tokens of `issue_device` that came with the attempt; others are ignored.
        """
        keys = await self._build_keys(account, client, factor, devices)
        ticket = self._entropy(_TICKET_BYTES)
        waited, pause = 0.0, _FIRST_PAUSE_SECONDS
        while True:
            now = self._clock()
            if not keys:
                return Admitted(Receipt(ticket, (), now))
            try:
                with self._bound():
                    charge = await self._attempts.charge(keys, ticket=ticket, now=now)
            except StorageError:
                return self._fail("charge")
            if isinstance(charge, Admitted):
                return charge
            if isinstance(charge, Locked):
                return self._refuse(charge.until, now)
            if waited >= self.config.wait_for_slot_seconds:
                self._report("attempt_busy", factor=factor)
                return charge
            await self._sleep(pause)
            waited += pause
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def settle(
        self,
        admitted: Admitted,
        outcome: Outcome,
        *,
        user_agent: str = "",
        address: str | None = None,
    ) -> Settled | None:
        """End an admitted attempt, once; None if it was no longer open or could not be stored.

        What cannot be stored changes nothing for the caller: a right login stands, and its charge
        turns into a failure in time. `user_agent` and `address` are for the stored record.
        """
        receipt = admitted.receipt
        if not receipt.keys:
            return None
        now = self._clock()
        kept = address if self.config.keep_raw_addresses else None
        record = build_record(receipt, outcome, now=now, user_agent=user_agent, address=kept)
        try:
            # Shielded: a client that hangs up now must not undo what its attempt has shown.
            with self._bound(shield=True):
                settled = await self._attempts.settle(receipt, outcome, now=now, record=record)
        except StorageError:
            self._report("attempt_not_settled", Severity.ERROR, outcome=outcome.value)
            return None
        if settled is None:
            self._report("attempt_not_open", Severity.WARNING, outcome=outcome.value)
        else:
            for event in describe_settlement(receipt.keys, settled, outcome):
                self._events(event)
        return settled

    async def verify(
        self,
        verifier: Callable[[], Awaitable[Outcome]],
        *,
        account: str | None = None,
        client: str | None = None,
        factor: str = PASSWORD,
    ) -> Outcome | LockedOut | Busy | Unavailable:
        """Begin, call the verifier, settle; the whole of it for an app that checks passwords.

        The verifier runs on when the caller is cancelled, or hanging up would buy free guesses.

        Raises:
            Exception: what the verifier raised. The attempt is given back then: answer 503.
        """
        begun = await self.begin(account=account, client=client, factor=factor)
        if not isinstance(begun, Admitted):
            return begun
        outcome = Outcome.REFUND
        with anyio.CancelScope(shield=True):
            try:
                outcome = await verifier()
            except Exception as error:
                self._report("verifier_failed", Severity.ERROR, error=type(error).__name__)
                await self.settle(begun, Outcome.REFUND)
                raise
            await self.settle(begun, outcome)
        return outcome

    async def unlock(self, account: str, *, factors: Sequence[str] = FACTORS) -> None:
        """Forget an account's failures and locks: after a completed reset, or for an operator.

        Only a completed one: if asking for a reset did it, anyone could ask. Idempotent.

        Raises:
            StorageError: when it could not be stored.
        """
        name = await self._accounts.resolve(account)
        if name is None or not factors:
            return
        keys = [self._keys.build_account_key(name, factor=factor) for factor in factors]
        with self._bound():
            await self._attempts.clear(keys)
        self._report("account_unlocked", Severity.INFO, key=keys[0].digest.hex())

    async def issue_device(self, admitted: Admitted, account: str) -> str | None:
        """Return a token for a device that has fully signed in, None if it has a valid one.

        For a cookie of `DEVICE_LIFETIME_SECONDS`: `__Host-`, HttpOnly, Secure.
        """
        if any(key.kind.startswith(DEVICE) for key in admitted.receipt.keys):
            return None
        name = await self._accounts.resolve(account)
        epoch = None if name is None else await self._accounts.find_epoch(name)
        if name is None or epoch is None:
            return None
        return self._devices.build_token(name, epoch=epoch, now=self._clock())

    async def _build_keys(
        self, account: str | None, client: str | None, factor: str, devices: Sequence[str]
    ) -> tuple[AttemptKey, ...]:
        name = None if account is None else await self._accounts.resolve(account)
        keys: list[AttemptKey] = []
        if name is not None:
            device = None
            if devices and factor == PASSWORD:
                device = await self._find_device(name, devices)
            if device is None:
                keys.append(self._keys.build_account_key(name, factor=factor))
            else:
                keys.append(self._keys.build_device_key(name, device))
        if client:
            keys.append(self._keys.build_client_key(client))
        elif not self._has_warned:
            self._has_warned = True
            self._report("client_address_unknown", Severity.WARNING)
        return tuple(keys)

    async def _find_device(self, name: str, devices: Sequence[str]) -> str | None:
        epoch = await self._accounts.find_epoch(name)
        if epoch is None:
            return None
        now = self._clock()
        found = (self._devices.parse_token(one, name, epoch=epoch, now=now) for one in devices)
        return next((device for device in found if device is not None), None)

    def _bound(self, *, shield: bool = False) -> AbstractContextManager[None]:
        if self._never_waits:
            return _UNBOUND
        return StoreBound(self.config.store_timeout_seconds, shield=shield)

    def _refuse(self, until: float | None, now: float) -> LockedOut:
        seconds = compute_retry_after(until, now, rules=self.config)
        self._report("attempt_locked_out", retry_after_seconds=seconds)
        return LockedOut(seconds)

    def _fail(self, operation: str) -> Unavailable:
        self._report("attempt_store_failed", Severity.ERROR, operation=operation)
        return Unavailable()

    def _report(self, name: str, severity: Severity = Severity.INFO, **facts: object) -> None:
        self._events(SecurityEvent(name=name, severity=severity, facts=facts))
