from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from asgi_security.policy.session_state import Session, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable


class Source:
    """Fills a session with one snapshot, and counts how often it is asked."""

    def __init__(self, found: Snapshot | None = None) -> None:
        self.found = found
        self.reads = 0

    def read(self, session: Session) -> None:
        self.reads += 1
        session.fill(self.found, had_cookie=self.found is not None)

    async def load(self, session: Session) -> None:
        self.read(session)


def snapshot(data: str = '{"a":1}', user: str | None = None) -> Snapshot:
    return Snapshot("h", user, 5.0, 6.0, data.encode(), cookie=b"the-cookie")


def open_session(found: Snapshot | None = None) -> Session:
    return Session(Source(found), ())


ACCESSES = [
    pytest.param(lambda s: s.get("a"), id="S21 get"),
    pytest.param(lambda s: s.get("nested"), id="S21 get missing"),
    pytest.param(lambda s: "a" in s, id="S21 in"),
    pytest.param(len, id="S21 len"),
    pytest.param(bool, id="S21 bool"),
    pytest.param(list, id="S21 iter"),
    pytest.param(lambda s: list(s.items()), id="S21 items"),
    pytest.param(lambda s: s["a"], id="S21 item"),
    pytest.param(lambda s: s.update(b=1), id="S21 update"),
    pytest.param(lambda s: s.clear(), id="S21 clear"),
    pytest.param(lambda s: s.user, id="S21 user"),
    pytest.param(lambda s: s.handle, id="S21 handle"),
    pytest.param(lambda s: s.is_new, id="S21 is_new"),
    pytest.param(lambda s: s.created_at, id="S21 created_at"),
    pytest.param(lambda s: s.login("ada"), id="S21 login"),
    pytest.param(lambda s: s.regenerate(), id="S21 regenerate"),
]


@pytest.mark.parametrize("access", ACCESSES)
def test_every_access_is_seen_and_reads_in_once(access: Callable[[Session], object]) -> None:
    source = Source(snapshot())
    session = Session(source, ())
    assert (session.accessed, session.is_filled, source.reads) == (False, False, 0)
    access(session)
    access(session)
    assert (session.accessed, session.is_filled, source.reads) == (True, True, 1)


def test_S20_neither_repr_nor_modified_touches_anything() -> None:
    session = open_session(snapshot())
    assert repr(session) == "<Session unread>"
    assert not session.modified
    assert not session.accessed
    len(session)
    assert repr(session) == "<Session 1 keys>"
    assert "cookie" not in repr(session.found)


@pytest.mark.parametrize("data", ["", "[1]", "nonsense", "[" * 5000])
def test_C18_data_that_is_none_is_no_session(data: str) -> None:
    session = open_session(snapshot(data, user="ada"))
    assert (dict(session), session.user, session.is_new) == ({}, None, True)
    assert session.had_cookie


def test_what_is_known_of_it() -> None:
    session = open_session(snapshot(user="ada"))
    assert (session.user, session.created_at, session.handle) == ("ada", 5.0, "h")
    assert not session.is_new
    fresh = open_session()
    assert (fresh.user, fresh.created_at, fresh.handle) == (None, None, None)
    assert fresh.is_new


@pytest.mark.parametrize(
    ("act", "change"),
    [
        pytest.param(lambda s: s["a"], None, id="S23 a look"),
        pytest.param(lambda s: s["l"], None, id="S23 a look at a list"),
        pytest.param(lambda s: s["l"].append(2), b'{"a":1,"l":[2]}', id="S23 nested"),
        pytest.param(lambda s: s.get("l").append(2), b'{"a":1,"l":[2]}', id="S23 nested, get"),
        pytest.param(lambda s: s.update(a=1), None, id="S23 equal"),
        pytest.param(lambda s: s.update(a=2), b'{"a":2,"l":[]}', id="S23 unequal"),
        pytest.param(lambda s: s.pop("a"), b'{"l":[]}', id="S23 removed"),
        pytest.param(lambda s: s.clear(), b"{}", id="S24 cleared"),
    ],
)
def test_changes(act: Callable[[Session], object], change: bytes | None) -> None:
    session = open_session(snapshot('{"a":1,"l":[]}'))
    act(session)
    assert session.encode_change() == change
    assert session.modified is (change is not None)


def test_S40_a_list_that_was_handed_in_or_out_may_change_unseen() -> None:
    acts: list[Callable[[Session], object]] = [
        lambda s: s.update(b=[]),
        lambda s: s["l"],
        lambda s: s.get("l"),
    ]
    for act in acts:
        session = open_session(snapshot('{"a":1,"l":[]}'))
        session["a"], session.get("a"), session["a"]
        assert not session.may_change_unseen
        act(session)
        assert session.may_change_unseen


@pytest.mark.parametrize(
    ("act", "marks"),
    [
        pytest.param(lambda s: s.regenerate(), (True, False, False), id="S30"),
        pytest.param(lambda s: s.logout(), (False, True, False), id="S32"),
        pytest.param(lambda s: s.login("ada"), (False, False, True), id="S31"),
    ],
)
def test_a_new_id_is_asked_for(
    act: Callable[[Session], object], marks: tuple[bool, bool, bool]
) -> None:
    session = open_session(snapshot())
    act(session)
    assert (session.rotates, session.ended, session.signed_in) == marks
    assert session.modified
    session.settle(snapshot("{}"), b"{}")
    assert (session.rotates, session.ended, session.signed_in) == (False, False, False)


