from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from asgi_security.errors import StorageError
from asgi_security.flows.revocations import (
    RevocationCheck,
    compute_names,
    compute_session_digest,
    compute_subject_digest,
    compute_token_digest,
    resolve_revocations,
    revoke_digest,
    revoke_session,
    revoke_subject,
)
from asgi_security.storage.memory import MemoryStore
from tests.token_samples import NOW, claims_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.testing import EventRecorder

pytestmark = pytest.mark.anyio

NAMES = compute_names(claims_of(sid="s-1"), b"a.b")


class Broken:
    """A store that fails as it is told to."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.hangs = hangs

    async def is_revoked(self, ids: Sequence[bytes], **_: Any) -> bool:
        if self.hangs:
            await anyio.sleep_forever()
        raise StorageError("secret details")


def check(store: object, events: EventRecorder, **fields: Any) -> RevocationCheck:
    options = {"timeout_seconds": 5, "fail_open": False, **fields}
    return RevocationCheck(store, events=events, **options)


def test_V76_names() -> None:
    assert NAMES.ids == (
        compute_token_digest(claims_of(), b"ignored"),
        compute_session_digest("s-1"),
    )
    assert NAMES.subject == compute_subject_digest("user-1")
    assert NAMES.issued_at == NOW - 10
    bare = compute_names({"iat": 5.9}, b"a.b")
    assert bare.ids == (compute_token_digest({}, b"a.b"),)
    assert bare.ids != (compute_token_digest({}, b"a.c"),)
    assert (bare.subject, bare.issued_at) == (None, 5)
    assert compute_names({}, b"").issued_at is None


def test_digests_of_different_kinds_never_meet() -> None:
    digests = {
        compute_token_digest({"jti": "x"}, b""),
        compute_token_digest({}, b"x"),
        compute_session_digest("x"),
        compute_subject_digest("x"),
    }
    assert len(digests) == 4
    assert {len(digest) for digest in digests} == {32}


@pytest.mark.parametrize("facet", [True, False])
async def test_a_store_is_asked(facet: bool, events: EventRecorder) -> None:  # noqa: FBT001
    store: Any = MemoryStore()
    given = store.revocations if facet else store
    asked = check(given, events)
    assert await asked.decide(NAMES, now=NOW) == "good"
    await revoke_session("s-1", given, expires_at=NOW + 5)
    assert await asked.decide(NAMES, now=NOW) == "revoked"
    assert await asked.decide(NAMES, now=NOW + 5) == "good"
    assert resolve_revocations(given) is store.revocations


@pytest.mark.parametrize(
    ("issued_at", "before", "expected"),
    [
        pytest.param(NOW - 1, NOW, "revoked", id="V77 before"),
        pytest.param(NOW, NOW, "revoked", id="V77 the same instant"),
        pytest.param(NOW, NOW + 0.5, "revoked", id="V77 the same second"),
        pytest.param(NOW + 0.7, NOW + 0.5, "revoked", id="V77 the same second, fractions"),
        pytest.param(NOW + 1, NOW + 0.5, "good", id="V77 the next second"),
        pytest.param(None, NOW, "revoked", id="V77 unknown age"),
    ],
)
async def test_subjects(
    issued_at: float | None, before: float, expected: str, events: EventRecorder
) -> None:
    store = MemoryStore()
    await revoke_subject("user-1", store, before=before, expires_at=NOW + 100)
    names = compute_names(claims_of(iat=issued_at), b"")
    assert await check(store, events).decide(names, now=NOW + 2) == expected
    other = compute_names(claims_of(sub="user-2"), b"")
    assert await check(store, events).decide(other, now=NOW + 2) == "good"


@pytest.mark.parametrize("hangs", [False, True])
@pytest.mark.parametrize(
    ("fail_open", "expected"),
    [
        pytest.param(False, "unavailable", id="V78 fails closed"),
        pytest.param(True, "good", id="V78 fails open"),
    ],
)
async def test_a_store_that_fails_is_never_silent(
    hangs: bool,  # noqa: FBT001
    fail_open: bool,  # noqa: FBT001
    expected: str,
    events: EventRecorder,
) -> None:
    store = Broken(hangs=hangs)
    asked = check(store, events, fail_open=fail_open, timeout_seconds=0.01)
    for _ in range(2):
        assert await asked.decide(NAMES, now=NOW) == expected
    assert events.names == ["revocations_unavailable"] * 2
    assert events.events[0].facts["passed"] == fail_open
    assert "secret details" not in str(events.events)


async def test_V75_a_token_without_end_is_refused_for_a_century(events: EventRecorder) -> None:
    store = MemoryStore()
    await revoke_digest(NAMES.ids[0], store, ends_at=float("inf"), now=NOW)
    assert await check(store, events).decide(NAMES, now=NOW + 3e9) == "revoked"
