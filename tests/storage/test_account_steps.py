"""Each decision about an account, case by case."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from asgi_security.errors import StorageError
from asgi_security.storage.account_steps import (
    arrange_factors,
    decide_create,
    decide_link,
    decide_save,
    decide_unlink,
    sort_factors,
    sort_identities,
)
from asgi_security.storage.protocols import (
    AccountConflict,
    AccountCreated,
    AccountGone,
    AccountSaved,
    Identity,
    IdentityTaken,
    LastIdentity,
    Linked,
    NameTaken,
    Unlinked,
)
from asgi_security.testing.contracts.expecting import build_factor, build_identity, build_user

if TYPE_CHECKING:
    from asgi_security.storage.account_steps import AccountChange
    from asgi_security.storage.protocols import Account

ADA = build_user("ada")
CHANGED = replace(ADA, password_hash="new")
NEXT = replace(CHANGED, version=2)


@pytest.mark.parametrize(
    ("present", "namesake", "owner", "wanted"),
    [
        pytest.param(None, None, None, ADA, id="P51 new"),
        pytest.param(ADA, ADA.id, None, AccountCreated(), id="P51 lost answer"),
        pytest.param(NEXT, "other", "other", AccountCreated(), id="P51 changed since"),
        pytest.param(None, "other", None, NameTaken(), id="P51 name"),
        pytest.param(None, "other", "another", NameTaken(), id="P51 name before identity"),
        pytest.param(None, None, "other", IdentityTaken("other"), id="X113 identity"),
    ],
)
def test_create(
    present: Account | None, namesake: str | None, owner: str | None, wanted: object
) -> None:
    assert decide_create(present, ADA, namesake=namesake, identity_owner=owner) == wanted


def test_an_id_that_comes_twice_is_an_error() -> None:
    present = replace(ADA, created_at=0.0)
    with pytest.raises(StorageError, match="id"):
        decide_create(present, ADA, namesake=None, identity_owner=None)


@pytest.mark.parametrize(
    ("current", "account", "namesake", "wanted"),
    [
        pytest.param(None, ADA, None, AccountGone(), id="P51 gone"),
        pytest.param(ADA, CHANGED, ADA.id, NEXT, id="P51 written"),
        pytest.param(ADA, ADA, ADA.id, replace(ADA, version=2), id="P51 unchanged"),
        pytest.param(NEXT, CHANGED, ADA.id, AccountSaved(2), id="P51 lost answer"),
        pytest.param(NEXT, ADA, ADA.id, AccountConflict(NEXT), id="P51 stale"),
        pytest.param(ADA, NEXT, ADA.id, AccountConflict(ADA), id="P51 ahead"),
        pytest.param(ADA, replace(CHANGED, created_at=0.0), ADA.id, NEXT, id="P51 made once"),
        pytest.param(
            NEXT, replace(CHANGED, created_at=0.0), ADA.id, AccountSaved(2), id="P51 lost, made"
        ),
        pytest.param(
            ADA,
            replace(ADA, name="new"),
            None,
            replace(ADA, name="new", version=2),
            id="P51 renamed",
        ),
        pytest.param(ADA, replace(ADA, name="bob"), "bob", NameTaken(), id="P51 taken"),
        pytest.param(
            NEXT, replace(ADA, name="bob"), "bob", AccountConflict(NEXT), id="P51 stale and taken"
        ),
    ],
)
def test_save(
    current: Account | None, account: Account, namesake: str | None, wanted: AccountChange
) -> None:
    assert decide_save(current, account, namesake=namesake) == wanted


def test_F98_factors_belong_where_they_are_put() -> None:
    one, two = build_factor("x", "y", "a"), build_factor("x", "y", "b")
    last = replace(one, data=b"last")
    ours = (replace(last, account="ada", kind="totp"), replace(two, account="ada", kind="totp"))
    assert arrange_factors("ada", "totp", [one, two, last]) == ours
    assert arrange_factors("ada", "totp", ()) == ()


def test_lists_are_in_order_of_code_points() -> None:
    factors = [build_factor("x", kind, name) for kind in "bÄA" for name in "zé"]
    ordered = [(factor.kind, factor.id) for factor in sort_factors(factors)]
    assert ordered == [(kind, name) for kind in "AbÄ" for name in "zé"]
    identities = [Identity(issuer, subject, "x", 0.0) for issuer in "bÄA" for subject in "zé"]
    places = [(each.issuer, each.subject) for each in sort_identities(identities)]
    assert places == ordered


IDENTITY = build_identity("ada")


@pytest.mark.parametrize(
    ("standing", "has_account", "wanted"),
    [
        pytest.param(None, True, IDENTITY, id="X113 new"),
        pytest.param(IDENTITY, True, Linked(), id="X113 again"),
        pytest.param(replace(IDENTITY, data=b"x", created_at=1.0), True, Linked(), id="X113 other"),
        pytest.param(
            replace(IDENTITY, account="bob"), True, IdentityTaken("bob"), id="X113 somebody's"
        ),
        pytest.param(None, False, AccountGone(), id="X113 nobody's"),
        pytest.param(replace(IDENTITY, account="bob"), False, AccountGone(), id="X113 gone first"),
    ],
)
def test_link(standing: Identity | None, has_account: bool, wanted: object) -> None:  # noqa: FBT001
    assert decide_link(standing, IDENTITY, has_account=has_account) == wanted


@pytest.mark.parametrize(
    ("subjects", "leave", "wanted"),
    [
        pytest.param("ab", 0, "a", id="X115 none need stay"),
        pytest.param("ab", 1, "a", id="X115 one stays"),
        pytest.param("ab", 2, LastIdentity(), id="X115 too few would"),
        pytest.param("a", 0, "a", id="X115 the last may go"),
        pytest.param("a", 1, LastIdentity(), id="X115 the last stays"),
        pytest.param("b", 1, Unlinked(), id="X115 not linked"),
        pytest.param("", 1, Unlinked(), id="X115 nothing linked"),
    ],
)
def test_unlink(subjects: str, leave: int, wanted: object) -> None:
    linked = [build_identity("ada", subject=subject) for subject in subjects]
    answer = decide_unlink(linked, IDENTITY.issuer, "a", leave=leave)
    assert answer == (build_identity("ada", subject="a") if wanted == "a" else wanted)
    assert decide_unlink(linked, "other", "a", leave=leave) == Unlinked()
