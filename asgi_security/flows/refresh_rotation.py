"""Uses a refresh token up: what is asked before, in which order, and what follows.

Whatever the login itself forbids is refused before its token is used up, so that a wrong client or
a wish for more leaves the login as it is. The rotation is the store's one atomic step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from asgi_security.errors import StorageError
from asgi_security.events import Severity
from asgi_security.flows.lockout import Unavailable
from asgi_security.flows.refresh_outcomes import Refreshed, RefreshRefused
from asgi_security.flows.refresh_renewal import RenewalFailedError, ask_renewal
from asgi_security.flows.store_bound import StoreBound
from asgi_security.policy.refresh_grants import Denied, decide_refresh, parse_grant
from asgi_security.storage.protocols import FamilyGone, Retried, Reused

if TYPE_CHECKING:
    from asgi_security.crypto.refresh_tokens import RefreshToken
    from asgi_security.flows.auditing import Reporter
    from asgi_security.flows.refresh_families import Families
    from asgi_security.flows.refresh_outcomes import RefreshOutcome, RefusalReason
    from asgi_security.flows.refresh_pairs import PairMaker
    from asgi_security.flows.refresh_renewal import Renewal
    from asgi_security.flows.visits import Visit
    from asgi_security.policy.refresh import RefreshConfig
    from asgi_security.policy.refresh_grants import RefreshGrant
    from asgi_security.storage.protocols import RefreshFamily, RefreshStore, Rotated

_GONE = RefreshRefused("gone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """What came with a refresh token."""

    client_id: str | None
    confirmation: str | None
    scope: str | None


@dataclass(frozen=True, slots=True)
class _Checked:
    """The family may be advanced, and this be given to its subject."""

    grant: RefreshGrant
    scopes: tuple[str, ...]


class Rotation:
    """Turns refresh tokens of one configuration into the next pairs."""

    def __init__(
        self,
        config: RefreshConfig,
        store: RefreshStore,
        *,
        families: Families,
        maker: PairMaker,
        renewal: Renewal | None,
        reporter: Reporter,
    ) -> None:
        self._config = config
        self._store = store
        self._families = families
        self._maker = maker
        self._renewal = renewal
        self._reporter = reporter

    async def use(
        self, token: str, presented: Presented, *, now: float, visit: Visit
    ) -> RefreshOutcome:
        """Return the next pair, or why there is none.

        Raises:
            StorageError: A store failed. The same token can be sent again.
        """
        parsed = self._maker.parse(token)
        if parsed is None:
            # Before any store is asked: garbage that names a real family must not end it.
            return self._refuse("malformed")
        with self._bound():
            family = await self._store.load_family(parsed.digest, now=now)
        checked = None if family is None else self._check(family, presented, now)
        if isinstance(checked, RefreshRefused):
            return checked
        # A family that is not there may be one that a reuse has ended: the store still knows.
        return await self._advance(parsed, checked, now, visit)

    def _check(
        self, family: RefreshFamily, presented: Presented, now: float
    ) -> _Checked | RefreshRefused:
        """Decide before the token is used up: what is refused here leaves the family as it is."""
        if self._families.is_over(family, now=now):
            return _GONE
        grant = parse_grant(family.data)
        if grant is None:
            self._reporter.tell("refresh_family_unreadable", Severity.ERROR, family=family.handle)
            return _GONE
        decision = decide_refresh(
            grant,
            client_id=presented.client_id,
            confirmation=presented.confirmation,
            scope=presented.scope,
        )
        if isinstance(decision, Denied):
            return self._refuse(decision.reason, family=family.handle, target=family.subject)
        return _Checked(grant, decision.scopes)

    async def _advance(
        self, parsed: RefreshToken, checked: _Checked | None, now: float, visit: Visit
    ) -> RefreshOutcome:
        with self._bound():
            answer = await self._store.advance(
                parsed.digest,
                parsed.generation,
                grace_seconds=self._config.grace_seconds,
                idle_expires_at=now + self._config.idle_timeout_seconds,
                now=now,
            )
        if isinstance(answer, FamilyGone):
            return _GONE
        if isinstance(answer, Reused):
            await self._families.answer_reuse(answer, now=now, visit=visit)
            return RefreshRefused("reused")
        if checked is None:
            raise StorageError("a family that the store did not have was advanced")
        return await self._renew(parsed, answer, checked, now, visit)

    async def _renew(
        self,
        parsed: RefreshToken,
        answer: Rotated | Retried,
        checked: _Checked,
        now: float,
        visit: Visit,
    ) -> RefreshOutcome:
        family = answer.family
        try:
            with self._bound():
                claims = await ask_renewal(self._renewal, family.subject, checked.grant)
        except RenewalFailedError as error:
            facts = {"error": type(error.__cause__).__name__}
            self._reporter.tell("refresh_renewal_failed", Severity.ERROR, **facts)
            return Unavailable()
        if claims is None:
            await self._families.end(family, now=now, visit=visit, reason="subject_refused")
            return self._refuse("subject_refused", target=family.subject)
        is_retry = isinstance(answer, Retried)
        name = "refresh_retried" if is_retry else "refresh_rotated"
        self._reporter.tell(name, Severity.DEBUG, family=family.handle, target=family.subject)
        pair = self._maker.build(
            parsed.family_id,
            family,
            grant=checked.grant,
            scopes=checked.scopes,
            claims=claims,
            now=now,
        )
        return Refreshed(pair, is_retry=is_retry)

    def _bound(self) -> StoreBound:
        return StoreBound(self._config.store_timeout_seconds)

    def _refuse(self, reason: RefusalReason, **facts: str) -> RefreshRefused:
        stolen = reason in {"client_mismatch", "key_mismatch"}
        severity = Severity.WARNING if stolen else Severity.INFO
        self._reporter.tell("refresh_refused", severity, reason=reason, **facts)
        return RefreshRefused(reason)
