"""Advises: `asgi-security audit-log`, for whoever answers for the log: verify, keep, carry away.

0 is verified, 1 is broken, 2 a wrong usage, 3 a log that could not be read. Secrets come from a
variable or a file, never from an argument, which everyone on the machine can see.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import aclosing
from dataclasses import dataclass
from itertools import chain as join
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from asgi_security.auth.defaults import DerivedSecrets
from asgi_security.crypto.audit_lines import ExportedRecord, parse_line
from asgi_security.crypto.audit_seals import parse_checkpoint
from asgi_security.errors import ConfigError, StorageError
from asgi_security.flows.audit import AuditConfig, AuditLog, Broken, Empty, verify_export
from asgi_security.policy.audit import name_chain, parse_chain
from asgi_security.settings import load_secret, load_store_url
from asgi_security.storage.opening import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from asgi_security.crypto.audit_chain import Verification
    from asgi_security.secret import Secret

VERIFIED, BROKEN, USAGE, UNREADABLE = 0, 1, 2, 3

_TIMEOUT_SECONDS = 30.0

_Anchors: TypeAlias = "Mapping[str, str]"
"""The last checkpoint that was kept of each chain."""


def add_audit_log(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `audit-log` and its actions to the command line."""
    log = commands.add_parser("audit-log", help="verify, export or anchor the audit log")
    actions = log.add_subparsers(dest="action", required=True)
    verify = actions.add_parser("verify", help="read every record: 0 if all are as written, else 1")
    verify.add_argument("--anchors", metavar="FILE", help="checkpoints that were kept elsewhere")
    export = actions.add_parser("export", help="print the records of one chain as lines")
    checkpoint = actions.add_parser("checkpoint", help="print a line to keep for each chain")
    rotate = actions.add_parser("rotate", help="go on under the first secret; the others end")
    for action in (verify, export, checkpoint, rotate):
        given = action.add_mutually_exclusive_group(required=True)
        given.add_argument("--url", help="sqlite:///file, redis://host/0, postgresql://host/data")
        given.add_argument("--url-env", metavar="NAME", help="the variable that holds the URL")
        if action is verify:
            given.add_argument("--export", metavar="FILE", help="verify this file, and no store")
        action.add_argument(
            "--secret-env",
            metavar="NAME",
            action="append",
            default=[],
            help="a variable with a secret; once more for each retired one",
        )
        action.add_argument(
            "--secret-file", metavar="FILE", help="a secret a line, the current one first"
        )
        action.add_argument(
            "--of-auth",
            action="store_true",
            help="the secrets are those of an Auth, which derives the log's from them",
        )
        action.add_argument(
            "--unkeyed", action="store_true", help="accept records that were sealed without a key"
        )
        # Taken, and refused later: argparse would print a secret that stands without its option.
        action.add_argument("stray", nargs="*", help=argparse.SUPPRESS)
    for action in (verify, export, checkpoint):
        which = action.add_mutually_exclusive_group()
        which.add_argument("--tenant", help="the chain of this tenant alone")
        which.add_argument("--no-tenant", action="store_true", help="the chain of none alone")


def run_audit_log(chosen: argparse.Namespace) -> int:
    """Run one action, and return what the module's text says."""
    if chosen.stray:
        return _complain("give every value with its option, and nothing else", USAGE)
    try:
        config = _load_config(chosen)
        if chosen.action == "verify" and chosen.export is not None:
            return _verify_file(chosen, config)
        return _run_with_store(chosen, config)
    except (ConfigError, OSError, ValueError) as error:
        return _complain(str(error), USAGE)
    except StorageError as error:
        return _complain(str(error), UNREADABLE)


def _run_with_store(chosen: argparse.Namespace, config: AuditConfig) -> int:
    url = chosen.url
    if url is None:
        url = load_store_url(chosen.url_env).reveal().decode()
    action = _ACTIONS[chosen.action]
    store = open_store(url)

    async def run() -> int:
        async with store:
            return await action(chosen, AuditLog(config, store))

    return asyncio.run(run())


def _load_config(chosen: argparse.Namespace) -> AuditConfig:
    secrets: list[Secret | str] = [load_secret(name) for name in chosen.secret_env]
    if chosen.secret_file is not None:
        secrets += _read_lines(chosen.secret_file)
    keys: dict[str, Any] = {"secret": secrets[0] if secrets else None, "old_secrets": secrets[1:]}
    if chosen.of_auth and secrets:
        keys = DerivedSecrets(secrets[0], secrets[1:]).derive("audit")
    return AuditConfig(
        **keys,
        dangerously_unkeyed=chosen.unkeyed,
        store_timeout_seconds=_TIMEOUT_SECONDS,
    )


