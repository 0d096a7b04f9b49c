"""What the life of an account can answer: closed sets of values, whatever was sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from asgi_security.flows.lockout import LockedOut, Unavailable
from asgi_security.flows.login_outcomes import Refused
from asgi_security.flows.passwords import PasswordRefused

if TYPE_CHECKING:
    from asgi_security.storage.protocols import Account


@dataclass(frozen=True, slots=True)
class Accepted:
    """It will be done if there is anything to do: the same for every name. Answer 202."""


@dataclass(frozen=True, slots=True)
class NameRefused:
    """Nobody can have this name: it is empty, too long, or no mail address where one is wanted."""


@dataclass(frozen=True, slots=True)
class Throttled:
    """Enough was sent for now, to whoever it may be. Answer 429."""

    retry_after_seconds: int


@dataclass(frozen=True, slots=True)
class TokenRefused:
    """The token is none, or used up, or too old, or its account is not what it was."""


@dataclass(frozen=True, slots=True)
class AddressVerified:
    """The account's address is its owner's."""

    account: Account


@dataclass(frozen=True, slots=True)
class PasswordSet:
    """The new password holds.

    `is_all_ended` is False if sessions or tokens may be left: the store did not answer, an event
    says so, and only those who compare the account's epoch are safe from them.
    """

    account: Account
    is_all_ended: bool


@dataclass(frozen=True, slots=True)
class AccountChanged:
    """The account is stored as it is here."""

    account: Account


@dataclass(frozen=True, slots=True)
class AccountDeleted:
    """The account is gone with all that belonged to it."""


@dataclass(frozen=True, slots=True)
class AccountMissing:
    """There is no such account."""


Registration: TypeAlias = Accepted | NameRefused | PasswordRefused | Throttled | Unavailable
Request: TypeAlias = Accepted | Throttled | Unavailable
Verification: TypeAlias = AddressVerified | TokenRefused | Unavailable
Reset: TypeAlias = PasswordSet | PasswordRefused | TokenRefused | Unavailable
PasswordChange: TypeAlias = PasswordSet | PasswordRefused | Refused | LockedOut | Unavailable
NameChange: TypeAlias = Accepted | NameRefused | Refused | LockedOut | Throttled | Unavailable
AccountChange: TypeAlias = AccountChanged | AccountMissing | Unavailable
Deletion: TypeAlias = AccountDeleted | AccountMissing | Unavailable
