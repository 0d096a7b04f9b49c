from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.policy.session_saving import (
    Begin,
    End,
    Keep,
    Rotate,
    Save,
    Touch,
    decide_saving,
    merge_data,
)
from asgi_security.policy.session_state import Session, Snapshot
from asgi_security.policy.sessions import Lifetimes, SessionConfig

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asgi_security.policy.session_saving import (
        Saving,
    )

NOW = 1000.0
FOUND = Snapshot("h", None, NOW, NOW, b'{"a":1}')
USERS = FOUND._replace(user="ada")
OLD = FOUND._replace(needs_resign=True)
LIFETIMES = Lifetimes(SessionConfig(secret="s" * 32))


class Filled:
    def read(self, session: Session) -> None:
        raise AssertionError

    def load(self, session: Session) -> Awaitable[None]:
        raise AssertionError


def decide(
    found: Snapshot | None,
    act: Callable[[Session], object],
    *,
    now: float = NOW,
    failed: bool = False,
    had_cookie: bool | None = None,
) -> Saving:
    session = Session(Filled(), ())
    session.fill(found, had_cookie=found is not None if had_cookie is None else had_cookie)
    act(session)
    return decide_saving(session, LIFETIMES, now=now, failed=failed)


def set_b(session: Session) -> None:
    session["b"] = 2


def end_and_set(session: Session) -> None:
    session.logout()
    session["b"] = 2


def rotate_and_set(session: Session) -> None:
    session.regenerate()
    session["b"] = 2


BOTH = b'{"a":1,"b":2}'
ONLY_B = b'{"b":2}'


@pytest.mark.parametrize(
    ("found", "act", "saving"),
    [
        pytest.param(None, len, Keep(), id="S42 a read of nothing"),
        pytest.param(FOUND, len, Keep(), id="S26 a read"),
        pytest.param(FOUND, lambda s: s.update(a=1), Keep(), id="S23 an equal value"),
        pytest.param(None, set_b, Begin(None, None, ONLY_B), id="a first change"),
        pytest.param(FOUND, set_b, Save(FOUND, BOTH), id="S22 a change"),
        pytest.param(OLD, len, Save(OLD, OLD.data), id="C15 an old secret"),
        pytest.param(None, lambda s: s.clear(), Keep(), id="S24 cleared, had none"),
        pytest.param(FOUND, lambda s: s.clear(), End(FOUND), id="S24 cleared"),
        pytest.param(FOUND, lambda s: s.pop("a"), End(FOUND), id="S24 emptied"),
        pytest.param(USERS, lambda s: s.pop("a"), Save(USERS, b"{}"), id="emptied, signed in"),
        pytest.param(USERS, lambda s: s.logout(), End(USERS), id="S32 logout"),
        pytest.param(USERS, end_and_set, Begin(USERS, None, ONLY_B), id="S32 and on"),
        pytest.param(FOUND, lambda s: s.regenerate(), Rotate(FOUND, FOUND.data), id="S30"),
        pytest.param(FOUND, rotate_and_set, Rotate(FOUND, BOTH), id="S30 with a change"),
        pytest.param(None, lambda s: s.regenerate(), Keep(), id="S30 of nothing"),
        pytest.param(
            FOUND, lambda s: s.login("ada"), Begin(FOUND, "ada", FOUND.data), id="S31 login"
        ),
        pytest.param(None, lambda s: s.login("ada"), Begin(None, "ada", b"{}"), id="S31 first"),
        pytest.param(
            USERS, lambda s: s.login("bob"), Begin(USERS, "bob", b"{}"), id="S31 another user"
        ),
    ],
)
def test_what_becomes_of_it(
    found: Snapshot | None, act: Callable[[Session], object], saving: Saving
) -> None:
    assert decide(found, act) == saving


@pytest.mark.parametrize(
    ("act", "saving"),
    [
        pytest.param(set_b, Keep(), id="S39 a change must not replace what is only out of reach"),
        pytest.param(lambda s: s.login("ada"), Begin(None, "ada", b"{}"), id="S39 a login may"),
        pytest.param(lambda s: s.logout(), End(None), id="S39 a logout may"),
    ],
)
def test_a_session_that_could_not_be_read(act: Callable[[Session], object], saving: Saving) -> None:
    def detach(session: Session) -> None:
        session.is_detached = True
        act(session)

    assert decide(None, detach, had_cookie=True) == saving


def test_S24_junk_is_cleared_away() -> None:
    assert decide(None, lambda s: s.clear(), had_cookie=True) == End(None)


def test_S26_use_is_noted_when_due() -> None:
    assert decide(FOUND, len, now=NOW + 179) == Keep()
    assert decide(FOUND, len, now=NOW + 180) == Touch(FOUND)


@pytest.mark.parametrize(
    ("act", "saving"),
    [
        pytest.param(set_b, Keep(), id="S27 a change"),
        pytest.param(lambda s: s.login("ada"), Keep(), id="S27 a login"),
        pytest.param(lambda s: s.logout(), End(FOUND), id="S27 S32 an end is an end"),
        pytest.param(lambda s: s.update(a=object()), Keep(), id="S27 what JSON has no word for"),
    ],
)
def test_a_failed_response(act: Callable[[Session], object], saving: Saving) -> None:
    assert decide(FOUND, act, failed=True) == saving


data = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2))


@settings(max_examples=200, deadline=None)
@given(data, data, data)
def test_S34_merging_key_by_key(
    base: dict[str, object], ours: dict[str, object], theirs: dict[str, object]
) -> None:
    merged = merge_data(base, ours, theirs)
    for key in "abcd":
        changed = ours.get(key) != base.get(key) or (key in ours) != (key in base)
        expected = ours if changed else theirs
        assert (key in merged, merged.get(key)) == (key in expected, expected.get(key))
