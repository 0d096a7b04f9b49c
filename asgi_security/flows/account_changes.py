"""Does: changes of an account by its owner or by an operator, and what they end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from asgi_security.errors import StorageError
from asgi_security.flows.account_desk import run_to_its_end
from asgi_security.flows.account_outcomes import (
    AccountChanged,
    AccountDeleted,
    AccountMissing,
    PasswordSet,
)
from asgi_security.flows.lockout import Unavailable
from asgi_security.flows.login_outcomes import PasswordConfirmed, Refused
from asgi_security.flows.passwords import PasswordHashed, PasswordRefused

if TYPE_CHECKING:
    from asgi_security.flows.account_desk import AccountDesk
    from asgi_security.flows.account_outcomes import AccountChange, Deletion, PasswordChange
    from asgi_security.flows.login import Login
    from asgi_security.flows.visits import Visit
    from asgi_security.storage.protocols import Account


class Changes:
    """Changes passwords, disables, enables and deletes."""

    def __init__(self, desk: AccountDesk, login: Login) -> None:
        self._desk = desk
        self._login = login

    async def change_password(
        self,
        account: Account,
        current: str,
        new: str,
        *,
        visit: Visit,
        keep_session: bytes | None,
        keep_family: str | None,
    ) -> PasswordChange:
        """Set a new password, given the present one."""
        desk = self._desk
        confirmed = await self._login.confirm_password(account, current, visit=visit)
        if not isinstance(confirmed, PasswordConfirmed):
            return confirmed
        verified = confirmed.account
        hashed = await desk.passwords.accept(
            new, context=desk.collect_context(verified), current=current
        )
        if isinstance(hashed, PasswordRefused):
            return hashed
        if not isinstance(hashed, PasswordHashed):
            return Unavailable()
        return await run_to_its_end(
            self._set_password(
                verified,
                hashed.stored,
                visit=visit,
                keep_session=keep_session,
                keep_family=keep_family,
            )
        )

    async def _set_password(
        self,
        verified: Account,
        stored: str,
        *,
        visit: Visit,
        keep_session: bytes | None,
        keep_family: str | None,
    ) -> PasswordChange:
        desk, epoch = self._desk, verified.epoch

        def alter(found: Account) -> Account | None:
            # Another change came first: what was verified is no longer the present password.
            if found.epoch != epoch or not found.is_active:
                return None
            return replace(found, password_hash=stored, epoch=epoch + 1)

        try:
            changed = await desk.records.change(verified.id, alter)
        except StorageError:
            return desk.fail("change_password")
        if changed is None:
            return Refused()
        is_all_ended = await desk.end_all(
            verified.id, keep_session=keep_session, keep_family=keep_family
        )
        await desk.record(
            "password_changed", changed, visit, actor=verified.id, all_ended=is_all_ended
        )
        desk.post("password_changed", changed)
        return PasswordSet(changed, is_all_ended)

    async def disable(self, account_id: str, *, actor: str | None, visit: Visit) -> AccountChange:
        """Close an account until it is enabled again, and end all that it has open.

        Safe to call again: where the ending failed, the second call completes it.
        """
        return await run_to_its_end(self._disable(account_id, actor, visit))

    async def _disable(self, account_id: str, actor: str | None, visit: Visit) -> AccountChange:

        def alter(account: Account) -> Account:
            epoch = account.epoch + 1 if account.is_active else account.epoch
            return replace(account, is_active=False, epoch=epoch)

        try:
            account = await self._desk.records.change(account_id, alter)
        except StorageError:
            return self._desk.fail("disable")
        if account is None:
            return AccountMissing()
        is_all_ended = await self._desk.end_all(account_id)
        await self._record("account_disabled", account, actor, visit, all_ended=is_all_ended)
        return AccountChanged(account) if is_all_ended else Unavailable()

    async def enable(self, account_id: str, *, actor: str | None, visit: Visit) -> AccountChange:
        """Open a disabled account again. What was ended stays so."""
        try:
            account = await self._desk.records.change(
                account_id, lambda account: replace(account, is_active=True)
            )
        except StorageError:
            return self._desk.fail("enable")
        if account is None:
            return AccountMissing()
        await self._record("account_enabled", account, actor, visit)
        return AccountChanged(account)

    async def delete(self, account_id: str, *, actor: str | None, visit: Visit) -> Deletion:
        """Delete an account for good.

        Disabled first: else a login under way could leave a session of nobody's behind.
        """
        return await run_to_its_end(self._delete(account_id, actor, visit))

    async def _delete(self, account_id: str, actor: str | None, visit: Visit) -> Deletion:
        disabled = await self._disable(account_id, actor, visit)
        if not isinstance(disabled, AccountChanged):
            return disabled
        try:
            await self._desk.records.delete(account_id)
        except StorageError:
            return self._desk.fail("delete")
        await self._record("account_deleted", disabled.account, actor, visit)
        return AccountDeleted()

    async def _record(
        self, action: str, account: Account, actor: str | None, visit: Visit, **details: Any
    ) -> None:
        who = account.id if actor is None else actor
        await self._desk.record(action, account, visit, actor=who, **details)
