"""Does: makes API keys, verifies them, lists them and ends them.

Usable without ASGI. The key's text leaves once, from `create`; the store knows a keyed digest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from asgi_security.clock import system_clock, system_entropy
from asgi_security.crypto.api_keys import (
    ID_BYTES,
    SECRET_BYTES,
    build_api_key,
    compute_digest,
    matches_digest,
    parse_api_key,
)
from asgi_security.crypto.digests import KeyedDigests
from asgi_security.errors import StorageError
from asgi_security.events import Severity, log_event
from asgi_security.flows.auditing import Reporter
from asgi_security.flows.store_bound import StoreBound
from asgi_security.flows.visits import UNKNOWN_VISIT
from asgi_security.policy.api_keys import (
    GrantRefused,
    decide_grant,
    decide_standing,
    is_touch_due,
)
from asgi_security.principal import Principal
from asgi_security.secret import Secret
from asgi_security.storage.protocols import ApiKey

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence
    from collections.abc import Set as AbstractSet

    from asgi_security.clock import Clock, Entropy
    from asgi_security.events import EventSink
    from asgi_security.flows.auditing import Auditor
    from asgi_security.flows.visits import Visit
    from asgi_security.policy.api_keys import ApiKeyConfig, Grant, Reason
    from asgi_security.storage.protocols import Store

T = TypeVar("T")

_NO_DIGEST = bytes(32)
"""Compared with where no key has the id. No HMAC-SHA-256 will ever be it."""


@dataclass(frozen=True, slots=True)
class ApiKeyCreated:
    """The key is stored; `text` is shown to its owner now, and never again."""

    key: ApiKey
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ApiKeyVerified:
    """The key is right and alive: `principal` asks, for its owner and as far as its scopes say."""

    principal: Principal
    key: ApiKey


@dataclass(frozen=True, slots=True)
class ApiKeyRefused:
    """The key opens nothing. Only who has its secret learns more than `invalid_api_key`."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class ApiKeysUnavailable:
    """The store did not answer: nobody was let in. Answer 503."""


ApiKeyOutcome: TypeAlias = ApiKeyVerified | ApiKeyRefused | ApiKeysUnavailable


