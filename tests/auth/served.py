"""Reads out of the source of an endpoint what it takes and answers, to compare with what it says.

Followed are methods of the class, functions and constants of the module, and what signs in
(`Arrival`) and asks for the client (`ClientGate`).
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from asgi_security.endpoints.serving.arrival import Arrival
from asgi_security.endpoints.serving.clients import ClientGate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CODE = re.compile(r"[A-Z][A-Z_]{3,}\Z")
_ELSEWHERE = {"_arrival": Arrival, "_gate": ClientGate}
_KNOWN = {"NOT_SIGNED_IN": (401, "NOT_SIGNED_IN"), "UNAVAILABLE": (503, "UNAVAILABLE")}


class Served:
    """What was found: `fields`, `codes` of `detail` or a problem, and `statuses`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.fields: set[str] = set()
        self.codes: set[str] = set()
        self.statuses: set[int] = set()
        self._dropped: set[str] = set()
        self._seen: set[str] = set()
        owner: Any = function.__self__  # type: ignore[attr-defined]
        self._follow(type(owner), function.__name__)
        self.fields -= self._dropped

    def _follow(self, owner: type, name: str) -> None:
        module = sys.modules[owner.__module__]
        if hasattr(owner, name):
            self._read(owner, getattr(owner, name))
        elif name == "_refused" and owner.__name__ == "LoginEndpoints":
            self._read(owner, owner.__init__)  # type: ignore[misc]
        elif inspect.isfunction(found := getattr(module, name, None)):
            if found.__module__ == owner.__module__:
                self._read(owner, found)
        elif name in _KNOWN:
            status, code = _KNOWN[name]
            self.statuses.add(status)
            self.codes.add(code)
        elif name in _assigned(module):
            self._visit(owner, _assigned(module)[name])

    def _read(self, owner: type, function: Any) -> None:
        if not inspect.isfunction(function) or function.__qualname__ in self._seen:
            return
        self._seen.add(function.__qualname__)
        [body] = ast.parse(dedent(inspect.getsource(function))).body
        assert isinstance(body, (ast.FunctionDef, ast.AsyncFunctionDef))
        for statement in body.body:
            self._visit(owner, statement)

    def _visit(self, owner: type, tree: ast.AST) -> None:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                self._read_call(node, tree)
            elif isinstance(node, ast.Dict):
                pairs = zip(node.keys, node.values, strict=True)
                self._take(
                    v for k, v in pairs if isinstance(k, ast.Constant) and k.value == "detail"
                )
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
                self._take([node.value])
            elif isinstance(node, ast.Constant) and type(node.value) is int and node.value > 199:
                self.statuses.add(node.value)
            if isinstance(node, ast.Name):
                self._follow(owner, node.id)
            elif isinstance(node, ast.Attribute):
                self._read_attribute(owner, node)

    def _read_attribute(self, owner: type, node: ast.Attribute) -> None:
        base = node.value
        if isinstance(base, ast.Name) and base.id == "self":
            self._follow(owner, node.attr)
        elif isinstance(base, ast.Attribute) and base.attr in _ELSEWHERE:
            other = _ELSEWHERE[base.attr]
            self._read(other, getattr(other, node.attr, None))

    def _read_call(self, node: ast.Call, tree: ast.AST) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        texts = [one.value for one in node.args if isinstance(one, ast.Constant)]
        if name == "text" or ast.unparse(node.func).endswith("fields.get"):
            inner = texts[:1] or [x.value for x in ast.walk(tree) if isinstance(x, ast.Constant)]
            self.fields |= {one for one in inner if isinstance(one, str)}
        elif name == "pop":
            self._dropped |= {one for one in texts if isinstance(one, str)}
        elif name in {"refuse", "_leave"}:
            self._take(node.args)
        elif name == "refuse_until":
            given = [one.value for one in node.keywords if one.arg == "code"]
            self._take(given or [*node.args[2:]] or [ast.Constant("LOCKED_OUT")])
            self.statuses |= {429} if len(node.args) < 2 else set()

    def _take(self, values: Any) -> None:
        for value in values:
            if isinstance(value, ast.Constant) and _CODE.match(str(value.value)):
                self.codes.add(str(value.value))


def _assigned(module: Any) -> dict[str, ast.AST]:
    return dict(_list_assigned(ast.parse(inspect.getsource(module))))


def _list_assigned(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value
