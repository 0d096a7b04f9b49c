"""When a second factor is due, and what its configuration may hold."""

from __future__ import annotations

from dataclasses import fields
from itertools import product
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from asgi_security.crypto.one_time_codes import (
    MAXIMUM_RECOVERY_LETTERS,
    MINIMUM_RECOVERY_LETTERS,
)
from asgi_security.errors import ConfigError
from asgi_security.policy.mfa import (
    METHODS,
    MfaConfig,
    build_otpauth_uri,
    decide_due,
    has_factor,
    is_enforced,
    list_methods,
    mask_address,
)
from asgi_security.secret import Secret

SECRET = "s" * 32


def config(**given: Any) -> MfaConfig:
    return MfaConfig(**{"issuer": "Acme", "secret": SECRET, **given})


def test_P34_defaults() -> None:
    made = config()
    assert made.pre_token_lifetime_seconds == 300
    assert (made.digits, made.step_seconds, made.window) == (6, 30, 1)
    assert (made.recovery_codes, made.recovery_code_letters) == (10, 24)
    assert made.enforce_for_accounts_since is None
    assert (made.enforce_for_all, made.enforce_for_tenants) == (False, ())
    assert (made.email_codes, made.email_code_digits, made.email_code_attempts) == (False, 6, 5)
    assert (made.email_code_lifetime_seconds, made.email_code_cooldown_seconds) == (300, 60)


def test_secrets_are_kept_and_not_shown() -> None:
    made = config(secret=b"k" * 32, old_secrets=["o" * 32, Secret("p" * 32)])
    assert made.secret == Secret("k" * 32)
    assert tuple(made.old_secrets) == (Secret("o" * 32), Secret("p" * 32))
    assert not {"kkkk", "oooo", "pppp"} & {repr(made)[at : at + 4] for at in range(len(repr(made)))}


