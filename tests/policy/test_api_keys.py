"""What an API key may be made for, and whether it still opens anything."""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.errors import ConfigError
from asgi_security.policy.api_keys import (
    ApiKeyConfig,
    Grant,
    GrantRefused,
    decide_grant,
    decide_standing,
    is_scope,
    is_touch_due,
)
from asgi_security.secret import Secret

if TYPE_CHECKING:
    from asgi_security.policy.api_keys import Reason

SECRET = "s" * 32
NOW = 1_700_000_000.0
YEAR = 8760 * 3600.0


def configure(**fields: Any) -> ApiKeyConfig:
    return ApiKeyConfig(**{"secret": SECRET, **fields})


def grant(config: ApiKeyConfig | None = None, **wishes: Any) -> Grant | GrantRefused:
    values = {
        "name": "CI",
        "scopes": ["read"],
        "granted": {"read", "write"},
        "lifetime_seconds": None,
        "now": NOW,
        **wishes,
    }
    return decide_grant(config or configure(), **values)


def not_held(*scopes: str) -> GrantRefused:
    return GrantRefused("scope_not_held", scopes)


class TestConfig:
    def test_P50_defaults(self) -> None:
        config = configure()
        assert (config.prefix, config.header, config.lifetime_seconds) == ("ak", "x-api-key", YEAR)
        assert config.allowed_scopes is None
        assert not config.required
        assert SECRET not in repr(config)

    def test_lists_are_copied_and_secrets_hidden(self) -> None:
        scopes, old = ["read"], ["o" * 32, b"p" * 32]
        config = configure(allowed_scopes=scopes, old_secrets=old, header="X-Key")
        scopes.append("write")
        old.clear()
        assert config.allowed_scopes == ("read",)
        assert config.old_secrets == (Secret("o" * 32), Secret("p" * 32))
        assert config.header == "x-key"
        assert "o" * 32 not in repr(config)

    @pytest.mark.parametrize(
        ("fields", "named"),
        [
            pytest.param({"secret": "short"}, "secret", id="short secret"),
            pytest.param({"secret": 5}, "secret", id="no secret"),
            pytest.param({"old_secrets": ["short"]}, "old_secrets", id="short old secret"),
            pytest.param({"old_secrets": "o" * 32}, "old_secrets", id="one old secret"),
            pytest.param({"prefix": "AK"}, "prefix", id="upper case prefix"),
            pytest.param({"prefix": ""}, "prefix", id="no prefix"),
            pytest.param({"prefix": "ak_"}, "prefix", id="prefix with an end"),
            pytest.param({"prefix": "a" * 33}, "prefix", id="long prefix"),
            pytest.param({"prefix": 5}, "prefix", id="number for a prefix"),
            pytest.param({"header": "x key"}, "header", id="no header name"),
            pytest.param({"header": None}, "header", id="no header"),
            pytest.param({"header": "Authorization"}, "header", id="header of tokens"),
            pytest.param({"header": "cookie"}, "header", id="header of cookies"),
            pytest.param({"realm": 'a"b'}, "realm", id="quote in realm"),
            pytest.param({"realm": "a\\b"}, "realm", id="backslash in realm"),
            pytest.param({"realm": "ä"}, "realm", id="realm beyond ASCII"),
            pytest.param({"realm": 5}, "realm", id="number for a realm"),
            pytest.param({"lifetime_seconds": 0}, "lifetime_seconds", id="no lifetime"),
            pytest.param({"lifetime_seconds": inf}, "lifetime_seconds", id="infinite lifetime"),
            pytest.param({"max_lifetime_seconds": 0}, "max_lifetime_seconds", id="no longest"),
            pytest.param(
                {"max_lifetime_seconds": YEAR - 1}, "lifetime_seconds", id="longer than longest"
            ),
            pytest.param(
                {"max_lifetime_seconds": YEAR, "lifetime_seconds": None},
                "lifetime_seconds",
                id="endless and bounded",
            ),
            pytest.param({"allowed_scopes": "read"}, "allowed_scopes", id="one scope"),
            pytest.param({"allowed_scopes": ["a b"]}, "allowed_scopes", id="two scopes in one"),
            pytest.param({"touch_every_seconds": -1}, "touch_every_seconds", id="touch before"),
            pytest.param({"store_timeout_seconds": 0}, "store_timeout_seconds", id="no time"),
            pytest.param({"required": 1}, "required", id="no boolean"),
        ],
    )
    def test_problems_name_their_field(self, fields: dict[str, Any], named: str) -> None:
        with pytest.raises(ConfigError) as caught:
            configure(**fields)
        assert [problem.field for problem in caught.value.problems] == [named]

    def test_all_problems_at_once(self) -> None:
        with pytest.raises(ConfigError) as caught:
            configure(secret="x", prefix="", header="", realm='"', lifetime_seconds=0)
        fields = [problem.field for problem in caught.value.problems]
        assert fields == ["header", "lifetime_seconds", "prefix", "realm", "secret"]

    def test_bounds_that_fit(self) -> None:
        configure(max_lifetime_seconds=YEAR)
        configure(lifetime_seconds=None)
        configure(lifetime_seconds=60, max_lifetime_seconds=60, touch_every_seconds=0)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        *(("read", True), ("a:b/c*", True), ("", False), ("a b", False), ('"', False)),
        *(("\\", False), ("é", False), ("\x7f", False), (5, False)),
        *(("a" * 200, True), ("a" * 201, False)),
    ],
)
def test_scopes(text: object, wanted: bool) -> None:  # noqa: FBT001
    assert is_scope(text) is wanted


