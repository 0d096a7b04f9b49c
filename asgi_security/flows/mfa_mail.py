"""Mails one-time codes, and takes them back.

What is stored of a code is a keyed digest to look it up by: taking the row is the check, so that a
wrong code finds nothing and a right one is spent by being found. The attempts are counted apart
from the codes, and until one is right: were they a code's own, asking for another would buy more.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Literal, TypeAlias

import anyio

from asgi_security.clock import system_clock, system_entropy
from asgi_security.crypto.digests import KeyedDigests
from asgi_security.crypto.one_time_codes import DIGITS_DRAW_BYTES, draw_digits, parse_code
from asgi_security.crypto.signing import derive_key
from asgi_security.events import Severity, log_event
from asgi_security.flows.lockout import LockedOut, Unavailable
from asgi_security.flows.mfa_outcomes import CodeSent, CodeWaits
from asgi_security.flows.sending import Message
from asgi_security.flows.store_bound import StoreBound
from asgi_security.flows.throttle import SendThrottle
from asgi_security.policy.throttle import Exceeded, ThrottleConfig
from asgi_security.secret import Secret
from asgi_security.storage.protocols import ThrottleRule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asgi_security.clock import Clock, Entropy
    from asgi_security.events import EventSink
    from asgi_security.flows.auditing import Reporter
    from asgi_security.flows.sending import Sender
    from asgi_security.flows.visits import Visit
    from asgi_security.policy.mfa import MfaConfig
    from asgi_security.storage.protocols import Account, Factor, Store

Spending: TypeAlias = Literal["right", "wrong", "spent", "unusable"]
"""What became of a code: "spent" was right before."""

_HOUR_SECONDS = 3600
_CODES = "mfa_mailed_code"
_LATEST = "mfa_mailed_latest"


class MailedCodes:
    """Sends codes by mail and verifies them. What they cost an account is in its factor's step."""

    def __init__(
        self,
        config: MfaConfig,
        store: Store,
        *,
        sender: Sender,
        reporter: Reporter,
        clock: Clock = system_clock,
        entropy: Entropy = system_entropy,
        events: EventSink = log_event,
    ) -> None:
        self._config = config
        self._store = store
        self._sender = sender
        self._reporter = reporter
        self._clock = clock
        self._entropy = entropy
        lifetime = float(config.email_code_lifetime_seconds)
        self._lifetime_seconds = lifetime
        self._cooldown = ThrottleRule(1, float(config.email_code_cooldown_seconds))
        attempts = config.email_code_attempts
        self._attempts = ThrottleRule(attempts, attempts * lifetime)
        secrets = [
            Secret(derive_key(Secret(each), "asgi-security", "mfa", "digests"))
            for each in (config.secret, *config.old_secrets)
        ]
        self._digests = KeyedDigests(secrets[0], secrets[1:])
        recipients, clients = (
            ThrottleConfig(
                limit=limit,
                window_seconds=_HOUR_SECONDS,
                name=name,
                secret=secrets[0],
                on_store_error="refuse",
                store_timeout_seconds=config.store_timeout_seconds,
            )
            for name, limit in (
                ("mfa_recipients", config.email_codes_per_hour),
                ("mfa_clients", config.email_codes_per_hour_and_client),
            )
        )
        self._sending = SendThrottle(
            recipients, clients, store, clock=clock, entropy=entropy, events=events
        )

    async def send(
        self, account: Account, factor: Factor, recipient: str, *, visit: Visit
    ) -> CodeSent | CodeWaits | Unavailable:
        """Mail a new code; an earlier one is dead then.

        Raises:
            StorageError: the store failed; nothing was sent.
        """
        now = self._clock()
        with StoreBound(self._config.store_timeout_seconds):
            digest = self._digests.compute("mfa mail cooldown", account.id)
            state = await self._store.throttles.take(digest, self._cooldown, now=now)
        if not state.admitted:
            return CodeWaits(max(1, ceil(state.retry_after_seconds)))
        taken = await self._sending.take(recipient, client=visit.client)
        if isinstance(taken, Exceeded):
            return CodeWaits(max(1, taken.retry_after_seconds))
        if not taken.admitted:
            return Unavailable()
        code = self._draw()
        with StoreBound(self._config.store_timeout_seconds):
            await self._replace(account, factor, code, now=now)
        message = Message(
            kind="mfa_code",
            recipient=recipient,
            account=account.id,
            code=code,
            lifetime_seconds=self._lifetime_seconds,
        )
        if not await self.deliver(message):
            return Unavailable()
        await self._reporter.record(
            "mfa_code_sent", actor=account.id, target=account.id, tenant=account.tenant, visit=visit
        )
        return CodeSent(self._config.email_code_cooldown_seconds)

    async def deliver(self, message: Message) -> bool:
        """Hand a message over, in time or not at all; tell whether it was taken."""
        reason = "timeout"
        with anyio.move_on_after(self._config.send_timeout_seconds):
            try:
                await self._sender.send(message)
            except Exception as error:  # noqa: BLE001 -- a user's sender, with anything behind it
                reason = type(error).__name__
            else:
                return True
        # Safe to log because a type's name says nothing of the recipient or the code.
        self._reporter.tell("message_not_sent", Severity.ERROR, kind=message.kind, error=reason)
        return False

    async def spend(self, account: Account, factor: Factor, typed: str) -> Spending | LockedOut:
        """Verify a code and use it up; a right one resets the attempts.

        Raises:
            StorageError: the store failed.
        """
        now = self._clock()
        attempts = self._digests.compute(
            "mfa mail attempts", account.id, factor.id, str(factor.step)
        )
        state = await self._store.throttles.take(attempts, self._attempts, now=now)
        if not state.admitted:
            return LockedOut(max(1, ceil(state.retry_after_seconds)))
        code = parse_code(typed, digits=self._config.email_code_digits)
        if code is None:
            return "wrong"
        for digest in self._compute_digests(account, factor, code):
            if await self._store.once.take(_CODES, digest, now=now) is not None:
                # A new step is a new count of attempts; that it can be taken once only also
                # holds for two codes at once.
                moved = await self._store.accounts.advance_factor(
                    account.id, factor.kind, factor.id, factor.step + 1
                )
                return "right" if moved else "spent"
        return "wrong"

    def _draw(self) -> str:
        while True:
            code = draw_digits(
                self._entropy(DIGITS_DRAW_BYTES), digits=self._config.email_code_digits
            )
            if code is not None:
                return code

    async def _replace(self, account: Account, factor: Factor, code: str, *, now: float) -> None:
        once, expires_at = self._store.once, now + self._lifetime_seconds
        latest = self._digests.compute("mfa mail latest", account.id)
        earlier = await once.take(_LATEST, latest, now=now)
        if earlier is not None:
            await once.take(_CODES, earlier, now=now)
        digest = next(self._compute_digests(account, factor, code))
        await once.put(_LATEST, latest, digest, expires_at=expires_at, now=now)
        await once.put(_CODES, digest, b"", expires_at=expires_at, now=now)

    def _compute_digests(self, account: Account, factor: Factor, code: str) -> Iterator[bytes]:
        facts = ("mfa mailed code", account.id, factor.id, str(factor.step), code)
        yield self._digests.compute(*facts)
        yield from self._digests.compute_old(*facts)
