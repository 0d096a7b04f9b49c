"""Does: registration, and the proof that an address is its owner's.

A name that is taken is answered as a free one is, after as much work; its owner is told by mail.
So nobody learns who has an account, and a mailbox only learns it of itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from asgi_security.crypto.base64url import encode_base64url
from asgi_security.errors import StorageError
from asgi_security.flows.account_desk import ACCEPTED, run_to_its_end
from asgi_security.flows.account_outcomes import AddressVerified, NameRefused, TokenRefused
from asgi_security.flows.lockout import Unavailable
from asgi_security.flows.passwords import PasswordRefused, PasswordsUnavailable
from asgi_security.policy.accounts import collect_context, parse_account_name
from asgi_security.policy.documents import encode_json
from asgi_security.storage.protocols import Account, AccountCreated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asgi_security.clock import Entropy
    from asgi_security.flows.account_desk import AccountDesk
    from asgi_security.flows.account_outcomes import Registration, Request, Verification
    from asgi_security.flows.account_tokens import AccountTokens
    from asgi_security.flows.passwords import PasswordHashed
    from asgi_security.flows.visits import Visit

_ID_BYTES = 16


class Registrar:
    """Opens accounts."""

    def __init__(self, desk: AccountDesk, tokens: AccountTokens, *, entropy: Entropy) -> None:
        self._desk = desk
        self._tokens = tokens
        self._entropy = entropy

    async def register(
        self,
        name: str,
        password: str,
        *,
        visit: Visit,
        data: Mapping[str, Any],
        tenant: str | None,
    ) -> Registration:
        """Open an account that nobody has, and mail its owner what verifies it."""
        desk = self._desk
        parsed = parse_account_name(name, desk.config)
        if parsed is None:
            return NameRefused()
        known = encode_json(dict(data))
        # Before it is counted: who has to think of another password has had nothing sent to him.
        context = collect_context(parsed, known, desk.config)
        violations = await desk.passwords.check(password, context=context)
        if violations:
            return PasswordRefused(violations)
        refused = await desk.admit(parsed, visit)
        if refused is not None:
            return refused
        hashed = await desk.passwords.hash(password)
        if isinstance(hashed, PasswordsUnavailable):
            return Unavailable()
        if isinstance(hashed, PasswordRefused):
            return hashed
        account = self._build(parsed, hashed, data=known, tenant=tenant)
        try:
            return await run_to_its_end(self._open(account, visit))
        except StorageError:
            return desk.fail("register")

    def _build(
        self, name: str, hashed: PasswordHashed, *, data: bytes, tenant: str | None
    ) -> Account:
        return Account(
            id=encode_base64url(self._entropy(_ID_BYTES)).decode(),
            name=name,
            password_hash=hashed.stored,
            is_verified=self._desk.config.dangerously_verify_at_once,
            roles=tuple(self._desk.config.new_roles),
            tenant=tenant,
            created_at=self._desk.clock(),
            data=data,
        )

    async def _open(self, account: Account, visit: Visit) -> Registration:
        """Two calls to the store and one message, whether the name is free or not."""
        desk = self._desk
        if isinstance(await desk.records.create(account), AccountCreated):
            token = await self._tokens.issue(account)
            await desk.record("account_registered", account, visit, actor=account.id)
            self._post_verification(account, token)
            return ACCEPTED
        owner = await desk.records.find(account.name)
        # No new verification here, even if the owner is unverified yet: it would let him verify an
        # account that a stranger has opened with his address, and knows the password of.
        await desk.record(
            "registration_refused", owner, visit, outcome="refused", reason="name_taken"
        )
        desk.post("name_taken", owner)
        return ACCEPTED

    async def request_verification(self, name: str, *, visit: Visit) -> Request:
        """Mail the owner of an unverified account what verifies it, once more."""
        desk = self._desk
        refused = await desk.admit(name, visit)
        if refused is not None:
            return refused
        try:
            account = await desk.records.find(name)
            is_due = account is not None and account.is_active and not account.is_verified
            owner = account if is_due else None
            token = await self._tokens.issue(owner)
        except StorageError:
            return desk.fail("request_verification")
        await desk.record(
            "verification_requested",
            account,
            visit,
            outcome="refused" if owner is None else "success",
        )
        self._post_verification(owner, token)
        return ACCEPTED

    async def verify(self, token: str, *, visit: Visit) -> Verification:
        """Take the proof that an address is its owner's."""
        return await run_to_its_end(self._verify(token, visit))

    async def _verify(self, token: str, visit: Visit) -> Verification:
        desk = self._desk
        try:
            taken = await self._tokens.take(token)
            if taken is None:
                return TokenRefused()
            epoch = taken.epoch

            def alter(account: Account) -> Account | None:
                fits = account.is_active and account.epoch == epoch
                return replace(account, is_verified=True) if fits else None

            account = await desk.records.change(taken.account, alter)
        except StorageError:
            return desk.fail("verify")
        if account is None:
            return TokenRefused()
        await desk.record("account_verified", account, visit, actor=account.id)
        return AddressVerified(account)

    def _post_verification(self, account: Account | None, token: str) -> None:
        self._desk.post(
            "verify",
            account,
            token=token,
            path=self._desk.config.verify_path,
            lifetime_seconds=self._tokens.lifetime_seconds,
        )
