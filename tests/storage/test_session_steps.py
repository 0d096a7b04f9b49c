"""What a change of one session leads to, case by case."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from asgi_security import StorageError
from asgi_security.storage.protocols import Conflict, Created, Gone, LimitReached, Saved
from asgi_security.storage.session_steps import (
    check_repeated,
    decide_replace,
    decide_room,
    decide_save,
)
from asgi_security.testing.contracts.expecting import START, build_session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.storage.protocols import SessionRecord
    from asgi_security.storage.session_steps import Change

OLD = build_session()
SECOND = replace(OLD, data=b"second", version=2)
NEW = build_session("new")
LIVING = NEW_STORED = replace(NEW, version=2)
OTHERS = [build_session(f"{number}", seen_at=START - number) for number in range(3)]


@pytest.mark.parametrize(
    ("current", "record", "wanted"),
    [
        pytest.param(None, OLD, Gone(), id="S33 gone"),
        pytest.param(OLD, replace(OLD, data=b"second"), SECOND, id="S34 at its version"),
        pytest.param(
            OLD,
            replace(NEW, digest=OLD.digest, data=b"second", absolute_expires_at=0.0),
            SECOND,
            id="S34 what stays as it is stored",
        ),
        pytest.param(SECOND, replace(OLD, data=b"second"), Saved(2), id="S34 made before"),
        pytest.param(SECOND, replace(OLD, data=b"other"), Conflict(SECOND), id="S34 too late"),
        pytest.param(OLD, SECOND, Conflict(OLD), id="S34 from the future"),
    ],
)
def test_save(current: SessionRecord | None, record: SessionRecord, wanted: Change) -> None:
    assert decide_save(current, record) == wanted


@pytest.mark.parametrize(
    ("current", "standing", "wanted"),
    [
        pytest.param(None, None, Gone(), id="S33 gone"),
        pytest.param(OLD, None, NEW_STORED, id="S30 at its version"),
        pytest.param(None, NEW_STORED, Saved(2), id="S30 made before"),
        pytest.param(None, replace(NEW_STORED, data=b"x"), Gone(), id="S30 another stands there"),
        pytest.param(SECOND, None, Conflict(SECOND), id="S30 too late"),
        pytest.param(OLD, LIVING, Conflict(OLD), id="S30 the new digest is taken"),
    ],
)
def test_replace(
    current: SessionRecord | None, standing: SessionRecord | None, wanted: Change
) -> None:
    assert decide_replace(current, standing, NEW) == wanted


def test_S30_replace_under_the_same_digest() -> None:
    assert decide_replace(OLD, OLD, replace(OLD, data=b"second")) == SECOND


@pytest.mark.parametrize(
    ("limit", "evict", "wanted"),
    [
        pytest.param(None, False, [], id="S36 no limit"),
        pytest.param(4, False, [], id="S36 room for one more"),
        pytest.param(3, True, [OTHERS[2]], id="S36 longest unseen goes"),
        pytest.param(1, True, OTHERS[::-1], id="S36 longest unseen first"),
        pytest.param(3, False, LimitReached(), id="S36 refused"),
        pytest.param(0, True, LimitReached(), id="S36 none allowed"),
        pytest.param(-1, True, LimitReached(), id="S36 less than none"),
    ],
)
def test_room(
    limit: int | None, *, evict: bool, wanted: Sequence[SessionRecord] | LimitReached
) -> None:
    room = decide_room(OTHERS, limit, evict=evict)
    assert (room if isinstance(room, LimitReached) else list(room)) == wanted


def test_S28_created_before() -> None:
    assert check_repeated(None, OLD) is None
    assert check_repeated(replace(OLD, seen_at=START + 1, version=7), OLD) == Created()
    with pytest.raises(StorageError):
        check_repeated(replace(OLD, handle="another"), OLD)
