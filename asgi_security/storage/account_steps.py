"""Decisions about one account, for every backend that makes them in Python.

Each is given what is stored, and says what to write; the backend makes it atomic.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from asgi_security.errors import StorageError
from asgi_security.storage.protocols.accounts import (
    Account,
    AccountConflict,
    AccountCreated,
    AccountGone,
    AccountSaved,
    IdentityTaken,
    LastIdentity,
    Linked,
    NameTaken,
    Unlinked,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from asgi_security.storage.protocols.accounts import Factor, Identity

AccountChange: TypeAlias = Account | AccountSaved | AccountConflict | AccountGone | NameTaken
"""An account is to be written, and answered `AccountSaved` at its version; else the answer."""


def decide_create(
    present: Account | None,
    account: Account,
    *,
    namesake: str | None,
    identity_owner: str | None,
) -> Account | AccountCreated | NameTaken | IdentityTaken:
    """Return what creating `account` leads to; an account is to be written.

    Args:
        present: what is stored under its id.
        account: the new one.
        namesake: the id of the account that has its name.
        identity_owner: the id of the account that has the identity which comes with it.

    Raises:
        StorageError: Another account has this id: the ids are not random.
    """
    if present is not None:
        # Its owner may have changed it since: what never changes tells whether it is the same.
        if present.created_at != account.created_at:
            raise StorageError("another account has this id")
        return AccountCreated()
    if namesake is not None:
        return NameTaken()
    return account if identity_owner is None else IdentityTaken(identity_owner)


def decide_save(
    current: Account | None, account: Account, *, namesake: str | None
) -> AccountChange:
    """Return what a save of `account` over `current` leads to.

    `namesake` is the id of the account that has its name now.
    """
    if current is None:
        return AccountGone()
    wanted = replace(account, created_at=current.created_at, version=account.version + 1)
    if current == wanted:
        return AccountSaved(wanted.version)  # it was made before, and its answer lost
    if current.version != account.version:
        return AccountConflict(current)
    return wanted if namesake in (None, account.id) else NameTaken()


def arrange_factors(account_id: str, kind: str, factors: Iterable[Factor]) -> tuple[Factor, ...]:
    """Return the factors as those of this account and kind; of one id the last counts."""
    arranged = {factor.id: replace(factor, account=account_id, kind=kind) for factor in factors}
    return tuple(arranged.values())


def sort_factors(factors: Iterable[Factor]) -> tuple[Factor, ...]:
    """Return factors by kind, then by id, each by code point."""
    return tuple(sorted(factors, key=lambda factor: (factor.kind, factor.id)))


def sort_identities(identities: Iterable[Identity]) -> tuple[Identity, ...]:
    """Return identities by issuer, then by subject, each by code point."""
    return tuple(sorted(identities, key=lambda identity: (identity.issuer, identity.subject)))


def decide_link(
    standing: Identity | None, identity: Identity, *, has_account: bool
) -> Identity | Linked | IdentityTaken | AccountGone:
    """Return what linking `identity` leads to; an identity is to be written.

    `standing` is what is stored of its issuer and subject.
    """
    if not has_account:
        return AccountGone()
    if standing is None:
        return identity
    return Linked() if standing.account == identity.account else IdentityTaken(standing.account)


def decide_unlink(
    identities: Sequence[Identity], issuer: str, subject: str, *, leave: int
) -> Identity | Unlinked | LastIdentity:
    """Return what taking one of an account's `identities` leads to; an identity is to go."""
    for identity in identities:
        if (identity.issuer, identity.subject) == (issuer, subject):
            return identity if len(identities) > leave else LastIdentity()
    return Unlinked()
