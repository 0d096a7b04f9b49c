"""Sets up authenticators and recovery codes, and takes them away again.

A new secret counts for nothing before a code has shown that the app has it, and that code is spent
by it. Whatever weakens an account (to disable, new recovery codes, mailed codes beside an
authenticator) takes a code first: a stolen session is not enough.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from asgi_security.clock import system_clock, system_entropy
from asgi_security.crypto.base64url import encode_base64url
from asgi_security.crypto.one_time_codes import (
    TOTP_SECRET_BYTES,
    TotpKey,
    build_recovery_code,
    compute_recovery_digest,
    count_recovery_bytes,
    encode_base32,
    find_step,
)
from asgi_security.crypto.sealing import NONCE_BYTES
from asgi_security.flows.mfa_codes import MAILED, RECOVERY, TOTP, find_factor, open_key
from asgi_security.flows.mfa_outcomes import EnrolmentStarted, MfaRefused
from asgi_security.flows.store_bound import StoreBound
from asgi_security.policy.mfa import build_otpauth_uri
from asgi_security.storage.protocols import Factor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.clock import Clock, Entropy
    from asgi_security.flows.mfa_codes import CodeChecker, Gate
    from asgi_security.flows.mfa_mail import Spending
    from asgi_security.flows.mfa_outcomes import Stopped
    from asgi_security.flows.visits import Visit
    from asgi_security.policy.mfa import MfaConfig
    from asgi_security.storage.protocols import Account, Store

PENDING = "totp_pending"
"""The kind of a secret that no code has confirmed yet."""

_ID_BYTES = 12

Codes: TypeAlias = tuple[str, ...]


class Enrolment:
    """Writes the factors of accounts.

    Every method raises `StorageError` when the store fails.
    """

    def __init__(
        self,
        config: MfaConfig,
        store: Store,
        *,
        checker: CodeChecker,
        clock: Clock = system_clock,
        entropy: Entropy = system_entropy,
    ) -> None:
        self._config = config
        self._store = store
        self._checker = checker
        self._clock = clock
        self._entropy = entropy

    async def start(self, account: Account) -> EnrolmentStarted | MfaRefused:
        """Make a new secret, in place of one that was never confirmed."""
        factors = await self._checker.list_factors(account.id)
        if find_factor(factors, TOTP) is not None:
            return MfaRefused("already_enrolled")
        config = self._config
        key = TotpKey(self._entropy(TOTP_SECRET_BYTES), config.digits, config.step_seconds)
        factor_id = self._draw_id()
        data = self._checker.sealer.seal(
            key.pack(), account.id, factor_id, nonce=self._entropy(NONCE_BYTES)
        )
        pending = Factor(account.id, PENDING, factor_id, self._clock(), data)
        if not await self._replace(account, PENDING, (pending,)):
            return MfaRefused("not_enrolled")
        secret = encode_base32(key.secret)
        uri = build_otpauth_uri(
            secret,
            issuer=config.issuer,
            name=account.name,
            digits=key.digits,
            step_seconds=key.step_seconds,
        )
        return EnrolmentStarted(secret, uri)

    async def confirm(
        self, account: Account, code: str, *, visit: Visit, gate: Gate | None = None
    ) -> Codes | Stopped:
        """Let the new secret count, and return the first recovery codes.

        Args:
            gate: asked when the code was right; False and nothing is changed.
        """
        codes: Codes = ()
        confirmed: Factor | None = None

        async def spend() -> Spending:
            nonlocal confirmed
            pending = self._choose_pending(await self._store.accounts.list_factors(account.id))
            if isinstance(pending, MfaRefused):
                return "spent"
            confirmed = self._confirm(pending, code)
            return "wrong" if confirmed is None else "right"

        async def write() -> bool:
            nonlocal codes
            if confirmed is None or (gate is not None and not await gate()):
                return False
            # Atomic because it is deleted for exactly one of two confirmations at once.
            if not await self._store.accounts.delete_factor(account.id, PENDING, confirmed.id):
                return False
            # Recovery codes first: a factor without a way back could lock its owner out for good.
            codes = await self._write_recovery_codes(account)
            await self._store.accounts.replace_factors(account.id, TOTP, (confirmed,))
            return True

        # Refused before it is counted: what no code could confirm is no guess.
        pending = self._choose_pending(await self._checker.list_factors(account.id))
        if isinstance(pending, MfaRefused):
            return pending
        stopped = await self._checker.count(account, TOTP, spend, visit=visit, after=write)
        return codes if stopped is None else stopped

    async def renew_recovery_codes(self, account: Account) -> Codes:
        """Make new recovery codes; all earlier ones are dead."""
        with StoreBound(self._config.store_timeout_seconds):
            return await self._write_recovery_codes(account)

    async def enable_mailed_codes(self, account: Account) -> bool:
        """Let codes be mailed to an account; False if there is no such account."""
        factor = Factor(account.id, MAILED, self._draw_id(), self._clock())
        return await self._replace(account, MAILED, (factor,))

    async def remove(self, account: Account) -> None:
        """Take every factor from an account, the way back last."""
        for kind in (PENDING, TOTP, MAILED, RECOVERY):
            await self._replace(account, kind, ())

    def _choose_pending(self, factors: Sequence[Factor]) -> Factor | MfaRefused:
        if find_factor(factors, TOTP) is not None:
            return MfaRefused("already_enrolled")
        pending = find_factor(factors, PENDING)
        ends_at = self._clock() - self._config.enrolment_lifetime_seconds
        if pending is None or pending.created_at <= ends_at:
            return MfaRefused("not_enrolled")
        return pending

    def _confirm(self, pending: Factor, code: str) -> Factor | None:
        """Return the factor that counts, its first step spent; None if the code is not its own."""
        opened = open_key(self._checker.sealer, pending)
        if opened is None:
            return None
        now = self._clock()
        step = find_step(opened[0], code, now=now, window=self._config.window)
        return None if step is None else replace(pending, kind=TOTP, created_at=now, step=step)

    async def _write_recovery_codes(self, account: Account) -> Codes:
        now, letters = self._clock(), self._config.recovery_code_letters
        codes = tuple(
            build_recovery_code(self._entropy(count_recovery_bytes(letters)), letters=letters)
            for _ in range(self._config.recovery_codes)
        )
        factors = [
            Factor(account.id, RECOVERY, digest, now)
            for digest in map(compute_recovery_digest, codes)
            if digest is not None
        ]
        await self._store.accounts.replace_factors(account.id, RECOVERY, factors)
        return codes

    async def _replace(self, account: Account, kind: str, factors: Sequence[Factor]) -> bool:
        with StoreBound(self._config.store_timeout_seconds):
            return await self._store.accounts.replace_factors(account.id, kind, factors)

    def _draw_id(self) -> str:
        return encode_base64url(self._entropy(_ID_BYTES)).decode()
