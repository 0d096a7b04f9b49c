"""Does logins that last: pairs of an access token and a refresh token that is used once.

A token's reply can be lost, so for some seconds the token before the present one is answered with
the very same successor: it is made again, not stored. Any other second use is a copy in foreign
hands, and ends the login for both, as nobody can tell the thief from the owner.

Logins through here never touch the lockout: a lock stops guessing, and a token is not guessed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from asgi_security.clock import system_clock, system_entropy
from asgi_security.errors import StorageError
from asgi_security.events import Severity, log_event
from asgi_security.flows.auditing import Reporter
from asgi_security.flows.lockout import Unavailable
from asgi_security.flows.refresh_families import Families, describe
from asgi_security.flows.refresh_outcomes import (
    FamiliesEnded,
    ListedFamily,
    Refreshed,
    RefreshRefused,
    TokenPair,
)
from asgi_security.flows.refresh_pairs import PairMaker
from asgi_security.flows.refresh_renewal import renew_from_accounts
from asgi_security.flows.refresh_rotation import Presented, Rotation
from asgi_security.flows.store_bound import StoreBound
from asgi_security.flows.visits import UNKNOWN_VISIT
from asgi_security.policy.refresh_grants import RefreshGrant, check_claims, check_scopes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from asgi_security.clock import Clock, Entropy
    from asgi_security.events import EventSink
    from asgi_security.flows.auditing import Auditor
    from asgi_security.flows.refresh_outcomes import EndOutcome, RefreshOutcome
    from asgi_security.flows.refresh_renewal import Renewal
    from asgi_security.flows.visits import Visit
    from asgi_security.policy.refresh import RefreshConfig
    from asgi_security.storage.protocols import RefreshStore, Store

    Confirm: TypeAlias = Callable[[], Awaitable[bool]]

__all__ = [
    "FamiliesEnded",
    "ListedFamily",
    "RefreshRefused",
    "RefreshTokens",
    "Refreshed",
    "TokenPair",
    "Unavailable",
    "renew_from_accounts",
]


class RefreshTokens:
    """Opens, refreshes, lists and ends logins of one configuration.

    Args:
        config: secrets, lifetimes, and what access tokens look like.
        store: a store, or its `refresh` facet.
        revocations: a store, or its `revocations` facet, where access tokens of ended logins are
            refused before their time; by default that of the store. Who verifies them asks the
            same (`JwtConfig(revocations=...)`).
        renewal: asked at each refresh for claims; by default they stay as the login began.
        clock: the time.
        entropy: makes families, handles, token ids and jitter.
        events: told of all that happens here.
        audit: keeps what is worth keeping: beginnings, ends, and reuse.

    Raises:
        ConfigError: for a key that does not fit its algorithm.
    """

    def __init__(
        self,
        config: RefreshConfig,
        store: Store | RefreshStore,
        *,
        revocations: object | None = None,
        renewal: Renewal | None = None,
        clock: Clock = system_clock,
        entropy: Entropy = system_entropy,
        events: EventSink = log_event,
        audit: Auditor | None = None,
    ) -> None:
        self._config = config
        facet: Any = store
        self._store: RefreshStore = getattr(store, "refresh", facet)
        refusing: Any = revocations
        holder = store if revocations is None else revocations
        self._clock = clock
        self._reporter = Reporter(events, audit)
        self._maker = PairMaker(config, entropy=entropy)
        self._families = Families(
            config,
            self._store,
            getattr(holder, "revocations", refusing),
            reporter=self._reporter,
        )
        self._rotation = Rotation(
            config,
            self._store,
            families=self._families,
            maker=self._maker,
            renewal=renewal,
            reporter=self._reporter,
        )

    async def open(
        self,
        subject: str,
        *,
        claims: Mapping[str, Any] | None = None,
        scopes: Sequence[str] = (),
        amr: Sequence[str] = (),
        auth_time: float | None = None,
        client_id: str | None = None,
        confirmation: str | None = None,
        confirm: Confirm | None = None,
        visit: Visit = UNKNOWN_VISIT,
    ) -> TokenPair | RefreshRefused | Unavailable:
        """Begin a login and return its first pair.

        Args:
            subject: who it is: the `sub` of its access tokens.
            claims: their further claims, none of those that are made here.
            scopes: their `scope`; a refresh may ask for less.
            amr: how the subject proved who they are (RFC 8176).
            auth_time: when; by default now.
            client_id: the client that alone may refresh; by default the configured one.
            confirmation: RFC 7638 thumbprint of the key that alone may (DPoP).
            confirm: asked once the login is stored, before its tokens are handed out, whether the
                password that was right still is; unless it says True, the login is over.
            visit: who asks.

        Raises:
            ValueError: for no subject, a claim that is not the login's own, or what is no scope.
            TypeError: for claims that JSON has no word for.
        """
        if isinstance(scopes, str) or isinstance(amr, str):
            raise ValueError("give lists of scopes and of amr")  # noqa: TRY004 -- as all the rest
        now = self._clock()
        grant = RefreshGrant(
            claims=dict(claims or {}),
            scopes=tuple(dict.fromkeys(scopes)),
            amr=tuple(amr),
            auth_time=now if auth_time is None else auth_time,
            client_id=client_id or self._config.client_id,
            confirmation=confirmation,
        )
        _check_grant(subject, grant)
        return await self._open(subject, grant, visit, now, confirm)

    async def _open(
        self,
        subject: str,
        grant: RefreshGrant,
        visit: Visit,
        now: float,
        confirm: Confirm | None,
    ) -> TokenPair | RefreshRefused | Unavailable:
        family_id, family = self._maker.begin(subject, grant, visit=visit, now=now)
        most = self._config.max_families_per_subject
        try:
            with self._bound():
                await self._store.open_family(family, now=now)
            if confirm is not None and await confirm() is not True:
                await self._families.end(family, now=now, visit=visit, reason="unconfirmed")
                return RefreshRefused("subject_refused")
            if most is not None:
                await self._families.trim(subject, most=most, now=now, visit=visit)
        except StorageError:
            return self._fail("open")
        await self._reporter.record(
            "refresh_family_opened",
            actor=subject,
            target=subject,
            visit=visit,
            family=family.handle,
        )
        return self._maker.build(
            family_id, family, grant=grant, scopes=grant.scopes, claims=grant.claims, now=now
        )

    async def refresh(
        self,
        token: str,
        *,
        scope: str | None = None,
        client_id: str | None = None,
        confirmation: str | None = None,
        visit: Visit = UNKNOWN_VISIT,
    ) -> RefreshOutcome:
        """Use a refresh token up and return the next pair.

        Args:
            token: as it was sent.
            scope: what the access token is to be good for, blanks between; by default all that
                was granted.
            client_id: of the authenticated client; by default the configured one.
            confirmation: thumbprint of the key whose possession was proven.
            visit: who asks.
        """
        presented = Presented(
            client_id=client_id or self._config.client_id, confirmation=confirmation, scope=scope
        )
        try:
            return await self._rotation.use(token, presented, now=self._clock(), visit=visit)
        except StorageError:
            return self._fail("refresh")

    async def end(self, token: str, *, visit: Visit = UNKNOWN_VISIT) -> EndOutcome:
        """End the login of a refresh token of any generation: a logout (RFC 7009).

        What is no token, and what has ended before, is a success with nothing to end.
        """
        parsed = self._maker.parse(token)
        if parsed is None:
            return FamiliesEnded()
        now = self._clock()
        try:
            with self._bound():
                family = await self._store.load_family(parsed.digest, now=now)
            if family is None:
                return FamiliesEnded()
            return await self._families.end(family, now=now, visit=visit, reason="logout")
        except StorageError:
            return self._fail("end")

    async def list_for(
        self, subject: str, *, current: str | None = None
    ) -> tuple[ListedFamily, ...] | Unavailable:
        """Return a subject's logins, the one used last first.

        `current` is the handle of the one that asks: the `sid` of its access token.
        """
        try:
            listed = await self._families.list_live(subject, now=self._clock())
        except StorageError:
            return self._fail("list")
        return tuple([describe(family, current=current) for family in listed])

    async def revoke_handle(
        self, subject: str, handle: str, *, visit: Visit = UNKNOWN_VISIT
    ) -> EndOutcome:
        """End the subject's login of that handle; somebody else's is as good as none."""
        try:
            return await self._families.end_handle(subject, handle, now=self._clock(), visit=visit)
        except StorageError:
            return self._fail("revoke")

    async def revoke_subject(
        self, subject: str, *, keep: str | None = None, visit: Visit = UNKNOWN_VISIT
    ) -> EndOutcome:
        """End all of a subject's logins, but that of the handle `keep`."""
        try:
            return await self._families.end_all(subject, keep=keep, now=self._clock(), visit=visit)
        except StorageError:
            return self._fail("revoke")

    def _bound(self) -> StoreBound:
        return StoreBound(self._config.store_timeout_seconds)

    def _fail(self, operation: str) -> Unavailable:
        self._reporter.tell("refresh_store_failed", Severity.ERROR, operation=operation)
        return Unavailable()


def _check_grant(subject: str, grant: RefreshGrant) -> None:
    if not subject:
        raise ValueError("give the subject of the login")
    reserved = check_claims(grant.claims)
    if reserved:
        raise ValueError(f"not a login's own claims: {', '.join(reserved)}")
    if check_scopes(grant.scopes):
        raise ValueError("a scope is visible ASCII without blanks, quotes and backslashes")
