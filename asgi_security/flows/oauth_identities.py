"""Shows an account's owner the identities that open it, and takes them away, but not the last way.

What an identity has opened stays open when it goes: `flows.ending.end_everything` ends that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.errors import StorageError
from asgi_security.events import Severity
from asgi_security.flows.oauth_linking import IdentityUnlinked, LastWayIn
from asgi_security.flows.oauth_outcomes import UNAVAILABLE
from asgi_security.flows.visits import UNKNOWN_VISIT

if TYPE_CHECKING:
    from asgi_security.flows.auditing import Reporter
    from asgi_security.flows.oauth_linking import LinkedIdentity, Linking
    from asgi_security.flows.visits import Visit
    from asgi_security.policy.oauth_response import OAuthRefused


class LinkedIdentities:
    """The identities of those who are logged in: the caller has made sure whose account it is."""

    def __init__(self, linking: Linking, reporter: Reporter) -> None:
        self._linking = linking
        self._reporter = reporter

    async def list_for(self, account_id: str) -> tuple[LinkedIdentity, ...] | OAuthRefused:
        """Return the identities that open an account."""
        try:
            return await self._linking.list_for(account_id)
        except StorageError:
            self._reporter.tell("oauth_unavailable", Severity.ERROR)
            return UNAVAILABLE

    async def unlink(
        self, account_id: str, handle: str, *, visit: Visit = UNKNOWN_VISIT
    ) -> IdentityUnlinked | LastWayIn | OAuthRefused:
        """Take an identity from an account, unless nothing else opens it.

        Args:
            account_id: whose owner is logged in.
            handle: as `list_for` names it, unread.
            visit: who asks.
        """
        try:
            unlinked = await self._linking.unlink(account_id, handle)
        except StorageError:
            self._reporter.tell("oauth_unavailable", Severity.ERROR)
            return UNAVAILABLE
        if unlinked != IdentityUnlinked(was_linked=False):
            await self._reporter.record(
                "oauth_identity_unlinked",
                actor=account_id,
                target=account_id,
                outcome="refused" if isinstance(unlinked, LastWayIn) else "success",
                visit=visit,
            )
        return unlinked
