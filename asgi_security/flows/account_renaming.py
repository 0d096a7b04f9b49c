"""Does: the change of a login name, proven by the password first and by the new address then.

Nothing changes until the token that is mailed to the new address comes back. A name that another
has is answered as a free one is, after as much work; only its owner is told. Whether it is still
free is decided where it is written: of two accounts that want one name, one gets it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from asgi_security.errors import StorageError
from asgi_security.flows.account_desk import ACCEPTED, run_to_its_end
from asgi_security.flows.account_outcomes import AddressVerified, NameRefused, TokenRefused
from asgi_security.flows.login_outcomes import PasswordConfirmed
from asgi_security.policy.accounts import parse_account_name

if TYPE_CHECKING:
    from asgi_security.flows.account_desk import AccountDesk
    from asgi_security.flows.account_outcomes import NameChange, Verification
    from asgi_security.flows.account_tokens import AccountTokens
    from asgi_security.flows.login import Login
    from asgi_security.flows.visits import Visit
    from asgi_security.storage.protocols import Account


class Renaming:
    """Changes login names."""

    def __init__(self, desk: AccountDesk, login: Login, tokens: AccountTokens) -> None:
        self._desk = desk
        self._login = login
        self._tokens = tokens

    async def request(
        self, account: Account, current: str, name: str, *, visit: Visit
    ) -> NameChange:
        """Mail the new address what changes the name, given the present password."""
        desk = self._desk
        parsed = parse_account_name(name, desk.config)
        if parsed is None or parsed == account.name:
            return NameRefused()
        confirmed = await self._login.confirm_password(account, current, visit=visit)
        if not isinstance(confirmed, PasswordConfirmed):
            return confirmed
        refused = await desk.admit(parsed, visit)
        if refused is not None:
            return refused
        return await run_to_its_end(self._mail(confirmed.account, parsed, visit))

    async def _mail(self, account: Account, name: str, visit: Visit) -> NameChange:
        desk = self._desk
        try:
            owner = await desk.records.find(name)
            token = await self._tokens.issue(account if owner is None else None, name=name)
        except StorageError:
            return desk.fail("change_name")
        outcome = "success" if owner is None else "refused"
        await desk.record(
            "name_change_requested", account, visit, actor=account.id, outcome=outcome
        )
        if owner is not None:
            desk.post("name_taken", owner)
            return ACCEPTED
        desk.post(
            "rename",
            replace(account, name=name),
            token=token,
            path=desk.config.verify_path,
            lifetime_seconds=self._tokens.lifetime_seconds,
        )
        return ACCEPTED

    async def confirm(self, token: str, *, visit: Visit) -> Verification:
        """Give the account the name of the token, and end all that is open."""
        return await run_to_its_end(self._confirm(token, visit))

    async def _confirm(self, token: str, visit: Visit) -> Verification:
        desk = self._desk
        old: Account | None = None
        try:
            taken = await self._tokens.take(token)
            if taken is None or taken.name is None:
                return TokenRefused()
            epoch, name = taken.epoch, taken.name

            def alter(found: Account) -> Account | None:
                nonlocal old
                if found.epoch != epoch or not found.is_active:
                    return None
                old = found
                # Whoever has the token reads the mail that was sent for this name.
                return replace(found, name=name, is_verified=True, epoch=epoch + 1)

            changed = await desk.records.change(taken.account, alter)
        except StorageError:
            return desk.fail("confirm_name")
        if changed is None or old is None:  # gone, changed meanwhile, or another has the name now
            return TokenRefused()
        is_all_ended = await desk.end_all(changed.id)
        await desk.record("name_changed", changed, visit, actor=changed.id, all_ended=is_all_ended)
        # To where the owner was written to before: he may not be the one who has done it.
        desk.post("name_changed", old)
        return AddressVerified(changed)
