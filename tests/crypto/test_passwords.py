"""Password hashes: made, checked against those of other libraries, and replaced."""

from __future__ import annotations

import hashlib
import sys
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import argon2
import bcrypt
import pytest
from django.contrib.auth import hashers  # type: ignore[import-untyped]

from asgi_security.crypto.password_formats import (
    Argon2Hash,
    BcryptHash,
    StoredHash,
    parse_password_hash,
)
from asgi_security.crypto.passwords import (
    DIGEST_BYTES,
    SALT_BYTES,
    Argon2Profile,
    MissingLibraryError,
    PasswordHasher,
    ScryptProfile,
    choose_profile,
    verify_password_hash,
)
from asgi_security.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgi_security.crypto.passwords import PasswordProfile

SALT = bytes(range(16))
SECRET = "correct hörse".encode()
QUICK = ScryptProfile(log2_n=14)
LIGHT = Argon2Profile(memory_kib=7168, passes=1)


def read(text: str) -> StoredHash:
    found = parse_password_hash(text)
    assert found is not None
    return found


def verify(text: str, secret: bytes) -> bool:
    return verify_password_hash(read(text), secret)


class TestHashing:
    @pytest.mark.parametrize("profile", [QUICK, LIGHT])
    def test_a_hash_is_of_its_password_salt_and_form(self, profile: PasswordProfile) -> None:
        hasher = PasswordHasher(profile)
        text = hasher.hash(SECRET, form="NFC", salt=SALT)
        assert verify(text, SECRET)
        assert not verify(text, SECRET + b" ")
        assert text != hasher.hash(SECRET, form="NFC", salt=SALT[::-1])
        assert text.startswith("nfc:$")
        assert not hasher.needs_rehash(read(text), form="NFC")

    def test_P76_argon2id_of_owasp_by_default(self) -> None:
        text = PasswordHasher().hash(SECRET, form="NFC", salt=SALT)
        assert text.startswith("nfc:$argon2id$v=19$m=19456,t=2,p=1$")
        assert argon2.PasswordHasher().verify(text.removeprefix("nfc:"), SECRET)

    def test_P76_the_profile_of_rfc_9106_is_there(self) -> None:
        profile = Argon2Profile.rfc9106()
        assert (profile.memory_kib, profile.passes, profile.lanes) == (65536, 3, 4)

    def test_P76_scrypt_at_full_cost_has_the_memory_it_needs(self) -> None:
        text = PasswordHasher(ScryptProfile()).hash(SECRET, form="NFC", salt=SALT)
        assert text.startswith("nfc:$scrypt$ln=17,r=8,p=1$")
        expected = hashlib.scrypt(
            SECRET, salt=SALT, n=2**17, r=8, p=1, maxmem=2**28, dklen=DIGEST_BYTES
        )
        assert text.endswith(b64encode(expected).decode().rstrip("="))

    def test_P76_without_the_extra_it_is_scrypt(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert choose_profile() == Argon2Profile()
        monkeypatch.setitem(sys.modules, "argon2", None)
        monkeypatch.setitem(sys.modules, "argon2", None)
        assert choose_profile() == ScryptProfile()
        with pytest.raises(ConfigError, match=r"asgi-security\[argon2\]"):
            Argon2Profile()

    def test_P77_a_dummy_costs_the_same_and_matches_nothing(self) -> None:
        hasher = PasswordHasher(QUICK)
        dummy = hasher.build_dummy(bytes(range(SALT_BYTES + DIGEST_BYTES)), form="NFC")
        real = hasher.hash(b"", form="NFC", salt=SALT)
        assert dummy.rpartition("$")[0] == real.rpartition("$")[0]
        assert not verify(dummy, b"")

    @pytest.mark.parametrize(
        ("kind", "fields"),
        [
            (Argon2Profile, {"memory_kib": 1024}),
            (Argon2Profile, {"passes": 0}),
            (Argon2Profile, {"lanes": 65}),
            (ScryptProfile, {"log2_n": 13}),
            (ScryptProfile, {"lanes": 0}),
            (ScryptProfile, {"block_size": 9}),
        ],
    )
    def test_a_profile_too_weak_or_too_dear(self, kind: Any, fields: dict[str, int]) -> None:
        with pytest.raises(ConfigError, match=next(iter(fields))):
            kind(**fields)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(
            lambda secret: argon2.PasswordHasher(1, 64, 1, type=argon2.Type.D).hash(secret),
            id="P77 argon2d of argon2-cffi",
        ),
        pytest.param(
            lambda secret: argon2.PasswordHasher(1, 64, 1, type=argon2.Type.I).hash(secret),
            id="P77 argon2i of argon2-cffi",
        ),
        pytest.param(
            lambda secret: "argon2" + argon2.PasswordHasher(1, 64, 1).hash(secret),
            id="P77 argon2 of Django",
        ),
        pytest.param(
            lambda secret: hashers.PBKDF2PasswordHasher().encode(secret.decode(), "sugar", 1000),
            id="P77 pbkdf2_sha256 of Django",
        ),
        pytest.param(
            lambda secret: hashers.PBKDF2SHA1PasswordHasher().encode(secret.decode(), "sal", 1000),
            id="P77 pbkdf2_sha1 of Django",
        ),
        pytest.param(
            lambda secret: hashers.ScryptPasswordHasher().encode(secret.decode(), "sugar", 2**10),
            id="P77 scrypt of Django",
        ),
        pytest.param(
            lambda secret: hashers.BCryptSHA256PasswordHasher().encode(
                secret.decode(), bcrypt.gensalt(4)
            ),
            id="P77 P78 bcrypt_sha256 of Django",
        ),
        pytest.param(
            lambda secret: bcrypt.hashpw(secret[:72], bcrypt.gensalt(4)).decode(),
            id="P77 P78 bcrypt",
        ),
        pytest.param(
            lambda secret: bcrypt.hashpw(secret[:72], bcrypt.gensalt(4, b"2a")).decode(),
            id="P77 bcrypt 2a",
        ),
        pytest.param(
            lambda secret: (
                "$2y$" + bcrypt.hashpw(secret[:72], bcrypt.gensalt(4)).decode().removeprefix("$2b$")
            ),
            id="P77 bcrypt 2y of PHP",
        ),
    ],
)
def test_hashes_of_others_are_verified_and_due(make: Callable[[bytes], str]) -> None:
    long = b"correct horse " * 9
    for secret in (SECRET, long):
        text = make(secret)
        assert verify(text, secret)
        assert not verify(text, b"x" + secret)
        assert PasswordHasher(LIGHT).needs_rehash(read(text), form="NFC")


