"""The house as a test: who may import whom, who may know the time, who may wait.

Floors, downwards: roof > middleware, endpoints > flows > pillars > ground. Each rule is a function
from one module to sentences; `test_each_rule_sees_its_violation` shows that each can fail.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from tests.package_source import PACKAGE, imports, modules, parse_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.package_source import Module

GROUND = {"clock", "errors", "events", "names", "principal", "secret", "validation", "values"}
PILLARS = {"asgi", "crypto", "policy", "storage"}
ROOF = {
    "",
    "__init__",
    "__main__",
    "auth",
    "commands",
    "demo",
    "guards",
    "settings",
    "settings_accounts",
    "settings_auth",
    "stack",
    "testing",
}
SHELLS = {"endpoints", "middleware"}

MAY_IMPORT = {
    **dict.fromkeys(GROUND, GROUND),
    **{pillar: GROUND | {pillar} for pillar in PILLARS},
    "flows": GROUND | {"crypto", "flows", "policy", "storage"},
    **{shell: GROUND | PILLARS | {"flows", shell} for shell in SHELLS},
}

OUTSIDE_WORLD = {
    *("aiosqlite", "anyio", "asyncio", "asyncpg", "httpx", "os", "random", "redis", "secrets"),
    *("socket", "sqlite3", "subprocess", "threading", "time", "trio", "urllib.request", "uuid"),
}
"""What `policy/` and `crypto/` never import: clocks, entropy, input and output."""

HEAVY = {"cryptography", "httpx", "jwt", "sqlite3", "starlette", "itsdangerous"}
"""What must not be imported when a headers-only user imports a middleware."""


def inside(target: str) -> str | None:
    """Return the name within the package of an imported target, or None for others."""
    prefix = "asgi_security"
    if target == prefix or target.startswith(f"{prefix}."):
        return target[len(prefix) :].lstrip(".")
    return None


def check_floors(module: Module) -> Iterator[str]:
    """Imports go down, never sideways between pillars, never up."""
    allowed = MAY_IMPORT.get(module.floor)
    if allowed is None:
        if module.floor not in ROOF:
            yield f"{module.name}: no floor of that name; put it on one, or draw the floor here"
        return
    for item in imports(module):
        target = inside(item.target)
        if target is not None and target.partition(".")[0] not in allowed:
            yield f"{module.name}:{item.line} imports {target}: imports go down, never sideways"


def check_ground_is_stdlib(module: Module) -> Iterator[str]:
    """The ground needs nothing but the standard library."""
    import sys  # noqa: PLC0415 -- only this rule needs it

    if module.floor in GROUND:
        for item in imports(module):
            top = item.target.partition(".")[0]
            if top != "asgi_security" and top not in sys.stdlib_module_names:
                yield f"{module.name}:{item.line} imports {top}: the ground is stdlib only"


def check_shells_name_no_backend(module: Module) -> Iterator[str]:
    """Flows and shells see `storage.protocols`, never a backend."""
    if module.floor in SHELLS | {"flows"}:
        for item in imports(module):
            target = inside(item.target)
            if (
                target
                and target.startswith("storage.")
                and not target.startswith("storage.protocols")
            ):
                yield f"{module.name}:{item.line} imports {target}: shells cannot name a backend"


def check_siblings(module: Module) -> Iterator[str]:
    """Sibling middlewares and sibling endpoints never import each other.

    All endpoints stand on `endpoints.serving`.
    """
    if module.floor in SHELLS:
        for item in imports(module):
            target = inside(item.target)
            if target and target.startswith(f"{module.floor}."):
                sibling = ".".join(target.split(".")[:2])
                if not module.name.startswith(sibling) and sibling != "endpoints.serving":
                    yield f"{module.name}:{item.line} imports {sibling}: siblings never meet"


def check_backends(module: Module) -> Iterator[str]:
    """One backend never imports another."""
    parts = module.name.split(".")
    backends = {"memory", "postgres", "redis", "sqlite"}
    if module.floor == "storage" and len(parts) > 1 and parts[1] in backends:
        for item in imports(module):
            target = (inside(item.target) or "").split(".")
            if target[0] == "storage" and target[1] in backends - {parts[1]}:
                yield f"{module.name}:{item.line} imports {target[1]}: backends never meet"


def check_purity(module: Module) -> Iterator[str]:
    """Decisions and proofs are pure: no waiting, no clock, no entropy, no input or output."""
    if module.floor not in {"crypto", "policy"}:
        return
    for node in ast.walk(module.tree):
        if isinstance(node, (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)):
            yield f"{module.name}:{node.lineno} waits: {module.floor}/ is pure"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in {"now", "utcnow", "today"}:
                yield f"{module.name}:{node.lineno} reads the clock: {module.floor}/ is pure"
            if node.func.attr == "token_bytes":
                yield f"{module.name}:{node.lineno} draws entropy: {module.floor}/ is pure"
    for item in imports(module):
        tops = {item.target, item.target.partition(".")[0], item.target.rpartition(".")[0]}
        if tops & OUTSIDE_WORLD or inside(item.target) in {
            *("clock.Clock", "clock.Entropy", "clock.system_clock", "clock.system_entropy"),
        }:
            yield f"{module.name}:{item.line} imports {item.target}: {module.floor}/ is pure"


def check_environment(module: Module) -> Iterator[str]:
    """Only `settings.py` reads the environment."""
    if module.floor == "settings":
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv", "environb"}:
            yield f"{module.name}:{node.lineno} reads os.{node.attr}: only settings.py does"
    for item in imports(module):
        if item.target in {"os.environ", "os.getenv"}:
            yield f"{module.name}:{item.line} imports {item.target}: only settings.py does"


def check_clock_holders(module: Module) -> Iterator[str]:
    """Stores take time as an argument; only flows, shells, the engine and the roof hold a clock."""
    if module.floor == "storage":
        for item in imports(module):
            if inside(item.target) in {"clock.Clock", "clock.system_clock"}:
                yield f"{module.name}:{item.line} imports a clock: time is an argument here"


def check_starlette_middleware(module: Module) -> Iterator[str]:
    """Raw ASGI only."""
    for item in imports(module):
        if item.target.startswith("starlette.middleware"):
            yield f"{module.name}:{item.line} imports {item.target}: raw ASGI only"


def check_sends(module: Module) -> Iterator[str]:
    """Only the engine builds the messages of a response."""
    if module.floor in ROOF or module.name in {"asgi.pipeline", "asgi.layers"}:
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if (
                    isinstance(key, ast.Constant)
                    and key.value == "type"
                    and isinstance(value, ast.Constant)
                    and str(value.value).startswith(("http.response", "websocket.http"))
                ):
                    yield f"{module.name}:{node.lineno} builds a response: only the engine does"


def check_light_imports(module: Module) -> Iterator[str]:
    """Shells, policies and the engine import heavy libraries when they first need them."""
    if module.floor not in {"asgi", "middleware", "policy"} | GROUND:
        return
    for node in module.tree.body:
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            if name.partition(".")[0] in HEAVY:
                yield f"{module.name}:{node.lineno} imports {name} at import time: do it on use"


RULES: tuple[Callable[[Module], Iterator[str]], ...] = (
    check_floors,
    check_ground_is_stdlib,
    check_shells_name_no_backend,
    check_siblings,
    check_backends,
    check_purity,
    check_environment,
    check_clock_holders,
    check_starlette_middleware,
    check_sends,
    check_light_imports,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_stands(rule: Callable[[Module], Iterator[str]]) -> None:
    assert [sentence for module in modules() for sentence in rule(module)] == []


@pytest.mark.parametrize(
    ("rule", "place", "source"),
    [
        (check_floors, "policy/x.py", "from asgi_security.crypto.keys import KeyRing"),
        (check_floors, "asgi/x.py", "import asgi_security.flows.jwt"),
        (check_floors, "flows/x.py", "from asgi_security.asgi.types import Scope"),
        (check_floors, "cellar/x.py", ""),
        (check_ground_is_stdlib, "errors.py", "import anyio"),
        (check_shells_name_no_backend, "flows/x.py", "from asgi_security.storage.memory import M"),
        (check_siblings, "middleware/x.py", "from asgi_security.middleware.cors import CorsLayer"),
        (check_siblings, "endpoints/x.py", "from asgi_security.endpoints.login import Login"),
        (check_backends, "storage/sqlite/x.py", "from asgi_security.storage.memory import M"),
        (check_purity, "policy/x.py", "async def decide(): ..."),
        (check_purity, "policy/x.py", "import time"),
        (check_purity, "crypto/x.py", "from asgi_security.clock import system_entropy"),
        (check_purity, "policy/x.py", "from datetime import datetime; datetime.now()"),
        (check_purity, "crypto/x.py", "import x; x.token_bytes(1)"),
        (check_environment, "flows/x.py", "import os; os.environ"),
        (check_environment, "stack.py", "from os import environ"),
        (check_clock_holders, "storage/x.py", "from asgi_security.clock import system_clock"),
        (check_starlette_middleware, "stack.py", "from starlette.middleware.base import B"),
        (check_sends, "middleware/x.py", "m = {'type': 'http.response.start'}"),
        (check_light_imports, "middleware/x.py", "import jwt"),
        (check_light_imports, "policy/x.py", "from starlette.requests import Request"),
    ],
)
def test_each_rule_sees_its_violation(
    rule: Callable[[Module], Iterator[str]], place: str, source: str
) -> None:
    assert list(rule(parse_module(PACKAGE / place, source)))
