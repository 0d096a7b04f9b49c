"""Verifies what is shown as a second factor, and uses it up in the same step.

Every code is counted before it is looked at, under the account and the kind of factor (spec E29):
a right password clears no guesses at codes, and a new pre-token brings no new guesses.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from asgi_security.clock import system_clock, system_entropy
from asgi_security.crypto.one_time_codes import (
    compute_recovery_digest,
    compute_step,
    find_step,
    parse_totp_key,
)
from asgi_security.crypto.sealing import NONCE_BYTES, Sealer
from asgi_security.errors import StorageError
from asgi_security.events import Severity
from asgi_security.flows.lockout import LockedOut, Unavailable
from asgi_security.flows.mfa_outcomes import MfaRefused
from asgi_security.flows.store_bound import StoreBound
from asgi_security.policy.mfa import list_methods
from asgi_security.secret import Secret
from asgi_security.storage.protocols import Busy, Outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from asgi_security.clock import Clock, Entropy
    from asgi_security.crypto.one_time_codes import TotpKey
    from asgi_security.flows.auditing import Reporter
    from asgi_security.flows.lockout import Lockout
    from asgi_security.flows.mfa_mail import MailedCodes, Spending
    from asgi_security.flows.mfa_outcomes import RefusalReason, Stopped
    from asgi_security.flows.visits import Visit
    from asgi_security.policy.mfa import Method, MfaConfig
    from asgi_security.storage.protocols import Account, Factor, Store

Gate: TypeAlias = "Callable[[], Awaitable[bool]]"

TOTP: Method = "totp"
RECOVERY: Method = "recovery"
MAILED: Method = "mailed_code"

AMR: dict[Method, tuple[str, ...]] = {
    TOTP: ("otp", "mfa"),
    RECOVERY: ("otp", "mfa"),
    # A second channel, but nothing that the user has: it makes no second level of assurance.
    MAILED: ("mca",),
}
"""The `amr` values (RFC 8176) that each method adds to those of the first factor."""

_REFUSALS: dict[Spending, RefusalReason] = {
    "wrong": "wrong_code",
    "spent": "spent_code",
    "unusable": "unusable_secret",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The codes that came with a request, as they were typed: one is wanted."""

    code: str | None = field(default=None, repr=False)
    recovery_code: str | None = field(default=None, repr=False)
    mailed_code: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Proof:
    """A code as it was typed, and what it claims to be."""

    method: Method
    typed: str = field(repr=False)


def choose_proof(methods: Sequence[Method], given: Given) -> Proof | MfaRefused:
    """Return the one code that was given, if the account has the method.

    `code` is an authenticator's, or a mailed one where there is no authenticator. It is never tried
    as both: one guess would be two.
    """
    typed: dict[Method, str | None] = {
        TOTP if TOTP in methods else MAILED: given.code,
        RECOVERY: given.recovery_code,
    }
    proofs = [Proof(method, text) for method, text in typed.items() if text is not None]
    if given.mailed_code is not None:
        proofs.append(Proof(MAILED, given.mailed_code))
    if len(proofs) != 1:
        return MfaRefused("no_code")
    return proofs[0] if proofs[0].method in methods else MfaRefused("not_enrolled")


def find_factor(factors: Sequence[Factor], kind: str) -> Factor | None:
    """Return the factor of a kind that an account has one of, or None."""
    return next((factor for factor in factors if factor.kind == kind), None)


def build_sealer(config: MfaConfig) -> Sealer:
    """Return what seals the secrets of authenticators."""
    old = [Secret(each) for each in config.old_secrets]
    return Sealer(Secret(config.secret), old, purpose=("asgi-security", "mfa", "totp"))


def open_key(sealer: Sealer, factor: Factor) -> tuple[TotpKey, bool] | None:
    """Return an authenticator's key, and whether a retired secret had sealed it; None if unusable.

    The envelope names account and factor: one that was moved to another row opens nothing.
    """
    opened = sealer.open(factor.data, factor.account, factor.id)
    key = None if opened is None else parse_totp_key(opened.value)
    return None if opened is None or key is None else (key, opened.needs_reseal)


