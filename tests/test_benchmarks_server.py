"""The benchmarks behind a server: its arithmetic, its honesty, and one real run in miniature."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.__main__ import main
from benchmarks.cases.jwt import SECRETS, build_token
from benchmarks.driving import ask, build_scope
from benchmarks.measure import Quartiles
from benchmarks.rows import BARE, OURS
from benchmarks.server import command, processes
from benchmarks.server.command import ServerRow, VariantResult, summarise
from benchmarks.server.driving import LoadError, Sample, load_server, parse_wrk
from benchmarks.server.load import compute_length, compute_percentile
from benchmarks.server.processes import StartError, read_cpu_seconds, serve
from benchmarks.server.tables import build_server_table
from benchmarks.server.variants import CLASSES, FACTORIES, PEERS, STARLETTE, WRAPS, app
from benchmarks.server.wire import CREDENTIALS, PLAIN, build_lines, build_request, fetch

if TYPE_CHECKING:
    from benchmarks.server.command import ServerEffort

WRK = """\
Running 1s test @ http://127.0.0.1:8000/
  1 threads and 32 connections
  Latency Distribution
     50%  650.00us
     75%    1.00ms
     99%    1.20ms
  4321 requests in 1.00s, 0.52MB read
Requests/sec:   4300.50
Transfer/sec:    530.00KB
"""


@pytest.mark.parametrize(
    ("data", "length"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", None, id="head incomplete"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", 27, id="no length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh", 40, id="body incomplete"),
    ],
)
def test_the_length_of_a_response(data: bytes, length: int | None) -> None:
    assert compute_length(data) == length


@given(st.lists(st.floats(0, 1e3), min_size=1, max_size=50), st.integers(1, 100))
def test_a_percentile_is_one_of_the_numbers(values: list[float], percent: int) -> None:
    ordered = sorted(values)
    found = compute_percentile(ordered, percent)
    at_most = sum(1 for value in ordered if value <= found)
    assert found in ordered
    assert at_most * 100 >= percent * len(ordered)


def test_wrk_is_understood() -> None:
    assert parse_wrk(WRK) == (Sample(4300.5, 0.65, 1.2), 4321)


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(WRK + "Non-2xx or 3xx responses: 3\n", id="other answers"),
        pytest.param(WRK + "Socket errors: connect 0, read 3, write 0, timeout 0\n", id="errors"),
        pytest.param("unable to connect", id="something else"),
    ],
)
def test_wrk_that_failed_gives_no_sample(told: str) -> None:
    with pytest.raises(LoadError):
        parse_wrk(told)


def test_shares_are_made_within_a_round() -> None:
    # The machine was ten times slower in the second round: the share does not notice.
    bare = [Sample(1000.0, 1.0, 2.0, 10.0), Sample(100.0, 10.0, 20.0, 20.0)]
    ours = [Sample(600.0, 1.5, 3.0, 20.0), Sample(60.0, 15.0, 30.0, 40.0)]
    result = summarise(OURS, ours, bare)
    assert result.share == Quartiles(0.6, 0.6, 0.6)
    assert result.cpu_share == Quartiles(0.5, 0.5, 0.5)
    assert result.met is True


def test_without_processor_time_there_is_no_share_of_it() -> None:
    result = summarise("peers", [Sample(1.0, 1.0, 1.0)], [Sample(2.0, 1.0, 1.0)])
    assert result.cpu_us is None
    assert result.cpu_share is None
    assert result.met is None


def test_a_share_below_the_budget_is_told() -> None:
    low = VariantResult(OURS, share=Quartiles(0.4, 0.49, 0.6))
    assert low.met is False
    absent = VariantResult(PEERS, absent="No module named 'Secweb'")
    rows = [ServerRow("uvicorn", PLAIN, 1, (low, absent)), ServerRow("granian", "", 0, fault="odd")]
    table = build_server_table(rows)
    assert table.row_count == 3
    assert any("not met" in str(cell) for cell in table.columns[-1].cells)


@pytest.mark.parametrize("kind", [PLAIN, CREDENTIALS])
@pytest.mark.parametrize("variant", [OURS, STARLETTE, PEERS, CLASSES])
def test_every_variant_shows_the_app_the_same(variant: str, kind: str) -> None:
    for peer in ("Secweb", "starsessions", "limits", "joserfc"):
        pytest.importorskip(peer, reason="pip install 'asgi-security[bench]'")
    lines = build_lines(variant, kind, build_token(SECRETS[0]))
    answered = ask(WRAPS[variant](app), build_scope(*lines, path="/who"))
    body = json.loads(b"".join(message.get("body", b"") for message in answered.messages))
    known = kind == CREDENTIALS
    assert body == {
        "user": "alice@example.com" if known else None,
        "subject": "user-1234567890" if known else None,
    }


def test_every_variant_has_a_factory_that_a_server_finds() -> None:
    from benchmarks.server import variants  # noqa: PLC0415 -- only this test wants all of it

    assert list(FACTORIES) == list(WRAPS)
    assert all(callable(getattr(variants, name)) for name in FACTORIES.values())


def test_an_app_can_be_asked_while_a_loop_runs() -> None:
    async def within() -> int:
        return ask(WRAPS[BARE](app), build_scope()).status

    assert asyncio.run(within()) == 200


def test_own_processor_time_is_read_where_there_is_proc() -> None:
    own = read_cpu_seconds(os.getpid())
    assert own is None or own > 0
    assert read_cpu_seconds(-1) is None


def test_a_server_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "FACTORIES", {BARE: "no_such_factory"})
    with pytest.raises(StartError, match="no_such_factory"), serve("uvicorn", BARE):
        pass


def test_one_real_server_is_loaded() -> None:
    with serve("uvicorn", BARE) as served:
        answered, body = fetch(served.port, build_request([]))
        assert (answered.status, body) == (200, b"Hello, world!")
        sample = load_server(served, build_request([]), connections=2, seconds=0.05)
        assert sample.throughput > 0
        with pytest.raises(LoadError, match="no 200"):
            load_server(
                served,
                build_request([], method="POST", path="/login"),
                connections=1,
                seconds=0.02,
            )


def test_a_server_that_is_missing_is_a_row_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "is_installed", lambda server: False)
    assert main(["server", "--quick", "--json", "-"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["server"]
    assert row["fault"] == "missing: not installed"


def test_a_server_that_fails_is_a_row_and_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(server: str, effort: ServerEffort) -> list[ServerRow]:
        raise LoadError("of this server")

    monkeypatch.setattr(command, "measure_server", fail)
    assert main(["server", "--on", "uvicorn"]) == 1
    assert "of this server" in capsys.readouterr().out
