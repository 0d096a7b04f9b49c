"""What a use of one refresh token leads to, case by case."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from asgi_security import StorageError
from asgi_security.storage.protocols import FamilyGone, Retried, Reused, Rotated
from asgi_security.storage.refresh_steps import (
    StoredFamily,
    check_repeated,
    decide_advance,
    list_live,
)
from asgi_security.testing.contracts.expecting import START
from asgi_security.testing.contracts.refresh_lists import DAY, GRACE, build_family

if TYPE_CHECKING:
    from asgi_security.storage.protocols import Advance

FIFTH = build_family(generation=5)
NOW = START + 3
ROTATED = replace(FIFTH, generation=6, advanced_at=NOW, idle_expires_at=NOW + 7 * DAY)
ALIVE, ENDED = StoredFamily(FIFTH), StoredFamily(FIFTH, is_ended=True)


@pytest.mark.parametrize(
    ("present", "generation", "now", "answer", "change"),
    [
        pytest.param(None, 0, NOW, FamilyGone(), None, id="R87 absent"),
        pytest.param(ALIVE, 6, NOW, FamilyGone(), None, id="R87 yet to come"),
        pytest.param(ENDED, 6, NOW, FamilyGone(), None, id="R87 yet to come, of an ended one"),
        pytest.param(ALIVE, 5, NOW, Rotated(ROTATED), StoredFamily(ROTATED), id="R80 present"),
        pytest.param(ALIVE, 4, NOW, Retried(FIFTH), None, id="R81 within the grace"),
        pytest.param(ALIVE, 4, START - 9, Retried(FIFTH), None, id="R81 a clock that is behind"),
        pytest.param(
            ALIVE, 4, START + GRACE, Reused(FIFTH, 1, is_first=True), ENDED, id="R83 after it"
        ),
        pytest.param(ALIVE, 3, NOW, Reused(FIFTH, 2, is_first=True), ENDED, id="R82 within it"),
        pytest.param(ALIVE, 0, NOW, Reused(FIFTH, 5, is_first=True), ENDED, id="R85 an ancestor"),
        pytest.param(ENDED, 5, NOW, Reused(FIFTH, 0, is_first=False), None, id="R84 the lawful"),
        pytest.param(
            ENDED, 4, NOW, Reused(FIFTH, 1, is_first=False), None, id="R84 the one before"
        ),
    ],
)
def test_advance(
    present: StoredFamily | None,
    generation: int,
    now: float,
    answer: Advance,
    change: StoredFamily | None,
) -> None:
    got = decide_advance(
        present, generation, grace_seconds=GRACE, idle_expires_at=NOW + 7 * DAY, now=now
    )
    assert got == (answer, change)


def test_R80_an_advance_shortens_nothing() -> None:
    _, change = decide_advance(ALIVE, 5, grace_seconds=GRACE, idle_expires_at=0.0, now=NOW)
    assert change is not None
    assert change.family.idle_expires_at == FIFTH.idle_expires_at
    assert change.family.absolute_expires_at == FIFTH.absolute_expires_at


def test_R84_an_ended_family_is_known_as_long_as_its_tokens_could_live() -> None:
    assert ALIVE.expires_at == FIFTH.idle_expires_at
    assert ENDED.expires_at == FIFTH.absolute_expires_at
    late = replace(FIFTH, idle_expires_at=FIFTH.absolute_expires_at + 1)
    assert StoredFamily(late).expires_at == FIFTH.absolute_expires_at


def test_R80_an_opening_is_made_once() -> None:
    assert not check_repeated(None, FIFTH)
    assert check_repeated(ALIVE, build_family())
    assert check_repeated(ENDED, build_family())
    with pytest.raises(StorageError):
        check_repeated(ALIVE, build_family(handle="another"))


def test_P19_live_families_come_last_advanced_first() -> None:
    families = [build_family(name, advanced_at=at) for name, at in (("a", 1.0), ("b", 3.0))]
    twins = sorted((build_family(name, advanced_at=2.0) for name in "cd"), key=lambda f: f.digest)
    stored = [StoredFamily(each) for each in (*families, *twins)]
    wanted = (families[1], twins[1], twins[0], families[0])
    assert list_live([*stored, ENDED]) == wanted
