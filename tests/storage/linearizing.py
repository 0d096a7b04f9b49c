"""Tells whether what concurrent callers saw could have come of one call at a time.

A history is linearizable if its calls can be put in an order that keeps every call that ended
before another began in front of it, and in which a model answers what the callers were answered.

Source: Wing and Gong, Testing and Verifying Concurrent Objects (1993), with the memoisation of
Lowe, Testing for Linearizability (2017): a set of calls done and a state are looked at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    State: TypeAlias = Hashable
    Step: TypeAlias = Callable[[Any, Any], tuple[object, State]]
    """From a state and an act to the answer and the next state; pure."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call as its caller saw it, between two instants of a clock that all callers share."""

    act: Any
    answer: object
    begin: int
    end: int


def is_linearizable(history: Sequence[Call], step: Step, state: State) -> bool:
    """Tell whether some order of the calls explains all of their answers."""
    done_at_last = (1 << len(history)) - 1
    seen: set[tuple[int, State]] = set()
    todo: list[tuple[int, State]] = [(0, state)]
    while todo:
        done, now = todo.pop()
        if done == done_at_last:
            return True
        if (done, now) in seen:
            continue
        seen.add((done, now))
        waiting = [number for number in range(len(history)) if not done >> number & 1]
        # Whoever began after another had ended cannot come before it.
        earliest_end = min(history[number].end for number in waiting)
        for number in waiting:
            call = history[number]
            if call.begin <= earliest_end:
                answer, following = step(now, call.act)
                if answer == call.answer:
                    todo.append((done | 1 << number, following))
    return False
