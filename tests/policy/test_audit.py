"""What a record of the audit log says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.errors import ConfigError
from asgi_security.policy.audit import (
    KEY_ROTATED,
    AuditConfig,
    build_body,
    build_facts,
    build_rotation,
    format_instant,
    name_chain,
    parse_chain,
)
from asgi_security.secret import Secret

if TYPE_CHECKING:
    from asgi_security.policy.audit import AuditFacts

SECRET = "s" * 32
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhMSJ9.c2lnbmF0dXJlLW9mLWl0"


def build(action: str = "login", **fields: Any) -> AuditFacts:
    values: dict[str, Any] = {
        "record_id": "i1",
        "tenant": None,
        "at": 1_700_000_000.25,
        "actor": "a1",
        "target": None,
        "outcome": "success",
        "request_id": None,
        "details": {},
    }
    return build_facts(action, **{**values, **fields})


class TestConfig:
    def test_a_secret_is_all_it_takes(self) -> None:
        config = AuditConfig(secret=SECRET, old_secrets=[b"o" * 32], redacted_names=["iban"])
        assert config.secret == Secret(SECRET)
        assert config.old_secrets == (Secret("o" * 32),)
        assert config.redacted_names == ("iban",)
        assert SECRET not in repr(config)

    def test_H83_without_a_key_only_on_demand(self) -> None:
        assert AuditConfig(dangerously_unkeyed=True).secret is None
        with pytest.raises(ConfigError, match="dangerously_unkeyed"):
            AuditConfig()

    def test_all_problems_at_once(self) -> None:
        fields: dict[str, Any] = {
            "secret": "short",
            "old_secrets": [b"old", 1],
            "dangerously_unkeyed": "no",
            "redacted_names": ["IBAN", "a b", "é", 1],
            "store_timeout_seconds": 0,
            "max_tries": 0,
        }
        with pytest.raises(ConfigError) as caught:
            AuditConfig(**fields)
        names = [problem.field for problem in caught.value.problems]
        assert names == [
            *("dangerously_unkeyed", "max_tries", "old_secrets", "old_secrets"),
            *("redacted_names",) * 4,
            *("secret", "store_timeout_seconds"),
        ]
        assert "short" not in str(caught.value)

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"secret": SECRET, "old_secrets": "o" * 32}, "old_secrets"),
            ({"secret": SECRET, "redacted_names": "iban"}, "redacted_names"),
            ({"old_secrets": ["o" * 32], "dangerously_unkeyed": True}, "secret"),
            ({"secret": 5}, "secret"),
        ],
        ids=["one old secret", "one name", "old secrets alone", "a number"],
    )
    def test_shapes(self, fields: dict[str, Any], field: str) -> None:
        with pytest.raises(ConfigError) as caught:
            AuditConfig(**fields)
        assert [problem.field for problem in caught.value.problems] == [field]


class TestChains:
    def test_H86_no_tenant_is_a_chain_of_its_own(self) -> None:
        chains = [name_chain(tenant) for tenant in (None, "", "main", "tenant:main", "None")]
        assert len(set(chains)) == 5

    @settings(max_examples=100, deadline=None)
    @given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40))
    def test_H86_a_chain_tells_its_tenant(self, tenant: str) -> None:
        assert parse_chain(name_chain(tenant)) == (tenant,)
        assert name_chain(tenant) != name_chain(None)

    def test_H86_chains_of_others(self) -> None:
        assert parse_chain(name_chain(None)) == (None,)
        assert parse_chain("other") is None


class TestInstants:
    @pytest.mark.parametrize(
        ("at", "expected"),
        [
            pytest.param(0, "1970-01-01T00:00:00.000000Z", id="H82 whole"),
            pytest.param(1_700_000_000.25, "2023-11-14T22:13:20.250000Z", id="H82 fraction"),
            pytest.param(1_700_000_000.123456, "2023-11-14T22:13:20.123456Z", id="H82 six digits"),
            pytest.param(0.0000004, "1970-01-01T00:00:00.000000Z", id="H82 less than one"),
            pytest.param(-1.5, "1969-12-31T23:59:58.500000Z", id="H82 before the epoch"),
        ],
    )
    def test_H82_always_six_digits(self, at: float, expected: str) -> None:
        assert format_instant(at) == expected
        moment = datetime.fromisoformat(expected)
        assert moment.tzinfo == UTC

    @pytest.mark.parametrize("at", [1e18, 1e30, -1e18, float("inf"), float("nan")])
    def test_beyond_the_calendar(self, at: float) -> None:
        with pytest.raises(ValueError):
            format_instant(at)


class TestFacts:
    def test_H81_what_a_record_says(self) -> None:
        facts = build(
            tenant="acme", target="t1", outcome="failure", request_id="r1", details={"n": 1}
        )
        assert build_body(facts, sequence=7, previous=b"\xab" * 32, key_id="k1") == {
            "v": 1,
            "id": "i1",
            "chain": "tenant:acme",
            "seq": 7,
            "at": "2023-11-14T22:13:20.250000Z",
            "action": "login",
            "actor": "a1",
            "target": "t1",
            "outcome": "failure",
            "request_id": "r1",
            "details": {"n": 1},
            "prev": "ab" * 32,
            "key": "k1",
        }

    def test_H89_no_secret_comes_in(self) -> None:
        facts = build(
            action=JWT,
            actor=JWT,
            target=f"Bearer {'a1' * 9}",
            outcome=JWT,
            request_id=JWT,
            details={"a": [{"password": "hunter2", "note": JWT, "iban": "DE02"}]},
            redacted_names=("iban",),
        )
        shown = repr(facts)
        for secret in (JWT, "a1a1", "hunter2", "DE02"):
            assert secret not in shown

    def test_what_was_given_can_change_without_changing_the_record(self) -> None:
        details = {"list": [1]}
        facts = build(details=details)
        details["list"].append(2)
        assert facts.details == {"list": [1]}

    @pytest.mark.parametrize(
        "fields",
        [
            pytest.param({"action": ""}, id="no action"),
            pytest.param({"action": 1}, id="action that is no text"),
            pytest.param({"action": KEY_ROTATED}, id="H90 the log's own action"),
            pytest.param({"outcome": ""}, id="no outcome"),
            pytest.param({"outcome": "a\nb"}, id="end of line"),
            pytest.param({"actor": "a\0b"}, id="NUL"),
            pytest.param({"actor": 5}, id="actor that is no text"),
            pytest.param({"actor": "a" * 513}, id="actor too long"),
            pytest.param({"target": "\ud800"}, id="H81 lone surrogate"),
            pytest.param({"tenant": "\x7f"}, id="tenant with a control"),
            pytest.param({"tenant": b"acme"}, id="tenant that is no text"),
            pytest.param({"request_id": 5}, id="request id that is no text"),
            pytest.param({"details": [1]}, id="details in a list"),
            pytest.param({"at": float("nan")}, id="no time"),
        ],
    )
    def test_what_can_be_no_record(self, fields: dict[str, Any]) -> None:
        with pytest.raises(ValueError):
            build(**fields)

    def test_a_request_id_from_outside_never_stops_a_record(self) -> None:
        assert build(request_id="a\0\ud800\n").request_id == "a\ufffd\ufffd\ufffd"
        assert build(request_id="r" * 10_000).request_id == "r" * 128
        assert build(request_id=None).request_id is None

    def test_the_longest_ids_are_kept_whole(self) -> None:
        assert build(actor="é" * 512).actor == "é" * 512
        assert (build(actor=None).actor, build(target="").target) == (None, "")

    def test_H90_a_rotation_names_the_next_key(self) -> None:
        facts = build_rotation("main", record_id="i2", at=0, key_id="k2")
        body = build_body(facts, sequence=2, previous=bytes(32), key_id="k1")
        assert (body["action"], body["key"], body["details"]) == (KEY_ROTATED, "k1", {"key": "k2"})
        assert (body["actor"], body["target"], body["outcome"]) == (None, None, "success")