class ApiKeys:
    """The API keys of accounts.

    Args:
        config: the rules and secrets.
        store: whose facets `api_keys` and `accounts` are asked.
        audit: where making and ending keys is recorded.
    """

    def __init__(
        self,
        config: ApiKeyConfig,
        store: Store,
        *,
        clock: Clock = system_clock,
        entropy: Entropy = system_entropy,
        events: EventSink = log_event,
        audit: Auditor | None = None,
    ) -> None:
        self.config = config
        self._keys = store.api_keys
        self._accounts = store.accounts
        # The configuration has made Secrets of them; this only narrows the type.
        self._digests = KeyedDigests(
            Secret(config.secret), [Secret(old) for old in config.old_secrets]
        )
        self._clock = clock
        self._entropy = entropy
        self._reporter = Reporter(events, audit)

    async def create(
        self,
        account: str,
        *,
        name: str,
        scopes: Sequence[str],
        granted: AbstractSet[str],
        lifetime_seconds: float | None = None,
        actor: str | None = None,
        visit: Visit = UNKNOWN_VISIT,
    ) -> ApiKeyCreated | GrantRefused | ApiKeysUnavailable:
        """Make a key for the account of that id.

        Called again after `ApiKeysUnavailable` it makes another: one may be left in the list that
        nobody has the text of.

        Args:
            account: the owner's id.
            name: what the owner calls it, up to 100 printable characters.
            scopes: what it is to reach.
            granted: the scopes that the owner holds, and, where another one makes it for them,
                that one holds too.
            lifetime_seconds: None is as configured.
            actor: who makes it, if not its owner.
            visit: who asks.
        """
        now = self._clock()
        grant = decide_grant(
            self.config,
            name=name,
            scopes=scopes,
            granted=granted,
            lifetime_seconds=lifetime_seconds,
            now=now,
        )
        told: dict[str, Any] = {"actor": actor or account, "visit": visit}
        if isinstance(grant, GrantRefused):
            told |= {"target": account, "outcome": grant.reason}
            await self._reporter.record("api_key_not_created", **told)
            return grant
        created = await self._make(account, grant, now)
        if isinstance(created, ApiKeyCreated):
            told |= {"target": created.key.id, "scopes": list(grant.scopes)}
            await self._reporter.record("api_key_created", **told)
        return created

    async def _make(
        self, account: str, grant: Grant, now: float
    ) -> ApiKeyCreated | ApiKeysUnavailable:
        made = build_api_key(
            self.config.prefix, self._entropy(ID_BYTES), self._entropy(SECRET_BYTES)
        )
        digest = compute_digest(self._digests, made)
        key = ApiKey(
            made.id, digest, account, grant.name, grant.scopes, now, expires_at=grant.expires_at
        )
        try:
            await self._ask(self._keys.create(key))
        except StorageError:
            return self._fail("create")
        return ApiKeyCreated(key, made.text)

    async def verify(self, text: str | bytes) -> ApiKeyOutcome:
        """Find out whom a key speaks for.

        Constant-time because an id that nobody has costs what a wrong secret costs: one look into
        the store and the same comparisons. What is spelt like no key costs nothing, which tells
        no more than its own checksum.
        """
        if isinstance(text, bytes):
            text = text.decode("latin-1")
        given = parse_api_key(text, prefix=self.config.prefix)
        if given is None:
            return self._refuse("invalid_api_key")
        now = self._clock()
        try:
            key = await self._ask(self._keys.load(given.id))
            stored = _NO_DIGEST if key is None else key.digest
            is_right = matches_digest(self._digests, given, stored)
            if key is None or not is_right:
                return self._refuse("invalid_api_key")
            owner = await self._ask(self._accounts.load(key.account))
        except StorageError:
            return self._fail("verify")
        reason = decide_standing(
            revoked_at=key.revoked_at,
            expires_at=key.expires_at,
            is_owner_active=owner is not None and owner.is_active,
            now=now,
        )
        if reason is not None:
            return self._refuse(reason, key)
        if is_touch_due(self.config, used_at=key.used_at, now=now):
            await self._touch(key, now)
        principal = Principal(
            subject=key.account,
            via="api_key",
            scopes=frozenset(key.scopes),
            claims={"api_key": key.id},
        )
        return ApiKeyVerified(principal, key)

    async def list_for(self, account: str) -> tuple[ApiKey, ...] | ApiKeysUnavailable:
        """Return the account's keys, ended ones too, the newest first."""
        try:
            return await self._ask(self._keys.list_for(account))
        except StorageError:
            return self._fail("list")

    async def revoke(
        self,
        account: str,
        key_id: str,
        *,
        actor: str | None = None,
        visit: Visit = UNKNOWN_VISIT,
    ) -> bool | ApiKeysUnavailable:
        """End the account's key, which stays in the list; False if it has none such. Idempotent."""
        try:
            revoked = await self._ask(self._keys.revoke(account, key_id, now=self._clock()))
        except StorageError:
            return self._fail("revoke")
        if revoked:
            await self._reporter.record(
                "api_key_revoked", actor=actor or account, target=key_id, visit=visit
            )
        return revoked

    async def revoke_all(
        self, account: str, *, actor: str | None = None, visit: Visit = UNKNOWN_VISIT
    ) -> int | ApiKeysUnavailable:
        """End all of the account's keys; return how many still were alive or had only expired."""
        try:
            count = await self._ask(self._keys.revoke_for(account, now=self._clock()))
        except StorageError:
            return self._fail("revoke_all")
        if count:
            await self._reporter.record(
                "api_keys_revoked", actor=actor or account, target=account, visit=visit, count=count
            )
        return count

    async def delete(
        self,
        account: str,
        key_id: str,
        *,
        actor: str | None = None,
        visit: Visit = UNKNOWN_VISIT,
    ) -> bool | ApiKeysUnavailable:
        """Remove the account's key, from the list too; False if it has none such."""
        try:
            deleted = await self._ask(self._keys.delete(account, key_id))
        except StorageError:
            return self._fail("delete")
        if deleted:
            await self._reporter.record(
                "api_key_deleted", actor=actor or account, target=key_id, visit=visit
            )
        return deleted

    async def _touch(self, key: ApiKey, now: float) -> None:
        try:
            await self._ask(self._keys.touch(key.id, used_at=now))
        except StorageError:
            # For the owner's eyes only: whoever has the key is not turned away for it.
            self._reporter.tell("api_key_not_touched", Severity.WARNING, key=key.id)

    async def _ask(self, operation: Awaitable[T]) -> T:
        with StoreBound(self.config.store_timeout_seconds):
            return await operation

    def _refuse(self, reason: Reason, key: ApiKey | None = None) -> ApiKeyRefused:
        # Safe to log because an id opens nothing; one whose secret was wrong is not even named.
        facts = {} if key is None else {"key": key.id, "account": key.account}
        self._reporter.tell("api_key_refused", Severity.WARNING, reason=reason, **facts)
        return ApiKeyRefused(reason)

    def _fail(self, operation: str) -> ApiKeysUnavailable:
        self._reporter.tell("api_keys_unavailable", Severity.ERROR, operation=operation)
        return ApiKeysUnavailable()
