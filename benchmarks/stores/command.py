"""Runs `python -m benchmarks stores`: the operations of every backend beside a million keys.

Each backend is filled in a process of its own, facet by facet: SQL tables in bulk, and the others
through their own operations. Accounts, refresh families, API keys and audit records are at most
100 000. Redis is a server started for the run; PostgreSQL is the one that
`ASGI_SECURITY_TEST_POSTGRES_URL` names.
"""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from benchmarks.growth.memory import in_own_process
from benchmarks.stores.duels import DUELS, run_duels
from benchmarks.stores.filling import StoreResult, StoresEffort
from benchmarks.stores.measuring import measure_backend
from benchmarks.stores.places import BACKENDS
from benchmarks.stores.tables import print_stores

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.stores.duels import DuelResult

POSTGRES_URL = "postgresql://root@127.0.0.1:5432/test"
GROWTH_BUDGET = 1.5
"""How many times as long an operation may take beside a million keys as beside ten thousand."""
_FIRST_SIZE = 1_000
_KEYS, _FEW_KEYS = 1_000_000, 10_000

FULL = StoresEffort(
    sizes=(),
    calls=((1, 1_000), (32, 3_200), (256, 5_120)),
    batches=100,
    rounds=15,
    duel_calls=640,
)
QUICK = StoresEffort(
    sizes=(), calls=((1, 100), (32, 320), (256, 512)), batches=5, rounds=5, duel_calls=160
)


@dataclass(frozen=True, slots=True)
class Growth:
    """How much longer one operation takes, asked alone, beside the last size than beside 10 000."""

    backend: str
    facet: str
    operation: str
    small_us: float
    large_us: float
    ratio: float
    budget: float

    @property
    def met(self) -> bool:
        """Whether it stays within the budget."""
        return self.ratio <= self.budget


def build_sizes(keys: int) -> tuple[int, ...]:
    """Build the sizes up to so many keys, each ten times the one before.

    >>> build_sizes(100_000), build_sizes(2_000), build_sizes(10)
    ((1000, 10000, 100000), (1000, 2000), (10,))
    """
    sizes: list[int] = []
    size = _FIRST_SIZE
    while size < keys:
        sizes.append(size)
        size *= 10
    return (*sizes, keys)


def judge_growth(results: Sequence[StoreResult]) -> tuple[Growth, ...]:
    """Judge the growth of every operation that was asked of a small store too."""
    return tuple(
        Growth(
            result.backend,
            one.facet,
            one.operation,
            one.small_us,
            one.large_us,
            one.ratio,
            GROWTH_BUDGET,
        )
        for result in results
        for one in result.compared
    )


def run(effort: StoresEffort, backends: Sequence[str], postgres_url: str) -> Iterator[StoreResult]:
    """Measure the backends, one after the other, each in a fresh process."""
    for backend in backends:
        print(f"{backend} ...", file=sys.stderr, flush=True)
        try:
            yield in_own_process(measure_backend, backend, postgres_url, effort)
        except BrokenProcessPool:
            yield StoreResult(backend, fault="failed: its process was ended")


def build_part(
    results: Sequence[StoreResult], duels: Sequence[DuelResult], effort: StoresEffort
) -> dict[str, Any]:
    """Build the part of the JSON document that this command makes."""
    return {
        "stores": [asdict(result) for result in results],
        "stores_growth": [{**asdict(one), "met": one.met} for one in judge_growth(results)],
        "stores_duels": [{**asdict(duel), "met": duel.met} for duel in duels],
        "stores_effort": asdict(effort),
    }


def main(arguments: Sequence[str]) -> int:
    """Run what was asked for. 0, or 1 when a backend failed; never for timing."""
    from benchmarks.report import build_document, write_json

    parser = argparse.ArgumentParser(prog="python -m benchmarks stores", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{_FEW_KEYS} keys, fewer calls")
    parser.add_argument("--keys", type=int, metavar="N", help="of each facet, in each backend")
    parser.add_argument("--on", choices=BACKENDS, action="append", help="only that backend")
    parser.add_argument("--json", metavar="FILE", help="write the results there; - is stdout")
    options = parser.parse_args(arguments)
    keys = options.keys if options.keys is not None else _FEW_KEYS if options.quick else _KEYS
    if keys < 1:
        parser.error("--keys: give at least 1")
    effort = replace(QUICK if options.quick else FULL, sizes=build_sizes(keys))
    backends = options.on or BACKENDS
    postgres_url = os.environ.get("ASGI_SECURITY_TEST_POSTGRES_URL", POSTGRES_URL)
    results: list[StoreResult] = []
    for result in run(effort, backends, postgres_url):
        results.append(result)
        if options.json and options.json != "-":  # a run is long, and may be cut off
            write_json(build_document(build_part(results, (), effort)), options.json)
    chosen = [duel for duel in DUELS if duel.backend in backends]
    print("beside their peers ...", file=sys.stderr, flush=True)
    duels = in_own_process(run_duels, chosen, postgres_url, effort)
    print_stores(results, duels, judge_growth(results), to_stderr=options.json == "-")
    if options.json:
        write_json(build_document(build_part(results, duels, effort)), options.json)
    return 1 if any(result.fault for result in results) else 0