def test_P78_bcrypt_is_cut_at_72_bytes_by_us() -> None:
    text = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    assert verify(text, b"x" * 72 + b"whatever")
    assert not verify(text, b"x" * 71)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("$2b$04$" + "z" * 53, id="not of its alphabet"),
        pytest.param(bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode(), id="another password"),
    ],
)
def test_P79_what_bcrypt_refuses_does_not_match(text: str) -> None:
    assert not verify(text, b"\0")


@pytest.mark.parametrize(
    "change",
    [
        {"passes": 2},
        {"memory_kib": 8000},
        {"lanes": 2},
        {"variant": "argon2i"},
        {"salt": SALT[:8]},
        {"digest": bytes(16)},
    ],
)
def test_P77_any_other_parameter_is_due(change: dict[str, Any]) -> None:
    parts: dict[str, Any] = {
        "variant": "argon2id",
        "memory_kib": 7168,
        "passes": 1,
        "lanes": 1,
        "salt": SALT,
        "digest": bytes(32),
    }
    hasher = PasswordHasher(LIGHT)
    assert not hasher.needs_rehash(StoredHash("NFC", Argon2Hash(**parts)), form="NFC")
    assert hasher.needs_rehash(StoredHash("NFC", Argon2Hash(**parts | change)), form="NFC")


@pytest.mark.parametrize("form", ["NFKC", None])
def test_P65_another_form_is_due(form: Any) -> None:
    value = Argon2Hash("argon2id", 7168, 1, 1, SALT, bytes(32))
    assert PasswordHasher(LIGHT).needs_rehash(StoredHash(form, value), form="NFC")


@pytest.mark.parametrize(
    "value",
    [
        # Each of them would take minutes, or all memory, if it were executed.
        Argon2Hash("argon2id", 4_000_000_000, 9_999, 1, SALT, bytes(32)),
        BcryptHash("$2b$31$" + "a" * 53, 31, prehashed=False),
    ],
)
def test_P79_absurd_costs_are_not_executed(value: Any) -> None:
    assert not verify_password_hash(StoredHash("NFC", value), SECRET)


@pytest.mark.parametrize(
    ("library", "text", "advice"),
    [
        ("argon2.low_level", f"$argon2id$v=19$m=64,t=1,p=1${'A' * 22}${'A' * 43}", "argon2"),
        ("bcrypt", "$2b$04$" + "a" * 53, "bcrypt"),
    ],
)
def test_P77_a_missing_library_is_named(
    monkeypatch: pytest.MonkeyPatch, library: str, text: str, advice: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingLibraryError, match=f"pip install .*{advice}"):
        verify(text, SECRET)


def test_an_allocation_that_fails_is_a_memory_error() -> None:
    # Two lanes on the memory of one: the library refuses, as it does when memory is short.
    value = Argon2Hash("argon2id", 8, 1, 2, SALT, bytes(32))
    with pytest.raises(MemoryError):
        verify_password_hash(StoredHash("NFC", value), SECRET)