def test_lists_are_copied() -> None:
    tenants = ["a"]
    made = config(enforce_for_tenants=tenants)
    tenants.append("b")
    assert made.enforce_for_tenants == ("a",)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("issuer", ""),
        ("issuer", "  "),
        ("issuer", "a\nb"),
        ("issuer", None),
        ("issuer", "Acme: Inc"),
        ("issuer", "x" * 65),
        ("secret", "short"),
        ("secret", None),
        ("old_secrets", "one value, not a list of them"),
        ("old_secrets", b"one value, not a list of them"),
        ("old_secrets", ["short"]),
        ("old_secrets", [7]),
        ("digits", 5),
        ("digits", 9),
        ("digits", 6.0),
        ("step_seconds", 14),
        ("step_seconds", 121),
        ("window", 2),
        ("window", -1),
        ("window", True),
        ("enrolment_lifetime_seconds", 59),
        ("pre_token_lifetime_seconds", 301),
        ("pre_token_lifetime_seconds", 9),
        ("pre_token_lifetime_seconds", float("nan")),
        ("pre_token_attempts", 0),
        ("recovery_codes", 0),
        ("recovery_code_letters", 0),
        ("recovery_code_letters", 10),
        ("recovery_code_letters", 22),
        ("recovery_code_letters", 49),
        ("recovery_code_letters", True),
        ("recovery_code_letters", "24"),
        ("enforce_for_accounts_since", -1),
        ("enforce_for_accounts_since", True),
        ("enforce_for_accounts_since", "2026-01-01"),
        ("enforce_for_accounts_since", float("nan")),
        ("email_codes", "yes"),
        ("email_code_digits", 5),
        ("email_code_lifetime_seconds", 601),
        ("email_code_cooldown_seconds", 0),
        ("email_code_attempts", 11),
        ("email_codes_per_hour", 0),
        ("email_codes_per_hour_and_client", 0),
        ("enforce_for_all", 1),
        ("enforce_for_tenants", "acme"),
        ("enforce_for_tenants", [""]),
        ("enforce_for_tenants", [7]),
        ("is_due", True),
        ("is_due_timeout_seconds", 0),
        ("store_timeout_seconds", 0),
        ("send_timeout_seconds", 0),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_cannot_be(field: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        config(**{field: value})
    (problem,) = caught.value.problems
    assert problem.field == field
    assert SECRET not in str(caught.value)
    assert "one value, not" not in str(caught.value)


def test_all_faults_come_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        MfaConfig(issuer="", secret="", old_secrets=[""], window=7, email_codes=None)  # type: ignore[arg-type]
    found = [problem.field for problem in caught.value.problems]
    assert found == ["email_codes", "issuer", "old_secrets", "secret", "window"]


def test_an_unknown_field_gets_a_suggestion() -> None:
    with pytest.raises(TypeError, match="recovery_codes"):
        config(recovery_code=8)


def test_every_field_is_documented() -> None:
    for field in fields(config()):
        assert field.name in (MfaConfig.__doc__ or "")


def test_P38_what_is_enforced() -> None:
    assert is_enforced(config(enforce_for_all=True), tenant=None, created_at=0)
    assert is_enforced(config(enforce_for_all=True), tenant="a", created_at=0)
    assert is_enforced(config(enforce_for_tenants=["a"]), tenant="a", created_at=0)
    assert not is_enforced(config(enforce_for_tenants=["a"]), tenant="b", created_at=9)
    assert not is_enforced(config(enforce_for_tenants=["a"]), tenant=None, created_at=9)
    assert not is_enforced(config(), tenant="a", created_at=9)


def test_P34_what_is_enforced_for_new_accounts() -> None:
    made = config(enforce_for_accounts_since=100.5)
    assert is_enforced(made, tenant=None, created_at=100.5)
    assert is_enforced(made, tenant="a", created_at=2e9)
    assert not is_enforced(made, tenant="a", created_at=100.4)
    assert is_enforced(config(enforce_for_accounts_since=0), tenant=None, created_at=0)


def test_P34_a_length_that_can_be_guessed_says_how_long() -> None:
    with pytest.raises(ConfigError, match=r"50 bits can be guessed.*at least 23"):
        config(recovery_code_letters=10)
    assert config(recovery_code_letters=23).recovery_code_letters == MINIMUM_RECOVERY_LETTERS
    assert config(recovery_code_letters=48).recovery_code_letters == MAXIMUM_RECOVERY_LETTERS


@pytest.mark.parametrize(
    ("kinds", "mails", "methods"),
    [
        pytest.param((), True, (), id="nothing"),
        pytest.param(("totp", "recovery"), True, ("totp", "recovery"), id="authenticator"),
        pytest.param(("recovery",), True, (), id="F98 recovery codes alone are none"),
        pytest.param(("totp_pending",), True, (), id="unconfirmed"),
        pytest.param(("mailed_code",), True, ("mailed_code",), id="mailed"),
        pytest.param(("mailed_code",), False, (), id="P43 mailed where nothing is mailed"),
        pytest.param(("mailed_code", "recovery"), False, (), id="mailed and recovery, no mail"),
        pytest.param(
            ("mailed_code", "recovery", "totp"), True, METHODS, id="everything, in its order"
        ),
        pytest.param(("webauthn",), True, (), id="of another kind"),
    ],
)
def test_methods(kinds: tuple[str, ...], mails: bool, methods: tuple[str, ...]) -> None:  # noqa: FBT001
    assert list_methods(kinds, mails=mails) == methods
    assert has_factor(methods) is bool(methods)


def test_P38_F95_when_a_factor_is_due() -> None:
    """All twelve cases: what is enforced wins over the rule, the rule over what there is."""
    for enrolled, enforced, asked in product((True, False), (True, False), (True, False, None)):
        due = decide_due(("totp",) if enrolled else (), enforced=enforced, asked=asked)
        if not enforced and (asked is False or (asked is None and not enrolled)):
            assert due == "none"
        else:
            assert due == ("verify" if enrolled else "enrol")


@pytest.mark.parametrize(
    ("issuer", "name"),
    [
        ("Acme", "ann@acme.test"),
        ("Acme Co & Söhne", "a+b/c?d#e%f&g=h@acme.test"),
        ("x" * 64, "名前"),
    ],
    ids=["plain", "all that needs quoting", "long and foreign"],
)
def test_P40_otpauth_uris_are_read_back(issuer: str, name: str) -> None:
    uri = build_otpauth_uri("GEZDGNBV", issuer=issuer, name=name, digits=8, step_seconds=60)
    parts = urlsplit(uri)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("otpauth", "totp", "")
    label = parts.path[1:].split(":")
    assert [unquote(part) for part in label] == [issuer, name]
    assert "+" not in uri
    assert parse_qs(parts.query) == {
        "secret": ["GEZDGNBV"],
        "issuer": [issuer],
        "algorithm": ["SHA1"],
        "digits": ["8"],
        "period": ["60"],
    }
    assert uri.isascii()


@pytest.mark.parametrize(
    ("address", "mask"),
    [
        ("ann@acme.test", "a***@a***.test"),
        ("a@b.co.uk", "a***@b***.uk"),
        ("a@localhost", "a***@l***"),
        ("x@y@acme.test", "x***@a***.test"),
    ],
)
def test_P40_masks(address: str, mask: str) -> None:
    assert mask_address(address) == mask
