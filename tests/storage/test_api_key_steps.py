"""Each decision about an API key, case by case."""

from __future__ import annotations

from dataclasses import replace

import pytest

from asgi_security.errors import StorageError
from asgi_security.storage.api_key_steps import check_repeated, move_used_at, sort_keys
from asgi_security.testing.contracts.api_keys import build_key
from asgi_security.testing.contracts.expecting import build_digest

KEY = build_key()


def test_P50_created_before() -> None:
    assert not check_repeated(None, KEY)
    assert check_repeated(replace(KEY, revoked_at=1.0, used_at=2.0), KEY)
    for other in (replace(KEY, account="bob"), replace(KEY, digest=build_digest("else"))):
        with pytest.raises(StorageError, match="id"):
            check_repeated(other, KEY)


@pytest.mark.parametrize(
    ("stored", "used_at", "wanted"),
    [
        pytest.param(None, 5.0, 5.0, id="P50 first"),
        pytest.param(4.0, 5.0, 5.0, id="P50 later"),
        pytest.param(6.0, 5.0, 6.0, id="P50 earlier"),
    ],
)
def test_used_at_never_goes_back(stored: float | None, used_at: float, wanted: float) -> None:
    assert move_used_at(replace(KEY, used_at=stored), used_at) == replace(KEY, used_at=wanted)


def test_the_newest_first_then_by_id() -> None:
    keys = [build_key(name, created_at=at) for name, at in (("b", 1), ("a", 1), ("c", 2))]
    assert [key.id for key in sort_keys(keys)] == ["c", "a", "b"]
