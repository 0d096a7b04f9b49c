"""Tokens of known devices."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.crypto.digests import KeyedDigests
from asgi_security.flows.lockout_devices import DEVICE_LIFETIME_SECONDS, KnownDevices
from asgi_security.secret import Secret
from asgi_security.testing import SeededEntropy

NOW = 1_700_000_000.5
DIGESTS = KeyedDigests(Secret("n" * 32))
DEVICES = KnownDevices(DIGESTS, entropy=SeededEntropy())
TOKEN = DEVICES.build_token("bob", epoch="1", now=NOW)
PARTS = TOKEN.split(".")


def parse(
    token: str = TOKEN, account: str = "bob", epoch: str = "1", now: float = NOW
) -> str | None:
    return DEVICES.parse_token(token, account, epoch=epoch, now=now)


def test_E22_a_token_is_known_for_180_days() -> None:
    assert DEVICE_LIFETIME_SECONDS == 180 * 24 * 3600
    end = int(NOW) + DEVICE_LIFETIME_SECONDS
    assert parse() == parse(now=end - 0.001) == PARTS[0]
    assert parse(now=end) is None


def test_E22_it_shows_neither_account_nor_epoch_and_no_two_are_alike() -> None:
    assert "bob" not in TOKEN
    again = DEVICES.build_token("bob", epoch="1", now=NOW).split(".")
    assert again[0] != PARTS[0]
    assert len(PARTS[0]) == 22


@pytest.mark.parametrize(
    ("account", "epoch"),
    [
        pytest.param("carol", "1", id="E22 another account"),
        pytest.param("bob", "2", id="E22 an old epoch"),
        pytest.param("bob1", "", id="E22 neither may borrow from the other"),
        pytest.param("bo", "b1", id="E22 nor this way"),
    ],
)
def test_a_token_is_for_one_account_at_one_epoch(account: str, epoch: str) -> None:
    assert parse(account=account, epoch=epoch) is None


@pytest.mark.parametrize(
    "token",
    [
        *["", ".", "..", "...", "a.b.c", TOKEN + "=", TOKEN + ".", "x" * 129, f"{TOKEN}\xe9"],
        f"{PARTS[0]}.{int(PARTS[1]) + 1}.{PARTS[2]}",
        f"x{PARTS[0][1:]}.{PARTS[1]}.{PARTS[2]}",
        f"{PARTS[0]}.{PARTS[1]}.{'A' * 43}",
        f"{PARTS[0]}.\u0661.{PARTS[2]}",
        f"{PARTS[0]}.{PARTS[1]}.",
        f"{PARTS[0]}.-1.{PARTS[2]}",
    ],
)
def test_a_forged_token_is_unknown(token: str) -> None:
    assert parse(token) is None


def test_E28_a_token_outlives_the_rotation_of_its_secret() -> None:
    rotated = KeyedDigests(Secret("m" * 32), [Secret("o" * 32), Secret("n" * 32)])
    devices = KnownDevices(rotated, entropy=SeededEntropy())
    assert devices.parse_token(TOKEN, "bob", epoch="1", now=NOW) == PARTS[0]
    stranger = KnownDevices(KeyedDigests(Secret("m" * 32)), entropy=SeededEntropy())
    assert stranger.parse_token(TOKEN, "bob", epoch="1", now=NOW) is None


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80) | st.text(".0aA_-=", max_size=80))
def test_no_text_raises_or_is_known(token: str) -> None:
    assert parse(token) is None
