"""What a login at a provider comes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from asgi_security.policy.oauth_linking import LinkRequired
from asgi_security.policy.oauth_response import OAuthRefused

if TYPE_CHECKING:
    from asgi_security.storage.protocols.accounts import Account


@dataclass(frozen=True, slots=True)
class Redirect:
    """Send the browser to `url` and set its cookie to `browser`."""

    url: str = field(repr=False)
    browser: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class IdentityVerified:
    """The provider has shown whose account this is. A second factor may still be due.

    `amr` holds "mfa" if the provider has asked for several factors and is believed; `auth_time` is
    when it did, in seconds since the epoch. `next_path` is safe to send the browser to.
    """

    account: Account
    created: bool
    amr: tuple[str, ...]
    auth_time: float
    provider: str
    next_path: str


@dataclass(frozen=True, slots=True)
class IdentityLinked:
    """The identity opens the account that asked for it. Nobody was signed in."""

    account: Account
    provider: str
    next_path: str


Completion: TypeAlias = IdentityVerified | IdentityLinked | LinkRequired | OAuthRefused

UNKNOWN_PROVIDER = OAuthRefused(404, "unknown_provider")
INVALID_RESPONSE = OAuthRefused(400, "invalid_response")
INVALID_STATE = OAuthRefused(400, "invalid_state")
ACCOUNT_CHANGED = OAuthRefused(400, "account_changed")
UNAVAILABLE = OAuthRefused(503, "unavailable")
