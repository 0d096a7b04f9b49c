"""What an `ApiKeyStore` must do."""
# ruff: noqa: N802 -- the names cite the numbers of the specification

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from asgi_security.errors import StorageError
from asgi_security.storage.protocols import ApiKey
from asgi_security.testing.contracts.expecting import START, build_digest, expect, race

if TYPE_CHECKING:
    from asgi_security.storage.protocols import ApiKeyStore


class HasApiKeys(Protocol):
    """A store, as far as this contract uses it."""

    @property
    def api_keys(self) -> ApiKeyStore:
        """The facet under test."""
        ...


def build_key(name: str = "key", *, account: str = "ada", created_at: float = START) -> ApiKey:
    """Return a key of two scopes that never expires."""
    return ApiKey(name, build_digest(name), account, name, ("read", "write"), created_at)


class ApiKeyContract:
    """An `ApiKeyStore`, rule by rule."""

    async def test_P50_loads_what_was_created(self, store: HasApiKeys) -> None:
        """Every field comes back; creating again is fine and changes nothing; unknown is absent."""
        keys = store.api_keys
        full = ApiKey(
            id="1",
            digest=b"\x00\xff" * 16,
            account="ada",
            name='Älter "CI" key',
            scopes=("write", "read:é", "write"),
            created_at=START + 0.123456,
            expires_at=START + 60.5,
            revoked_at=START + 30,
            used_at=START + 20,
        )
        bare = ApiKey("2", build_digest("2"), "ada", "", (), START)
        for _ in range(2):
            await keys.create(full)
            await keys.create(bare)
            expect(await keys.load("1"), full)
            expect(await keys.load("2"), bare)
        expect(await keys.load("3"), None)
        expect(await keys.load(""), None)
        await keys.touch("2", used_at=START + 1)
        await keys.revoke("ada", "2", now=START + 2)
        changed = replace(bare, used_at=START + 1, revoked_at=START + 2)
        await keys.create(bare)
        expect(await keys.load("2"), changed, "created again after it was revoked")

    async def test_P50_an_id_is_given_once(self, store: HasApiKeys) -> None:
        """Another key with the id is an error, and changes nothing."""
        keys = store.api_keys
        key = build_key()
        await keys.create(key)
        for other in (replace(key, digest=build_digest("else")), replace(key, account="bob")):
            try:
                await keys.create(other)
            except StorageError:
                continue
            raise AssertionError("another key was stored under an id that was given")
        expect(await keys.load(key.id), key)
        expect(await keys.list_for("bob"), ())

    async def test_P50_one_key_created_by_many(self, store: HasApiKeys) -> None:
        """100 calls for one and the same key, as after lost replies, make one; of others, none."""
        keys = store.api_keys

        async def create(number: int) -> bool:
            digest = build_digest(f"{number % 2}")
            try:
                await keys.create(replace(build_key(), digest=digest))
            except StorageError:
                return False
            return True

        expect(sorted(await race(100, create)), [False] * 50 + [True] * 50)
        expect(len(await keys.list_for("ada")), 1)

    async def test_P50_list(self, store: HasApiKeys) -> None:
        """An account's keys come with the newest first, then by id; nobody else's."""
        keys = store.api_keys
        made = [
            build_key("b", created_at=START),
            build_key("B", created_at=START),
            build_key("ä", created_at=START),
            build_key("old", created_at=START - 60),
            replace(build_key("new", created_at=START + 60), expires_at=START + 61),
            build_key("bob's", account="bob"),
        ]
        for key in made:
            await keys.create(key)
        in_order = (made[4], made[1], made[0], made[2], made[3])
        expect(await keys.list_for("ada"), in_order)
        expect(await keys.list_for("bob"), (made[5],))
        expect(await keys.list_for("nobody"), ())

    async def test_P50_touch_never_goes_back(self, store: HasApiKeys) -> None:
        """The latest use stays, whatever order they come in."""
        keys = store.api_keys
        key = build_key()
        await keys.create(key)
        for used_at, wanted in ((5.5, 5.5), (3, 5.5), (8, 8)):
            expect(await keys.touch(key.id, used_at=START + used_at), wanted=True)
            expect(await keys.load(key.id), replace(key, used_at=START + wanted))
        expect(await keys.touch("unknown", used_at=START), wanted=False)
        expect(await keys.load("unknown"), None)

    async def test_P50_touches_in_parallel(self, store: HasApiKeys) -> None:
        """Of 100 uses at once the latest stays."""
        keys = store.api_keys
        key = build_key()
        await keys.create(key)

        async def touch(number: int) -> bool:
            return await keys.touch(key.id, used_at=START + number * 37 % 100)

        expect(await race(100, touch), [True] * 100)
        expect(await keys.load(key.id), replace(key, used_at=START + 99))

    async def test_P50_revoke(self, store: HasApiKeys) -> None:
        """Only its own account's; the first instant stays; the key stays in the list."""
        keys = store.api_keys
        key = build_key()
        await keys.create(key)
        expect(await keys.revoke("bob", key.id, now=START), wanted=False)
        expect(await keys.revoke("ada", "unknown", now=START), wanted=False)
        expect(await keys.load(key.id), key)
        for later in (1.5, 2, 0):
            expect(await keys.revoke("ada", key.id, now=START + later), wanted=True)
        revoked = replace(key, revoked_at=START + 1.5)
        expect(await keys.load(key.id), revoked)
        expect(await keys.list_for("ada"), (revoked,))
        await keys.touch(key.id, used_at=START + 3)
        expect(await keys.load(key.id), replace(revoked, used_at=START + 3))

    async def test_P50_revoke_all(self, store: HasApiKeys) -> None:
        """All of an account's that are not revoked yet are, and are counted; nobody else's."""
        keys = store.api_keys
        for key in (*(build_key(name) for name in "abc"), build_key("d", account="bob")):
            await keys.create(key)
        await keys.revoke("ada", "b", now=START + 1)
        expect(await keys.revoke_for("ada", now=START + 2), 2)
        expect(await keys.revoke_for("ada", now=START + 3), 0)
        expect(await keys.revoke_for("nobody", now=START + 3), 0)
        expect(
            [key.revoked_at for key in await keys.list_for("ada")],
            [START + 2, START + 1, START + 2],
        )
        expect(await keys.load("d"), build_key("d", account="bob"))

    async def test_P50_revoked_all_at_once(self, store: HasApiKeys) -> None:
        """100 calls at once revoke each key once, with one instant."""
        keys = store.api_keys
        for number in range(10):
            await keys.create(build_key(f"{number}"))

        async def revoke(number: int) -> int:
            return await keys.revoke_for("ada", now=START + number)

        expect(sum(await race(100, revoke)), 10)

    async def test_P50_delete(self, store: HasApiKeys) -> None:
        """Only its own account's, once, and it is gone for every way to reach it."""
        keys = store.api_keys
        key, other = build_key(), build_key("other")
        await keys.create(key)
        await keys.create(other)
        expect(await keys.delete("bob", key.id), wanted=False)
        expect(await keys.delete("ada", "unknown"), wanted=False)
        expect(await keys.load(key.id), key)
        expect(await keys.delete("ada", key.id), wanted=True)
        expect(await keys.delete("ada", key.id), wanted=False)
        expect(await keys.load(key.id), None)
        expect(await keys.list_for("ada"), (other,))
        expect(await keys.touch(key.id, used_at=START), wanted=False)
        expect(await keys.revoke("ada", key.id, now=START), wanted=False)
        expect(await keys.load(key.id), None)
        await keys.create(replace(key, account="bob"))
        expect(await keys.list_for("bob"), (replace(key, account="bob"),))

    async def test_P50_deleted_by_one(self, store: HasApiKeys) -> None:
        """Of 100 deletions at once one deletes."""
        await store.api_keys.create(build_key())

        async def delete(_number: int) -> bool:
            return await store.api_keys.delete("ada", "key")

        expect(sorted(await race(100, delete)), [False] * 99 + [True])
