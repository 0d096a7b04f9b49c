"""What every file of the package looks like: small, documented, frozen, mirrored by its test."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from tests.package_source import PACKAGE, ROOT, modules, parse_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.package_source import Module

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50
NAMELESS = {"utils", "util", "helpers", "base", "common", "models", "config", "misc", "core"}
MIRRORED = {"asgi", "crypto", "flows", "middleware", "policy", "storage"}


def check_file_size(module: Module) -> Iterator[str]:
    count = len(module.path.read_text().splitlines()) if module.path.exists() else 0
    body = module.tree.body
    last = max((node.end_lineno or 0 for node in body), default=0)
    if max(count, last) > MAX_FILE_LINES:
        yield f"{module.name} has {max(count, last)} lines: no file above {MAX_FILE_LINES}"


def check_function_size(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                yield f"{module.name}:{node.lineno} {node.name} has {lines} lines"


def check_names(module: Module) -> Iterator[str]:
    if NAMELESS & set(module.name.split(".")):
        yield f"{module.name}: a file is named after its one word"


def check_docstrings(module: Module) -> Iterator[str]:
    if ast.get_docstring(module.tree) is None:
        yield f"{module.name} does not say what it is for"
    elif module.floor in {"crypto", "policy"} and module.name not in {"crypto", "policy"}:
        docstring = ast.get_docstring(module.tree) or ""
        if "Source:" not in docstring:
            yield f"{module.name} names no Source in its docstring"


def check_frozen(module: Module) -> Iterator[str]:
    """Values of the pillars never change."""
    if module.floor not in {"crypto", "policy"} and not module.name.startswith("storage.protocols"):
        return
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.ClassDef):
            continue
        for decorator in node.decorator_list:
            text = ast.unparse(decorator)
            if text.startswith("dataclass") and "frozen=True" not in text:
                yield f"{module.name}:{node.lineno} {node.name} is not frozen"


def check_assertions(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Assert):
            yield f"{module.name}:{node.lineno} asserts: python -O would drop it"


def check_mirror(module: Module) -> Iterator[str]:
    """Every module of the lower floors has a test of its own name."""
    parts = module.name.split(".")
    if module.floor not in MIRRORED or len(parts) != 2 or parts[1] == "types":
        return
    if module.path.name == "__init__.py":
        return
    mirror = ROOT / "tests" / module.floor / f"test_{parts[1]}.py"
    if not mirror.exists():
        yield f"{module.name} has no mirror {mirror.relative_to(ROOT)}"


RULES: tuple[Callable[[Module], Iterator[str]], ...] = (
    check_file_size,
    check_function_size,
    check_names,
    check_docstrings,
    check_frozen,
    check_assertions,
    check_mirror,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_file_is_well_formed(rule: Callable[[Module], Iterator[str]]) -> None:
    assert [sentence for module in modules() for sentence in rule(module)] == []


LONG_FUNCTION = "def f():\n" + "    pass\n" * 60


@pytest.mark.parametrize(
    ("rule", "place", "source"),
    [
        (check_file_size, "policy/x.py", "pass\n" * 301),
        (check_function_size, "policy/x.py", LONG_FUNCTION),
        (check_names, "policy/utils.py", ""),
        (check_docstrings, "flows/x.py", "pass"),
        (check_docstrings, "policy/x.py", '"""Decides."""'),
        (check_frozen, "policy/x.py", "@dataclass(slots=True)\nclass A: ..."),
        (check_assertions, "flows/x.py", "assert x"),
        (check_mirror, "flows/nothing_of_that_name.py", ""),
    ],
)
def test_each_rule_sees_its_violation(
    rule: Callable[[Module], Iterator[str]], place: str, source: str
) -> None:
    assert list(rule(parse_module(PACKAGE / place, source)))
