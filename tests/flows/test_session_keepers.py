from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.errors import ConfigError
from asgi_security.flows.session_cookies import CookieSessionKeeper
from asgi_security.flows.session_keepers import build_keeper
from asgi_security.flows.session_records import StoredSessionKeeper
from asgi_security.policy.sessions import SessionConfig
from asgi_security.storage.memory import MemoryStore
from asgi_security.testing import EventRecorder, FakeClock, SeededEntropy

if TYPE_CHECKING:
    from asgi_security.flows.session_keeping import SessionKeeper

S1 = "1" * 32


def build(**fields: Any) -> SessionKeeper:
    return build_keeper(
        SessionConfig(**fields),
        find=lambda _: (),
        clock=FakeClock(),
        entropy=SeededEntropy(),
        events=EventRecorder(),
    )


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        pytest.param({"secret": S1}, CookieSessionKeeper, id="no store"),
        pytest.param({"store": MemoryStore()}, StoredSessionKeeper, id="a whole store"),
        pytest.param({"store": MemoryStore().sessions}, StoredSessionKeeper, id="its facet"),
        pytest.param(
            {"secret": S1, "revocations": MemoryStore()},
            CookieSessionKeeper,
            id="S37 a whole store for revocations",
        ),
        pytest.param(
            {"secret": S1, "revocations": MemoryStore().revocations},
            CookieSessionKeeper,
            id="S37 the facet for revocations",
        ),
    ],
)
def test_what_keeps_the_sessions(fields: dict[str, Any], kind: type[SessionKeeper]) -> None:
    keeper = build(**fields)
    assert type(keeper) is kind
    assert keeper.ends_late is (len(fields) == 2 or "store" in fields)


@pytest.mark.parametrize(
    ("fields", "faulty"),
    [
        pytest.param({"store": object()}, "store", id="a store that is none"),
        pytest.param({"store": MemoryStore().once}, "store", id="another facet"),
        pytest.param({"revocations": "memory://"}, "revocations", id="an address for a store"),
    ],
)
def test_what_is_no_store(fields: dict[str, Any], faulty: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(secret=S1, **fields)
    (problem,) = caught.value.problems
    assert problem.field == faulty
    assert "MemoryStore()" in problem.hint
