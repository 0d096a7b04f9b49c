"""Does: the way back to an account whose password is lost.

Asking changes nothing: not the password, not a session, not a lock; else anyone could ask for it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from asgi_security.errors import StorageError
from asgi_security.events import Severity
from asgi_security.flows.account_desk import ACCEPTED, run_to_its_end
from asgi_security.flows.account_outcomes import PasswordSet, TokenRefused
from asgi_security.flows.lockout import Unavailable
from asgi_security.flows.lockout_keys import PASSWORD
from asgi_security.flows.login import REAUTHENTICATION
from asgi_security.flows.passwords import PasswordHashed, PasswordRefused
from asgi_security.policy.passwords import check_password

if TYPE_CHECKING:
    from asgi_security.flows.account_desk import AccountDesk
    from asgi_security.flows.account_outcomes import Request, Reset
    from asgi_security.flows.account_tokens import AccountTokens, TakenToken
    from asgi_security.flows.lockout import Lockout
    from asgi_security.flows.passwords import PasswordsUnavailable
    from asgi_security.flows.visits import Visit
    from asgi_security.storage.protocols import Account


class Recovery:
    """Resets passwords by mail."""

    def __init__(self, desk: AccountDesk, tokens: AccountTokens, *, lockout: Lockout) -> None:
        self._desk = desk
        self._tokens = tokens
        self._lockout = lockout

    async def request_reset(self, name: str, *, visit: Visit) -> Request:
        """Mail an account's owner what resets its password; the same work for every name."""
        desk = self._desk
        refused = await desk.admit(name, visit)
        if refused is not None:
            return refused
        try:
            account = await desk.records.find(name)
            owner = account if account is not None and _may_reset(account) else None
            token = await self._tokens.issue(owner)
        except StorageError:
            return desk.fail("request_reset")
        await desk.record(
            "reset_requested",
            account,
            visit,
            outcome="refused" if owner is None else "success",
        )
        desk.post(
            "reset",
            owner,
            token=token,
            path=desk.config.reset_path,
            lifetime_seconds=self._tokens.lifetime_seconds,
        )
        return ACCEPTED

    async def reset(self, token: str, password: str, *, visit: Visit) -> Reset:
        """Set a new password by a mailed token.

        What stands against the password leaves the token good, and so does a store that fails.
        """
        desk = self._desk
        # Before the token is touched, by what can be said without knowing whose it is.
        violations = check_password(
            password, desk.passwords.policy, context=(desk.config.site_host,)
        )
        if violations:
            return PasswordRefused(violations)
        return await run_to_its_end(self._reset(token, password, visit))

    async def _reset(self, token: str, password: str, visit: Visit) -> Reset:
        desk = self._desk
        try:
            taken = await self._tokens.take(token)
        except StorageError:
            return desk.fail("reset")
        if taken is None:
            return TokenRefused()
        try:
            outcome = await self._set_password(taken, password)
        except StorageError:
            outcome = desk.fail("reset")
        if isinstance(outcome, PasswordRefused | Unavailable):
            # Should the password be set in spite of a lost answer, the epoch has killed the token.
            await self._put_back(taken)
            return outcome
        if outcome is None:
            return TokenRefused()
        return await self._complete(outcome, visit)

    async def _set_password(
        self, taken: TakenToken, password: str
    ) -> Account | PasswordRefused | Unavailable | None:
        desk = self._desk
        account = await desk.records.load(taken.account)
        if account is None or not _is_owner(account, taken):
            return None
        hashed: PasswordHashed | PasswordRefused | PasswordsUnavailable
        hashed = await desk.passwords.accept(password, context=desk.collect_context(account))
        if isinstance(hashed, PasswordRefused):
            return hashed
        if not isinstance(hashed, PasswordHashed):
            return Unavailable()
        stored = hashed.stored

        def alter(current: Account) -> Account | None:
            if not _is_owner(current, taken):
                return None
            # Whoever has the token reads the mail of this address: it is verified as well.
            return replace(current, password_hash=stored, epoch=current.epoch + 1, is_verified=True)

        return await desk.records.change(account.id, alter)

    async def _put_back(self, taken: TakenToken) -> None:
        try:
            await self._tokens.put_back(taken)
        except StorageError:
            self._desk.fail("put_back")

    async def _complete(self, account: Account, visit: Visit) -> PasswordSet:
        desk = self._desk
        is_all_ended = await desk.end_all(account.id)
        try:
            # The counts of codes stay: else whoever reads the mailbox could guess at the second
            # factor for ever, five codes a reset.
            await self._lockout.unlock(account.name, factors=(PASSWORD, REAUTHENTICATION))
        except StorageError:
            desk.reporter.tell("unlock_failed", Severity.ERROR, account=account.id)
        await desk.record(
            "password_reset", account, visit, actor=account.id, all_ended=is_all_ended
        )
        desk.post("password_changed", account)
        return PasswordSet(account, is_all_ended)


def _may_reset(account: Account) -> bool:
    """Tell whether the mailbox may open the account.

    Where no password opens one, its name may never have been proven: at another provider anybody
    can have an account that claims this address.
    """
    return account.is_active and (account.password_hash is not None or account.is_verified)


def _is_owner(account: Account, taken: TakenToken) -> bool:
    return _may_reset(account) and account.epoch == taken.epoch
