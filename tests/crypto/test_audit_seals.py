"""Seals, checkpoints and commitments of the audit log."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.crypto.audit_seals import (
    NO_SEAL,
    AuditKeys,
    ChainMark,
    Checkpoint,
    check_commitment,
    compute_audit_key_id,
    compute_commitment,
    parse_checkpoint,
    parse_seal,
)
from asgi_security.secret import Secret

SECRET, OLD, OTHER = Secret("s" * 32), Secret("o" * 32), Secret("x" * 32)
KEYS = AuditKeys(SECRET, [OLD])
UNKEYED = AuditKeys(None, accepts_unkeyed=True)
MARK = ChainMark("tenant:acmé.x", 17, b"m" * 32)
SALT = b"0123456789abcdef"


def prefix(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def test_H83_a_seal_is_hmac_sha256_of_label_chain_previous_and_bytes() -> None:
    message = prefix(b"asgi_security audit record 1", "tenant:é".encode(), NO_SEAL, b"{}")
    expected = hmac.new(b"s" * 32, message, hashlib.sha256).digest()
    assert KEYS.seal(KEYS.current, "tenant:é", previous=NO_SEAL, body=b"{}") == expected


def test_H83_unkeyed_it_is_a_hash() -> None:
    message = prefix(b"asgi_security audit record 1", b"main", NO_SEAL, b"{}")
    expected = hashlib.sha256(message).digest()
    assert UNKEYED.current is None
    assert UNKEYED.seal(None, "main", previous=NO_SEAL, body=b"{}") == expected


def test_H83_every_part_counts() -> None:
    seals = {
        KEYS.seal(key, chain, previous=previous, body=body)
        for key in (KEYS.current, compute_audit_key_id(OLD))
        for chain in ("a", "ab")
        for previous in (NO_SEAL, b"b" * 32)
        for body in (b"c", b"bc")
    }
    assert len(seals) == 16


def test_H90_keys_are_known_by_ids_that_tell_nothing() -> None:
    current, old = compute_audit_key_id(SECRET), compute_audit_key_id(OLD)
    assert (KEYS.current, len(current), len({current, old})) == (current, 11, 2)
    assert current in KEYS
    assert old in KEYS
    assert compute_audit_key_id(OTHER) not in KEYS
    assert None not in KEYS
    assert None in UNKEYED
    with pytest.raises(KeyError):
        KEYS.seal(None, "main", previous=NO_SEAL, body=b"")


def test_no_secret_is_shown() -> None:
    assert "sss" not in repr(KEYS)


class TestCheckpoints:
    @pytest.mark.parametrize("keys", [KEYS, UNKEYED], ids=["H87 keyed", "H87 unkeyed"])
    def test_what_is_signed_is_read_and_checked(self, keys: AuditKeys) -> None:
        text = keys.sign(MARK, keys.current)
        parsed = parse_checkpoint(f" {text}\n")
        assert parsed is not None
        assert (parsed.mark, parsed.key_id) == (MARK, keys.current)
        assert keys.check_signature(parsed)
        assert text.isascii()

    def test_H90_one_of_an_old_key_is_still_good(self) -> None:
        parsed = parse_checkpoint(AuditKeys(OLD).sign(MARK, compute_audit_key_id(OLD)))
        assert parsed is not None
        assert KEYS.check_signature(parsed)

    @pytest.mark.parametrize(
        "mark",
        [
            pytest.param(ChainMark("main", 17, MARK.mac), id="H87 another chain"),
            pytest.param(ChainMark(MARK.chain, 16, MARK.mac), id="H87 another number"),
            pytest.param(ChainMark(MARK.chain, 17, b"n" * 32), id="H87 another seal"),
        ],
    )
    def test_the_signature_covers_the_mark(self, mark: ChainMark) -> None:
        signed = parse_checkpoint(KEYS.sign(MARK, KEYS.current))
        assert signed is not None
        assert not KEYS.check_signature(Checkpoint(mark, signed.key_id, signed.signature))

    def test_a_key_that_is_not_held_signs_nothing(self) -> None:
        foreign = AuditKeys(OTHER)
        parsed = parse_checkpoint(foreign.sign(MARK, foreign.current))
        assert parsed is not None
        assert not KEYS.check_signature(parsed)
        unkeyed = parse_checkpoint(UNKEYED.sign(MARK, None))
        assert unkeyed is not None
        assert not KEYS.check_signature(unkeyed)

    def test_a_seal_is_no_signature(self) -> None:
        seal = KEYS.seal(KEYS.current, MARK.chain, previous=MARK.mac, body=b"17")
        assert not KEYS.check_signature(Checkpoint(MARK, KEYS.current, seal))

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(lambda text: "", id="nothing"),
            pytest.param(lambda text: text.replace("audit1", "audit2"), id="another form"),
            pytest.param(lambda text: text + ".x", id="a field too many"),
            pytest.param(lambda text: text.rpartition(".")[0], id="a field too few"),
            pytest.param(lambda text: text.replace(".17.", ".-17."), id="a signed number"),
            pytest.param(lambda text: text.replace(".17.", ".."), id="no number"),
            pytest.param(lambda text: text.replace(".17.", f".{'9' * 19}."), id="a huge number"),
            pytest.param(lambda text: text.replace(".17.", ".\u0661."), id="a foreign digit"),
            pytest.param(lambda text: text.replace("6d6d", "6D6D"), id="upper case"),
            pytest.param(lambda text: text.replace("6d6d", "6d", 1), id="a short seal"),
            pytest.param(lambda text: text.replace("6d6d", "zz6d", 1), id="no seal"),
            pytest.param(lambda text: text.replace("audit1.", "audit1.!"), id="no base64url"),
            pytest.param(lambda text: text.replace("audit1.", "audit1._w_w"), id="no UTF-8"),
            pytest.param(lambda text: text + "=", id="padding"),
        ],
    )
    def test_no_other_text_is_a_checkpoint(self, change: object) -> None:
        assert callable(change)
        assert parse_checkpoint(change(KEYS.sign(MARK, KEYS.current))) is None

    @settings(max_examples=200, deadline=None)
    @given(st.text(max_size=40))
    def test_no_text_raises(self, text: str) -> None:
        parse_checkpoint(f"audit1.{text}.1.{text}.{text}.{text}")
        assert parse_checkpoint(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("ab" * 32, b"\xab" * 32, id="seal"),
        pytest.param("AB" * 32, None, id="upper case"),
        pytest.param("ab" * 31, None, id="short"),
        pytest.param("ab " * 32, None, id="blanks"),
        pytest.param(None, None, id="no text"),
    ],
)
def test_seals_in_text(text: object, expected: bytes | None) -> None:
    assert parse_seal(text) == expected


class TestCommitments:
    def test_H88_only_value_and_salt_open_it(self) -> None:
        made = compute_commitment("ada@example.com", SALT)
        assert check_commitment(made, "ada@example.com", SALT)
        assert not check_commitment(made, "bob@example.com", SALT)
        assert not check_commitment(made, "ada@example.com", SALT[::-1])
        assert not check_commitment("\ud800", "ada@example.com", SALT)

    def test_H88_equal_values_do_not_show_as_equal(self) -> None:
        assert compute_commitment("ada", SALT) != compute_commitment("ada", b"f" * 16)

    def test_H88_it_is_a_keyed_hash_of_the_value(self) -> None:
        message = prefix(b"asgi_security audit commitment 1", b"ada")
        digest = hmac.new(SALT, message, hashlib.sha256).digest()
        expected = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        assert compute_commitment("ada", SALT) == expected

    def test_H88_a_salt_that_can_be_guessed_is_refused(self) -> None:
        with pytest.raises(ValueError, match="16 bytes"):
            compute_commitment("ada", b"short")
