"""Accounts, their second factors, and the identities at other providers that open them.

An application that has a table of users already implements this one protocol over it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Account:
    """An account as it is stored.

    `id` is random and never given twice. `name` is the normalised login name, mostly a mail
    address, unique among accounts. `password_hash` says algorithm, parameters and salt; None where
    no password opens the account. `epoch` grows whenever its credentials change, so that what was
    issued before can be refused. `data` is JSON of the application's.
    """

    id: str
    name: str
    password_hash: str | None = field(default=None, repr=False)
    is_active: bool = True
    is_verified: bool = False
    epoch: int = 0
    roles: tuple[str, ...] = ()
    tenant: str | None = None
    created_at: float = 0.0
    data: bytes = b"{}"
    version: int = 1


@dataclass(frozen=True, slots=True)
class Factor:
    """A second factor of an account, unique by (account, kind, id).

    `data` is made by the caller and holds no secret in clear. `step` is the last one-time value
    that was spent, for factors that count them.
    """

    account: str
    kind: str
    id: str
    created_at: float
    data: bytes = field(default=b"", repr=False)
    step: int = 0


@dataclass(frozen=True, slots=True)
class Identity:
    """An account's identity at another provider, unique by (issuer, subject)."""

    issuer: str
    subject: str
    account: str
    created_at: float
    data: bytes = field(default=b"{}", repr=False)


@dataclass(frozen=True, slots=True)
class AccountCreated:
    """The account is stored, with its identity if one was given."""


@dataclass(frozen=True, slots=True)
class NameTaken:
    """Another account has the name. Nothing was stored."""


@dataclass(frozen=True, slots=True)
class IdentityTaken:
    """An account has the identity: that of this id. Nothing was stored."""

    account: str


@dataclass(frozen=True, slots=True)
class AccountSaved:
    """Stored as `version`."""

    version: int


@dataclass(frozen=True, slots=True)
class AccountConflict:
    """Another save came between; `current` is what is stored now. Nothing was changed."""

    current: Account


@dataclass(frozen=True, slots=True)
class AccountGone:
    """There is no such account (any more). Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Linked:
    """The identity opens the account."""


@dataclass(frozen=True, slots=True)
class Unlinked:
    """The identity opens nothing any more, or never did."""


@dataclass(frozen=True, slots=True)
class LastIdentity:
    """Fewer identities would be left than have to be. Nothing was changed."""


class AccountStore(Protocol):
    """Accounts, factors and identities."""

    async def create(
        self, account: Account, *, identity: Identity | None = None
    ) -> AccountCreated | NameTaken | IdentityTaken:
        """Store a new account, and with it an identity that opens it.

        Creating the same account (by `id` and `created_at`) again is a success without effect. The
        identity is stored as this account's, whatever its `account` says.

        Atomic because two registrations of one name at once must not both succeed.

        Raises:
            StorageError: Another account has this id.
        """
        ...

    async def load(self, account_id: str) -> Account | None:
        """Return the account of that id, or None."""
        ...

    async def find(self, name: str) -> Account | None:
        """Return the account of that normalised name, or None."""
        ...

    async def save(
        self, account: Account
    ) -> AccountSaved | AccountConflict | AccountGone | NameTaken:
        """Replace an account if it is stored at `account.version`; it is then one version on.

        `id` and `created_at` stay as they are stored. A save whose version and content are already
        stored one version on is answered `AccountSaved` again.

        Atomic because comparing and writing apart loses one of two changes: an old password hash
        would come back over a new one.
        """
        ...

    async def delete(self, account_id: str) -> bool:
        """Delete an account with its factors and identities; tell whether there was one."""
        ...

    async def list_factors(self, account_id: str) -> tuple[Factor, ...]:
        """Return the account's factors, by kind, then by id."""
        ...

    async def replace_factors(self, account_id: str, kind: str, factors: Sequence[Factor]) -> bool:
        """Put `factors` in the place of all that the account has of this kind; none is none.

        False, and nothing stored, if there is no such account. They are stored as this account's
        and of this kind, whatever they say themselves; of two with one id the last counts.

        Atomic because old recovery codes must be dead when the new ones live.
        """
        ...

    async def advance_factor(self, account_id: str, kind: str, factor_id: str, step: int) -> bool:
        """Record `step` as spent if it is above the last one; False if not, or no such factor.

        Atomic because a one-time code that two requests can both spend is worth two logins.
        """
        ...

    async def delete_factor(self, account_id: str, kind: str, factor_id: str) -> bool:
        """Delete one factor: True for exactly one caller, False for all others."""
        ...

    async def link(self, identity: Identity) -> Linked | IdentityTaken | AccountGone:
        """Let an identity open an account.

        Linking it to the same one again is `Linked`, and changes nothing.
        """
        ...

    async def find_identity(self, issuer: str, subject: str) -> Identity | None:
        """Return the identity, or None."""
        ...

    async def list_identities(self, account_id: str) -> tuple[Identity, ...]:
        """Return the account's identities, by issuer, then by subject."""
        ...

    async def unlink(
        self, account_id: str, issuer: str, subject: str, *, leave: int = 0
    ) -> Unlinked | LastIdentity:
        """Take an identity from the account, if at least `leave` others stay.

        Atomic because two unlinks at once must not take both of the last two ways in.
        """
        ...
