"""The rows of the SQL stores, as their own operations would write them for the filled-in keys.

A million operations of their own would take longer than all that is measured; a run reads some of
the keys back by operations, and a test compares whole tables with tables that operations wrote.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import ceil
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from asgi_security.storage.attempt_steps import AttemptRow, compute_expiry
from asgi_security.storage.throttle_steps import take_units
from benchmarks.stores.credentials import build_account, build_api_key, build_family
from benchmarks.stores.operations import (
    DATA,
    KEPT_SECONDS,
    KIND,
    RULE,
    SCHEDULE,
    Turn,
    build_digest,
    build_keys,
)
from benchmarks.stores.session_operations import build_filled_session

if TYPE_CHECKING:
    from collections.abc import Callable

    Build = Callable[[int, float], tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Rows:
    """The table of a facet, and what stands in its row of a number at the instant of the run."""

    table: str
    columns: tuple[str, ...]
    build: Build

    @property
    def insertion(self) -> str:
        """The statement that puts one in, with a question mark for each value."""
        marks = ", ".join("?" * len(self.columns))
        return f"INSERT INTO {self.table} ({', '.join(self.columns)}) VALUES ({marks})"  # noqa: S608


def build_rows(facet: str, *, has_arrays: bool) -> Rows | None:
    """Build the rows of a facet; None for one that is filled fast enough by its operations.

    `has_arrays` is for PostgreSQL, which keeps lists and open charges as arrays.
    """
    make = _MAKERS.get(facet)
    return None if make is None else make(has_arrays)


def _build_attempts(has_arrays: bool) -> Rows:  # noqa: FBT001 -- of the table below
    kind = build_keys(0)[0].kind
    columns: tuple[str, ...] = ("kind", "digest", "failures", "last_failure_at", "expires_at")
    charges: tuple[list[object], ...] = ()
    if has_arrays:
        columns += ("tickets", "charged_at", "later_failures")
        charges = ([], [], [])

    def build(number: int, now: float) -> tuple[object, ...]:
        expires_at = compute_expiry(AttemptRow(1, now, None), SCHEDULE)
        if has_arrays:  # PostgreSQL's functions keep a row to the end of a minute
            expires_at = ceil(expires_at / 60) * 60.0
        return (kind, build_digest(number), 1, now, expires_at, *charges)

    return Rows("attempt_keys", columns, build)


def _build_revocations(_: bool) -> Rows:  # noqa: FBT001
    columns = ("digest", "expires_at")
    return Rows(
        "revocations", columns, lambda number, now: (build_digest(number), now + KEPT_SECONDS)
    )


def _build_sessions(_: bool) -> Rows:  # noqa: FBT001
    fields = (
        *("digest", "handle", "user", "data", "created_at", "seen_at", "idle_expires_at"),
        *("absolute_expires_at", "user_agent", "client", "version"),
    )
    read: Callable[[object], Any] = attrgetter(*fields)
    columns = tuple("user_id" if field == "user" else field for field in fields)
    return Rows(
        "auth_sessions",
        columns,
        lambda number, now: read(build_filled_session(Turn(number, 0, now))),
    )


def _build_once(_: bool) -> Rows:  # noqa: FBT001
    columns = ("kind", "digest", "value", "expires_at")
    return Rows(
        "one_time_values",
        columns,
        lambda number, now: (KIND, build_digest(number), DATA, now + KEPT_SECONDS),
    )


def _build_throttles(_: bool) -> Rows:  # noqa: FBT001
    columns = ("digest", "whole_at_microseconds")
    return Rows(
        "throttles",
        columns,
        lambda number, now: (build_digest(number), take_units(0, RULE, now=now, cost=1)[1]),
    )


def _build_accounts(has_arrays: bool) -> Rows:  # noqa: FBT001
    before = ("id", "name", "password_hash", "is_active", "is_verified", "epoch")
    after = ("tenant", "created_at", "data", "version")
    read: Callable[[object], Any] = attrgetter(*before, "roles", *after)
    place = len(before)

    def build(number: int, now: float) -> tuple[object, ...]:
        return _write_list(read(build_account(number, now)), place, has_arrays)

    return Rows("accounts", (*before, "roles", *after), build)


def _build_refresh(_: bool) -> Rows:  # noqa: FBT001
    fields = (
        *("digest", "handle", "subject", "data", "created_at", "advanced_at", "idle_expires_at"),
        *("absolute_expires_at", "user_agent", "client", "generation"),
    )
    read: Callable[[object], Any] = attrgetter(*fields)

    def build(number: int, now: float) -> tuple[object, ...]:
        return (*read(build_family(number, now)), False, now + KEPT_SECONDS)

    return Rows("refresh_families", (*fields, "is_ended", "expires_at"), build)


def _build_api_keys(has_arrays: bool) -> Rows:  # noqa: FBT001
    before = ("id", "digest", "account", "name")
    after = ("created_at", "expires_at", "revoked_at", "used_at")
    read: Callable[[object], Any] = attrgetter(*before, "scopes", *after)
    place = len(before)

    def build(number: int, now: float) -> tuple[object, ...]:
        return _write_list(read(build_api_key(number, now)), place, has_arrays)

    return Rows("api_keys", (*before, "scopes", *after), build)


def _write_list(row: tuple[Any, ...], place: int, has_arrays: bool) -> tuple[object, ...]:  # noqa: FBT001
    value = list(row[place]) if has_arrays else json.dumps(row[place])
    return (*row[:place], value, *row[place + 1 :])


_MAKERS = {
    "attempts": _build_attempts,
    "revocations": _build_revocations,
    "sessions": _build_sessions,
    "once": _build_once,
    "throttles": _build_throttles,
    "accounts": _build_accounts,
    "refresh": _build_refresh,
    "api_keys": _build_api_keys,
}
