"""Secrets do not enter the audit log."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.policy.audit_redaction import REDACTED, is_secret_name, redact, redact_text
from asgi_security.secret import Secret

JWS = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhMSJ9.c2lnbmF0dXJlLW9mLWl0"
UNSIGNED = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhMSJ9."
JWE = "eyJhbGciOiJkaXIifQ..aXYxMjM0NTY3ODkw.Y2lwaGVydGV4dA.dGFn"
SPACED = "ewogICJhbGciOiAiSFMyNTYiCn0.eyJzdWIiOiJhMSJ9.c2ln"


@pytest.mark.parametrize(
    "name",
    [
        *("password", "Password", "PASSWORD", "newPassword", "new_password", "password2"),
        *("passwordConfirmation", "userpassword", "passwd", "pwd", "passphrase", "passwords"),
        *("token", "tokens", "access_token", "accessToken", "refreshtoken", "X-CSRF-Token"),
        *("JWTToken", "token_hash", "cookie", "Set-Cookie", "cookies", "cookie_value"),
        *("authorization", "Proxy-Authorization", "authorization_header"),
        *("code", "codes", "recovery_codes", "recoveryCodes", "code_verifier", "mfa-code"),
        *("secret", "client_secret", "secrets", "secretKey", "clientsecret"),
        *("otp", "pin", "jwt", "bearer", "credentials", "passcode"),
        *("api_key", "apiKey", "X-API-Key", "privateKey", "signing_keys"),
    ],
)
def test_H89_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)
    assert redact({name: "hunter2"}) == {name: REDACTED}


@pytest.mark.parametrize(
    "name",
    [
        *("", "1", "actor", "reason", "passenger", "passage", "decoder", "encoded", "barcode"),
        *("spinning", "secretary", "tokenizer", "cookiebanner", "key", "key_id", "monkey"),
        *("status_code", "statusCode", "error_code", "reasonCodes", "country_code", "exit_code"),
        *("token_id", "token_type", "token_count", "cookie_name", "codes_left", "password_length"),
        *("password_policy", "api_key_id", "password_changed_at", "id", "name", "count"),
    ],
)
def test_H89_names_that_describe_or_merely_sound_alike(name: str) -> None:
    assert not is_secret_name(name)


def test_H89_names_of_an_app_of_its_own() -> None:
    assert not is_secret_name("customer_iban")
    assert is_secret_name("customerIban", ("iban",))
    assert redact([{"iban": "DE02"}], ("iban",)) == [{"iban": REDACTED}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(JWS, REDACTED, id="H89 JWS"),
        pytest.param(UNSIGNED, REDACTED, id="H89 unsigned"),
        pytest.param(JWE, REDACTED, id="H89 JWE"),
        pytest.param(SPACED, REDACTED, id="H89 header with blanks"),
        pytest.param(f"got '{JWS}', refused", f"got '{REDACTED}', refused", id="H89 within text"),
        pytest.param(f"{JWS} {JWS}", f"{REDACTED} {REDACTED}", id="H89 two"),
        pytest.param(f"a={JWS}&b", f"a={REDACTED}&b", id="H89 in a query"),
        pytest.param(f"Bearer {JWS}", f"Bearer {REDACTED}", id="H89 bearer JWT"),
        pytest.param("bearer 0123456789", f"bearer {REDACTED}", id="H89 bearer"),
        pytest.param("BEARER\tabcdefG", f"BEARER {REDACTED}", id="H89 tab"),
        pytest.param("Basic dXNlcjpwYXNz", f"Basic {REDACTED}", id="H89 basic"),
        pytest.param("DPoP abc.def-1", f"DPoP {REDACTED}", id="H89 DPoP"),
        pytest.param("the bearer carries nothing", "the bearer carries nothing", id="prose"),
        pytest.param("basic authentication", "basic authentication", id="more prose"),
        pytest.param("eyJ.hbG.x", "eyJ.hbG.x", id="too short for a token"),
        pytest.param("eyewitnesses agreed", "eyewitnesses agreed", id="no dots"),
        pytest.param("www.example.com/a.b", "www.example.com/a.b", id="a host"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_texts(text: str, expected: str) -> None:
    assert redact_text(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param({"a": [{"b": {"token": "t"}}]}, {"a": [{"b": {"token": REDACTED}}]}, id="H89"),
        pytest.param({"code": {"n": 1}}, {"code": REDACTED}, id="H89 whatever stands there"),
        pytest.param({"code": 123456}, {"code": REDACTED}, id="H89 a number"),
        pytest.param(({"pin": 1}, "x"), [{"pin": REDACTED}, "x"], id="H89 in a tuple"),
        pytest.param({"a": Secret("hunter2")}, {"a": REDACTED}, id="H89 a Secret"),
        pytest.param({"a": [JWS]}, {"a": [REDACTED]}, id="H89 a JWT in a list"),
        pytest.param({JWS: 1}, {REDACTED: 1}, id="H89 a JWT as a name"),
        pytest.param({"n": 1, "f": 1.5, "b": True, "z": None}, None, id="scalars are kept"),
        pytest.param({1: "a", "l": [], "d": {}}, None, id="what is no JSON is left to the encoder"),
    ],
)
def test_values(value: Any, expected: Any) -> None:
    assert redact(value) == (value if expected is None else expected)


def test_what_was_given_is_not_changed() -> None:
    given_value = {"a": [{"password": "x"}]}
    redact(given_value)
    assert given_value == {"a": [{"password": "x"}]}


def test_what_contains_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="levels"):
        redact(loop)
    deep: object = 1
    for _ in range(64):
        deep = [deep]
    assert redact(deep) == deep
    with pytest.raises(ValueError, match="levels"):
        redact({"a": deep})


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
        max_leaves=10,
    ),
    st.sampled_from(["password", "session_token", "Cookie"]),
)
def test_H89_no_depth_hides_a_secret(inside: object, name: str) -> None:
    canary = "canary-7f3a"
    value = [{"x": {name: [inside, canary], "y": [{name: canary}]}}]
    assert canary not in repr(redact(value))


@pytest.mark.parametrize("unit", ["e", "ey", "eyJ", "eyJa.", "bearer ", "a.", "A", "eyJabcdefg"])
def test_long_text_takes_time_in_proportion(unit: str) -> None:
    # Of quadratic effort these would not end within the patience of anyone.
    redact_text(unit * (400_000 // len(unit)))
    is_secret_name(unit * (100_000 // len(unit)))
