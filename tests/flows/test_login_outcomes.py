"""What a login can end in."""

from __future__ import annotations

from asgi_security.flows.lockout import LockedOut
from asgi_security.flows.login_outcomes import BUSY, NeedsMfa, Refused, SignedIn
from asgi_security.flows.mfa_outcomes import MfaEnrolmentRequired
from asgi_security.storage.protocols import Account


def test_nothing_secret_is_shown() -> None:
    account = Account(id="id-1", name="ann@example.com", password_hash="secret-hash")
    challenge = MfaEnrolmentRequired(
        pre_token="secret-token", browser="secret-cookie", lifetime_seconds=300
    )
    outcomes = (
        SignedIn(account, ("pwd",), 5.0, device="secret-device", failures=3),
        NeedsMfa(challenge),
    )
    assert "secret" not in repr(outcomes)


def test_F93_all_refusals_are_one_value() -> None:
    assert Refused() == Refused(is_unverified=False)
    assert repr(Refused()) == repr(Refused(is_unverified=False))


def test_E15_busy_cannot_be_told_from_the_last_second_of_a_lock() -> None:
    assert LockedOut(1) == BUSY
