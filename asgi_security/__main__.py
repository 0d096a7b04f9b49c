"""Advises: the command line, `asgi-security` or `python -m asgi_security`."""

from __future__ import annotations

import argparse
import secrets
import sys
from typing import TYPE_CHECKING

from asgi_security.commands.audit_log import add_audit_log, run_audit_log
from asgi_security.commands.store import add_store, run_store

if TYPE_CHECKING:
    from collections.abc import Sequence

_SECRET_BYTES = 48


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="asgi-security", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    demo = commands.add_parser("demo", help="walk a guarded app over real HTTP, step by step")
    demo.add_argument("--serve", action="store_true", help="leave it running, with a page to see")
    demo.add_argument("--port", type=int, default=0, help="loopback port; 0 takes a free one")

    keys = commands.add_parser("keys", help="make secrets")
    actions = keys.add_subparsers(dest="action", required=True)
    new = actions.add_parser("new", help=f"print a new secret of {_SECRET_BYTES} random bytes")
    new.add_argument("--count", type=int, default=1, help="how many, one a line")
    add_store(commands)
    add_audit_log(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    chosen = _build_parser().parse_args(arguments)
    if chosen.command == "keys":
        for _ in range(chosen.count):
            print(secrets.token_urlsafe(_SECRET_BYTES))
        return 0
    if chosen.command == "store":
        return run_store(chosen)
    if chosen.command == "audit-log":
        return run_audit_log(chosen)
    try:
        from asgi_security.demo import run_demo  # noqa: PLC0415 -- it needs the extra
    except ImportError as error:
        print(f"the demo needs its extra: pip install 'asgi-security[demo]' ({error})")
        return 2
    return run_demo(serve=chosen.serve, port=chosen.port)


if __name__ == "__main__":
    sys.exit(main())
