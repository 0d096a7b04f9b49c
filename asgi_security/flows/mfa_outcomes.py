"""What second factors come to: the answers of `flows.mfa`, for endpoints to turn into responses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from asgi_security.flows.lockout import LockedOut, Unavailable

if TYPE_CHECKING:
    from asgi_security.policy.mfa import Method
    from asgi_security.storage.protocols import Account


@dataclass(frozen=True, slots=True)
class NotDue:
    """No second factor is due: the first is enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MfaChallenge:
    """A second factor is due: no session, and no other token, before `redeem`.

    `browser` is the value of a cookie that must come back with `pre_token`: HttpOnly, Secure,
    SameSite=Strict, `__Host-`, for `lifetime_seconds`. `methods` are what the account can show.
    """

    pre_token: str = field(repr=False)
    methods: tuple[Method, ...]
    browser: str = field(repr=False)
    lifetime_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MfaEnrolmentRequired:
    """A second factor is due and there is none: `pre_token` opens enrolment, and nothing else."""

    pre_token: str = field(repr=False)
    browser: str = field(repr=False)
    lifetime_seconds: float


@dataclass(frozen=True, slots=True)
class MfaPolicyFailed:
    """The app's own rule failed, so nobody knows whether a factor is due. No sign-in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MfaPassed:
    """The second factor is right: make a session under a new id, or tokens.

    `amr` holds the values of the first factor too; `method` is the second.
    """

    account: Account
    amr: tuple[str, ...]
    auth_time: float
    method: Method


RefusalReason: TypeAlias = Literal[
    "bad_pre_token",
    "dead_pre_token",
    "no_code",
    "wrong_code",
    "spent_code",
    "unusable_secret",
    "not_enrolled",
    "already_enrolled",
    "not_offered",
]


@dataclass(frozen=True, slots=True)
class MfaRefused:
    """Nothing was done.

    The reason is for logs and for a user who is signed in. Whoever holds a pre-token only should
    learn no more than that it did not work.
    """

    reason: RefusalReason


@dataclass(frozen=True, slots=True)
class EnrolmentStarted:
    """A new secret, shown once. It counts for nothing before `confirm_enrolment`.

    `secret` is base32 to be typed, `uri` the same for a QR code (`build_qr_svg`).
    """

    secret: str = field(repr=False)
    uri: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """The authenticator counts from now on. `recovery_codes` are shown once.

    `passed` is the sign-in that waited for it, None where the user was signed in already.
    """

    recovery_codes: tuple[str, ...] = field(repr=False)
    passed: MfaPassed | None = None


@dataclass(frozen=True, slots=True)
class RecoveryCodes:
    """New recovery codes, shown once; all earlier ones are dead."""

    codes: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class MfaDisabled:
    """The account has no second factor any more."""


@dataclass(frozen=True, slots=True)
class MailedCodesEnabled:
    """Codes can be mailed to the account from now on."""


@dataclass(frozen=True, slots=True)
class CodeSent:
    """A code is on its way. The next one can be asked for after `cooldown_seconds`."""

    cooldown_seconds: float


@dataclass(frozen=True, slots=True)
class CodeWaits:
    """Nothing was sent: too soon, or too often. Answer 429."""

    retry_after_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MfaStatus:
    """An account's second factors, for its owner to see.

    `email_mask` is where codes would be mailed to; None where none can be.
    """

    enabled: bool
    methods: tuple[Method, ...]
    confirmed_at: float | None
    recovery_codes_left: int
    email_codes: bool
    email_mask: str | None


Stopped: TypeAlias = MfaRefused | LockedOut | Unavailable
"""Why something that takes a code, or a pre-token, was not done."""
