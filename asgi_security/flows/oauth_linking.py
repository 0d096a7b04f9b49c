"""Finds, makes or links the account that an identity at a provider opens, and takes links apart.

What is worth knowing about the tempting wrong road: looking the account up by the mail address
that the provider names. `policy.oauth_linking` says to whom that would hand it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from asgi_security.crypto.base64url import encode_base64url
from asgi_security.crypto.digests import compute_unkeyed_digest
from asgi_security.flows.store_bound import StoreBound
from asgi_security.policy.documents import encode_json, parse_object
from asgi_security.policy.oauth_linking import (
    CreateAccount,
    LinkByEmail,
    LinkRequired,
    decide_newcomer,
)
from asgi_security.policy.oauth_response import OAuthRefused
from asgi_security.storage.protocols.accounts import (
    Account,
    AccountCreated,
    AccountGone,
    Identity,
    IdentityTaken,
    LastIdentity,
)

if TYPE_CHECKING:
    from asgi_security.clock import Entropy
    from asgi_security.policy.oauth import OAuthConfig, OAuthProvider
    from asgi_security.policy.oauth_identity import IdentityFacts
    from asgi_security.storage.protocols.accounts import AccountStore

ACCOUNT_DISABLED = OAuthRefused(403, "account_disabled")
ACCOUNT_GONE = OAuthRefused(400, "account_gone")
IDENTITY_TAKEN = OAuthRefused(409, "identity_taken")

_ID_BYTES = 16
_HANDLE_CHARACTERS = 22
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Opened:
    """The identity opens this account, made just now if `created`, and linked if `linked`."""

    account: Account
    created: bool = False
    linked: bool = False


@dataclass(frozen=True, slots=True)
class LinkedIdentity:
    """One of the ways into an account. `handle` names it; `email` is None where none is known."""

    handle: str
    provider: str | None
    email: str | None = field(repr=False)
    linked_at: float


@dataclass(frozen=True, slots=True)
class IdentityUnlinked:
    """The identity opens the account no more, or never did. What it opened before stays open."""

    was_linked: bool


@dataclass(frozen=True, slots=True)
class LastWayIn:
    """Without this identity nobody could log in: set a password or link another one first."""


Opening: TypeAlias = Opened | LinkRequired | OAuthRefused


class Linking:
    """The identities of accounts.

    Args:
        config: whether accounts are made, and the bound of the store.
        accounts: where they are.
        entropy: makes their ids.
    """

    def __init__(self, config: OAuthConfig, accounts: AccountStore, *, entropy: Entropy) -> None:
        self._config = config
        self._accounts = accounts
        self._entropy = entropy

    async def open(self, facts: IdentityFacts, provider: OAuthProvider, *, now: float) -> Opening:
        """Return the account of an identity, made or linked if it may be.

        Raises:
            StorageError: The store did not answer.
        """
        with StoreBound(self._config.store_timeout_seconds):
            # Another login of the same identity may make the account between our steps: look again.
            for _ in range(_TRIES):
                opened = await self._try_open(facts, provider, now)
                if opened is not None:
                    return opened
            return LinkRequired()

    async def _try_open(
        self, facts: IdentityFacts, provider: OAuthProvider, now: float
    ) -> Opening | None:
        identity = await self._accounts.find_identity(facts.issuer, facts.subject)
        if identity is not None:
            return await self._load(identity.account)
        namesake = None if facts.email is None else await self._accounts.find(facts.email)
        decision = decide_newcomer(
            facts,
            provider,
            self._config,
            namesake_is_verified=None if namesake is None else namesake.is_verified,
        )
        if isinstance(decision, CreateAccount):
            return await self._create(facts, provider, decision, now)
        if namesake is not None and isinstance(decision, LinkByEmail):
            if not namesake.is_active:
                return ACCOUNT_DISABLED
            linked = await self._link(facts, provider, namesake.id, now)
            return Opened(namesake, linked=True) if linked is None else None
        return decision if isinstance(decision, LinkRequired | OAuthRefused) else None

    async def _load(self, account_id: str) -> Opening | None:
        account = await self._accounts.load(account_id)
        if account is None:
            return None  # deleted this very moment, and its identities with it
        return Opened(account) if account.is_active else ACCOUNT_DISABLED

    async def _create(
        self, facts: IdentityFacts, provider: OAuthProvider, made: CreateAccount, now: float
    ) -> Opened | None:
        account = Account(
            id=encode_base64url(self._entropy(_ID_BYTES)).decode(),
            name=made.name,
            is_verified=made.is_verified,
            created_at=now,
        )
        identity = _build_identity(facts, provider, account.id, now)
        created = await self._accounts.create(account, identity=identity)
        return Opened(account, created=True) if isinstance(created, AccountCreated) else None

    async def _link(
        self, facts: IdentityFacts, provider: OAuthProvider, account_id: str, now: float
    ) -> IdentityTaken | AccountGone | None:
        identity = _build_identity(facts, provider, account_id, now)
        linked = await self._accounts.link(identity)
        return linked if isinstance(linked, IdentityTaken | AccountGone) else None

    async def link(
        self, facts: IdentityFacts, provider: OAuthProvider, account_id: str, *, now: float
    ) -> Opened | OAuthRefused:
        """Link an identity to the account whose owner is logged in and asked for it.

        Raises:
            StorageError: The store did not answer.
        """
        with StoreBound(self._config.store_timeout_seconds):
            account = await self._accounts.load(account_id)
            if account is None:
                return ACCOUNT_GONE
            if not account.is_active:
                return ACCOUNT_DISABLED
            linked = await self._link(facts, provider, account_id, now)
        if linked is None:
            return Opened(account, linked=True)
        return IDENTITY_TAKEN if isinstance(linked, IdentityTaken) else ACCOUNT_GONE

    async def list_for(self, account_id: str) -> tuple[LinkedIdentity, ...]:
        """Return the identities of an account.

        Raises:
            StorageError: The store did not answer.
        """
        with StoreBound(self._config.store_timeout_seconds):
            identities = await self._accounts.list_identities(account_id)
        return tuple(map(_describe, identities))

    async def unlink(self, account_id: str, handle: str) -> IdentityUnlinked | LastWayIn:
        """Take an identity from an account, unless nothing else opens it.

        Raises:
            StorageError: The store did not answer.
        """
        with StoreBound(self._config.store_timeout_seconds):
            account = await self._accounts.load(account_id)
            if account is None:
                return IdentityUnlinked(was_linked=False)
            identities = await self._accounts.list_identities(account_id)
            named = [one for one in identities if compute_handle(one) == handle]
            if not named:
                return IdentityUnlinked(was_linked=False)
            leave = 1 if account.password_hash is None else 0
            unlinked = await self._accounts.unlink(
                account_id, named[0].issuer, named[0].subject, leave=leave
            )
        return LastWayIn() if isinstance(unlinked, LastIdentity) else IdentityUnlinked(True)


def compute_handle(identity: Identity) -> str:
    """Return what names an identity in an address: nothing of it can be read from it."""
    digest = compute_unkeyed_digest(f"identity {identity.issuer}", identity.subject)
    return encode_base64url(digest).decode()[:_HANDLE_CHARACTERS]


def _build_identity(
    facts: IdentityFacts, provider: OAuthProvider, account_id: str, now: float
) -> Identity:
    known = {"provider": provider.name, "email": facts.email, "name": facts.name}
    data = {name: value for name, value in known.items() if value is not None}
    return Identity(facts.issuer, facts.subject, account_id, now, encode_json(data))


def _describe(identity: Identity) -> LinkedIdentity:
    data = parse_object(identity.data) or {}
    provider, email = (
        value if isinstance(value, str) else None
        for value in (data.get("provider"), data.get("email"))
    )
    return LinkedIdentity(compute_handle(identity), provider, email, identity.created_at)
