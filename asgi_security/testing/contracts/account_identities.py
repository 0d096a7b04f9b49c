"""What an `AccountStore` must do with identities at other providers."""
# ruff: noqa: N802 -- the names cite the numbers of the specification

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from asgi_security.storage.protocols import (
    AccountGone,
    IdentityTaken,
    LastIdentity,
    Linked,
    Unlinked,
)
from asgi_security.testing.contracts.expecting import (
    START,
    build_identity,
    build_user,
    expect,
    race,
)

if TYPE_CHECKING:
    from asgi_security.testing.contracts.account_factors import HasAccounts

ADA, BOB = build_user("ada"), build_user("bob")


class AccountIdentities:
    """Identities: each opens one account, and the last way in stays."""

    async def test_P47_link(self, store: HasAccounts) -> None:
        """Every field comes back; linking again changes nothing; nobody else gets it."""
        accounts = store.accounts
        await accounts.create(ADA)
        await accounts.create(BOB)
        identity = replace(
            build_identity("ada"), created_at=START + 0.5, data=b"\x00\xff sealed \n"
        )
        place = (identity.issuer, identity.subject)
        expect(await accounts.find_identity(*place), None)
        expect(await accounts.link(identity), Linked())
        expect(await accounts.link(replace(identity, data=b"other")), Linked())
        expect(await accounts.find_identity(*place), identity)
        stolen = replace(identity, account=BOB.id)
        expect(await accounts.link(stolen), IdentityTaken(ADA.id))
        expect(await accounts.find_identity(*place), identity)
        expect(await accounts.list_identities(BOB.id), ())

    async def test_P47_link_needs_an_account(self, store: HasAccounts) -> None:
        """Nothing opens an account that is not there, even what opens another."""
        accounts = store.accounts
        identity = build_identity("ada")
        expect(await accounts.link(identity), AccountGone())
        await accounts.create(ADA)
        expect(await accounts.find_identity(identity.issuer, identity.subject), None)
        await accounts.link(identity)
        expect(await accounts.link(replace(identity, account="nobody")), AccountGone())

    async def test_X113_identities_are_by_issuer_and_subject(self, store: HasAccounts) -> None:
        """No two of them are mixed up, and they are listed by issuer, then by subject."""
        accounts = store.accounts
        await accounts.create(ADA)
        places = [
            ("b", "1"),
            ("a", "2"),
            ("a", "1"),
            ("a", "12"),
            ("a1", "2"),
            ("ä", ""),
            ("B", "x"),
        ]
        for issuer, subject in places:
            expect(await accounts.find_identity(issuer, subject), None)
            await accounts.link(replace(build_identity("ada"), issuer=issuer, subject=subject))
        listed = await accounts.list_identities(ADA.id)
        expect([(each.issuer, each.subject) for each in listed], sorted(places))
        expect(await accounts.list_identities("nobody"), ())

    async def test_P47_linked_to_exactly_one(self, store: HasAccounts) -> None:
        """Of 100 accounts that link one identity at once one gets it."""
        accounts = store.accounts
        users = [build_user(f"{number}") for number in range(100)]
        for user in users:
            await accounts.create(user)

        async def link(number: int) -> str:
            identity = build_identity("ada", account=users[number].id)
            return type(await accounts.link(identity)).__name__

        expect(Counter(await race(100, link)), {"Linked": 1, "IdentityTaken": 99})
        identity = build_identity("ada")
        found = await accounts.find_identity(identity.issuer, identity.subject)
        owned = [user.id for user in users if await accounts.list_identities(user.id)]
        expect(owned, [None if found is None else found.account])

    async def test_X115_unlink(self, store: HasAccounts) -> None:
        """The account's own identity goes, also when asked again; nobody else's."""
        accounts = store.accounts
        await accounts.create(ADA)
        await accounts.create(BOB)
        ours, theirs = build_identity("ada"), build_identity("bob")
        await accounts.link(ours)
        await accounts.link(theirs)
        expect(await accounts.unlink(ADA.id, theirs.issuer, theirs.subject), Unlinked())
        expect(await accounts.list_identities(BOB.id), (theirs,))
        for _ in range(2):
            expect(await accounts.unlink(ADA.id, ours.issuer, ours.subject), Unlinked())
        expect(await accounts.find_identity(ours.issuer, ours.subject), None)
        expect(await accounts.list_identities(ADA.id), ())
        expect(await accounts.link(replace(ours, account=BOB.id)), Linked())

    async def test_X115_the_last_way_in_stays(self, store: HasAccounts) -> None:
        """As many others as have to stay do; what is not linked is not the last one either."""
        accounts = store.accounts
        await accounts.create(ADA)
        linked = [build_identity("ada", subject=f"{number}") for number in range(3)]
        for identity in linked:
            await accounts.link(identity)
        places = [(identity.issuer, identity.subject) for identity in linked]
        expect(await accounts.unlink(ADA.id, *places[0], leave=3), LastIdentity())
        expect(await accounts.list_identities(ADA.id), tuple(linked))
        expect(await accounts.unlink(ADA.id, *places[0], leave=2), Unlinked())
        expect(await accounts.unlink(ADA.id, *places[0], leave=2), Unlinked(), "lost answer")
        expect(await accounts.unlink(ADA.id, *places[1], leave=1), Unlinked())
        expect(await accounts.unlink(ADA.id, *places[2], leave=1), LastIdentity())
        expect(await accounts.list_identities(ADA.id), (linked[2],))
        expect(await accounts.unlink(ADA.id, *places[2]), Unlinked())

    async def test_X115_two_unlinks_at_once_leave_one(self, store: HasAccounts) -> None:
        """100 unlinks of 100 identities at once leave as many as have to stay."""
        accounts = store.accounts
        await accounts.create(ADA)
        linked = [build_identity("ada", subject=f"{number}") for number in range(100)]
        for identity in linked:
            await accounts.link(identity)

        async def unlink(number: int) -> str:
            identity = linked[number]
            answer = await accounts.unlink(ADA.id, identity.issuer, identity.subject, leave=3)
            return type(answer).__name__

        expect(Counter(await race(100, unlink)), {"Unlinked": 97, "LastIdentity": 3})
        expect(len(await accounts.list_identities(ADA.id)), 3)

    async def test_P52_no_identity_outlives_its_account(self, store: HasAccounts) -> None:
        """Whichever comes first of a deletion and 100 links, nothing is left over."""
        accounts = store.accounts
        await accounts.create(ADA)

        async def run(number: int) -> object:
            if number == 50:
                return await accounts.delete(ADA.id)
            return await accounts.link(build_identity("ada", subject=f"{number}"))

        await race(101, run)
        expect(await accounts.list_identities(ADA.id), ())
        issuer = build_identity("ada").issuer
        found = [await accounts.find_identity(issuer, f"{number}") for number in range(101)]
        expect(found, [None] * 101)
