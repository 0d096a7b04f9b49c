"""Several processes that use one refresh token at once, through one store of each sort."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from asgi_security.testing.contracts.expecting import START
from asgi_security.testing.contracts.refresh_lists import build_family
from tests.storage import backends
from tests.storage.racers import Racers

if TYPE_CHECKING:
    from tests.storage.backends import Place

PROCESSES = 4


def run_round(racers: Racers) -> Counter[str]:
    """Let all begin at once and return the sum of their answers."""
    racers.wait()
    racers.begin()
    return sum((Counter(json.loads(line)) for line in racers.read()), Counter())


async def prepare(place: Place) -> None:
    async with place.open() as store:
        await store.refresh.open_family(build_family(), now=START)


@pytest.mark.parametrize("place", backends.SHARED, indirect=True)
def test_R81_R83_of_a_hundred_in_four_processes_one_rotates_and_one_alarms(place: Place) -> None:
    asyncio.run(prepare(place))
    with Racers("tests.storage.refresh_processes", place.to_json(), count=PROCESSES) as racers:
        assert run_round(racers) == {"Rotated": 1, "Retried": 99}
        assert run_round(racers) == {"Reused True": 1, "Reused False": 99}
        racers.finish()
