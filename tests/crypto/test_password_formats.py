"""Stored hashes, ours and those of others, and what was made of them on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.crypto.password_formats import (
    Argon2Hash,
    BcryptHash,
    Pbkdf2Hash,
    ScryptHash,
    StoredHash,
    build_password_hash,
    parse_password_hash,
)

if TYPE_CHECKING:
    from asgi_security.crypto.password_formats import AnyHash

SALT = bytes(range(16))
SALT64 = "AAECAwQFBgcICQoLDA0ODw"
DIGEST = b"\xfb" * 32
DIGEST64 = "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s"
ENDS = f"${SALT64}${DIGEST64}"
ARGON2 = Argon2Hash("argon2id", 19456, 2, 1, SALT, DIGEST)
SCRYPT = ScryptHash(17, 8, 1, SALT, DIGEST)
BCRYPT = "$2b$12$" + "a" * 53


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            f"nfc:$argon2id$v=19$m=19456,t=2,p=1{ENDS}",
            StoredHash("NFC", ARGON2),
            id="P65 P76 ours",
        ),
        pytest.param(
            f"nfkc:$scrypt$ln=17,r=8,p=1{ENDS}", StoredHash("NFKC", SCRYPT), id="P65 P76 scrypt"
        ),
        pytest.param(
            f"$argon2id$v=19$m=19456,t=2,p=1{ENDS}", StoredHash(None, ARGON2), id="P77 PHC"
        ),
        pytest.param(
            f"argon2$argon2i$v=19$m=512,t=2,p=2{ENDS}",
            StoredHash(None, Argon2Hash("argon2i", 512, 2, 2, SALT, DIGEST)),
            id="P77 Django argon2",
        ),
        pytest.param(
            f"$pbkdf2-sha256$29000${SALT64}${DIGEST64.replace('+', '.')}",
            StoredHash(None, Pbkdf2Hash("sha256", 29000, SALT, DIGEST)),
            id="P77 passlib PBKDF2",
        ),
        pytest.param(
            f"$pbkdf2$1000${SALT64}${'A' * 27}",
            StoredHash(None, Pbkdf2Hash("sha1", 1000, SALT, bytes(20))),
            id="P77 passlib PBKDF2 with SHA-1",
        ),
        pytest.param(
            f"pbkdf2_sha256$600000$sugar${DIGEST64}=",
            StoredHash(None, Pbkdf2Hash("sha256", 600000, b"sugar", DIGEST)),
            id="P77 Django PBKDF2",
        ),
        pytest.param(
            f"pbkdf2_sha1$1000$sugar${'A' * 27}=",
            StoredHash(None, Pbkdf2Hash("sha1", 1000, b"sugar", bytes(20))),
            id="P77 Django PBKDF2 with SHA-1",
        ),
        pytest.param(
            f"scrypt$16384$sugar$8$5${DIGEST64}=",
            StoredHash(None, ScryptHash(14, 8, 5, b"sugar", DIGEST)),
            id="P77 Django scrypt",
        ),
        pytest.param(BCRYPT, StoredHash(None, BcryptHash(BCRYPT, 12, False)), id="P77 bcrypt"),
        pytest.param(
            f"bcrypt${BCRYPT}", StoredHash(None, BcryptHash(BCRYPT, 12, False)), id="P77 Django"
        ),
        pytest.param(
            f"bcrypt_sha256${BCRYPT}",
            StoredHash(None, BcryptHash(BCRYPT, 12, True)),
            id="P77 Django bcrypt_sha256",
        ),
    ],
)
def test_what_is_read(text: str, expected: StoredHash) -> None:
    assert parse_password_hash(text) == expected
    assert expected.hash.is_affordable


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "!",
            "password",
            "$",
            "nfc:",
            "nfc:x",
            "plain$x",
            "md5$salt$d41d8cd98f00b204e9800998",
        ),
        "x" * 2000,
        f"$argon2id$v=16$m=19456,t=2,p=1{ENDS}",
        f"$argon2id$m=19456,t=2,p=1{ENDS}",
        f"$argon2x$v=19$m=19456,t=2,p=1{ENDS}",
        f"$argon2id$v=19$m=19456,p=1,t=2{ENDS}",
        f"$argon2id$v=19$m=19456,t=2,p=x{ENDS}",
        f"$argon2id$v=19$m=19456,t=0,p=1{ENDS}",
        f"$argon2id$v=19$m=19456,t=2,p=0{ENDS}",
        f"$argon2id$v=19$m=15,t=2,p=2{ENDS}",
        f"$argon2id$v=19$m=٣٢,t=2,p=2{ENDS}",
        f"$argon2id$v=19$m=19456,t=2,p=1$AAAA${DIGEST64}",
        f"$argon2id$v=19$m=19456,t=2,p=1$${DIGEST64}",
        f"$argon2id$v=19$m=19456,t=2,p=1${SALT64}$AAAA",
        f"$argon2id$v=19$m=19456,t=2,p=1${SALT64}$",
        f"$argon2id$v=19$m=19456,t=2,p=1{ENDS}$more",
        f"$argon2id$v=19$m=19456,t=2,p=1${SALT64}${DIGEST64[:-2]}",
        f"argon2$scrypt$ln=17,r=8,p=1{ENDS}",
        f"$scrypt$ln=0,r=8,p=1{ENDS}",
        f"$scrypt$ln=17,r=0,p=1{ENDS}",
        f"$scrypt$ln=17,r=8{ENDS}",
        f"$scrypt$ln=17,r=8,p=1$${DIGEST64}",
        f"$scrypt$ln=17,r=8,p=1${SALT64}$AAAA",
        f"$scrypt$ln=17,r=8,p=1${SALT64}$?",
        *(f"scrypt${n}$sugar$8$1${DIGEST64}" for n in ("0", "1", "3", "16383", "x", "-2")),
        f"scrypt$16384$sugar$x$1${DIGEST64}",
        f"scrypt$16384$$8$1${DIGEST64}",
        f"pbkdf2_sha256$0$sugar${DIGEST64}",
        f"pbkdf2_sha256$1e6$sugar${DIGEST64}",
        f"pbkdf2_sha256$600000$${DIGEST64}",
        "pbkdf2_sha256$600000$sugar$",
        f"pbkdf2_sha256$600000$sugar${'A' * 27}",
        f"pbkdf2_sha999$600000$sugar${DIGEST64}",
        f"$pbkdf2-sha512$29000${SALT64}${DIGEST64}",
        f"$2b$03${'a' * 53}",
        f"$2b$12${'a' * 52}",
        f"$2x$12${'a' * 53}",
        f"$2b$12${'a' * 52}?",
        f"bcrypt{BCRYPT}",
        f"bcrypt$x{BCRYPT}",
    ],
)
def test_P79_damaged_or_unknown_is_not_read(text: str) -> None:
    assert parse_password_hash(text) is None


@pytest.mark.parametrize(
    "value",
    [
        Argon2Hash("argon2id", 4_000_000_000, 1, 1, SALT, DIGEST),
        Argon2Hash("argon2id", 262_144, 17, 1, SALT, DIGEST),
        Argon2Hash("argon2id", 262_144, 1, 65, SALT, DIGEST),
        ScryptHash(9_999_999_999, 8, 1, SALT, DIGEST),
        ScryptHash(19, 8, 1, SALT, DIGEST),
        ScryptHash(18, 8, 65, SALT, DIGEST),
        ScryptHash(18, 8, 17, SALT, DIGEST),
        ScryptHash(10, 1_000_000_000, 1, SALT, DIGEST),
        Pbkdf2Hash("sha256", 10_000_001, SALT, DIGEST),
        BcryptHash(BCRYPT, 17, prehashed=False),
    ],
)
def test_P79_absurd_costs_are_seen_without_being_paid(value: AnyHash) -> None:
    assert not value.is_affordable


@pytest.mark.parametrize("form", ["NFC", "NFKC"])
@pytest.mark.parametrize("value", [ARGON2, SCRYPT])
def test_P65_what_is_written_is_read_again(value: Argon2Hash | ScryptHash, form: str) -> None:
    found = parse_password_hash(build_password_hash(form, value))
    assert found is not None
    assert (found.form, found.hash) == (form, value)


PIECES = st.sampled_from(
    [
        *("$", "nfc:", "nfkc:", "argon2id", "v=19", "m=19456,t=2,p=1", "scrypt", "ln=17,r=8,p=1"),
        *(
            "2b",
            "12",
            "pbkdf2-sha256",
            "pbkdf2_sha256",
            "bcrypt",
            "bcrypt_sha256",
            SALT64,
            "a" * 53,
        ),
    ]
)


@given(st.text(st.characters(), max_size=60) | st.lists(PIECES | st.text(max_size=3)).map("".join))
@settings(max_examples=300, deadline=None)
def test_P79_no_text_raises(text: str) -> None:
    found = parse_password_hash(text)
    assert found is None or isinstance(found.hash.is_affordable, bool)
