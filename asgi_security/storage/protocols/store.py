"""One backend with all its facets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from asgi_security.storage.protocols.accounts import AccountStore
    from asgi_security.storage.protocols.api_keys import ApiKeyStore
    from asgi_security.storage.protocols.audit import AuditStore
    from asgi_security.storage.protocols.lockout import AttemptStore
    from asgi_security.storage.protocols.once import OneTimeStore
    from asgi_security.storage.protocols.refresh import RefreshStore
    from asgi_security.storage.protocols.revocations import RevocationStore
    from asgi_security.storage.protocols.sessions import SessionStore
    from asgi_security.storage.protocols.throttle import ThrottleStore


class Store(Protocol):
    """One backend with all its facets; any one can be replaced by an object of your own.

    Opening is lazy: the first operation connects. `aclose` is idempotent.
    """

    @property
    def attempts(self) -> AttemptStore:
        """Failed attempts and locks."""
        ...

    @property
    def revocations(self) -> RevocationStore:
        """Revoked tokens and sessions."""
        ...

    @property
    def sessions(self) -> SessionStore:
        """Server-side sessions."""
        ...

    @property
    def once(self) -> OneTimeStore:
        """One-time values."""
        ...

    @property
    def throttles(self) -> ThrottleStore:
        """Quotas in use."""
        ...

    @property
    def refresh(self) -> RefreshStore:
        """Families of refresh tokens."""
        ...

    @property
    def audit(self) -> AuditStore:
        """The audit log."""
        ...

    @property
    def accounts(self) -> AccountStore:
        """Accounts, factors and identities."""
        ...

    @property
    def api_keys(self) -> ApiKeyStore:
        """Credentials of programs."""
        ...

    async def sweep(self, *, now: float) -> int:
        """Remove what has expired, in batches of at most 500; return how many rows went."""
        ...

    async def aclose(self) -> None:
        """Let go of files, connections and threads."""
        ...

    async def __aenter__(self) -> Self:
        """Return the store itself."""
        ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the store."""
        ...
