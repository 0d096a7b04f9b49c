"""Lists every case, one module for each feature."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.cases import (
    cors,
    engine,
    headers,
    imports,
    jwt,
    lockout,
    logins,
    memory,
    sessions,
    stack,
)

if TYPE_CHECKING:
    from benchmarks.rows import Case

CASES: tuple[Case, ...] = (
    *engine.CASES,
    *headers.CASES,
    *cors.CASES,
    *sessions.CASES,
    *jwt.CASES,
    *lockout.CASES,
    *logins.CASES,
    *stack.CASES,
    *imports.CASES,
    *memory.CASES,
)