class CodeChecker:
    """Verifies codes of all methods, behind the lockout."""

    def __init__(
        self,
        config: MfaConfig,
        store: Store,
        *,
        lockout: Lockout,
        mail: MailedCodes | None,
        reporter: Reporter,
        clock: Clock = system_clock,
        entropy: Entropy = system_entropy,
    ) -> None:
        self._config = config
        self._store = store
        self._lockout = lockout
        self._mail = mail
        self._reporter = reporter
        self._clock = clock
        self._entropy = entropy
        self.sealer = build_sealer(config)

    async def list_factors(self, account_id: str) -> tuple[Factor, ...]:
        """Return the factors of an account.

        Raises:
            StorageError: the store failed.
        """
        with StoreBound(self._config.store_timeout_seconds):
            return await self._store.accounts.list_factors(account_id)

    def list_methods(self, factors: Sequence[Factor]) -> tuple[Method, ...]:
        """Return the methods that these factors open here and now."""
        return list_methods({factor.kind for factor in factors}, mails=self._mail is not None)

    async def check(
        self,
        account: Account,
        factors: Sequence[Factor],
        proof: Proof,
        *,
        visit: Visit,
        before: Gate | None = None,
        after: Gate | None = None,
    ) -> Method | Stopped:
        """Verify a proof, and use it up.

        Args:
            before: asked when the code has been counted; False and the code is not looked at.
            after: asked when it was right; False and it was for nothing.
        """

        async def spend() -> Spending | LockedOut:
            return await self._spend(account, factors, proof)

        stopped = await self.count(
            account, proof.method, spend, visit=visit, before=before, after=after
        )
        return proof.method if stopped is None else stopped

    async def count(
        self,
        account: Account,
        method: Method,
        spend: Callable[[], Awaitable[Spending | LockedOut]],
        *,
        visit: Visit,
        before: Gate | None = None,
        after: Gate | None = None,
    ) -> Stopped | None:
        """Run one verification behind the lockout; None if it came out right."""
        stopped: MfaRefused | LockedOut | None = None

        async def verify() -> Outcome:
            nonlocal stopped
            with StoreBound(self._config.store_timeout_seconds):
                if before is not None and not await before():
                    stopped = MfaRefused("dead_pre_token")
                    return Outcome.REFUND
                spending = await spend()
                if isinstance(spending, LockedOut):
                    stopped = spending
                    return Outcome.REFUND
                if spending != "right":
                    stopped = MfaRefused(_REFUSALS[spending])
                    # One that was right before is no guess: somebody has pressed twice, or has
                    # overheard it, and must not lock the owner out.
                    return Outcome.FAILURE if spending == "wrong" else Outcome.REFUND
                if after is not None and not await after():
                    stopped = MfaRefused("dead_pre_token")
                    return Outcome.REFUND
            return Outcome.SUCCESS

        try:
            begun = await self._lockout.verify(
                verify, account=account.name, client=visit.client, factor=method
            )
        except StorageError:
            return self.fail("verify")
        match begun:
            case LockedOut() | Unavailable():
                return begun
            case Busy():
                return LockedOut(1)
            case _:
                pass
        if stopped is not None:
            await self._record_failure(account, method, stopped, visit)
        return stopped

    async def _record_failure(
        self, account: Account, method: Method, stopped: MfaRefused | LockedOut, visit: Visit
    ) -> None:
        reason = stopped.reason if isinstance(stopped, MfaRefused) else "too_many_codes"
        await self._reporter.record(
            "mfa_failed",
            actor=account.id,
            target=account.id,
            outcome="failure",
            tenant=account.tenant,
            visit=visit,
            severity=Severity.WARNING if reason == "spent_code" else Severity.INFO,
            method=method,
            reason=reason,
        )

    def fail(self, operation: str) -> Unavailable:
        """Report that the store failed: nobody gets in."""
        self._reporter.tell("mfa_store_failed", Severity.ERROR, operation=operation)
        return Unavailable()

    async def _spend(
        self, account: Account, factors: Sequence[Factor], proof: Proof
    ) -> Spending | LockedOut:
        if proof.method == RECOVERY:
            return await self._spend_recovery(account, proof.typed)
        factor = find_factor(factors, proof.method)
        if factor is None:  # only a caller who has not asked `choose_proof` comes here
            return "wrong"
        if proof.method == TOTP:
            return await self._spend_totp(account, factor, proof.typed)
        if self._mail is None:
            return "unusable"
        return await self._mail.spend(account, factor, proof.typed)

    async def _spend_recovery(self, account: Account, typed: str) -> Spending:
        digest = compute_recovery_digest(typed)
        if digest is None:
            return "wrong"
        deleted = await self._store.accounts.delete_factor(account.id, RECOVERY, digest)
        return "right" if deleted else "wrong"

    async def _spend_totp(self, account: Account, factor: Factor, typed: str) -> Spending:
        opened = open_key(self.sealer, factor)
        if opened is None:
            self._reporter.tell("mfa_secret_unusable", Severity.ERROR, target=account.id)
            return "unusable"
        key, needs_reseal = opened
        now = self._clock()
        step = find_step(key, typed, now=now, window=self._config.window)
        if step is None:
            return "wrong"
        if not await self._store.accounts.advance_factor(account.id, TOTP, factor.id, step):
            return "spent"
        if needs_reseal:
            await self._reseal(factor, key, now=now)
        return "right"

    async def _reseal(self, factor: Factor, key: TotpKey, *, now: float) -> None:
        """Seal an authenticator's key under the current secret: once for each that is retired.

        The row is replaced, so all steps that can be right by now count as spent. With the step of
        this code only, one that another request spends meanwhile could be spent again.
        """
        data = self.sealer.seal(
            key.pack(), factor.account, factor.id, nonce=self._entropy(NONCE_BYTES)
        )
        latest = compute_step(now, step_seconds=key.step_seconds) + self._config.window
        renewed = replace(factor, data=data, step=latest + 1)
        await self._store.accounts.replace_factors(factor.account, TOTP, (renewed,))
