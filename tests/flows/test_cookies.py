from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.crypto.signing import PurposeSigner
from asgi_security.errors import ConfigError, SignatureError
from asgi_security.flows.cookies import sign_cookie, verify_cookie
from asgi_security.secret import Secret
from asgi_security.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

K1, K0 = "k1" * 16, "k0" * 16
NAMESPACE = "asgi-security signed cookie 1"


def refuse(value: str | bytes, **fields: Any) -> str:
    with pytest.raises(SignatureError) as caught:
        verify_cookie(value, **{"secret": K1, **fields})
    return caught.value.reason


def test_P14_the_guides_example() -> None:
    signed = sign_cookie({"sub": "user-123"}, secret=K1, exp_seconds=3600)
    assert verify_cookie(signed, secret=K1, old_secrets=[K0]) == {"sub": "user-123"}


def test_C15_a_retired_secret_verifies_and_C16_a_removed_one_does_not() -> None:
    signed = sign_cookie({"a": 1}, secret=K0)
    assert verify_cookie(signed, secret=K1, old_secrets=[K0]) == {"a": 1}
    assert refuse(signed) == "bad_signature"


@pytest.mark.parametrize(
    ("signing", "verifying"),
    [
        pytest.param({"name": "A"}, {"name": "B"}, id="C1 another name"),
        pytest.param({"path": "/a"}, {}, id="P15 scoped by path, checked unscoped"),
        pytest.param({"domain": "a.com"}, {}, id="P15 scoped by domain, checked unscoped"),
        pytest.param({}, {"expected_path": "/a"}, id="P15 unscoped, checked scoped"),
        pytest.param({"path": "/a"}, {"expected_path": "/b"}, id="P15 another path"),
        pytest.param({"path": "x"}, {"expected_domain": "x"}, id="P15 a path for a domain"),
        pytest.param({"path": ""}, {}, id="P15 an empty path is one"),
    ],
)
def test_a_value_is_bound_to_its_place(signing: dict[str, Any], verifying: dict[str, Any]) -> None:
    signed = sign_cookie({"a": 1}, secret=K1, **signing)
    assert refuse(signed, **verifying) == "bad_signature"


def test_P14_the_same_place_is_accepted() -> None:
    signed = sign_cookie({}, secret=K1, name="n", path="/a", domain="a.com")
    same = {"name": "n", "expected_path": "/a", "expected_domain": "a.com"}
    assert verify_cookie(signed, secret=K1, **same) == {}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [
        pytest.param(59.9, None, id="C13 within its time"),
        pytest.param(60, "expired", id="C13 expired from the very instant"),
        pytest.param(1e9, "expired", id="C13 long expired"),
        pytest.param(-60, None, id="C13 signed ahead within the leeway"),
        pytest.param(-61, "not_yet_valid", id="C13 signed in the future"),
    ],
)
def test_time(clock: FakeClock, seconds: float, reason: str | None) -> None:
    signed = sign_cookie({"exp": 9e9}, secret=K1, exp_seconds=60, clock=clock)
    clock.advance(seconds)
    if reason is None:
        assert verify_cookie(signed, secret=K1, clock=clock) == {"exp": 9e9}
    else:
        assert refuse(signed, clock=clock) == reason


def test_P15_an_exp_in_the_payload_is_the_apps_own(clock: FakeClock) -> None:
    signed = sign_cookie({"exp": 1}, secret=K1, clock=clock)
    assert verify_cookie(signed, secret=K1, clock=clock) == {"exp": 1}


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"", id="C18 nothing"),
        pytest.param(b"nonsense", id="C18 no document"),
        pytest.param(b"[1,null]\n[1]", id="C18 P15 a list for a payload"),
        pytest.param(b"[1,null]\n" + b"[" * 5_000, id="C18 nesting"),
        pytest.param(b"[1]\n{}", id="C18 a short head"),
        pytest.param(b'["1",null]\n{}', id="C18 text for an instant"),
        pytest.param(b"[1e400,null]\n{}", id="C18 infinity for an instant"),
        pytest.param(b"[1,true]\n{}", id="C18 true for an expiry"),
    ],
)
def test_an_authentic_value_that_is_not_ours(message: bytes) -> None:
    signer = PurposeSigner(Secret(K1), purpose=(NAMESPACE, "signed"))
    assert refuse(signer.sign(message)) == "bad_payload"


@pytest.mark.parametrize("value", ["", ".", "..", "x" * 100_000, "ü", "\0", "\ud800", b"\xff.\xff"])
def test_C18_junk(value: str | bytes) -> None:
    assert refuse(value) == "bad_signature"


@pytest.mark.parametrize("suffix", ["=", "==", "!!!!", " ", "\0", "\n"])
def test_C3_P15_one_spelling_only(suffix: str) -> None:
    text, _, mac = sign_cookie({"a": 1}, secret=K1).rpartition(".")
    assert refuse(f"{text}{suffix}.{mac}") == "bad_signature"
    assert refuse(f"{text}.{mac}{suffix}") == "bad_signature"


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda: sign_cookie({}, secret=""), id="C17 P15 an empty key signs"),
        pytest.param(lambda: sign_cookie({}, secret="k1"), id="C17 a short key signs"),
        pytest.param(lambda: verify_cookie("x", secret=""), id="C17 P15 an empty key verifies"),
        pytest.param(
            lambda: verify_cookie("x", secret=K1, old_secrets=["k0"]), id="C17 a short old key"
        ),
        pytest.param(
            lambda: verify_cookie("x", secret=K1, old_secrets=K0), id="a string for old secrets"
        ),
        pytest.param(lambda: sign_cookie({}, secret=K1, exp_seconds=0), id="no lifetime"),
    ],
)
def test_what_cannot_be_made_safe_sense_of(act: Callable[[], object]) -> None:
    with pytest.raises(ConfigError) as caught:
        act()
    assert K1 not in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_P15_a_list_is_no_payload() -> None:
    with pytest.raises(TypeError, match="mapping"):
        sign_cookie([1], secret=K1)  # type: ignore[arg-type]


def test_C11_what_browsers_would_drop_is_not_signed() -> None:
    with pytest.raises(ValueError, match="4096"):
        sign_cookie({"a": "x" * 4000}, secret=K1)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=4)))
def test_C3_tampering_with_any_byte(data: st.DataObject, payload: dict[str, Any]) -> None:
    signed = sign_cookie(payload, secret=K1, clock=FakeClock()).encode()
    assert verify_cookie(signed, secret=K1, clock=FakeClock()) == payload
    index = data.draw(st.integers(0, len(signed) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != signed[index]))
    assert refuse(signed[:index] + bytes([other]) + signed[index + 1 :]) == "bad_signature"
