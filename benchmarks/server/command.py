"""Runs `python -m benchmarks server`: what each variant keeps of the bare app's throughput.

All variants run at once, each in a process of its own; only one is loaded at a time, in rounds
that rotate. The share is made within a round. Beside it stands the share by processor time, which
other programs on the machine disturb less.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.cases.jwt import SECRETS, build_token
from benchmarks.measure import compute_order, compute_quartiles, find_disagreement
from benchmarks.rows import BARE, OURS
from benchmarks.server.driving import find_generator, load_server
from benchmarks.server.processes import SERVERS, is_installed, serve_all
from benchmarks.server.tables import print_servers
from benchmarks.server.wire import (
    REQUESTS,
    build_lines,
    build_request,
    show_answer,
    show_guards,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.measure import Quartiles
    from benchmarks.server.driving import Sample
    from benchmarks.server.processes import Served

BUDGET = 0.50
"""What design section 9 asks ours to keep of the bare throughput."""
CONNECTIONS = (1, 32)


@dataclass(frozen=True, slots=True)
class ServerEffort:
    """How long to load: `rounds` of `seconds` for each variant, request and connection count."""

    rounds: int
    seconds: float


FULL = ServerEffort(rounds=7, seconds=1.5)
QUICK = ServerEffort(rounds=2, seconds=0.4)


@dataclass(frozen=True, slots=True)
class VariantResult:
    """What became of one variant; `share` and `cpu_share` are of the bare app's."""

    name: str
    throughput: Quartiles | None = None
    p50_ms: Quartiles | None = None
    p99_ms: Quartiles | None = None
    share: Quartiles | None = None
    cpu_us: Quartiles | None = None
    cpu_share: Quartiles | None = None
    absent: str = ""

    @property
    def met(self) -> bool | None:
        """Whether ours keeps the share of the budget; None for all others."""
        if self.name != OURS or self.share is None:
            return None
        return self.share.median >= BUDGET


@dataclass(frozen=True, slots=True)
class ServerRow:
    """One server, one kind of request, one number of connections."""

    server: str
    request: str
    connections: int
    variants: tuple[VariantResult, ...] = ()
    fault: str = ""


def summarise(name: str, samples: Sequence[Sample], bare: Sequence[Sample]) -> VariantResult:
    """Summarise the rounds of one variant beside those of the bare app."""
    pairs = list(zip(samples, bare, strict=True))
    costs = [one.cpu_us for one in samples if one.cpu_us]
    shares = [base.cpu_us / one.cpu_us for one, base in pairs if one.cpu_us and base.cpu_us]
    return VariantResult(
        name,
        throughput=compute_quartiles([one.throughput for one in samples]),
        p50_ms=compute_quartiles([one.p50_ms for one in samples]),
        p99_ms=compute_quartiles([one.p99_ms for one in samples]),
        share=compute_quartiles([one.throughput / base.throughput for one, base in pairs]),
        cpu_us=compute_quartiles(costs) if costs else None,
        cpu_share=compute_quartiles(shares) if shares else None,
    )


def check(running: Sequence[Served], token: bytes) -> str | None:
    """Compare the answers on the wire; the bare app knows nobody, so it is left out."""
    guarded = [served for served in running if served.name != BARE]
    for kind in REQUESTS:
        lines = {one.name: build_lines(one.name, kind, token) for one in guarded}
        fault = find_disagreement({one.name: show_answer(one, lines[one.name]) for one in guarded})
        if fault:
            return f"{kind}: {fault}"
    return find_disagreement({one.name: show_guards(one, lines[one.name]) for one in guarded})


def measure_server(server: str, effort: ServerEffort) -> list[ServerRow]:
    """Run all variants on one server, check their answers, and load them."""
    token = build_token(SECRETS[0])
    with serve_all(server) as (running, absent):
        missing = tuple(VariantResult(name, absent=why) for name, why in absent.items())
        names = [served.name for served in running]
        if not {BARE, OURS} <= set(names):
            told = "; ".join(f"{name}: {why}" for name, why in absent.items())
            return [ServerRow(server, "", 0, missing, f"did not start: {told}")]
        fault = check(running, token)
        if fault:
            return [ServerRow(server, "", 0, missing, fault)]
        rows: list[ServerRow] = []
        for kind in REQUESTS:
            requests = [build_request(build_lines(name, kind, token)) for name in names]
            for connections in CONNECTIONS:
                print(f"{server}, {kind}, {connections} ...", file=sys.stderr, flush=True)
                found = _measure(running, requests, connections, effort)
                bare = found[names.index(BARE)]
                results = tuple(
                    summarise(name, samples, bare)
                    for name, samples in zip(names, found, strict=True)
                )
                rows.append(ServerRow(server, kind, connections, (*results, *missing)))
        return rows


def _measure(
    running: Sequence[Served], requests: Sequence[bytes], connections: int, effort: ServerEffort
) -> list[list[Sample]]:
    found: list[list[Sample]] = [[] for _ in running]
    for index in range(effort.rounds):
        for at in compute_order(len(running), index):
            sample = load_server(
                running[at], requests[at], connections=connections, seconds=effort.seconds
            )
            found[at].append(sample)
    return found


def build_part(rows: Sequence[ServerRow], effort: ServerEffort) -> dict[str, Any]:
    """Build the part of the JSON document that this command makes."""
    shown = [
        {
            **asdict(row),
            "variants": [{**asdict(one), "met": one.met} for one in row.variants],
        }
        for row in rows
    ]
    return {
        "server": shown,
        "server_effort": {**asdict(effort), "budget": BUDGET, "generator": find_generator()},
    }


def run(effort: ServerEffort, servers: Sequence[str] = tuple(SERVERS)) -> list[ServerRow]:
    """Measure on every server; one that fails or is missing becomes a row that says so."""
    rows: list[ServerRow] = []
    for server in servers:
        if not is_installed(server):
            rows.append(ServerRow(server, "", 0, fault="missing: not installed"))
            continue
        try:
            rows.extend(measure_server(server, effort))
        except Exception as error:  # noqa: BLE001 -- reported in the row and in the exit code
            rows.append(ServerRow(server, "", 0, fault=f"failed: {error!r}"))
    return rows


def main(arguments: Sequence[str]) -> int:
    """Run what was asked for. 0, or 1 when answers differ or a server failed."""
    from benchmarks.report import build_document, write_json

    parser = argparse.ArgumentParser(prog="python -m benchmarks server", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="uvicorn alone, within half a minute")
    parser.add_argument("--on", choices=SERVERS, action="append", help="only on that server")
    parser.add_argument("--json", metavar="FILE", help="write the results there; - is stdout")
    options = parser.parse_args(arguments)
    effort = QUICK if options.quick else FULL
    servers = options.on or (["uvicorn"] if options.quick else list(SERVERS))
    rows = run(effort, servers)
    print_servers(rows, to_stderr=options.json == "-")
    if options.json:
        write_json(build_document(build_part(rows, effort)), options.json)
    return 1 if any(row.fault and not row.fault.startswith("missing") for row in rows) else 0
