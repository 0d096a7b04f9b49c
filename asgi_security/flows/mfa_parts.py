"""Puts the parts of second factors together, and does what all of their use cases need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgi_security.errors import ConfigError, Problem
from asgi_security.flows.auditing import Reporter
from asgi_security.flows.mfa_codes import AMR, CodeChecker, choose_proof
from asgi_security.flows.mfa_enrolment import Enrolment
from asgi_security.flows.mfa_mail import MailedCodes
from asgi_security.flows.mfa_outcomes import MfaPassed, MfaRefused
from asgi_security.flows.mfa_pre_tokens import PreTokens
from asgi_security.flows.outbox import Outbox
from asgi_security.flows.sending import Message
from asgi_security.flows.store_bound import StoreBound

if TYPE_CHECKING:
    from asgi_security.clock import Clock, Entropy
    from asgi_security.events import EventSink
    from asgi_security.flows.auditing import Auditor
    from asgi_security.flows.lockout import Lockout
    from asgi_security.flows.mfa_codes import Gate, Given
    from asgi_security.flows.mfa_outcomes import Stopped
    from asgi_security.flows.mfa_pre_tokens import PreToken, Purpose
    from asgi_security.flows.sending import Sender
    from asgi_security.flows.visits import Visit
    from asgi_security.policy.mfa import Method, MfaConfig
    from asgi_security.storage.protocols import Account, Store

_BAD_PRE_TOKEN = MfaRefused("bad_pre_token")


class MfaParts:
    """The parts of one configuration. Methods that ask the store raise `StorageError`."""

    def __init__(
        self,
        config: MfaConfig,
        store: Store,
        *,
        lockout: Lockout,
        sender: Sender | None,
        clock: Clock,
        entropy: Entropy,
        events: EventSink,
        audit: Auditor | None,
    ) -> None:
        if config.email_codes and sender is None:
            hint = "give a sender, or leave email_codes off"
            problem = Problem("email_codes", "True", "nobody would send the codes", hint)
            raise ConfigError("Mfa", [problem])
        self.config = config
        self.clock = clock
        self.reporter = Reporter(events, audit)
        self.outbox = None if sender is None else Outbox(sender, events=events)
        self.mail: MailedCodes | None = None
        if sender is not None and config.email_codes:
            self.mail = MailedCodes(
                config,
                store,
                sender=sender,
                reporter=self.reporter,
                clock=clock,
                entropy=entropy,
                events=events,
            )
        self.checker = CodeChecker(
            config,
            store,
            lockout=lockout,
            mail=self.mail,
            reporter=self.reporter,
            clock=clock,
            entropy=entropy,
        )
        self.enrolment = Enrolment(
            config, store, checker=self.checker, clock=clock, entropy=entropy
        )
        self.tokens = PreTokens(config, store, clock=clock, entropy=entropy)
        self._store = store

    async def identify(
        self, who: Account | str, *, purpose: Purpose, visit: Visit
    ) -> tuple[Account, PreToken | None] | MfaRefused:
        """Return the account that asks: the one given, or that of a pre-token.

        A pre-token from before the last change of the account's credentials is worth nothing, nor
        is one of an account that is gone or disabled.
        """
        if not isinstance(who, str):
            return who, None
        token = self.tokens.parse(who, purpose=purpose, browser=visit.browser)
        if token is None:
            return _BAD_PRE_TOKEN
        with StoreBound(self.config.store_timeout_seconds):
            account = await self._store.accounts.load(token.account)
        if account is None or not account.is_active or account.epoch != token.epoch:
            return _BAD_PRE_TOKEN
        return account, token

    async def prove(
        self,
        account: Account,
        given: Given,
        *,
        visit: Visit,
        before: Gate | None = None,
        after: Gate | None = None,
    ) -> Method | Stopped:
        """Verify the one code that was given, and use it up; return what it was."""
        factors = await self.checker.list_factors(account.id)
        proof = choose_proof(self.checker.list_methods(factors), given)
        if isinstance(proof, MfaRefused):
            return proof
        return await self.checker.check(
            account, factors, proof, visit=visit, before=before, after=after
        )

    async def pass_on(
        self, account: Account, amr: tuple[str, ...], method: Method, *, visit: Visit
    ) -> MfaPassed:
        """Return that an account has shown its second factor after those of `amr`, and say so."""
        values = tuple(dict.fromkeys((*amr, *AMR[method])))
        await self.record("mfa_passed", account, visit, method=method)
        return MfaPassed(account=account, amr=values, auth_time=self.clock(), method=method)

    async def record(
        self, action: str, account: Account, visit: Visit, *, actor: str | None = None, **facts: Any
    ) -> None:
        """Report what was done to an account, by its owner unless an `actor` is named."""
        await self.reporter.record(
            action,
            actor=actor or account.id,
            target=account.id,
            tenant=account.tenant,
            visit=visit,
            **facts,
        )

    def notify(self, kind: str, account: Account) -> None:
        """Tell the owner of a change, where it may be the work of another (ASVS 5.0 6.3.7)."""
        recipient = find_recipient(account)
        if self.outbox is not None and recipient is not None:
            self.outbox.post(Message(kind=kind, recipient=recipient, account=account.id))


def find_recipient(account: Account) -> str | None:
    """Return the mail address of an account, which is its name if that is one."""
    return account.name if "@" in account.name.strip("@") else None
