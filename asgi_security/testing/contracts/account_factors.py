"""What an `AccountStore` must do with second factors."""
# ruff: noqa: N802 -- the names cite the numbers of the specification

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from asgi_security.testing.contracts.expecting import (
    START,
    build_factor,
    build_user,
    expect,
    race,
)

if TYPE_CHECKING:
    from asgi_security.storage.protocols import AccountStore


class HasAccounts(Protocol):
    """A store, as far as this contract uses it."""

    @property
    def accounts(self) -> AccountStore:
        """The facet under test."""
        ...


ADA = build_user("ada")


class AccountFactors:
    """Second factors: replaced together, spent once."""

    async def test_F97_factors_come_back_in_order(self, store: HasAccounts) -> None:
        """Every field comes back, by kind, then by id, each by code point."""
        accounts = store.accounts
        await accounts.create(ADA)
        expect(await accounts.list_factors(ADA.id), ())
        codes = [build_factor(ADA.id, "recovery", name) for name in ("b", "a", "B", "ä", "a b")]
        full = build_factor(ADA.id, "totp", "", data=b"\x00\xff \n1", step=58_000_000)
        full = replace(full, created_at=START + 0.25)
        expect(await accounts.replace_factors(ADA.id, "totp", [full]), wanted=True)
        expect(await accounts.replace_factors(ADA.id, "recovery", codes), wanted=True)
        in_order = sorted(codes, key=lambda factor: factor.id)
        expect(await accounts.list_factors(ADA.id), (*in_order, full))
        expect(await accounts.list_factors("nobody"), ())

    async def test_F98_factors_are_replaced_kind_by_kind(self, store: HasAccounts) -> None:
        """Old ones are dead with the new ones, other kinds and other accounts keep theirs."""
        accounts = store.accounts
        bob = build_user("bob")
        for user in (ADA, bob):
            await accounts.create(user)
            await accounts.replace_factors(user.id, "totp", [build_factor(user.id)])
        codes = [build_factor(ADA.id, "recovery", name) for name in "abc"]
        totp = build_factor(ADA.id)
        for _ in range(2):
            await accounts.replace_factors(ADA.id, "recovery", codes)
            expect(await accounts.list_factors(ADA.id), (*codes, totp))
        fresh = [replace(codes[2], data=b"new", step=0), build_factor(ADA.id, "recovery", "d")]
        await accounts.replace_factors(ADA.id, "recovery", fresh)
        expect(await accounts.list_factors(ADA.id), (*fresh, totp))
        expect(await accounts.delete_factor(ADA.id, "recovery", "a"), wanted=False)
        expect(await accounts.replace_factors(ADA.id, "recovery", ()), wanted=True)
        expect(await accounts.replace_factors(ADA.id, "none", ()), wanted=True)
        expect(await accounts.list_factors(ADA.id), (totp,))
        expect(await accounts.list_factors(bob.id), (build_factor(bob.id),))

    async def test_F98_factors_are_the_accounts_own(self, store: HasAccounts) -> None:
        """They are stored under the account and kind that are named; of one id the last counts."""
        accounts = store.accounts
        await accounts.create(ADA)
        foreign = build_factor("somebody else", "other", "x", data=b"first")
        last = replace(foreign, data=b"last")
        await accounts.replace_factors(ADA.id, "totp", [foreign, last])
        expect(await accounts.list_factors(ADA.id), (replace(last, account=ADA.id, kind="totp"),))
        expect(await accounts.list_factors("somebody else"), ())

    async def test_F98_no_factors_without_an_account(self, store: HasAccounts) -> None:
        """Nothing is stored for an account that is not there."""
        accounts = store.accounts
        for factors in ((build_factor(ADA.id),), ()):
            expect(await accounts.replace_factors(ADA.id, "totp", factors), wanted=False)
        await accounts.create(ADA)
        expect(await accounts.list_factors(ADA.id), ())

    async def test_F97_a_step_is_spent_once(self, store: HasAccounts) -> None:
        """Only a later step is recorded, on the factor that is named."""
        accounts = store.accounts
        await accounts.create(ADA)
        expect(await accounts.advance_factor(ADA.id, "totp", "phone", 1), wanted=False)
        others = (build_factor(ADA.id, "totp", "tablet"), build_factor(ADA.id, "other", "phone"))
        phone = build_factor(ADA.id, "totp", "phone", step=9, data=b"1 2 \x00secret")
        await accounts.replace_factors(ADA.id, "totp", [phone, others[0]])
        await accounts.replace_factors(ADA.id, "other", [others[1]])
        for step, wanted in ((9, False), (8, False), (10, True), (10, False), (58_000_000, True)):
            got = await accounts.advance_factor(ADA.id, "totp", "phone", step)
            expect(got, wanted, f"step {step}")
        for account, kind, name in (
            *((ADA.id, "totp", "none"), (ADA.id, "none", "phone"), ("nobody", "totp", "phone")),
        ):
            expect(await accounts.advance_factor(account, kind, name, 99), wanted=False)
        stored = (others[1], replace(phone, step=58_000_000), others[0])
        expect(await accounts.list_factors(ADA.id), stored)

    async def test_F97_a_step_is_spent_by_exactly_one(self, store: HasAccounts) -> None:
        """Of 100 logins with one code at once one passes."""
        accounts = store.accounts
        await accounts.create(ADA)
        await accounts.replace_factors(ADA.id, "totp", [build_factor(ADA.id, step=4)])

        async def advance(_number: int) -> bool:
            return await accounts.advance_factor(ADA.id, "totp", "phone", 5)

        expect(sorted(await race(100, advance)), [False] * 99 + [True])

    async def test_F98_a_recovery_code_is_spent_once(self, store: HasAccounts) -> None:
        """A factor is deleted once, and no other with it."""
        accounts = store.accounts
        await accounts.create(ADA)
        codes = [build_factor(ADA.id, "recovery", name) for name in "ab"]
        await accounts.replace_factors(ADA.id, "recovery", codes)
        for account, kind, name in (("nobody", "recovery", "a"), (ADA.id, "totp", "a")):
            expect(await accounts.delete_factor(account, kind, name), wanted=False)
        expect(await accounts.delete_factor(ADA.id, "recovery", "a"), wanted=True)
        expect(await accounts.delete_factor(ADA.id, "recovery", "a"), wanted=False)
        expect(await accounts.advance_factor(ADA.id, "recovery", "a", 9), wanted=False)
        expect(await accounts.list_factors(ADA.id), (codes[1],))

    async def test_F98_a_recovery_code_is_spent_by_exactly_one(self, store: HasAccounts) -> None:
        """Of 100 logins with one recovery code at once one passes."""
        accounts = store.accounts
        await accounts.create(ADA)
        codes = [build_factor(ADA.id, "recovery", name) for name in "ab"]
        await accounts.replace_factors(ADA.id, "recovery", codes)

        async def spend(_number: int) -> bool:
            return await accounts.delete_factor(ADA.id, "recovery", "a")

        expect(sorted(await race(100, spend)), [False] * 99 + [True])
        expect(await accounts.list_factors(ADA.id), (codes[1],))

    async def test_F98_replaced_as_a_whole(self, store: HasAccounts) -> None:
        """Of 100 new sets of recovery codes at once one whole set is left."""
        accounts = store.accounts
        await accounts.create(ADA)

        async def regenerate(number: int) -> bool:
            fresh = [build_factor(ADA.id, "recovery", f"{number} {each}") for each in range(3)]
            return await accounts.replace_factors(ADA.id, "recovery", fresh)

        expect(await race(100, regenerate), [True] * 100)
        left = [factor.id.split(" ")[0] for factor in await accounts.list_factors(ADA.id)]
        expect(list(Counter(left).values()), [3], "codes left of each set")

    async def test_P52_no_factor_outlives_its_account(self, store: HasAccounts) -> None:
        """Whichever comes first of a deletion and 100 replacements, nothing is left over."""
        accounts = store.accounts
        await accounts.create(ADA)

        async def run(number: int) -> bool:
            if number == 50:
                return await accounts.delete(ADA.id)
            factor = build_factor(ADA.id, f"kind {number}", "x")
            return await accounts.replace_factors(ADA.id, factor.kind, [factor])

        await race(101, run)
        expect(await accounts.list_factors(ADA.id), ())
