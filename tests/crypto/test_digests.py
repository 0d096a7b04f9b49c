"""Digests of names and addresses."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.crypto.digests import KeyedDigests, build_message, compute_unkeyed_digest
from asgi_security.secret import Secret

SECRET = Secret(b"n" * 32)
OLD = Secret(b"o" * 32)
OLDER = Secret(b"p" * 32)


class TestKeyedDigests:
    def test_E28_it_is_hmac_sha256_of_the_length_prefixed_parts(self) -> None:
        message = b"\0\0\0\6client" + b"\0\0\0\x09192.0.2.1"
        expected = hmac.new(b"n" * 32, message, hashlib.sha256).digest()
        assert KeyedDigests(SECRET).compute("client", "192.0.2.1") == expected

    def test_E28_P12_it_is_not_what_anyone_can_recompute(self) -> None:
        digest = KeyedDigests(SECRET).compute("client", "192.0.2.1")
        assert digest != hashlib.sha256(b"192.0.2.1").digest()
        assert digest != KeyedDigests(OLD).compute("client", "192.0.2.1")
        assert digest != compute_unkeyed_digest("client", "192.0.2.1")

    def test_E28_old_secrets_give_what_they_gave_when_they_were_current(self) -> None:
        digests = KeyedDigests(SECRET, [OLD, OLDER])
        assert digests.compute("k", "v") == KeyedDigests(SECRET).compute("k", "v")
        assert digests.compute_old("k", "v") == (
            KeyedDigests(OLD).compute("k", "v"),
            KeyedDigests(OLDER).compute("k", "v"),
        )
        assert KeyedDigests(SECRET).compute_old("k", "v") == ()

    def test_E28_a_kind_and_a_value_cannot_borrow_from_each_other(self) -> None:
        digests = KeyedDigests(SECRET)
        assert digests.compute("account:", "x") != digests.compute("account", ":x")

    def test_a_lone_surrogate_is_no_error(self) -> None:
        assert len(KeyedDigests(SECRET).compute("k", "\ud800")) == 32

    def test_no_secret_is_shown(self) -> None:
        assert "nnn" not in repr(KeyedDigests(SECRET, [OLD]))


def test_an_unkeyed_digest_keeps_kinds_apart() -> None:
    message = build_message("account:password", "17")
    assert compute_unkeyed_digest("account:password", "17") == hashlib.sha256(message).digest()
    assert compute_unkeyed_digest("client", "17") != compute_unkeyed_digest("account", "17")


@pytest.mark.parametrize("characters", ["ab:", "\0a", "é\ud800"])
def test_E28_two_pairs_never_share_a_message(characters: str) -> None:
    text = st.text(characters, max_size=5)

    @settings(max_examples=100, deadline=None)
    @given(text, text, text, text)
    def check(kind: str, value: str, other_kind: str, other_value: str) -> None:
        same = (kind, value) == (other_kind, other_value)
        assert (build_message(kind, value) == build_message(other_kind, other_value)) is same

    check()
