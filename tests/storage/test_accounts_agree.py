"""Random histories of accounts and API keys: all four backends answer alike, and like a model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from asgi_security.errors import StorageError
from asgi_security.storage.protocols import (
    AccountCreated,
    AccountSaved,
    ApiKey,
    Identity,
    Linked,
    Unlinked,
)
from asgi_security.testing.contracts.expecting import (
    START,
    build_digest,
    build_factor,
    build_user,
)
from tests.storage.agreeing import Agreement, run_machine
from tests.storage.backends import provide_servers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asgi_security.storage.protocols import Account, Store
    from tests.storage.backends import Servers

T = TypeVar("T")

servers = pytest.fixture(scope="module")(provide_servers)

USERS = ("ada", "bob", "eve")
NAMES = ("ada", "bob", "grace")
PLACES = (("https://a.test", "1"), ("https://a.test", "2"), ("https://b.test", "1"))
KINDS = ("recovery", "totp")
CODES = ("a", "b", "")
KEY_IDS = ("k1", "k2", "k3")

users, names = st.sampled_from(USERS), st.sampled_from(NAMES)
places, kinds, codes = st.sampled_from(PLACES), st.sampled_from(KINDS), st.sampled_from(CODES)
key_ids = st.sampled_from(KEY_IDS)
roles = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5))


class Accounts(Agreement):
    """Every rule asks all backends; the model knows accounts, who is linked, and what is spent."""

    def __init__(self) -> None:
        super().__init__()
        self.accounts: dict[str, Account] = {}
        self.identities: dict[tuple[str, str], Identity] = {}
        self.keys: dict[str, ApiKey] = {}

    def ask(self, operation: Callable[[Store], Awaitable[T]]) -> T | str:  # type: ignore[override]
        """Return the answer that all give, which may be an error of one text."""

        async def run(store: Store) -> T | str:
            try:
                return await operation(store)
            except StorageError as error:
                return str(error)

        return super().ask(run)

    @rule(user=users, name=names, place=st.none() | places, later=st.booleans(), given=roles)
    def create(
        self,
        user: str,
        name: str,
        place: tuple[str, str] | None,
        given: list[str],
        *,
        later: bool,
    ) -> None:
        account = replace(build_user(user), name=name, created_at=START + later, roles=tuple(given))
        identity = None if place is None else Identity(*place, "ignored", START)
        answer = self.ask(lambda store: store.accounts.create(account, identity=identity))
        present = self.accounts.get(account.id)
        if present is not None:
            same = present.created_at == account.created_at
            assert (answer == AccountCreated()) is same
            return
        taken = name in {each.name for each in self.accounts.values()} or place in self.identities
        assert (answer == AccountCreated()) is not taken
        if not taken:
            self.accounts[account.id] = account
            if place is not None:
                self.identities[place] = Identity(*place, account.id, START)

    @rule(user=users, name=names, behind=st.sampled_from([0, 0, 1]), given=roles, secret=codes)
    def save(self, user: str, name: str, behind: int, given: list[str], secret: str) -> None:
        base = self.accounts.get(build_user(user).id, build_user(user))
        account = replace(
            base,
            name=name,
            password_hash=secret or None,
            tenant=secret or None,
            epoch=base.epoch + 1,
            roles=tuple(given),
            created_at=0.0,
            version=base.version - behind,
        )
        answer = self.ask(lambda store: store.accounts.save(account))
        if isinstance(answer, AccountSaved):
            kept = replace(account, created_at=base.created_at, version=answer.version)
            self.accounts[base.id] = kept
            assert self.ask(lambda store: store.accounts.save(account)) == answer

    @rule(user=users)
    def delete(self, user: str) -> None:
        account_id = build_user(user).id
        deleted = self.ask(lambda store: store.accounts.delete(account_id))
        assert deleted is (self.accounts.pop(account_id, None) is not None)
        self.identities = {
            place: each for place, each in self.identities.items() if each.account != account_id
        }

    @rule(user=users, kind=kinds, given=st.lists(codes), step=st.integers(0, 3))
    def replace_factors(self, user: str, kind: str, given: list[str], step: int) -> None:
        account_id = build_user(user).id
        fresh = [build_factor(account_id, kind, name, step=step) for name in given]
        done = self.ask(lambda store: store.accounts.replace_factors(account_id, kind, fresh))
        assert done is (account_id in self.accounts)

    @rule(user=users, kind=kinds, name=codes, step=st.integers(0, 5))
    def advance_factor(self, user: str, kind: str, name: str, step: int) -> None:
        place = (build_user(user).id, kind, name)
        if self.ask(lambda store: store.accounts.advance_factor(*place, step)):
            assert not self.ask(lambda store: store.accounts.advance_factor(*place, step))

    @rule(user=users, kind=kinds, name=codes)
    def delete_factor(self, user: str, kind: str, name: str) -> None:
        place = (build_user(user).id, kind, name)
        if self.ask(lambda store: store.accounts.delete_factor(*place)):
            assert not self.ask(lambda store: store.accounts.delete_factor(*place))

    @rule(user=users, place=places)
    def link(self, user: str, place: tuple[str, str]) -> None:
        identity = Identity(*place, build_user(user).id, START, b"linked")
        answer = self.ask(lambda store: store.accounts.link(identity))
        if isinstance(answer, Linked):
            assert identity.account in self.accounts
            assert self.identities.setdefault(place, identity).account == identity.account

    @rule(user=users, place=places, leave=st.integers(0, 2))
    def unlink(self, user: str, place: tuple[str, str], leave: int) -> None:
        account_id = build_user(user).id
        own = [each for each in self.identities.values() if each.account == account_id]
        answer = self.ask(lambda store: store.accounts.unlink(account_id, *place, leave=leave))
        if any((each.issuer, each.subject) == place for each in own):
            assert isinstance(answer, Unlinked) is (len(own) > leave)
            if isinstance(answer, Unlinked):
                del self.identities[place]
        else:
            assert isinstance(answer, Unlinked)

    @rule(key_id=key_ids, user=users, at=st.integers(0, 2), given=roles)
    def create_key(self, key_id: str, user: str, at: int, given: list[str]) -> None:
        key = ApiKey(
            key_id, build_digest(user), user, f"key {at}", tuple(given), START + at, START + 9
        )
        answer = self.ask(lambda store: store.api_keys.create(key))
        present = self.keys.setdefault(key_id, key)
        assert (answer is None) is (present.account == user)

    @rule(key_id=key_ids, at=st.integers(0, 9))
    def touch_key(self, key_id: str, at: int) -> None:
        done = self.ask(lambda store: store.api_keys.touch(key_id, used_at=START + at))
        assert done is (key_id in self.keys)
        if done:
            key = self.keys[key_id]
            self.keys[key_id] = replace(key, used_at=max(key.used_at or 0.0, START + at))

    @rule(key_id=key_ids, user=users, at=st.integers(0, 9), every=st.booleans())
    def revoke_keys(self, key_id: str, user: str, at: int, *, every: bool) -> None:
        if every:
            self.ask(lambda store: store.api_keys.revoke_for(user, now=START + at))
        else:
            self.ask(lambda store: store.api_keys.revoke(user, key_id, now=START + at))
        for key in list(self.keys.values()):
            if key.account == user and (every or key.id == key_id) and key.revoked_at is None:
                self.keys[key.id] = replace(key, revoked_at=START + at)

    @rule(key_id=key_ids, user=users)
    def delete_key(self, key_id: str, user: str) -> None:
        if self.ask(lambda store: store.api_keys.delete(user, key_id)):
            assert self.keys.pop(key_id).account == user

    @invariant()
    def accounts_are_the_same(self) -> None:
        by_name = {account.name: account for account in self.accounts.values()}
        for user in USERS:
            wanted = self.accounts.get(build_user(user).id)
            assert self.ask(lambda store: store.accounts.load(build_user(user).id)) == wanted  # noqa: B023
            self.ask(lambda store: store.accounts.list_factors(build_user(user).id))  # noqa: B023
        for name in NAMES:
            assert self.ask(lambda store: store.accounts.find(name)) == by_name.get(name)  # noqa: B023

    @invariant()
    def identities_and_keys_are_the_same(self) -> None:
        for place in PLACES:
            found = self.ask(lambda store: store.accounts.find_identity(*place))  # noqa: B023
            assert found == self.identities.get(place)
        for user in USERS:
            listed = self.ask(lambda store: store.accounts.list_identities(build_user(user).id))  # noqa: B023
            linked = {
                each for each in self.identities.values() if each.account == build_user(user).id
            }
            assert set(listed) == linked
            owned = self.ask(lambda store: store.api_keys.list_for(user))  # noqa: B023
            assert set(owned) == {key for key in self.keys.values() if key.account == user}


def test_all_backends_agree(servers: Servers) -> None:
    run_machine(Accounts, servers)
