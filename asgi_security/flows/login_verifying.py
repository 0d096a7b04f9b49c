"""Verifies a password against an account that has to be found first: always exactly once.

Who has no account, or none that a password opens, costs one verification of a hash that nothing
matches. An account that may not sign in costs the one of its own, because only a right password
tells its owner from a guesser (spec F94).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from asgi_security.errors import StorageError
from asgi_security.events import Severity
from asgi_security.flows.passwords import PasswordMatches, PasswordsUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asgi_security.flows.account_records import AccountRecords
    from asgi_security.flows.auditing import Reporter
    from asgi_security.flows.passwords import Passwords
    from asgi_security.policy.login import RefusalReason
    from asgi_security.storage.protocols import Account


@dataclass(frozen=True, slots=True)
class Right:
    """The password is that of this account, as it is stored now."""

    account: Account


@dataclass(frozen=True, slots=True)
class Wrong:
    """It is not; `account` is the one that was tried, if there is one."""

    reason: RefusalReason
    account: Account | None


@dataclass(frozen=True, slots=True)
class Undecided:
    """Nobody knows: the accounts, or the hashing, did not answer."""


Verdict: TypeAlias = Right | Wrong | Undecided


class AccountVerifier:
    """Verifies passwords of accounts, and replaces the hashes that are not of today's making."""

    def __init__(self, records: AccountRecords, passwords: Passwords, reporter: Reporter) -> None:
        self._records = records
        self._passwords = passwords
        self._reporter = reporter

    async def verify(
        self,
        find: Callable[[], Awaitable[Account | None]],
        password: str,
        *,
        may_enter: Callable[[Account], bool],
    ) -> Verdict:
        """Find an account and verify a password against it; whatever fails is no verdict.

        Args:
            find: looks the account up.
            password: as it was typed.
            may_enter: whether a right password lets an account in.
        """
        try:
            return await self._verify(await find(), password, may_enter)
        except StorageError:
            self._reporter.tell("accounts_unavailable", Severity.ERROR)
        except Exception as error:  # noqa: BLE001 -- accounts may be an app's own code
            self._reporter.tell("verifier_failed", Severity.ERROR, error=type(error).__name__)
        return Undecided()

    async def _verify(
        self, account: Account | None, password: str, may_enter: Callable[[Account], bool]
    ) -> Verdict:
        stored = None if account is None else account.password_hash
        enters = account is not None and may_enter(account)
        outcome = await self._passwords.verify(password, stored, rehash=enters)
        if isinstance(outcome, PasswordsUnavailable):
            return Undecided()
        if account is None:
            return Wrong("unknown_name", None)
        if stored is None:
            return Wrong("no_password", account)
        if not isinstance(outcome, PasswordMatches):
            return Wrong("wrong_password", account)
        if not enters:
            return Right(account)  # to be refused, after no more work than a wrong password takes
        if outcome.new_hash is not None:
            await self._replace_hash(account, outcome.new_hash)
        # Hashing takes its time, and waiting for a thread more: a password that was changed
        # meanwhile, perhaps because it was stolen, must not open the account after that.
        current = await self._records.load(account.id)
        if current is None or current.epoch != account.epoch:
            return Wrong("changed_meanwhile", account)
        return Right(current)

    async def _replace_hash(self, account: Account, new_hash: str) -> None:
        """Store the hash over the very one that was verified; the next login may try again."""
        try:
            version = await self._records.replace(replace(account, password_hash=new_hash))
        except StorageError:
            self._reporter.tell("rehash_not_saved", Severity.WARNING, account=account.id)
        else:
            if version is not None:
                self._reporter.tell("password_rehashed", account=account.id)