@pytest.mark.parametrize(
    ("found", "act", "is_empty"),
    [
        (None, len, True),
        (snapshot(), len, False),
        (snapshot(), lambda s: s.pop("a"), True),
        (snapshot(user="ada"), lambda s: s.pop("a"), False),
        (snapshot(user="ada"), lambda s: s.clear(), True),
    ],
)
def test_empty_is_without_data_and_without_user(
    found: Snapshot | None,
    act: Callable[[Session], object],
    is_empty: bool,  # noqa: FBT001 -- a parametrized value
) -> None:
    session = open_session(found)
    act(session)
    assert session.is_empty == is_empty


def test_S34_merged_data_is_taken_over() -> None:
    session = open_session(snapshot())
    session["b"] = 2
    session.absorb(b'{"a":1,"b":2,"c":3}')
    session.settle(snapshot(), b'{"a":1,"b":2,"c":3}')
    session["d"] = 4
    assert session.encode_change() == b'{"a":1,"b":2,"c":3,"d":4}'


@pytest.mark.parametrize(
    ("before", "user", "data"),
    [
        pytest.param(None, "ada", {"a": 1}, id="S31 an anonymous cart is kept"),
        pytest.param("ada", "ada", {"a": 1}, id="S31 the same user's data is kept"),
        pytest.param("bob", "ada", {}, id="S31 another user's data is not"),
    ],
)
def test_login(before: str | None, user: str, data: dict[str, Any]) -> None:
    session = open_session(snapshot(user=before))
    session.login(user)
    assert (session.user, dict(session)) == (user, data)


def test_S31_a_login_after_a_logout_is_one() -> None:
    session = open_session(snapshot(user="ada"))
    session.logout()
    session.login("bob")
    session["b"] = 1
    assert (session.user, dict(session), session.ended) == ("bob", {"b": 1}, True)


@pytest.mark.parametrize(
    "act",
    [
        lambda s: s.login(""),
        lambda s: s.login(None),
        lambda s: s.login(7),
        lambda s: s.__setitem__(7, 1),
        lambda s: s.__setitem__(None, 1),
    ],
)
def test_what_is_no_name(act: Callable[[Session], object]) -> None:
    with pytest.raises(TypeError, match="string"):
        act(open_session())


@pytest.mark.parametrize("is_open_ended", [False, True])
def test_S40_W106_after_the_start(is_open_ended: bool) -> None:  # noqa: FBT001
    session = open_session(snapshot())
    session.closed, session.is_open_ended = True, is_open_ended
    assert session["a"] == 1
    writes: list[Callable[[], object]] = [
        lambda: session.update(b=1),
        lambda: session.pop("a"),
        session.clear,
    ]
    for write in writes:
        if is_open_ended:
            write()
        else:
            with pytest.raises(RuntimeError, match="response has started"):
                write()
    renewals: list[Callable[[], object]] = [lambda: session.login("ada"), session.regenerate]
    for renew in renewals:
        with pytest.raises(RuntimeError, match="response has started"):
            renew()


@pytest.mark.anyio
async def test_load_asks_the_source() -> None:
    session = open_session(snapshot())
    await session.load()
    assert session.is_filled
    assert not session.accessed


keys = st.sampled_from(["a", "b", "c"])
values = st.none() | st.integers(0, 2) | st.lists(st.integers(0, 2), max_size=2)


class SessionMachine(RuleBasedStateMachine):
    """A session beside a dict: same content always, and a change is seen exactly when it is one."""

    @initialize(found=st.none() | st.dictionaries(keys, values))
    def begin(self, found: dict[str, Any] | None) -> None:
        text = json.dumps(found or {}, separators=(",", ":"))
        self.model: dict[str, Any] = json.loads(text)
        self.before = text.encode()
        self.session = open_session(None if found is None else snapshot(text))

    def encode(self) -> bytes:
        return json.dumps(self.model, separators=(",", ":")).encode()

    @rule(key=keys, value=values)
    def put(self, key: str, value: Any) -> None:
        self.session[key] = value
        self.model[key] = value if not isinstance(value, list) else list(value)

    @rule(key=keys)
    def take(self, key: str) -> None:
        assert self.session.pop(key, "none") == self.model.pop(key, "none")

    @rule(key=keys, value=values)
    def default(self, key: str, value: Any) -> None:
        self.session.setdefault(key, value)
        self.model.setdefault(key, list(value) if isinstance(value, list) else value)

    @rule(key=keys)
    def change_within(self, key: str) -> None:
        inner = self.session.get(key)
        if isinstance(inner, list):
            inner.append(9)
            self.model[key].append(9)

    @rule()
    def clear(self) -> None:
        self.session.clear()
        self.model.clear()

    @rule()
    def save(self) -> None:
        data = self.session.encode_change()
        self.session.settle(snapshot(), self.before if data is None else data)
        self.before = self.encode()

    @invariant()
    def they_agree(self) -> None:
        if not hasattr(self, "session"):
            return
        assert self.session == self.model
        assert list(self.session) == list(self.model)
        change = self.encode() if self.encode() != self.before else None
        assert self.session.encode_change() == change


TestSessionMachine = SessionMachine.TestCase
TestSessionMachine.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
