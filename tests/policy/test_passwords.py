"""Which passwords may be set."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.errors import ConfigError
from asgi_security.policy.breaches import Breached, BreachUnavailable, NotBreached
from asgi_security.policy.password_words import split_words
from asgi_security.policy.passwords import (
    MAXIMUM_TYPED,
    PASSWORD_CODES,
    PasswordPolicy,
    check_password,
    encode_password,
    normalise_password,
)

GOOD = "correct horse battery"
WIDE = "".join(chr(ord(letter) + 0xFEE0) for letter in "qwertyuiop123")
PLAIN = PasswordPolicy()


def codes(password: str, policy: PasswordPolicy = PLAIN, **facts: Any) -> list[str]:
    return [violation.code for violation in check_password(password, policy, **facts)]


def make(**fields: Any) -> PasswordPolicy:
    return PasswordPolicy(**fields)


@pytest.mark.parametrize(
    ("password", "policy", "expected"),
    [
        pytest.param("xk4!mp9?qz2", PLAIN, ["too_short"], id="P63 P2 eleven are too few"),
        pytest.param("xk4!mp9?qz2#", PLAIN, [], id="P63 twelve are enough"),
        pytest.param("xk4!mp9?", PasswordPolicy.nist(multi_factor=True), [], id="P63 nist 8"),
        pytest.param("xk4!mp9", PasswordPolicy.nist(multi_factor=True), ["too_short"], id="P63 7"),
        pytest.param("xk4!mp9?qz2#vB", PasswordPolicy.nist(), ["too_short"], id="P63 nist 14"),
        pytest.param("xk4!mp9?qz2#vBn", PasswordPolicy.nist(), [], id="P63 nist 15"),
        pytest.param(f"{GOOD}{'xyq' * 78}z", PLAIN, [], id="P63 256 code points"),
        pytest.param(f"{GOOD}{'xyq' * 78}zz", PLAIN, ["too_long"], id="P63 257 code points"),
        pytest.param(GOOD + "🐴🔋" * 117, PLAIN, [], id="P63 957 bytes"),
        pytest.param(
            GOOD + "🐴🔋" * 117, make(max_bytes=900), ["too_long"], id="P63 more bytes than that"
        ),
        pytest.param(
            "\n" * 1_000_000, PLAIN, ["too_long"], id="P2 P63 a megabyte is not looked at"
        ),
        pytest.param("re\u0301sume\u0301 fort", PLAIN, ["too_short"], id="P64 decomposed is one"),
        pytest.param("résumé forte", PLAIN, [], id="P64 composed is one"),
        pytest.param("e\u0301" * 200 + GOOD, PLAIN, [], id="P64 counted after normalisation"),
        pytest.param("👨‍👩‍👧‍👦 xk4!", PLAIN, [], id="P64 a family is seven code points"),
        pytest.param("👨‍👩‍👧‍👦 xk4", PLAIN, ["too_short"], id="P64 a family is not eight"),
        pytest.param("nul\0 in the middle", PLAIN, ["bad_character"], id="P66 NUL"),
        pytest.param("a tab\tin the middle", PLAIN, ["bad_character"], id="P66 control"),
        pytest.param("unassigned \u0378 one", PLAIN, ["bad_character"], id="P66 unassigned"),
        pytest.param("surrogate \ud800 alone", PLAIN, ["bad_character"], id="P66 lone surrogate"),
        pytest.param("   correct horse   ", PLAIN, [], id="P66 spaces are kept and count"),
        pytest.param(GOOD, make(require_symbol=True), ["missing_symbol"], id="P67 space is none"),
        pytest.param("correct_horse", make(require_symbol=True), [], id="P1 P67 punctuation"),
        pytest.param("correct~horse", make(require_symbol=True), [], id="P1 P67 a symbol"),
        pytest.param("correct€horse", make(require_symbol=True), [], id="P67 category Sc"),
        pytest.param(GOOD, make(require_upper=True), ["missing_upper"], id="P1 upper"),
        pytest.param("Élève du lundi", make(require_upper=True), [], id="P1 upper of any script"),
        pytest.param("CORRECT HORSE", make(require_lower=True), ["missing_lower"], id="P1 lower"),
        pytest.param("ΣΩΜΑ καλό ξύλο", make(require_lower=True), [], id="P1 lower of any script"),
        pytest.param(GOOD, make(require_digit=True), ["missing_digit"], id="P1 digit"),
        pytest.param("correct horse ٣", make(require_digit=True), [], id="P1 digit of any script"),
        pytest.param("QwertyUIOP123", PLAIN, ["common"], id="P69 folded"),
        pytest.param("qwertyuiop123 and more", PLAIN, [], id="P3 P69 not as a substring"),
        pytest.param("Administrator-of-9-Lakes!", PLAIN, [], id="P3 the predecessor refuses it"),
        pytest.param(WIDE, PLAIN, ["common"], id="P69 fullwidth"),
        pytest.param("qwertyuiop123", make(forbid_common=False), [], id="P69 switched off"),
        pytest.param("abcabcabcabcab", PLAIN, ["too_simple"], id="P68 repetition"),
        pytest.param("abcabcabcabcab", make(forbid_simple=False), [], id="P68 switched off"),
    ],
)
def test_a_rule(password: str, policy: PasswordPolicy, expected: list[str]) -> None:
    assert codes(password, policy) == expected


@pytest.mark.parametrize(
    ("password", "context", "expected"),
    [
        pytest.param("acmeacme2026", ["Acme"], ["context"], id="P70 four remain"),
        pytest.param("acme correct horse battery", ["Acme"], [], id="P70 enough remains"),
        pytest.param("acmex4!mp9?q", ["Acme"], [], id="P70 eight remain"),
        pytest.param("acmex4!mp9?acme", ["Acme"], ["context"], id="P70 seven remain"),
        pytest.param("jane.doe-1990", ["jane.doe@mail.test"], ["context"], id="P70 mail parts"),
        pytest.param("ACMÉ-x4!m-acmé", ["Acme\u0301"], ["context"], id="P70 folded"),
        pytest.param("doe!x4!mp9?q", ["Doe"], [], id="P70 three letters are no name"),
    ],
)
def test_context(password: str, context: list[str], expected: list[str]) -> None:
    assert codes(password, context=context) == expected
    if split_words(context):
        assert codes(password, make(site_words=context)) == expected


@pytest.mark.parametrize(
    ("policy", "finding", "expected"),
    [
        pytest.param(PLAIN, None, [], id="P68 not asked"),
        pytest.param(PLAIN, NotBreached(), [], id="P6 clean"),
        pytest.param(PLAIN, Breached(1), ["breached"], id="P68 breached"),
        pytest.param(make(breach_minimum_count=3), Breached(2), [], id="P68 fewer than asked"),
        pytest.param(PLAIN, BreachUnavailable("x"), [], id="P75 P6 error allows"),
        pytest.param(
            make(on_breach_error="refuse"),
            BreachUnavailable("x"),
            ["breach_check_unavailable"],
            id="P75 P6 error refuses",
        ),
    ],
)
def test_breaches(policy: PasswordPolicy, finding: Any, expected: list[str]) -> None:
    assert codes(GOOD, policy, breached=finding) == expected


@pytest.mark.parametrize(
    ("current", "expected"),
    [
        (None, []),
        (GOOD, ["unchanged"]),
        (GOOD.upper(), []),
        ("x" * (MAXIMUM_TYPED + 1), []),
    ],
)
def test_P68_the_present_password_is_no_new_one(current: str | None, expected: list[str]) -> None:
    assert codes(GOOD, current=current) == expected


def test_P68_P2_all_violations_at_once_and_in_order() -> None:
    policy = PasswordPolicy(
        max_length=64,
        require_upper=True,
        require_lower=True,
        require_digit=True,
        require_symbol=True,
        on_breach_error="refuse",
        site_words=["abab"],
    )
    facts: dict[str, Any] = {"current": "", "breached": Breached(1)}
    everything = {
        *codes("", policy, **facts),
        *codes("qwertyuiop123", policy, **facts),
        *codes("\0" * 65, policy, breached=BreachUnavailable("x")),
        *codes("ababababababab", policy, **facts),
        *codes("1" * 12, policy, **facts),
    }
    assert everything == set(PASSWORD_CODES)
    several = codes("ababababababab", policy, current="ababababababab", breached=Breached(9))
    assert several == [
        *("missing_upper", "missing_digit", "missing_symbol"),
        *("context", "too_simple", "breached", "unchanged"),
    ]
    assert several == sorted(several, key=PASSWORD_CODES.index)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        pytest.param({"min_length": 7}, ["min_length"], id="P63 below 8"),
        pytest.param({"max_length": 63}, ["max_length"], id="P63 maximum below 64"),
        pytest.param({"max_bytes": 63}, ["max_bytes"], id="P63 bytes below 64"),
        pytest.param({"max_length": 4096}, ["max_length"], id="P63 maximum of megabytes"),
        pytest.param({"min_length": 80, "max_length": 70}, ["min_length"], id="crossed"),
        pytest.param({"normalisation": "NFD"}, ["normalisation"], id="P65 unknown form"),
        pytest.param({"site_words": "acme"}, ["site_words"], id="a string for a list"),
        pytest.param({"site_words": ["abc", 5, "a.b"]}, ["site_words"] * 3, id="P70 no names"),
        pytest.param(
            {"require_symbol": "False", "on_breach_error": "ignore", "breach_minimum_count": 0},
            ["breach_minimum_count", "on_breach_error", "require_symbol"],
            id="P4 all at once",
        ),
    ],
)
def test_a_policy_that_cannot_be_meant(fields: dict[str, Any], wrong: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        PasswordPolicy(**fields)
    assert [problem.field for problem in caught.value.problems] == wrong
    assert all(problem.hint for problem in caught.value.problems)


def test_defaults_are_the_guides_and_no_composition() -> None:
    assert (PLAIN.min_length, PLAIN.max_length, PLAIN.max_bytes) == (12, 256, 1024)
    assert PLAIN.require_symbol is False
    assert PLAIN.breach_check is True
    assert PasswordPolicy(site_words=["Acme"]).site_words == ("Acme",)


class TestNormalising:
    def test_P65_NFC_keeps_compatibility_characters_apart(self) -> None:
        assert normalise_password("ﬁ") == "ﬁ"
        assert normalise_password("ﬁ", "NFKC") == "fi"

    def test_P65_nothing_is_trimmed_or_folded(self) -> None:
        assert normalise_password("  Ärger  ") == "  Ärger  "

    @given(st.text(), st.sampled_from(["NFC", "NFKC"]))
    @settings(max_examples=200, deadline=None)
    def test_P65_it_is_idempotent(self, text: str, form: Any) -> None:
        once = normalise_password(text, form)
        assert normalise_password(once, form) == once
        assert normalise_password(unicodedata.normalize("NFD", text), form) == once

    def test_P65_what_is_hashed_is_the_normal_form(self) -> None:
        assert encode_password("e\u0301", "NFC") == "é".encode()
        assert encode_password("e\u0301", None) == b"e\xcc\x81"

    @pytest.mark.parametrize("password", ["\ud800", "x" * (MAXIMUM_TYPED + 1)])
    def test_P66_what_can_be_nobodys_has_no_bytes(self, password: str) -> None:
        assert encode_password(password, "NFC") is None
        assert encode_password(password, None) is None


ANY_TEXT = st.text(st.characters(), max_size=40)  # lone surrogates too


@given(ANY_TEXT, st.lists(ANY_TEXT, max_size=3), st.none() | ANY_TEXT)
@settings(max_examples=200, deadline=None)
def test_P66_P68_it_never_raises_and_keeps_order(
    password: str, context: list[str], current: str | None
) -> None:
    found = codes(password, context=context, current=current)
    assert found == sorted(set(found), key=PASSWORD_CODES.index)
    encode_password(password, "NFKC")


@given(st.text(st.sampled_from("ABCDEFGHJKMNPQXZ#%&~\x01"), min_size=3, max_size=30))
@settings(max_examples=200, deadline=None)
def test_P68_no_text_holds_the_password(password: str) -> None:
    policy = PasswordPolicy(require_digit=True, require_lower=True)
    for violation in check_password(password, policy, breached=Breached(3), current=password):
        assert password not in str(violation)
        assert password not in repr(violation)
