"""Does: the life of an account, from its registration to its end, without HTTP.

Nothing here tells a stranger which names have an account: answers, the calls to the store and the
hashing are the same for every name, and messages are sent after the answer.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from asgi_security.clock import system_clock, system_entropy
from asgi_security.errors import ConfigError, Problem
from asgi_security.events import log_event
from asgi_security.flows.account_changes import Changes
from asgi_security.flows.account_desk import AccountDesk, find_mail_address
from asgi_security.flows.account_outcomes import (
    Accepted,
    AccountChanged,
    AccountDeleted,
    AccountMissing,
    AddressVerified,
    NameRefused,
    PasswordSet,
    Throttled,
    TokenRefused,
)
from asgi_security.flows.account_records import AccountRecords
from asgi_security.flows.account_recovery import Recovery
from asgi_security.flows.account_registration import Registrar
from asgi_security.flows.account_renaming import Renaming
from asgi_security.flows.account_tokens import AccountTokens
from asgi_security.flows.auditing import Reporter
from asgi_security.flows.outbox import Outbox
from asgi_security.flows.visits import UNKNOWN_VISIT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from asgi_security.clock import Clock, Entropy
    from asgi_security.events import EventSink
    from asgi_security.flows.account_outcomes import (
        AccountChange,
        Deletion,
        NameChange,
        PasswordChange,
        Registration,
        Request,
        Reset,
        Verification,
    )
    from asgi_security.flows.auditing import Auditor
    from asgi_security.flows.lockout import Lockout
    from asgi_security.flows.login import Login
    from asgi_security.flows.passwords import Passwords
    from asgi_security.flows.sending import Sender
    from asgi_security.flows.throttle import SendThrottle
    from asgi_security.flows.visits import Visit
    from asgi_security.policy.accounts import AccountConfig
    from asgi_security.storage.protocols import Account, Store

__all__ = [
    "Accepted",
    "AccountChanged",
    "AccountDeleted",
    "AccountLife",
    "AccountMissing",
    "AddressVerified",
    "NameRefused",
    "PasswordSet",
    "Throttled",
    "TokenRefused",
]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class AccountLife:
    """Registers, verifies, resets, changes, disables and deletes.

    Messages are of the kinds "verify", "rename" and "reset", which carry a token and a link;
    "name_taken", to the owner of a name that somebody wanted; "password_changed"; and
    "name_changed", to where the owner was written to before.

    Args:
        config: links and lifetimes.
        store: whose facets accounts, once, sessions, refresh and revocations are used.
        passwords: hashes and checks; the same object as the login's.
        login: confirms the present password.
        lockout: forgets failures after a completed reset.
        throttle: bounds what is sent, by recipient and by address.
        sender: delivers messages; or an `Outbox`, with bounds of your own.
        recipient: finds where an account's owner is written to, None for nowhere. By default it
            is the name.
        clock, entropy, events, audit: the outside world.

    Raises:
        ConfigError: Names may be anything, and nothing finds a recipient.
    """

    def __init__(
        self,
        config: AccountConfig,
        store: Store,
        passwords: Passwords,
        *,
        login: Login,
        lockout: Lockout,
        throttle: SendThrottle,
        sender: Sender | Outbox,
        recipient: Callable[[Account], str | None] | None = None,
        clock: Clock = system_clock,
        entropy: Entropy = system_entropy,
        events: EventSink = log_event,
        audit: Auditor | None = None,
    ) -> None:
        if config.names == "any" and recipient is None:
            hint = "give recipient=, a function from an account to a mail address"
            problem = Problem("names", "'any'", "nobody could be written to", hint)
            raise ConfigError("AccountLife", [problem])
        self.config = config
        self.outbox = sender if isinstance(sender, Outbox) else Outbox(sender, events=events)
        timeout = config.store_timeout_seconds
        desk = AccountDesk(
            config=config,
            store=store,
            records=AccountRecords(store, timeout_seconds=timeout),
            passwords=passwords,
            throttle=throttle,
            outbox=self.outbox,
            find_recipient=recipient or find_mail_address,
            reporter=Reporter(events, audit),
            clock=clock,
        )

        def build_tokens(purpose: str, lifetime_seconds: float) -> AccountTokens:
            given: dict[str, Any] = {"clock": clock, "entropy": entropy, "timeout_seconds": timeout}
            return AccountTokens(purpose, store, lifetime_seconds=lifetime_seconds, **given)

        verifying = build_tokens("verify", config.verification_lifetime_seconds)
        resetting = build_tokens("reset", config.reset_lifetime_seconds)
        self._registrar = Registrar(desk, verifying, entropy=entropy)
        self._recovery = Recovery(desk, resetting, lockout=lockout)
        self._changes = Changes(desk, login)
        renaming = build_tokens("rename", config.reset_lifetime_seconds)
        self._renaming = Renaming(desk, login, renaming)

    async def register(
        self,
        name: str,
        password: str,
        *,
        data: Mapping[str, Any] = _NOTHING,
        tenant: str | None = None,
        visit: Visit = UNKNOWN_VISIT,
    ) -> Registration:
        """Open an account, and mail its owner what verifies it.

        A name that is taken is `Accepted` too: its owner gets a message instead.

        Args:
            name: as it was typed.
            password: as it was typed; all that speaks against it is answered at once.
            data: what JSON can hold, by the app's own choice; what stands under the names of
                OpenID Connect's claims (`name`, `given_name`...) may not make up the password.
            tenant: whose account it is.
            visit: who asks.

        Raises:
            TypeError: `data` is not what JSON can hold.
            ValueError: Likewise.
        """
        return await self._registrar.register(name, password, visit=visit, data=data, tenant=tenant)

    async def request_verification(self, name: str, *, visit: Visit = UNKNOWN_VISIT) -> Request:
        """Mail the owner of an unverified account what verifies it, once more."""
        return await self._registrar.request_verification(name, visit=visit)

    async def verify(self, token: str, *, visit: Visit = UNKNOWN_VISIT) -> Verification:
        """Take the proof that an address is its owner's. Not on GET: mail scanners follow links.

        The token of a change of the name changes it, and ends all that is open.
        """
        outcome = await self._registrar.verify(token, visit=visit)
        if not isinstance(outcome, TokenRefused):
            return outcome
        return await self._renaming.confirm(token, visit=visit)

    async def request_reset(self, name: str, *, visit: Visit = UNKNOWN_VISIT) -> Request:
        """Mail an account's owner what resets its password. It changes nothing by itself."""
        return await self._recovery.request_reset(name, visit=visit)

    async def reset(self, token: str, password: str, *, visit: Visit = UNKNOWN_VISIT) -> Reset:
        """Set a new password by a mailed token, end all that is open, and unlock the account.

        It is no sign-in: a second factor would be passed by.
        """
        return await self._recovery.reset(token, password, visit=visit)

    async def change_password(
        self,
        account: Account,
        current: str,
        new: str,
        *,
        visit: Visit = UNKNOWN_VISIT,
        keep_session: bytes | None = None,
        keep_family: str | None = None,
    ) -> PasswordChange:
        """Set a new password, given the present one, and end all else that is open.

        Args:
            account: whose; from the session or token that asks.
            current: the present password, as it was typed.
            new: the new one, as it was typed.
            visit: who asks.
            keep_session: digest of the session that asks, to be rotated by the caller (spec S31).
            keep_family: handle of the family of refresh tokens that asks.
        """
        return await self._changes.change_password(
            account, current, new, visit=visit, keep_session=keep_session, keep_family=keep_family
        )

    async def change_name(
        self, account: Account, current: str, name: str, *, visit: Visit = UNKNOWN_VISIT
    ) -> NameChange:
        """Mail a new address what makes it the account's login name, given the present password.

        Nothing changes until `verify` gets the token of that mail. A name that another has is
        `Accepted` too: its owner gets a message instead.

        Args:
            account: whose; from the session or token that asks.
            current: the present password, as it was typed.
            name: the new one, as it was typed.
            visit: who asks.
        """
        return await self._renaming.request(account, current, name, visit=visit)

    async def disable(
        self, account_id: str, *, actor: str | None = None, visit: Visit = UNKNOWN_VISIT
    ) -> AccountChange:
        """Close an account until it is enabled; `actor` is who did it, None for its owner.

        Who may do it, and whether he has just proven who he is, is the caller's to ask.
        """
        return await self._changes.disable(account_id, actor=actor, visit=visit)

    async def enable(
        self, account_id: str, *, actor: str | None = None, visit: Visit = UNKNOWN_VISIT
    ) -> AccountChange:
        """Open a disabled account again."""
        return await self._changes.enable(account_id, actor=actor, visit=visit)

    async def delete(
        self, account_id: str, *, actor: str | None = None, visit: Visit = UNKNOWN_VISIT
    ) -> Deletion:
        """Delete an account for good, with its factors and identities."""
        return await self._changes.delete(account_id, actor=actor, visit=visit)
