"""The package read as text: what the architecture and anatomy tests judge, without importing it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "asgi_security"


@dataclass(frozen=True)
class Module:
    """One module: its dotted name inside the package, its file, its tree."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def floor(self) -> str:
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class Import:
    """One import: the absolute dotted name of what is imported, and the line."""

    target: str
    line: int


def parse_module(path: Path, source: str | None = None) -> Module:
    name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
    return Module(name, path, ast.parse(path.read_text() if source is None else source))


@cache
def modules() -> tuple[Module, ...]:
    return tuple(parse_module(path) for path in sorted(PACKAGE.rglob("*.py")))


def imports(module: Module) -> list[Import]:
    """Every import of a module, also inside functions and under TYPE_CHECKING."""
    found = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found += [Import(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module.path}:{node.lineno}: relative import"
            found += [Import(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
    return found
