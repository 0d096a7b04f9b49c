from __future__ import annotations

from typing import Any

import pytest

from asgi_security.errors import ConfigError
from asgi_security.policy.sessions import Lifetimes, SessionConfig, is_void
from asgi_security.secret import Secret

S1, S0 = "1" * 32, "0" * 32


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        pytest.param({}, "__Host-session", id="C9 the default"),
        pytest.param({"secure": False}, "session", id="C9 development"),
        pytest.param({"domain": "example.com"}, "__Secure-session", id="C8 with a domain"),
        pytest.param({"path": "/app"}, "__Secure-session", id="C8 with a path"),
        pytest.param({"cookie_name": "mine"}, "mine", id="P32 the argument's"),
    ],
)
def test_the_name_promises_what_the_attributes_hold(fields: dict[str, Any], name: str) -> None:
    config = SessionConfig(secret=S1, **fields)
    assert config.cookie_name == config.build_cookie().name == name


def test_the_defaults() -> None:
    config = SessionConfig(secret=S1, same_site="Lax", old_secrets=[S0, S1])  # type: ignore[arg-type]
    assert (config.idle_timeout_seconds, config.absolute_timeout_seconds) == (1800, 43200)
    assert config.refresh_after_seconds == 180
    assert config.same_site == "lax"
    assert config.secret == Secret(S1)
    assert config.old_secrets == (Secret(S0),)
    assert S1 not in repr(config)


def test_a_store_needs_no_secret() -> None:
    config = SessionConfig(store=object(), max_sessions_per_user=3, refresh_after_seconds=0)
    assert (config.secret, config.refresh_after_seconds) == (None, 0)


@pytest.mark.parametrize(
    ("fields", "faulty"),
    [
        pytest.param({"secret": None}, "secret", id="C17 no secret"),
        pytest.param({"secret": "k1"}, "secret", id="C17 a short secret"),
        pytest.param({"old_secrets": ["k0"]}, "old_secrets", id="C17 a short old secret"),
        pytest.param({"cookie_name": "__Host-s", "domain": "a.com"}, "cookie_name", id="C8 prefix"),
        pytest.param({"cookie_name": ""}, "cookie_name", id="no name"),
        pytest.param({"same_site": "none", "secure": False}, "same_site", id="C10 None"),
        pytest.param({"partitioned": True, "secure": False}, "partitioned", id="C10 partitioned"),
        pytest.param({"same_site": "junk"}, "same_site", id="P32 junk is not lax"),
        pytest.param({"max_age_seconds": 10**9}, "max_age_seconds", id="C12 too long"),
        pytest.param({"idle_timeout_seconds": 0}, "idle_timeout_seconds", id="no idle time"),
        pytest.param({"idle_timeout_seconds": 50_000}, "idle_timeout_seconds", id="idle above all"),
        pytest.param(
            {"absolute_timeout_seconds": "1h"}, "absolute_timeout_seconds", id="P32 bad age"
        ),
        pytest.param(
            {"refresh_after_seconds": 1000}, "refresh_after_seconds", id="S26 refreshed too late"
        ),
        pytest.param({"store_timeout_seconds": 0}, "store_timeout_seconds", id="no time to wait"),
        pytest.param({"lazy_load": "no"}, "lazy_load", id="a switch in words"),
        pytest.param({"on_limit": "evicts"}, "on_limit", id="S36 unknown choice"),
        pytest.param({"on_store_error": None}, "on_store_error", id="S39 unknown choice"),
        pytest.param({"on_oversize": "drop"}, "on_oversize", id="C11 unknown choice"),
        pytest.param({"on_conflict": "first"}, "on_conflict", id="S34 unknown choice"),
        pytest.param({"max_sessions_per_user": 3}, "max_sessions_per_user", id="S36 no store"),
        pytest.param(
            {"max_sessions_per_user": 0, "store": object()}, "max_sessions_per_user", id="S36 none"
        ),
    ],
)
def test_what_cannot_be_made_safe_sense_of(fields: dict[str, Any], faulty: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SessionConfig(**{"secret": S1, **fields})
    assert [problem.field for problem in caught.value.problems] == [faulty]


def test_all_problems_come_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        SessionConfig(secret="", same_site="x", lazy_load=1, idle_timeout_seconds=-1)  # type: ignore[arg-type]
    fields = [problem.field for problem in caught.value.problems]
    assert fields == ["idle_timeout_seconds", "lazy_load", "same_site", "secret"]


LIFETIMES = Lifetimes(SessionConfig(secret=S1))


@pytest.mark.parametrize(
    ("created_at", "seen_at", "now", "alive"),
    [
        pytest.param(0, 0, 1799.9, True, id="S25 not yet idle"),
        pytest.param(0, 0, 1800, False, id="S25 idle"),
        pytest.param(0, 43000, 43199.9, True, id="S25 not yet old"),
        pytest.param(0, 43199, 43200, False, id="S25 old although active"),
        pytest.param(60, 60, 0, True, id="C13 ahead within the leeway"),
        pytest.param(61, 0, 0, False, id="C13 begun in the future"),
        pytest.param(0, 61, 0, False, id="C13 seen in the future"),
    ],
)
def test_two_clocks(created_at: float, seen_at: float, now: float, alive: bool) -> None:  # noqa: FBT001
    assert LIFETIMES.is_live(created_at, seen_at, now=now) is alive


def test_S26_use_is_noted_after_a_tenth_of_the_idle_time() -> None:
    assert not LIFETIMES.is_due(0, now=179.9)
    assert LIFETIMES.is_due(0, now=180)
    assert Lifetimes(SessionConfig(secret=S1, refresh_after_seconds=0)).is_due(0, now=0)


def test_the_ends() -> None:
    assert LIFETIMES.compute_idle_end(10) == 1810
    assert LIFETIMES.compute_absolute_end(10) == 43210


@pytest.mark.parametrize(
    ("created_at", "epoch", "void"),
    [
        pytest.param(5.0, None, False, id="S38 no epoch"),
        pytest.param(5.0, 5.5, True, id="S38 before"),
        pytest.param(5.5, 5.5, True, id="S38 at that instant"),
        pytest.param(5.6, 5.5, False, id="S38 after, in the same second"),
        pytest.param(5.9, 5, True, id="S38 a whole second counts as before"),
        pytest.param(6.0, 5, False, id="S38 the next second"),
        pytest.param(5.0, float("inf"), True, id="S38 for ever"),
    ],
)
def test_epoch(created_at: float, epoch: float | None, void: bool) -> None:  # noqa: FBT001
    assert is_void(created_at, epoch) is void