class TestGrant:
    def test_P50_lives_8760_hours_unless_told(self) -> None:
        assert grant() == Grant("CI", ("read",), NOW + YEAR)
        assert grant(lifetime_seconds=60) == Grant("CI", ("read",), NOW + 60)
        endless = configure(lifetime_seconds=None)
        assert grant(endless) == Grant("CI", ("read",), None)
        assert grant(endless, lifetime_seconds=60) == Grant("CI", ("read",), NOW + 60)

    @pytest.mark.parametrize(
        ("scopes", "granted", "wanted"),
        [
            pytest.param(["write", "read"], {"read", "write"}, ("read", "write"), id="P50 all"),
            pytest.param([], set(), (), id="P50 none"),
            pytest.param(["read", "read"], {"read"}, ("read",), id="P50 twice"),
            pytest.param(["a", "b", "c"], {"b"}, not_held("a", "c"), id="P50 not held"),
            pytest.param(
                ["read"], {"read:all", "*", "rea"}, not_held("read"), id="P50 no patterns"
            ),
            pytest.param(["read"], set(), not_held("read"), id="P50 nothing held"),
            pytest.param(
                ["a b"], {"a b"}, GrantRefused("invalid_scope", ("a b",)), id="P50 no scope"
            ),
            pytest.param(
                [f"s{n}" for n in range(101)],
                set(),
                GrantRefused("invalid_scope"),
                id="P50 too many",
            ),
        ],
    )
    def test_only_what_the_owner_holds(
        self, scopes: list[str], granted: set[str], wanted: object
    ) -> None:
        got = grant(scopes=scopes, granted=granted)
        assert (got.scopes if isinstance(got, Grant) else got) == wanted

    def test_P50_only_what_is_allowed_at_all(self) -> None:
        config = configure(allowed_scopes=["read"])
        assert isinstance(grant(config), Grant)
        refused = grant(config, scopes=["write", "read"])
        assert refused == GrantRefused("scope_not_allowed", ("write",))
        assert grant(configure(allowed_scopes=[])) == GrantRefused("scope_not_allowed", ("read",))
        hundred = [f"s{number}" for number in range(100)]
        assert isinstance(grant(scopes=hundred, granted=set(hundred)), Grant)

    @pytest.mark.parametrize("lifetime", [0, 0.5, -1, nan, inf, 61])
    def test_lifetimes_out_of_bounds(self, lifetime: float) -> None:
        config = configure(lifetime_seconds=60, max_lifetime_seconds=60)
        assert grant(config, lifetime_seconds=lifetime) == GrantRefused("invalid_lifetime")

    def test_a_lifetime_has_an_end_without_a_bound_too(self) -> None:
        assert grant(lifetime_seconds=1e11) == GrantRefused("invalid_lifetime")
        assert isinstance(grant(lifetime_seconds=1e10), Grant)

    @pytest.mark.parametrize("name", ["", "a" * 101, " a", "a ", "a\nb", "\0", "\u202e"])
    def test_names_that_cannot_be_shown(self, name: str) -> None:
        assert grant(name=name) == GrantRefused("invalid_name")

    @pytest.mark.parametrize("name", ["a", "a" * 100, "Ä b", "日本"])
    def test_names_that_can(self, name: str) -> None:
        assert isinstance(grant(name=name), Grant)


@pytest.mark.parametrize(
    ("revoked_at", "expires_at", "is_active", "wanted"),
    [
        pytest.param(None, None, True, None, id="P50 for ever"),
        pytest.param(None, NOW + 0.001, True, None, id="P50 alive"),
        pytest.param(None, NOW, True, "api_key_expired", id="P50 expired"),
        pytest.param(NOW - 1, NOW - 1, False, "api_key_revoked", id="P50 revoked first"),
        pytest.param(NOW + 9, None, True, "api_key_revoked", id="P50 revoked by a fast clock"),
        pytest.param(None, NOW, False, "api_key_expired", id="P50 expired first"),
        pytest.param(None, None, False, "account_disabled", id="P50 disabled owner"),
    ],
)
def test_standing(
    revoked_at: float | None,
    expires_at: float | None,
    is_active: bool,  # noqa: FBT001
    wanted: Reason | None,
) -> None:
    found = decide_standing(
        revoked_at=revoked_at, expires_at=expires_at, is_owner_active=is_active, now=NOW
    )
    assert found == wanted


@pytest.mark.parametrize(
    ("used_at", "due"),
    [(None, True), (NOW, False), (NOW - 59.9, False), (NOW - 60, True), (NOW + 60, False)],
)
def test_touches_are_throttled(used_at: float | None, due: bool) -> None:  # noqa: FBT001
    assert is_touch_due(configure(), used_at=used_at, now=NOW) is due
    assert is_touch_due(configure(touch_every_seconds=0), used_at=NOW, now=NOW)
