"""Who is let in with a right password."""

from __future__ import annotations

from typing import Any

import pytest

from asgi_security.errors import ConfigError
from asgi_security.policy.login import LoginConfig, decide_entry


def test_F93_defaults_reveal_nothing() -> None:
    config = LoginConfig()
    assert (config.require_verified, config.reveal_unverified) == (True, False)
    assert config.refused_status == 400


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"require_verified": "yes"}, "require_verified"),
        ({"reveal_unverified": 1}, "reveal_unverified"),
        ({"refused_status": 403}, "refused_status"),
        ({"store_timeout_seconds": 0}, "store_timeout_seconds"),
        ({"reveal_unverified": True, "require_verified": False}, "reveal_unverified"),
    ],
)
def test_what_cannot_be_meant_is_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as raised:
        LoginConfig(**fields)
    assert [problem.field for problem in raised.value.problems] == [field]


def test_all_problems_come_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        LoginConfig(refused_status=200, store_timeout_seconds=-1)  # type: ignore[arg-type]
    assert len(raised.value.problems) == 2


@pytest.mark.parametrize(
    ("requires", "is_active", "is_verified", "obstacle"),
    [
        pytest.param(True, True, True, None, id="F94 fit"),
        pytest.param(True, False, True, "inactive", id="F94 inactive"),
        pytest.param(True, False, False, "inactive", id="F94 inactive counts first"),
        pytest.param(True, True, False, "unverified", id="F94 unverified"),
        pytest.param(False, True, False, None, id="F94 unverified may be let in"),
        pytest.param(False, False, True, "inactive", id="F94 inactive never is"),
    ],
)
def test_entry(*, requires: bool, is_active: bool, is_verified: bool, obstacle: str | None) -> None:
    config = LoginConfig(require_verified=requires)
    assert decide_entry(config, is_active=is_active, is_verified=is_verified) == obstacle
