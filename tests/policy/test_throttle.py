"""Quotas as configured, and what clients are told of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.errors import ConfigError
from asgi_security.policy.throttle import (
    Exceeded,
    ThrottleConfig,
    ThrottlePolicy,
    Within,
)
from asgi_security.secret import Secret

if TYPE_CHECKING:
    from asgi_security.policy.throttle import ThrottleDecision

SECRET = "n" * 32


def build(**fields: Any) -> ThrottleConfig:
    return ThrottleConfig(**{"limit": 100, "window_seconds": 60, **fields})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"limit": 0}, {"limit": "at least 1"}, id="no unit"),
        pytest.param({"limit": 1.5}, {"limit": "an integer"}, id="half a unit"),
        pytest.param({"limit": 10**10}, {"limit": "at most"}, id="more than a field tells"),
        pytest.param({"window_seconds": 0}, {"window_seconds": "at least"}, id="no window"),
        pytest.param({"window_seconds": 1e10}, {"window_seconds": "at most"}, id="for ever"),
        pytest.param(
            {"limit": 20_001, "window_seconds": 2},
            {"window_seconds": "at least 2.0001"},
            id="too fast to count",
        ),
        pytest.param({"cost": 101}, {"cost": "at most 100"}, id="T53 cost above the burst"),
        pytest.param({"cost": 0}, {"cost": "at least 1"}, id="free of charge"),
        pytest.param({"cost": "1", "limit": "x"}, {"cost": "", "limit": ""}, id="text"),
        pytest.param({"name": 'a"b'}, {"name": "'api'"}, id="a name that ends its string"),
        pytest.param({"name": "api\r\n"}, {"name": "'api'"}, id="a name that ends its line"),
        pytest.param({"name": None}, {"name": "'api'"}, id="a name that is none"),
        pytest.param({"key": "ip"}, {"key": "'client'"}, id="an unknown key"),
        pytest.param({"paths": "/api"}, {"paths": "paths=['/api']"}, id="one string"),
        pytest.param({"exempt_paths": None}, {"exempt_paths": "[None]"}, id="no list"),
        pytest.param({"paths": ["api"]}, {"paths": "'/api'"}, id="a relative path"),
        pytest.param({"send_headers": "no"}, {"send_headers": "False"}, id="a switch as text"),
        pytest.param({"fixed_window": 1}, {"fixed_window": "True"}, id="a switch as number"),
        pytest.param({"on_store_error": "deny"}, {"on_store_error": ""}, id="an unknown choice"),
        pytest.param(
            {"store_timeout_seconds": 0}, {"store_timeout_seconds": "0.01"}, id="no time to answer"
        ),
        pytest.param({"secret": "p4ss"}, {"secret": "32 bytes"}, id="a short secret"),
        pytest.param({"secret": 5}, {"secret": "32 bytes"}, id="a secret of no kind"),
        pytest.param(
            {"limit": -1, "window_seconds": "60", "key": 3, "name": "", "secret": "p4ss"},
            {"limit": "", "window_seconds": "", "key": "", "name": "", "secret": ""},
            id="all at once",
        ),
    ],
)
def test_problems(fields: dict[str, Any], expected: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        build(**fields)
    hints = {problem.field: problem.hint for problem in caught.value.problems}
    assert hints.keys() == expected.keys()
    for name, hint in expected.items():
        assert hint in hints[name]
    assert "p4ss" not in str(caught.value)


def test_what_is_given_is_kept() -> None:
    config = build(secret=SECRET, paths=["/a"], exempt_paths={"/b"}, key=lambda scope: None)
    assert config.secret == Secret(SECRET)
    assert SECRET not in repr(config)
    assert (config.paths, config.exempt_paths) == (("/a",), ("/b",))
    assert build(limit=20_000, window_seconds=2).limit == 20_000
    assert build(cost=100).cost == 100, "T53: the whole quota at once may be the cost"
    with pytest.raises(TypeError, match="did you mean 'limit'"):
        build(limits=5)


@pytest.mark.parametrize(
    ("path", "counted"),
    [
        ("/api", True),
        ("/api/x", True),
        ("/apix", False),
        ("/", False),
        pytest.param("//API/./x", True, id="another spelling is counted"),
        pytest.param("/%61pi", True, id="decoded once more"),
        ("/api/health", False),
        ("/api/health/deep", False),
        pytest.param("/api//health", True, id="another spelling is not exempt"),
        pytest.param("/api/health/../x", False, id="taken literally, as the app sees it"),
    ],
)
def test_paths(path: str, *, counted: bool) -> None:
    policy = ThrottlePolicy(build(paths=["/api"], exempt_paths=["/api/health"]))
    assert policy.counts(path) is counted


def test_without_paths_all_is_counted() -> None:
    assert ThrottlePolicy(build()).counts("/anything")
    assert not ThrottlePolicy(build(exempt_paths=["/"])).counts("/anything")


def decide(config: ThrottleConfig, *numbers: float, admitted: bool = True) -> ThrottleDecision:
    remaining, reset, retry = numbers
    return ThrottlePolicy(config).decide(
        admitted=admitted,
        remaining=int(remaining),
        reset_seconds=reset,
        retry_after_seconds=retry,
    )


@pytest.mark.parametrize(
    ("fields", "numbers", "window"),
    [
        pytest.param({"limit": 5}, (4, 12.0, 0), 12, id="one missing"),
        pytest.param({"limit": 5}, (2, 36.0, 0), 12, id="of three missing the first"),
        pytest.param({"limit": 5}, (2, 25.5, 0), 2, id="part of a period"),
        pytest.param({}, (99, 0.6, 0), 1, id="less than a second"),
        pytest.param({"limit": 7}, (0, 60.000003, 0), 9, id="odd periods"),
        pytest.param({"fixed_window": True}, (40, 12.0, 0), 12, id="all at once"),
        pytest.param({"fixed_window": True}, (40, 0.0, 0), 1, id="never none"),
        pytest.param({"limit": 5}, (0, 3660.0, 0), 3612, id="D56 the clock went back"),
    ],
)
def test_T51_effective_window(
    fields: dict[str, Any], numbers: tuple[int, float, float], window: int
) -> None:
    assert decide(build(**fields), *numbers) == Within(numbers[0], window)


@pytest.mark.parametrize(
    ("numbers", "decision"),
    [
        pytest.param((0, 60.0, 12.0), Exceeded(0, 12, 12), id="one unit"),
        pytest.param((0, 48.5, 0.5), Exceeded(0, 1, 1), id="at least a second"),
        pytest.param((1, 48.0, 36.0), Exceeded(1, 12, 36), id="three units"),
        pytest.param((0, 60.0, 11.2), Exceeded(0, 12, 12), id="rounded up"),
    ],
)
def test_T51_refusals(numbers: tuple[int, float, float], decision: Exceeded) -> None:
    assert decide(build(limit=5), *numbers, admitted=False) == decision
    assert not decision.admitted


@settings(max_examples=100, deadline=None)
@given(
    limit=st.integers(1, 1000),
    missing=st.integers(1, 1000),
    part=st.floats(0.001, 1),
    wait=st.floats(0, 100),
    fixed=st.booleans(),
)
def test_T51_retry_after_is_never_before_the_window_ends(
    limit: int, missing: int, part: float, wait: float, *, fixed: bool
) -> None:
    missing = min(missing, limit)
    reset = (missing - 1 + part) * 60 / limit
    config = build(limit=limit, fixed_window=fixed)
    decision = decide(config, limit - missing, reset, wait, admitted=False)
    assert isinstance(decision, Exceeded)
    assert decision.retry_after_seconds >= decision.window_seconds >= 1
    assert decision.retry_after_seconds >= wait


def test_T51_fields() -> None:
    policy = ThrottlePolicy(build(name="api"))
    assert policy.policy_field == (b"ratelimit-policy", b'"api";q=100;w=60')
    assert policy.build_limit_field(Within(99, 12)) == (b"ratelimit", b'"api";r=99;t=12')
    assert policy.build_limit_field(Exceeded(0, 7, 9)) == (b"ratelimit", b'"api";r=0;t=7')
    short = ThrottlePolicy(build(limit=1, window_seconds=0.5))
    assert short.policy_field[1] == b'"default";q=1;w=1', "no window below a second can be told"


@given(name=st.text(max_size=70))
def test_T51_every_name_is_a_string_of_structured_fields(name: str) -> None:
    try:
        policy = ThrottlePolicy(build(name=name))
    except ConfigError:
        return
    assert re.fullmatch(rb'"[ !#-\[\]-~]*";q=100;w=60', policy.policy_field[1])
