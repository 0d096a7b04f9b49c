"""The judge of histories: what it accepts, what it refuses, and that it agrees with a search."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.storage.linearizing import Call, is_linearizable

if TYPE_CHECKING:
    from collections.abc import Sequence


def step(state: int, act: tuple[str, int]) -> tuple[object, int]:
    """A register: `write` answers nothing, `read` the number, `add` the number before."""
    what, number = act
    if what == "write":
        return None, number
    return state, state + number


READ = ("read", 0)


@pytest.mark.parametrize(
    ("history", "is_fine"),
    [
        pytest.param([], True, id="nothing"),
        pytest.param([Call(READ, 0, 0, 1)], True, id="a read of the beginning"),
        pytest.param([Call(READ, 1, 0, 1)], False, id="a read of what nobody wrote"),
        pytest.param(
            [Call(("write", 1), None, 0, 1), Call(READ, 0, 2, 3)], False, id="a stale read"
        ),
        pytest.param(
            [Call(("write", 1), None, 0, 3), Call(READ, 0, 1, 2)], True, id="a read meanwhile"
        ),
        pytest.param(
            [Call(("write", 1), None, 0, 9), Call(READ, 1, 1, 2), Call(READ, 0, 3, 4)],
            False,
            id="a read that goes back",
        ),
        pytest.param(
            [Call(("write", 1), None, 0, 9), Call(READ, 0, 1, 2), Call(READ, 1, 3, 4)],
            True,
            id="a read that goes on",
        ),
        pytest.param(
            [Call(("add", 1), 0, 0, 2), Call(("add", 1), 0, 1, 3)], False, id="a lost update"
        ),
        pytest.param(
            [Call(("add", 1), 1, 0, 2), Call(("add", 1), 0, 1, 3)], True, id="either order"
        ),
        pytest.param(
            [Call(("add", 1), 1, 0, 1), Call(("add", 1), 0, 2, 3)], False, id="the wrong order"
        ),
        pytest.param(
            [
                *(Call(("write", 1), None, 0, 5), Call(("write", 2), None, 0, 5)),
                *(Call(READ, 1, 6, 9), Call(READ, 2, 6, 9)),
            ],
            False,
            id="two readers who disagree for good",
        ),
    ],
)
def test_known_histories(history: Sequence[Call], is_fine: bool) -> None:  # noqa: FBT001
    assert is_linearizable(history, step, 0) is is_fine


def search(history: Sequence[Call]) -> bool:
    """Try every order."""
    for order in permutations(history):
        state, fits = 0, True
        for place, call in enumerate(order):
            answer, state = step(state, call.act)
            fits &= answer == call.answer
            fits &= all(call.begin <= later.end for later in order[place + 1 :])
        if fits:
            return True
    return not history


ACTS = st.tuples(st.sampled_from(["write", "read", "add"]), st.integers(0, 2)).map(
    lambda act: READ if act[0] == "read" else act
)
CALLS = st.builds(
    lambda act, answer, begin, length: Call(
        act, None if act[0] == "write" else answer, begin, begin + length
    ),
    ACTS,
    st.integers(0, 3),
    st.integers(0, 8),
    st.integers(0, 5),
)


@given(st.lists(CALLS, max_size=5))
def test_it_agrees_with_a_search_of_all_orders(history: list[Call]) -> None:
    assert is_linearizable(history, step, 0) is search(history)


def test_many_calls_at_once_are_judged_soon() -> None:
    """All orders of 18 calls are 6 402 373 705 728 000; of their states there are few."""
    history = [Call(("add", 1), number, 0, 99) for number in range(17)]
    assert is_linearizable([*history, Call(READ, 17, 0, 99)], step, 0)
    assert not is_linearizable([*history, Call(READ, 99, 0, 99)], step, 0)
