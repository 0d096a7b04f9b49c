"""Tells the results of the servers as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from benchmarks.report import print_any, show_median

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.server.command import ServerRow, VariantResult


def _show_verdict(variant: VariantResult) -> str:
    if variant.met is None:
        return ""
    return "[green]met[/green]" if variant.met else "[red]not met[/red]"


def build_server_table(rows: Sequence[ServerRow]) -> Table:
    """Build the table: one block for each server, request and number of connections."""
    table = Table(title="Behind a real server: median of the rounds")
    for heading in ("run", "variant", "requests/s", "p50 ms", "p99 ms", "share", "CPU us"):
        table.add_column(heading, overflow="fold")
    table.add_column("CPU share")
    table.add_column("")
    for row in rows:
        name = f"{row.server} {row.request} x{row.connections}"
        for variant in row.variants:
            if variant.absent:
                table.add_row(name, f"{variant.name} [yellow]{variant.absent}[/yellow]")
            else:
                table.add_row(
                    name,
                    variant.name,
                    show_median(variant.throughput, "{:.0f}"),
                    show_median(variant.p50_ms, "{:.2f}"),
                    show_median(variant.p99_ms, "{:.2f}"),
                    show_median(variant.share, "{:.3f}"),
                    show_median(variant.cpu_us, "{:.0f}"),
                    show_median(variant.cpu_share, "{:.3f}"),
                    _show_verdict(variant),
                )
            name = ""
        if row.fault:
            table.add_row(name, f"[red]{row.fault}[/red]")
        table.add_section()
    return table


def print_servers(rows: Sequence[ServerRow], *, to_stderr: bool) -> None:
    """Print the table; beside a JSON document on stdout it goes to stderr."""
    print_any(build_server_table(rows), to_stderr=to_stderr)
