"""What happens where a browser is missing: a skip that says what to do, and a failure in CI."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browsers.driving import HERE, find_executable, find_node

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MISSING = [
    pytest.param(lambda: find_executable("chromium"), "apt-get install .* chromium", id="chromium"),
    pytest.param(
        lambda: find_executable("firefox"), "apt-get install .* firefox-esr", id="firefox"
    ),
    pytest.param(lambda: find_node(HERE), "apt-get install .* nodejs npm", id="node"),
]


@pytest.mark.parametrize(("find", "reason"), MISSING)
def test_missing_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, find: Callable[[], str], reason: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=reason):
        find()
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match=reason):
        find()


def test_missing_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "node").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match="npm ci --prefix tests/typing"):
        find_node(HERE.parent / "typing")
