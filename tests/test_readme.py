"""The README's example runs, its links lead somewhere, and its names exist."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

import asgi_security
from asgi_security.testing import call
from tests.package_source import ROOT

if TYPE_CHECKING:
    from pathlib import Path

README = (ROOT / "README.md").read_text()


@pytest.mark.anyio
async def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    names: dict[str, object] = {"SECRET": "s" * 32, "__name__": "readme"}
    exec(compile(example, "README.md", "exec"), names)  # noqa: S102 -- our own example
    guarded: Any = names["guarded"]
    answered = await call(guarded, target="/cart")
    assert answered.status == 200
    assert answered.json()["visits"] == 1
    assert answered.value("x-content-type-options") == "nosniff"


def test_every_link_within_the_project_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), target


def test_every_middleware_and_configuration_it_names_exists() -> None:
    for name in set(re.findall(r"\b[A-Z]\w+(?:Middleware|Config)\b", README)) - {"XMiddleware"}:
        assert hasattr(asgi_security, name), name


def test_CI_runs_the_test_command_of_the_readme() -> None:
    lines = [line for line in README.splitlines() if "pytest" in line and line.startswith("    ")]
    assert len(lines) == 1
    pattern = re.search(r"sed -n '(s/.*?/p)' README\.md", (ROOT / ".ci/run").read_text())
    assert pattern is not None
