"""What the life of an account can answer."""

from __future__ import annotations

from asgi_security.flows.account_outcomes import (
    Accepted,
    AccountChanged,
    AddressVerified,
    PasswordSet,
)
from asgi_security.storage.protocols import Account


def test_accepted_says_nothing_about_an_account() -> None:
    assert Accepted() == Accepted()
    assert repr(Accepted()) == "Accepted()"


def test_no_hash_is_shown() -> None:
    account = Account(id="id-1", name="ann@example.com", password_hash="secret-hash")
    outcomes = (AddressVerified(account), PasswordSet(account, True), AccountChanged(account))
    assert "secret" not in repr(outcomes)
