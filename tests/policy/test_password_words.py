"""What guessers try first."""

from __future__ import annotations

import pkgutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.policy.password_words import (
    fold_password,
    is_common_password,
    is_made_of,
    is_simple,
    load_common_passwords,
    split_words,
)


@pytest.mark.parametrize("minimum", [8, 12, 15])
def test_P69_enough_of_the_list_meets_the_minimum(minimum: int) -> None:
    assert sum(len(word) >= minimum for word in load_common_passwords()) >= 3000


def test_P69_the_list_is_folded_and_holds_no_address() -> None:
    words = load_common_passwords()
    assert all(fold_password(word) == word and len(word) >= 8 for word in words)
    assert not any("@" in word or "://" in word for word in words)
    assert load_common_passwords() is words


def test_P69_a_missing_list_is_no_empty_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pkgutil, "get_data", lambda package, resource: None)
    with pytest.raises(ImportError, match="common_passwords"):
        load_common_passwords.__wrapped__()


@pytest.mark.parametrize("word", ["1q2w3e4r5t6y", "qwertyuiop123", "password1234", "administrator"])
def test_P69_a_known_one_is_found_whole(word: str) -> None:
    assert is_common_password(word)
    assert not is_common_password(f"{word}!")
    assert not is_common_password(f"{word}\n{word}")


@given(st.text(st.characters(), max_size=10))
@settings(max_examples=300, deadline=None)
def test_folding_is_idempotent(text: str) -> None:
    assert fold_password(fold_password(text)) == fold_password(text)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (
            ["Jane.Roe@example.com"],
            {"jane.roe@example.com", "jane.roe", "example.com", "jane", "example"},
        ),
        (["  Anna Maria Łoś "], {"anna maria łoś", "anna", "maria"}),
        (["Bob", "", "a-b-c"], {"a-b-c"}),
        (["x" * 2000], {"x" * 1024}),
    ],
)
def test_P70_names_are_taken_whole_and_in_parts(texts: list[str], words: set[str]) -> None:
    assert split_words(texts) == words


@pytest.mark.parametrize(
    ("folded", "words", "expected"),
    [
        ("acmeacme2026", {"acme"}, True),
        ("12345678", {"acme"}, False),
        ("acme", {"acme"}, True),
        ("acmecorp-x4!", {"acme", "acmecorp"}, True),
        ("maracmeine-12", {"acme", "marine"}, False),
    ],
)
def test_P70_what_stays_without_the_words(folded: str, words: set[str], *, expected: bool) -> None:
    assert is_made_of(folded, words) is expected


@pytest.mark.parametrize(
    "folded",
    [
        *("", "aaaaaaaaaaaa", "010110101001", "abcdefgabcdefgabcdefg", "abcdefabcdef"),
        *("123456789012", "lkjihgfedcba", "aabbccddeeff", "qwertyqwertyq"),
    ],
)
def test_P68_too_simple(folded: str) -> None:
    assert is_simple(folded)


@pytest.mark.parametrize("folded", ["correct horse", "hijack99", "abcdefga-kr7", "qz4!w1"])
def test_P68_not_too_simple(folded: str) -> None:
    assert not is_simple(folded)
