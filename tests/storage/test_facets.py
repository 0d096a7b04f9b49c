"""The parts of a store."""

from __future__ import annotations

import pytest

from asgi_security.storage.facets import SWEEP_BATCH, FacetStore
from asgi_security.storage.memory import MemoryStore

pytestmark = pytest.mark.anyio


class Sweeping:
    """A facet of which so many rows have expired."""

    def __init__(self, expired: int) -> None:
        self.expired = expired

    async def sweep(self, now: float, limit: int) -> int:
        assert now == 5
        gone = min(self.expired, limit)
        self.expired -= gone
        return gone


class Standing:
    """A facet in which nothing expires."""


class Store(FacetStore):
    def __init__(self, own: dict[str, object], **given: object) -> None:
        self._install(own, given)


async def test_all_that_expires_is_swept_in_batches() -> None:
    store = Store({"once": Sweeping(2 * SWEEP_BATCH + 1), "audit": Standing()})
    assert await store.sweep(now=5) == 2 * SWEEP_BATCH + 1


async def test_a_given_facet_takes_the_place_and_is_not_swept() -> None:
    own, given = Sweeping(3), Sweeping(4)
    store = Store({"once": own}, once=given)
    assert vars(store)["once"] is given
    assert await store.sweep(now=5) == 3
    assert given.expired == 4


def test_None_is_not_given() -> None:
    own = Sweeping(0)
    assert vars(Store({"once": own}, once=None))["once"] is own


def test_a_misspelt_facet_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(TypeError, match="did you mean 'sessions'"):
        MemoryStore(session=object())  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="facets are attempts"):
        MemoryStore(zzz=object())  # type: ignore[call-arg]
