"""What a login can end in: one of a closed set of values, whatever was sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from asgi_security.flows.lockout import LockedOut, Unavailable

if TYPE_CHECKING:
    from asgi_security.flows.mfa_outcomes import MfaChallenge, MfaEnrolmentRequired
    from asgi_security.storage.protocols import Account


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The account is its owner's, and he is here.

    `device` is the token for the cookie of known devices, None where there is nothing to set.
    `failures` is the number of failed attempts since the sign-in before: tell it the owner (ASVS
    5.0 6.3.5).
    """

    account: Account
    amr: tuple[str, ...]
    auth_time: float
    device: str | None = field(default=None, repr=False)
    failures: int = 0


@dataclass(frozen=True, slots=True)
class NeedsMfa:
    """The password was right and is not enough."""

    challenge: MfaChallenge | MfaEnrolmentRequired


@dataclass(frozen=True, slots=True)
class Refused:
    """No sign-in. `is_unverified` only where the configuration reveals it."""

    is_unverified: bool = False


@dataclass(frozen=True, slots=True)
class PasswordConfirmed:
    """Whoever is signed in has just shown that he knows the account's password."""

    account: Account
    auth_time: float


SignIn: TypeAlias = SignedIn | NeedsMfa | Refused | LockedOut | Unavailable
Confirmation: TypeAlias = PasswordConfirmed | Refused | LockedOut | Unavailable

BUSY = LockedOut(1)
"""Others of the account are being verified: come back at once. Told apart from a lock by nobody."""
