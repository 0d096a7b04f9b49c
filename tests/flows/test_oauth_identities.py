"""What an account's owner sees of its identities, and how one goes."""

from __future__ import annotations

from typing import Any

import pytest

from asgi_security.errors import StorageError
from asgi_security.flows.oauth import IdentityUnlinked, LastWayIn, OAuthRefused
from asgi_security.storage.memory import MemoryStore
from tests.flows.oauth_world import World

pytestmark = pytest.mark.anyio


class Broken:
    def __getattr__(self, name: str) -> Any:
        async def fail(*args: Any, **kwargs: Any) -> None:
            raise StorageError("down")

        return fail


async def test_X115_listing_and_unlinking_are_audited() -> None:
    world = World()
    mine = await world.add_account("mine@example.com", password_hash="x")
    await world.link(mine.id)
    listed = await world.site.identities.list_for(mine.id)
    assert isinstance(listed, tuple)
    assert [(one.provider, one.email) for one in listed] == [("acme", "alice@example.com")]
    assert "alice" not in repr(listed)
    handle = listed[0].handle
    unlink = world.site.identities.unlink
    assert await unlink(mine.id, handle) == IdentityUnlinked(was_linked=True)
    assert await unlink(mine.id, handle) == IdentityUnlinked(was_linked=False)
    entry = world.audit.entries[-1]
    assert (entry.action, entry.actor, entry.outcome) == (
        *("oauth_identity_unlinked", mine.id, "success"),
    )
    assert len(world.audit.entries) == 2
    assert (await world.log_in_well()).account.id != mine.id


async def test_X115_the_last_way_in_is_refused_and_audited() -> None:
    world = World()
    account = (await world.log_in_well()).account
    listed = await world.site.identities.list_for(account.id)
    assert isinstance(listed, tuple)
    assert await world.site.identities.unlink(account.id, listed[0].handle) == LastWayIn()
    assert world.audit.entries[-1].outcome == "refused"
    assert (await world.log_in_well()).account.id == account.id


async def test_a_store_that_fails_closes() -> None:
    world = World(store=MemoryStore(accounts=Broken()))
    unavailable = OAuthRefused(503, "unavailable")
    assert await world.site.identities.list_for("a") == unavailable
    assert await world.site.identities.unlink("a", "b") == unavailable
    assert world.events.names == ["oauth_unavailable"] * 2
