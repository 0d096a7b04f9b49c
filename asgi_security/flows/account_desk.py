"""What all flows of an account's life work with: its store, its passwords, its mail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from asgi_security.errors import StorageError
from asgi_security.events import Severity
from asgi_security.flows.account_outcomes import Accepted, Throttled
from asgi_security.flows.ending import end_everything
from asgi_security.flows.lockout import Unavailable
from asgi_security.flows.sending import Message
from asgi_security.policy.accounts import collect_context
from asgi_security.policy.throttle import Exceeded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asgi_security.clock import Clock
    from asgi_security.flows.account_records import AccountRecords
    from asgi_security.flows.auditing import Reporter
    from asgi_security.flows.outbox import Outbox
    from asgi_security.flows.passwords import Passwords
    from asgi_security.flows.throttle import SendThrottle
    from asgi_security.flows.visits import Visit
    from asgi_security.policy.accounts import AccountConfig
    from asgi_security.storage.protocols import Account, Store

T = TypeVar("T")


async def run_to_its_end(work: Awaitable[T]) -> T:
    """Complete what was begun although whoever asked for it has hung up.

    Between a new password and the end of the old sessions there is no place to stop, and a token
    that was taken for nothing is lost. All that is awaited there is bounded.
    """
    with anyio.CancelScope(shield=True):
        outcome = await work
    return outcome  # noqa: RET504 -- a scope may swallow exceptions, says its type


def find_mail_address(account: Account) -> str | None:
    """Return the account's name, where names are mail addresses."""
    return account.name


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDesk:
    """The things themselves, and what is done with them everywhere."""

    config: AccountConfig
    store: Store
    records: AccountRecords
    passwords: Passwords
    throttle: SendThrottle
    outbox: Outbox
    find_recipient: Callable[[Account], str | None]
    reporter: Reporter
    clock: Clock

    async def admit(self, name: str, visit: Visit) -> Throttled | Unavailable | None:
        """Count a message before anything is looked up; None lets it be sent."""
        taken = await self.throttle.take(name, client=visit.client)
        if taken.admitted:
            return None
        if isinstance(taken, Exceeded):
            return Throttled(taken.retry_after_seconds)
        return Unavailable()

    def post(
        self,
        kind: str,
        account: Account | None,
        *,
        token: str | None = None,
        path: str | None = None,
        lifetime_seconds: float | None = None,
    ) -> None:
        """Send an account's owner a message, or nobody none in as much time."""
        recipient = None if account is None else self.find_recipient(account)
        link = None
        if token is not None and path is not None:
            link = self.config.build_link(path, token)
        if account is None or recipient is None:
            self.outbox.post(None)
            return
        self.outbox.post(
            Message(
                kind=kind,
                recipient=recipient,
                account=account.id,
                token=token,
                link=link,
                lifetime_seconds=lifetime_seconds,
            )
        )

    def collect_context(self, account: Account) -> tuple[str, ...]:
        """Return the words that the account's password may not be made of."""
        return collect_context(account.name, account.data, self.config)

    def fail(self, action: str) -> Unavailable:
        """Say that the store did not answer."""
        self.reporter.tell("accounts_unavailable", Severity.ERROR, action=action)
        return Unavailable()

    async def end_all(
        self,
        account_id: str,
        *,
        keep_session: bytes | None = None,
        keep_family: str | None = None,
    ) -> bool:
        """End all that is open; False, with an event, if something may be left."""
        try:
            ended = await end_everything(
                self.store,
                account_id,
                longest_token_seconds=self.config.longest_token_seconds,
                timeout_seconds=self.config.store_timeout_seconds,
                clock=self.clock,
                keep_session=keep_session,
                keep_family=keep_family,
            )
        except StorageError:
            self.reporter.tell("ending_failed", Severity.ERROR, account=account_id)
            return False
        self.reporter.tell(
            "everything_ended",
            account=account_id,
            sessions=ended.sessions,
            families=ended.families,
        )
        return True

    async def record(
        self,
        action: str,
        account: Account | None,
        visit: Visit,
        *,
        actor: str | None = None,
        outcome: str = "success",
        **details: Any,
    ) -> None:
        """Write down what happened to an account."""
        await self.reporter.record(
            action,
            actor=actor,
            target=None if account is None else account.id,
            tenant=None if account is None else account.tenant,
            outcome=outcome,
            visit=visit,
            **details,
        )


ACCEPTED = Accepted()
