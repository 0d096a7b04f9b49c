"""Lists and ends the logins that refresh tokens keep up.

Access tokens go first: should the second step fail, or its answer be lost, whoever repeats the call
still finds the family and does both again. The other way round it would be gone, and its access
tokens good for another quarter of an hour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgi_security.events import Severity
from asgi_security.flows.refresh_outcomes import FamiliesEnded, ListedFamily
from asgi_security.flows.revocations import revoke_session
from asgi_security.flows.store_bound import StoreBound
from asgi_security.policy.refresh import classify_reuse, compute_revocation_end, is_over
from asgi_security.policy.refresh_grants import parse_grant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asgi_security.flows.auditing import Reporter
    from asgi_security.flows.visits import Visit
    from asgi_security.policy.refresh import RefreshConfig
    from asgi_security.storage.protocols import (
        RefreshFamily,
        RefreshStore,
        Reused,
        RevocationStore,
    )


class Families:
    """The families of a store, and the access tokens that were made of them.

    Every method raises `StorageError` if a store fails; to call it again is safe.
    """

    def __init__(
        self,
        config: RefreshConfig,
        store: RefreshStore,
        revocations: RevocationStore | None,
        *,
        reporter: Reporter,
    ) -> None:
        self._config = config
        self._store = store
        self._revocations = revocations
        self._reporter = reporter

    async def list_live(self, subject: str, *, now: float) -> tuple[RefreshFamily, ...]:
        """Return a subject's logins, the one used last first."""
        with self._bound():
            listed = await self._store.list_for(subject, now=now)
        return tuple([family for family in listed if not self.is_over(family, now=now)])

    def is_over(self, family: RefreshFamily, *, now: float) -> bool:
        """Tell whether a family that is stored is over by today's rules."""
        return is_over(
            self._config,
            created_at=family.created_at,
            advanced_at=family.advanced_at,
            now=now,
        )

    async def end(
        self, family: RefreshFamily, *, now: float, visit: Visit, reason: str
    ) -> FamiliesEnded:
        """End one login."""
        with self._bound(shield=True):
            await self._refuse_tokens((family.handle,), now=now)
            ended = await self._store.revoke_family(family.digest)
        if ended is None:
            return FamiliesEnded()
        await self._report(family.subject, (family.handle,), visit=visit, reason=reason)
        return FamiliesEnded((family.handle,))

    async def end_handle(
        self, subject: str, handle: str, *, now: float, visit: Visit
    ) -> FamiliesEnded:
        """End the subject's login of that handle, and nobody else's."""
        with self._bound():
            listed = await self._store.list_for(subject, now=now)
        for family in listed:
            if family.handle == handle:
                return await self.end(family, now=now, visit=visit, reason="revoked")
        return FamiliesEnded()

    async def end_all(
        self, subject: str, *, keep: str | None, now: float, visit: Visit
    ) -> FamiliesEnded:
        """End all of a subject's logins but that of handle `keep`."""
        with self._bound(shield=True):
            listed = await self._store.list_for(subject, now=now)
            known = {family.handle for family in listed if family.handle != keep}
            await self._refuse_tokens(known, now=now)
            ended = await self._store.revoke_subject(subject, keep=keep, now=now)
            # One that was opened in between is told of by the second call only.
            await self._refuse_tokens(set(ended) - known, now=now)
        if ended:
            await self._report(subject, ended, visit=visit, reason="revoked")
        return FamiliesEnded(ended)

    async def trim(self, subject: str, *, most: int, now: float, visit: Visit) -> None:
        """End the logins longest unused of a subject that has more than `most`.

        Not atomic with the opening before it, and safe all the same: two at once both see the
        other's, and end the same ones.
        """
        with self._bound():
            listed = await self._store.list_for(subject, now=now)
        for family in listed[most:]:
            await self.end(family, now=now, visit=visit, reason="limit")

    async def answer_reuse(self, reused: Reused, *, now: float, visit: Visit) -> None:
        """Raise the alarm, and refuse the access tokens of a family that a reuse has ended.

        Each later reuse refuses them again: the first one's answer may have been lost.
        """
        try:
            # Shielded: a thief who hangs up must not keep the access tokens by it.
            with self._bound(shield=True):
                await self._refuse_tokens((reused.family.handle,), now=now)
        finally:
            await self._report_reuse(reused, now=now, visit=visit)

    async def _report_reuse(self, reused: Reused, *, now: float, visit: Visit) -> None:
        family = reused.family
        kind = classify_reuse(self._config, age=reused.age, advanced_at=family.advanced_at, now=now)
        facts: dict[str, Any] = {"family": family.handle, "class": kind, "age": reused.age}
        if reused.is_first:
            await self._reporter.record(
                "refresh_reuse",
                target=family.subject,
                outcome="refused",
                visit=visit,
                severity=Severity.WARNING,
                **facts,
            )
        else:
            # No record: whoever holds one old token could otherwise fill the log with it.
            self._reporter.tell("refresh_reuse", target=family.subject, repeated=True, **facts)

    async def _refuse_tokens(self, handles: Iterable[str], *, now: float) -> None:
        if self._revocations is None:
            return
        expires_at = compute_revocation_end(self._config, now=now)
        for handle in handles:
            await revoke_session(handle, self._revocations, expires_at=expires_at)

    def _bound(self, *, shield: bool = False) -> StoreBound:
        return StoreBound(self._config.store_timeout_seconds, shield=shield)

    async def _report(
        self, subject: str, handles: tuple[str, ...], *, visit: Visit, reason: str
    ) -> None:
        await self._reporter.record(
            "refresh_families_ended",
            target=subject,
            visit=visit,
            families=list(handles),
            reason=reason,
        )


def describe(family: RefreshFamily, *, current: str | None) -> ListedFamily:
    """Return what a login's owner may see of it."""
    grant = parse_grant(family.data)
    return ListedFamily(
        handle=family.handle,
        created_at=family.created_at,
        advanced_at=family.advanced_at,
        expires_at=min(family.idle_expires_at, family.absolute_expires_at),
        user_agent=family.user_agent,
        client=family.client,
        client_id=None if grant is None else grant.client_id,
        amr=() if grant is None else grant.amr,
        scopes=() if grant is None else grant.scopes,
        is_current=family.handle == current,
    )
