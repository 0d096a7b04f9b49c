"""What a test does without what it needs: a server, a program, a browser."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from typing import NoReturn


def miss(reason: str) -> NoReturn:
    """Skip the test, saying how to get it; fail it in CI, where everything must be there."""
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
