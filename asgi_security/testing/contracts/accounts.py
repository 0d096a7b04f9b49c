"""What an `AccountStore` must do."""
# ruff: noqa: N802 -- the names cite the numbers of the specification

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from asgi_security.errors import StorageError
from asgi_security.storage.protocols import (
    Account,
    AccountConflict,
    AccountCreated,
    AccountGone,
    AccountSaved,
    IdentityTaken,
    NameTaken,
)
from asgi_security.testing.contracts.account_factors import AccountFactors
from asgi_security.testing.contracts.account_identities import AccountIdentities
from asgi_security.testing.contracts.expecting import (
    START,
    build_factor,
    build_identity,
    build_user,
    expect,
    race,
)

if TYPE_CHECKING:
    from asgi_security.testing.contracts.account_factors import HasAccounts


class AccountContract(AccountFactors, AccountIdentities):
    """An `AccountStore`, rule by rule."""

    async def test_P51_loads_what_was_created(self, store: HasAccounts) -> None:
        """Every field comes back, by id and by name; creating again is fine; unknown is absent."""
        accounts = store.accounts
        full = Account(
            id="1",
            name="ädä@example.test",
            password_hash="$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA",  # noqa: S106
            is_active=False,
            is_verified=True,
            epoch=7,
            roles=("editor", 'with "quotes"', "editor"),
            tenant="acme",
            created_at=START + 0.123456,
            data=b'{"theme":"\xc3\xa4"}',
            version=3,
        )
        bare = Account(id="2", name="bob@example.test", created_at=START)
        for _ in range(2):
            expect(await accounts.create(full), AccountCreated())
            expect(await accounts.create(bare), AccountCreated())
        for account in (full, bare):
            expect(await accounts.load(account.id), account)
            expect(await accounts.find(account.name), account)
        for unknown in ("", "3", "ada", full.name, "Bob@example.test"):
            expect(await accounts.load(unknown), None, f"account of id {unknown!r}")
        for unknown in ("", "1", "Bob@example.test", "bob@example"):
            expect(await accounts.find(unknown), None, f"account of name {unknown!r}")

    async def test_P51_a_name_is_given_once(self, store: HasAccounts) -> None:
        """Another account with the name is refused, and nothing of it is stored."""
        accounts = store.accounts
        ada = build_user("ada")
        await accounts.create(ada)
        other = replace(build_user("other"), name=ada.name, created_at=START + 1)
        identity = build_identity("other")
        expect(await accounts.create(other, identity=identity), NameTaken())
        expect(await accounts.load(other.id), None)
        expect(await accounts.find_identity(identity.issuer, identity.subject), None)
        expect(await accounts.find(ada.name), ada)

    async def test_P51_an_id_is_given_once(self, store: HasAccounts) -> None:
        """Another account with the id is an error: ids are random; the same one is no other."""
        accounts = store.accounts
        ada = build_user("ada")
        await accounts.create(ada)
        try:
            answer = await accounts.create(replace(ada, name="else", created_at=START + 1))
        except StorageError:
            answer = None
        expect(answer, None, "creation under the id of another account")
        expect(await accounts.find("else"), None)
        renamed = replace(ada, name="ada2")
        await accounts.save(renamed)
        await accounts.create(replace(build_user("bob"), name="ada"))
        expect(await accounts.create(ada), AccountCreated(), "repeated after a change")
        expect(await accounts.load(ada.id), replace(renamed, version=2))

    async def test_P51_one_registration_of_a_name_wins(self, store: HasAccounts) -> None:
        """Of 100 registrations of one name at once one account is made."""
        accounts = store.accounts

        async def register(number: int) -> str:
            account = replace(build_user(f"{number}"), name="ada")
            identity = build_identity(f"{number}", account=account.id)
            created = await accounts.create(account, identity=identity)
            return f"{number}" if created == AccountCreated() else type(created).__name__

        answers = await race(100, register)
        winners = [answer for answer in answers if answer != "NameTaken"]
        expect(len(winners), 1, "winners")
        found = await accounts.find("ada")
        expect(found, replace(build_user(winners[0]), name="ada"))
        for number in range(100):
            identity = build_identity(f"{number}")
            linked = await accounts.find_identity(identity.issuer, identity.subject)
            expect(linked is not None, f"{number}" == winners[0], f"identity {number}")

    async def test_P51_one_account_created_by_many(self, store: HasAccounts) -> None:
        """100 calls for one and the same account, as after lost replies, are all answered so."""
        identity = build_identity("ada")

        async def register(_number: int) -> object:
            return await store.accounts.create(build_user("ada"), identity=identity)

        expect(await race(100, register), [AccountCreated()] * 100)
        expect(await store.accounts.list_identities(build_user("ada").id), (identity,))

    async def test_P47_created_with_an_identity(self, store: HasAccounts) -> None:
        """The identity opens the new account; one that is taken lets nothing be stored."""
        accounts = store.accounts
        ada, bob = build_user("ada"), build_user("bob")
        identity = build_identity("ada", account="somebody else's")
        for _ in range(2):
            expect(await accounts.create(ada, identity=identity), AccountCreated())
        stored = replace(identity, account=ada.id)
        expect(await accounts.find_identity(identity.issuer, identity.subject), stored)
        expect(await accounts.list_identities(ada.id), (stored,))
        expect(await accounts.create(bob, identity=identity), IdentityTaken(ada.id))
        expect(await accounts.load(bob.id), None)
        expect(await accounts.find(bob.name), None)
        expect(await accounts.create(bob), AccountCreated())

    async def test_P47_one_account_of_an_identity_wins(self, store: HasAccounts) -> None:
        """Of 100 first logins with one identity at once one makes an account."""
        accounts = store.accounts
        identity = build_identity("ada")

        async def register(number: int) -> str:
            return type(await accounts.create(build_user(f"{number}"), identity=identity)).__name__

        expect(Counter(await race(100, register)), {"AccountCreated": 1, "IdentityTaken": 99})
        stored = [await accounts.load(build_user(f"{number}").id) for number in range(100)]
        (made,) = [account for account in stored if account is not None]
        expect(
            await accounts.find_identity(identity.issuer, identity.subject),
            replace(identity, account=made.id),
        )

    async def test_P51_save_is_versioned(self, store: HasAccounts) -> None:
        """A save at the stored version wins, one at an older sees what is stored."""
        accounts = store.accounts
        ada = build_user("ada")
        await accounts.create(ada)
        changed = replace(
            ada,
            name="grace",
            password_hash=None,
            is_active=False,
            is_verified=True,
            epoch=1,
            roles=("admin",),
            tenant="acme",
            created_at=0.0,
            data=b"[]",
        )
        stored = replace(changed, created_at=ada.created_at, version=2)
        for _ in range(2):
            expect(await accounts.save(changed), AccountSaved(2), "lost answer included")
            expect(await accounts.load(ada.id), stored)
        expect(await accounts.find("grace"), stored)
        expect(await accounts.find("ada"), None)
        changes: tuple[tuple[str, Any], ...] = (
            *(("name", "ada"), ("password_hash", "other"), ("is_active", True), ("epoch", 2)),
            *(("is_verified", False), ("roles", ()), ("tenant", None), ("data", b"{}")),
        )
        for field, value in changes:
            other = replace(changed, **{field: value})
            expect(await accounts.save(other), AccountConflict(stored), f"old save of {field}")
        expect(await accounts.save(replace(ada, version=3)), AccountConflict(stored), "newer")
        expect(await accounts.load(ada.id), stored)
        expect(await accounts.save(replace(ada, version=2)), AccountSaved(3))
        expect(await accounts.find("ada"), replace(ada, version=3))

    async def test_P51_save_keeps_names_apart(self, store: HasAccounts) -> None:
        """A name of another account is refused, one that was given up can be taken."""
        accounts = store.accounts
        ada, bob = build_user("ada"), build_user("bob")
        await accounts.create(ada)
        await accounts.create(bob)
        expect(await accounts.save(replace(bob, name="ada")), NameTaken())
        expect(await accounts.load(bob.id), bob)
        expect(await accounts.find("ada"), ada)
        expect(await accounts.save(replace(ada, name="grace")), AccountSaved(2))
        expect(await accounts.save(replace(bob, name="ada")), AccountSaved(2))
        expect(await accounts.find("ada"), replace(bob, name="ada", version=2))
        conflict = AccountConflict(replace(ada, name="grace", version=2))
        expect(await accounts.save(replace(ada, name="ada")), conflict, "stale and taken")

    async def test_P51_saves_in_parallel(self, store: HasAccounts) -> None:
        """Of 100 different saves at one version one is stored."""
        accounts = store.accounts
        ada = build_user("ada")
        await accounts.create(ada)

        async def save(number: int) -> str:
            changed = replace(ada, password_hash=f"{number}")
            return type(await accounts.save(changed)).__name__

        expect(Counter(await race(100, save)), {"AccountSaved": 1, "AccountConflict": 99})
        found = await accounts.load(ada.id)
        expect(None if found is None else found.version, 2)

    async def test_P51_renames_in_parallel(self, store: HasAccounts) -> None:
        """Of 100 accounts that take one name at once one gets it."""
        accounts = store.accounts
        users = [build_user(f"{number}") for number in range(100)]
        for user in users:
            await accounts.create(user)

        async def rename(number: int) -> str:
            return type(await accounts.save(replace(users[number], name="ada"))).__name__

        expect(Counter(await race(100, rename)), {"AccountSaved": 1, "NameTaken": 99})
        stored = [await accounts.load(user.id) for user in users]
        expect(sum(account is not None and account.name == "ada" for account in stored), 1)

    async def test_P52_delete(self, store: HasAccounts) -> None:
        """All of an account goes, nothing of another, and nothing brings it back."""
        accounts = store.accounts
        ada, bob = build_user("ada"), build_user("bob")
        identity, bobs = build_identity("ada"), build_identity("bob")
        await accounts.create(ada, identity=identity)
        await accounts.create(bob, identity=bobs)
        for user in (ada, bob):
            await accounts.replace_factors(user.id, "totp", [build_factor(user.id)])
        expect(await accounts.delete(ada.id), wanted=True)
        expect(await accounts.delete(ada.id), wanted=False)
        expect(await accounts.load(ada.id), None)
        expect(await accounts.find(ada.name), None)
        expect(await accounts.list_factors(ada.id), ())
        expect(await accounts.list_identities(ada.id), ())
        expect(await accounts.find_identity(identity.issuer, identity.subject), None)
        expect(await accounts.save(ada), AccountGone())
        expect(await accounts.load(ada.id), None)
        expect(await accounts.find(bob.name), bob)
        expect(await accounts.list_factors(bob.id), (build_factor(bob.id),))
        expect(await accounts.list_identities(bob.id), (bobs,))
        again = replace(build_user("new"), name=ada.name)
        expect(await accounts.create(again, identity=identity), AccountCreated())
        expect(await accounts.list_factors(again.id), ())

    async def test_P52_deleted_by_one(self, store: HasAccounts) -> None:
        """Of 100 deletions at once one deletes."""
        await store.accounts.create(build_user("ada"))

        async def delete(_number: int) -> bool:
            return await store.accounts.delete(build_user("ada").id)

        expect(sorted(await race(100, delete)), [False] * 99 + [True])
