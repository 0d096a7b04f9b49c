from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from asgi_security.flows.sessions import (
    list_sessions,
    revoke_all_sessions,
    revoke_other_sessions,
    revoke_session,
)
from asgi_security.policy.session_state import Session, Snapshot
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.protocols import SessionRecord
from asgi_security.testing import FakeClock

if TYPE_CHECKING:
    from asgi_security.storage.protocols import SessionStore

pytestmark = pytest.mark.anyio

RECORD = SessionRecord(
    digest=b"0" * 32,
    handle="h0",
    user="ada",
    data=b"{}",
    created_at=1000.0,
    seen_at=1000.0,
    idle_expires_at=2000.0,
    absolute_expires_at=9000.0,
    user_agent="Firefox",
    client=b"c" * 32,
)
NOW = FakeClock(1500.0)


class Nowhere:
    def read(self, session: Session) -> None:
        raise AssertionError

    async def load(self, session: Session) -> None:
        raise AssertionError


def current(number: int, user: str = "ada") -> Session:
    session = Session(Nowhere(), ())
    key = str(number).encode() * 32
    session.fill(Snapshot(f"h{number}", user, 0, 0, b"{}", key=key), had_cookie=True)
    return session


@pytest.fixture
async def store() -> SessionStore:
    sessions = MemoryStore().sessions
    for number in range(3):
        record = replace(
            RECORD,
            digest=str(number).encode() * 32,
            handle=f"h{number}",
            seen_at=1000.0 + number,
        )
        await sessions.create(record, now=1000.0)
    other = replace(RECORD, digest=b"9" * 32, handle="h9", user="bob")
    await sessions.create(other, now=1000.0)
    return sessions


async def test_S35_a_list_says_what_a_user_wants_to_know(store: SessionStore) -> None:
    listed = await list_sessions(store, "ada", current=current(1), clock=NOW)
    assert [(info.handle, info.is_current) for info in listed] == [
        ("h2", False),
        ("h1", True),
        ("h0", False),
    ]
    assert (listed[2].created_at, listed[2].seen_at) == (1000.0, 1000.0)
    assert (listed[2].user_agent, listed[2].client) == ("Firefox", b"c" * 32)
    assert not hasattr(listed[0], "digest")
    unmarked = await list_sessions(store, "ada", clock=NOW)
    assert not any(info.is_current for info in unmarked)
    assert await list_sessions(store, "ada", clock=FakeClock(2000.0)) == ()


async def test_S35_revoke_one(store: SessionStore) -> None:
    assert await revoke_session(store, "ada", "h9") is False
    assert await revoke_session(store, "ada", "h0") is True
    handles = [info.handle for info in await list_sessions(store, "ada", clock=NOW)]
    assert handles == ["h2", "h1"]


async def test_S35_revoke_others_and_all(store: SessionStore) -> None:
    assert await revoke_other_sessions(store, "ada", current=current(1)) == 2
    (kept,) = await list_sessions(store, "ada", clock=NOW)
    assert kept.handle == "h1"
    assert await revoke_all_sessions(store, "ada") == 1
    assert len(await list_sessions(store, "bob", clock=NOW)) == 1


async def test_S35_the_session_of_another_is_not_kept(store: SessionStore) -> None:
    assert await revoke_other_sessions(store, "ada", current=current(9, "bob")) == 3


async def test_a_whole_store_will_do() -> None:
    store = MemoryStore()
    await store.sessions.create(RECORD, now=1000.0)
    (info,) = await list_sessions(store, "ada", clock=NOW)
    assert await revoke_session(store, "ada", info.handle)
    assert await revoke_all_sessions(store, "ada") == 0
    assert await revoke_other_sessions(store, "ada", current=current(1)) == 0
