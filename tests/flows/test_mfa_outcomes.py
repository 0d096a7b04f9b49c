"""What comes out of second factors shows no token, code or secret when it is printed."""

from __future__ import annotations

from asgi_security.flows.mfa_outcomes import (
    Enrolled,
    EnrolmentStarted,
    MfaChallenge,
    MfaEnrolmentRequired,
    RecoveryCodes,
)


def test_nothing_secret_is_shown() -> None:
    hidden = "hidden-value"
    outcomes = (
        MfaChallenge(pre_token=hidden, methods=("totp",), browser=hidden, lifetime_seconds=300),
        MfaEnrolmentRequired(pre_token=hidden, browser=hidden, lifetime_seconds=300),
        EnrolmentStarted(hidden, hidden),
        Enrolled((hidden,)),
        RecoveryCodes((hidden,)),
    )
    assert hidden not in repr(outcomes)