def _read_lines(path: str) -> list[str]:
    lines = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line]


def _load_anchors(path: str | None) -> _Anchors:
    """Return the last checkpoint of each chain: what it proves includes all before it.

    Raises:
        ValueError: A line is no checkpoint. It may be one that somebody has spoilt.
    """
    anchors: dict[str, str] = {}
    for line in [] if path is None else _read_lines(path):
        parsed = parse_checkpoint(line)
        if parsed is None:
            raise ValueError(f"{path} has a line that is no checkpoint")
        earlier = parse_checkpoint(anchors.get(parsed.mark.chain, ""))
        if earlier is None or earlier.mark.sequence <= parsed.mark.sequence:
            anchors[parsed.mark.chain] = line
    return anchors


def _verify_file(chosen: argparse.Namespace, config: AuditConfig) -> int:
    anchors = _load_anchors(chosen.anchors)
    wanted = _choose(chosen)
    with Path(chosen.export).open("rb") as file:
        first = next(file, b"")
        parsed = parse_line(first)
        chain = parsed.chain if isinstance(parsed, ExportedRecord) else None
        if wanted is not None and name_chain(wanted.tenant) != chain:
            return _complain("the file does not hold the chain of that tenant", USAGE)
        anchor = anchors.get(chain or next(iter(anchors), ""))  # of nothing: any one tells
        lines = join([first] if first else [], file)
        found = verify_export(lines, config, anchor=anchor)
    return _tell(chain or chosen.export, found)


@dataclass(frozen=True, slots=True)
class _Choice:
    """One chain of all."""

    tenant: str | None


def _choose(chosen: argparse.Namespace) -> _Choice | None:
    """Return the chain that was asked for; None for all."""
    if chosen.no_tenant:
        return _Choice(None)
    return None if chosen.tenant is None else _Choice(chosen.tenant)


async def _list_tenants(log: AuditLog, chosen: argparse.Namespace) -> list[str | None]:
    wanted = _choose(chosen)
    if wanted is not None:
        return [wanted.tenant]
    return [tenant async for tenant in log.list_tenants()]


async def _verify(chosen: argparse.Namespace, log: AuditLog) -> int:
    anchors = _load_anchors(chosen.anchors)
    tenants = await _list_tenants(log, chosen)
    if _choose(chosen) is None:
        # A chain that is gone altogether is in no list; but somebody kept a checkpoint of it.
        known = [parse_chain(chain) for chain in anchors]
        tenants += [one[0] for one in known if one is not None and one[0] not in tenants]
    if not tenants:
        print("empty: there are no records")
    results: list[int] = []
    for tenant in tenants:
        chain = name_chain(tenant)
        results.append(_tell(chain, await log.verify(tenant, anchor=anchors.get(chain))))
    return max(results, default=VERIFIED)


async def _export(chosen: argparse.Namespace, log: AuditLog) -> int:
    wanted = _choose(chosen) or _Choice(None)
    is_signed = True
    async with aclosing(log.export(wanted.tenant)) as lines:
        async for line in lines:
            sys.stdout.buffer.write(line)
            is_signed = line.startswith(b"checkpoint ")
    sys.stdout.buffer.flush()
    if is_signed:
        return VERIFIED
    return _complain("the chain is broken: its lines have no checkpoint; see verify", BROKEN)


async def _checkpoint(chosen: argparse.Namespace, log: AuditLog) -> int:
    for tenant in await _list_tenants(log, chosen):
        line = await log.checkpoint(tenant)
        if line is not None:
            print(line)
    return VERIFIED


async def _rotate(_chosen: argparse.Namespace, log: AuditLog) -> int:
    print(f"{await log.rotate_key()} chains go on under the current secret")
    return VERIFIED


_ACTIONS: Mapping[str, Callable[[argparse.Namespace, AuditLog], Coroutine[None, None, int]]] = {
    "verify": _verify,
    "export": _export,
    "checkpoint": _checkpoint,
    "rotate": _rotate,
}


def _tell(chain: str, found: Verification) -> int:
    if isinstance(found, Broken):
        print(f"broken: {chain}, at record {found.index} ({found.reason})")
        return BROKEN
    if isinstance(found, Empty):
        print(f"empty: {chain}")
        return VERIFIED
    note = "; unkeyed: whoever can write there can have written them all" if found.unkeyed else ""
    print(f"verified: {chain}, {found.count} records{note}")
    return VERIFIED


def _complain(text: str, status: int) -> int:
    print(text, file=sys.stderr)
    return status
