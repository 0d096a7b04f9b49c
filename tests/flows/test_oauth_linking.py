"""Identities and accounts, where two change them at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from asgi_security.flows.oauth_linking import (
    ACCOUNT_DISABLED,
    ACCOUNT_GONE,
    IDENTITY_TAKEN,
    IdentityUnlinked,
    LastWayIn,
    Linking,
    Opened,
    compute_handle,
)
from asgi_security.policy.oauth import OAuthConfig
from asgi_security.policy.oauth_identity import IdentityFacts
from asgi_security.policy.oauth_linking import LinkRequired
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.protocols.accounts import Account, Identity
from tests.flows.oauth_world import build_oidc

if TYPE_CHECKING:
    from asgi_security.testing import SeededEntropy

pytestmark = pytest.mark.anyio

NOW = 1_700_000_000.0
FACTS = IdentityFacts(
    issuer="https://a.example",
    subject="s",
    email="alice@example.com",
    email_verified=True,
    name="Alice",
)
TRUSTED = build_oidc("https://a.example", trust_email=True, auto_link=True)
ACCOUNT = Account(id="known", name="alice@example.com", is_verified=True)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def linking(store: MemoryStore, entropy: SeededEntropy) -> Linking:
    return Linking(OAuthConfig(providers=[TRUSTED]), store.accounts, entropy=entropy)


class Meanwhile:
    """Accounts in which somebody else is quicker: `act` runs before the first call of `name`."""

    def __init__(self, accounts: Any, name: str, act: Any) -> None:
        self._accounts = accounts
        self._name = name
        self._act: Any = act

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._accounts, name)
        if name != self._name or self._act is None:
            return call

        async def late(*args: Any, **kwargs: Any) -> Any:
            act, self._act = self._act, None
            await act()
            return await call(*args, **kwargs)

        return late


def build(accounts: Any, entropy: SeededEntropy) -> Linking:
    return Linking(OAuthConfig(providers=[TRUSTED]), accounts, entropy=entropy)


async def test_an_account_is_made_with_its_identity(linking: Linking, store: MemoryStore) -> None:
    opened = await linking.open(FACTS, TRUSTED, now=NOW)
    assert isinstance(opened, Opened)
    assert (opened.created, opened.linked) == (True, False)
    assert len(opened.account.id) == 22
    assert opened.account.created_at == NOW
    (identity,) = await store.accounts.list_identities(opened.account.id)
    assert identity.data == b'{"provider":"acme","email":"alice@example.com","name":"Alice"}'
    assert await store.accounts.load(opened.account.id) == opened.account


async def test_the_same_identity_is_quicker(store: MemoryStore, entropy: SeededEntropy) -> None:
    plain = build(store.accounts, entropy)

    async def be_quicker() -> None:
        await plain.open(FACTS, TRUSTED, now=NOW)

    late = build(Meanwhile(store.accounts, "create", be_quicker), entropy)
    opened = await late.open(FACTS, TRUSTED, now=NOW)
    assert isinstance(opened, Opened)
    assert not opened.created
    assert len(await store.accounts.list_identities(opened.account.id)) == 1


async def test_X113_a_registration_is_quicker(store: MemoryStore, entropy: SeededEntropy) -> None:
    async def register() -> None:
        await store.accounts.create(replace(ACCOUNT, is_verified=False))

    late = build(Meanwhile(store.accounts, "create", register), entropy)
    assert await late.open(FACTS, TRUSTED, now=NOW) == LinkRequired()


async def test_the_account_goes_while_it_is_linked(
    store: MemoryStore, entropy: SeededEntropy
) -> None:
    await store.accounts.create(ACCOUNT)

    async def delete() -> None:
        await store.accounts.delete(ACCOUNT.id)

    late = build(Meanwhile(store.accounts, "link", delete), entropy)
    opened = await late.open(FACTS, TRUSTED, now=NOW)
    assert isinstance(opened, Opened)
    assert opened.created


async def test_the_account_goes_while_it_is_loaded(
    store: MemoryStore, entropy: SeededEntropy
) -> None:
    await build(store.accounts, entropy).open(FACTS, TRUSTED, now=NOW)
    known = await store.accounts.find(ACCOUNT.name)
    assert known is not None

    async def delete() -> None:
        await store.accounts.delete(known.id)

    late = build(Meanwhile(store.accounts, "load", delete), entropy)
    opened = await late.open(FACTS, TRUSTED, now=NOW)
    assert isinstance(opened, Opened)
    assert opened.created
    assert opened.account.id != known.id


async def test_a_name_that_somebody_sits_on(linking: Linking, store: MemoryStore) -> None:
    nameless = replace(FACTS, email=None)
    made = await linking.open(nameless, TRUSTED, now=NOW)
    assert isinstance(made, Opened)
    other = replace(FACTS, subject="other", email=None)
    await linking.link(other, TRUSTED, made.account.id, now=NOW)
    await store.accounts.unlink(made.account.id, FACTS.issuer, FACTS.subject)
    # The account keeps the name that was made of the identity, which is no longer its own.
    assert await linking.open(nameless, TRUSTED, now=NOW) == LinkRequired()


async def test_X115_a_disabled_account_is_not_opened(linking: Linking, store: MemoryStore) -> None:
    await store.accounts.create(replace(ACCOUNT, is_active=False))
    assert await linking.open(FACTS, TRUSTED, now=NOW) == ACCOUNT_DISABLED
    assert await linking.link(FACTS, TRUSTED, ACCOUNT.id, now=NOW) == ACCOUNT_DISABLED
    assert await store.accounts.list_identities(ACCOUNT.id) == ()


async def test_X113_linking(linking: Linking, store: MemoryStore, entropy: SeededEntropy) -> None:
    await store.accounts.create(ACCOUNT)
    assert await linking.link(FACTS, TRUSTED, ACCOUNT.id, now=NOW) == Opened(ACCOUNT, linked=True)
    assert await linking.link(FACTS, TRUSTED, ACCOUNT.id, now=NOW) == Opened(ACCOUNT, linked=True)
    await store.accounts.create(Account(id="other", name="other"))
    assert await linking.link(FACTS, TRUSTED, "other", now=NOW) == IDENTITY_TAKEN
    assert await linking.link(FACTS, TRUSTED, "nobody", now=NOW) == ACCOUNT_GONE

    async def delete() -> None:
        await store.accounts.delete("other")

    late = build(Meanwhile(store.accounts, "link", delete), entropy)
    second = replace(FACTS, subject="second")
    assert await late.link(second, TRUSTED, "other", now=NOW) == ACCOUNT_GONE


@pytest.mark.parametrize("password_hash", [None, "stored"])
async def test_X115_the_last_way_in_stays(
    linking: Linking, store: MemoryStore, password_hash: str | None
) -> None:
    await store.accounts.create(replace(ACCOUNT, password_hash=password_hash))
    await linking.link(FACTS, TRUSTED, ACCOUNT.id, now=NOW)
    (listed,) = await linking.list_for(ACCOUNT.id)
    outcome = await linking.unlink(ACCOUNT.id, listed.handle)
    if password_hash is None:
        assert outcome == LastWayIn()
        assert len(await linking.list_for(ACCOUNT.id)) == 1
        return
    assert outcome == IdentityUnlinked(was_linked=True)
    assert await linking.list_for(ACCOUNT.id) == ()


async def test_X115_of_two_that_go_at_once_one_stays(linking: Linking, store: MemoryStore) -> None:
    await store.accounts.create(ACCOUNT)
    for subject in map(str, range(100)):
        await linking.link(replace(FACTS, subject=subject), TRUSTED, ACCOUNT.id, now=NOW)
    outcomes: list[Any] = []

    async def unlink(handle: str) -> None:
        outcomes.append(await linking.unlink(ACCOUNT.id, handle))

    async with anyio.create_task_group() as group:
        for listed in await linking.list_for(ACCOUNT.id):
            group.start_soon(unlink, listed.handle)
    assert outcomes.count(LastWayIn()) == 1
    assert outcomes.count(IdentityUnlinked(was_linked=True)) == 99


async def test_unlinking_what_is_not_linked(linking: Linking, store: MemoryStore) -> None:
    nothing = IdentityUnlinked(was_linked=False)
    assert await linking.unlink("nobody", "handle") == nothing
    await store.accounts.create(ACCOUNT)
    assert await linking.unlink(ACCOUNT.id, "handle") == nothing


def test_a_handle_tells_two_identities_apart() -> None:
    pairs = [("https://a", "b"), ("https://a", "c"), ("https://ab", ""), ("https:/", "/ab")]
    handles = {compute_handle(Identity(issuer, subject, "x", 0)) for issuer, subject in pairs}
    assert len(handles) == 4
    assert {len(handle) for handle in handles} == {22}


async def test_identities_that_others_have_stored_are_listed_too(
    linking: Linking, store: MemoryStore
) -> None:
    await store.accounts.create(ACCOUNT)
    for subject, data in (("a", b"junk"), ("b", b'{"provider":1,"email":[]}')):
        await store.accounts.link(Identity("https://a.example", subject, "known", NOW, data))
    listed = await linking.list_for("known")
    assert [(one.provider, one.email, one.linked_at) for one in listed] == [(None, None, NOW)] * 2
