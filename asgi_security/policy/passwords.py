"""Decides which passwords may be set. Nothing here runs at a login: old passwords stay valid.

Length is what counts; rules of composition exist because policies ask for them, and are off. No
violation repeats the password, nor a part of it.

Source: NIST SP 800-63B-4 3.1.1.2; ASVS 5.0 6.2; RFC 8265 section 4.2 (OpaqueString: NFC, spaces
kept, no case change); UAX 15; UAX 44 (general categories).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Self

from asgi_security.policy.breaches import Breached, BreachUnavailable
from asgi_security.policy.password_words import (
    SHORTEST_WORD,
    fold_password,
    is_common_password,
    is_made_of,
    is_simple,
    split_words,
)
from asgi_security.validation import Findings, configuration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from asgi_security.policy.breaches import BreachFinding

PasswordForm = Literal["NFC", "NFKC"]
FORMS: Final = ("NFC", "NFKC")

MAXIMUM_TYPED = 4096
"""Code points above which nothing is normalised or hashed, whatever the policy says."""

_SHORTEST_MINIMUM = 8  # NIST, and what a second factor has to make up for
_SHORTEST_MAXIMUM = 64
_UNWANTED = frozenset({"Cc", "Cn", "Cs"})
_COMPOSITION_GROWTH = 4
"""NFC makes one code point of at most this many."""

_TEXTS: Final = {
    "too_short": "Use at least {min_length} characters.",
    "too_long": "Use at most {max_length} characters ({max_bytes} bytes).",
    "bad_character": "Leave out control characters and characters that do not exist.",
    "missing_upper": "Use at least one upper-case letter.",
    "missing_lower": "Use at least one lower-case letter.",
    "missing_digit": "Use at least one digit.",
    "missing_symbol": "Use at least one punctuation mark or symbol.",
    "common": "This password is among those that are guessed first.",
    "context": "Use more than your name, your address or the name of this site.",
    "too_simple": "Use more than a repetition or a sequence.",
    "breached": "This password has appeared in a data breach.",
    "breach_check_unavailable": "The password could not be checked. Try again later.",
    "unchanged": "Use a password that differs from the present one.",
}

PASSWORD_CODES: Final = tuple(_TEXTS)
"""Every code, in the order in which violations are given."""

_REQUIRED = {
    "missing_upper": ("require_upper", ("Lu", "Lt")),
    "missing_lower": ("require_lower", ("Ll",)),
    "missing_digit": ("require_digit", ("Nd",)),
    "missing_symbol": ("require_symbol", ("P", "S")),
}


@configuration
class PasswordPolicy:
    """What a new password has to be. Lengths are code points after normalisation.

    Args:
        min_length: 12 is the guide's; `nist()` gives NIST's. At least 8.
        max_length: at least 64. Longer ones are refused before any other work, never cut.
        max_bytes: of UTF-8.
        require_upper: ask for an upper-case letter of any script.
        require_lower: ask for a lower-case letter of any script.
        require_digit: ask for a decimal digit of any script.
        require_symbol: ask for punctuation or a symbol. NIST and ASVS 6.2.5 forbid all four.
        normalisation: "NFC" keeps fullwidth and ordinary letters apart, "NFKC" does not. The form
            is stored beside each hash, so it may be changed at any time.
        forbid_common: refuse the passwords that guessers try first.
        forbid_simple: refuse repetitions ("abcabcabcabc"), sequences, and fewer than 5 characters
            in all.
        site_words: names of the service and of its makers, at least 4 long.
        breach_check: ask the range service whether the password was in a breach.
        breach_minimum_count: how often it must have been there to be refused.
        on_breach_error: "allow" when the service gives no answer, with an event, because a third
            party must not close the sign-up; or "refuse".
    """

    min_length: int = 12
    max_length: int = 256
    max_bytes: int = 1024
    require_upper: bool = False
    require_lower: bool = False
    require_digit: bool = False
    require_symbol: bool = False
    normalisation: PasswordForm = "NFC"
    forbid_common: bool = True
    forbid_simple: bool = True
    site_words: Sequence[str] = ()
    breach_check: bool = True
    breach_minimum_count: int = 1
    on_breach_error: Literal["allow", "refuse"] = "allow"

    def __post_init__(self) -> None:
        findings = Findings("PasswordPolicy")
        has_minimum = findings.check_number(
            "min_length", self.min_length, minimum=_SHORTEST_MINIMUM, integer=True
        )
        has_maximum = findings.check_number(
            *("max_length", self.max_length),
            minimum=_SHORTEST_MAXIMUM,
            maximum=MAXIMUM_TYPED // _COMPOSITION_GROWTH,
            integer=True,
        )
        findings.check_number("max_bytes", self.max_bytes, minimum=_SHORTEST_MAXIMUM, integer=True)
        if has_minimum and has_maximum and self.min_length > self.max_length:
            hint = f"give at most {self.max_length}"
            findings.add("min_length", self.min_length, "above max_length", hint)
        for name in (
            *("require_upper", "require_lower", "require_digit", "require_symbol"),
            *("forbid_common", "forbid_simple", "breach_check"),
        ):
            findings.check_boolean(name, getattr(self, name))
        findings.check_choice("normalisation", self.normalisation, FORMS)
        findings.check_choice("on_breach_error", self.on_breach_error, ("allow", "refuse"))
        findings.check_number(
            "breach_minimum_count", self.breach_minimum_count, minimum=1, integer=True
        )
        _copy_words(self, findings)
        findings.raise_if_any()

    @classmethod
    def nist(cls, *, multi_factor: bool = False) -> Self:
        """Return NIST SP 800-63B-4's: 15 code points, or 8 where a second factor is asked for."""
        return cls(min_length=8 if multi_factor else 15)


def _copy_words(policy: PasswordPolicy, findings: Findings) -> None:
    words: object = policy.site_words
    if not isinstance(words, (list, tuple, set, frozenset)):
        findings.add("site_words", words, "not a list", f"write site_words=[{words!r}]")
        return
    for word in words:
        if not isinstance(word, str) or not split_words((word,)):
            hint = f"give names of at least {SHORTEST_WORD} characters"
            findings.add("site_words", word, "nothing to look for", hint)
    object.__setattr__(policy, "site_words", tuple(words))


@dataclass(frozen=True, slots=True)
class PasswordViolation:
    """One rule that a password breaks: a code of `PASSWORD_CODES` and a sentence for its owner.

    Safe to log because neither holds the password, a part of it, or its length.
    """

    code: str
    text: str

    def __str__(self) -> str:
        return self.text


def normalise_password(password: str, form: PasswordForm = "NFC") -> str:
    r"""Return the form that is counted and hashed; case, spaces and length are left alone.

    >>> normalise_password("e\u0301") == "\xe9"
    True
    """
    return password if password.isascii() else unicodedata.normalize(form, password)


def encode_password(password: str, form: PasswordForm | None) -> bytes | None:
    """Return the bytes that a hash function takes, or None for what can be nobody's password.

    Args:
        password: as it was typed.
        form: the one noted beside the hash; None for a hash of another system, which took the
            bytes as they came.
    """
    if len(password) > MAXIMUM_TYPED:
        return None
    try:
        return (normalise_password(password, form) if form else password).encode()
    except UnicodeEncodeError:  # a lone surrogate, from a JSON escape
        return None


def check_password(
    password: str,
    policy: PasswordPolicy,
    *,
    context: Iterable[str] = (),
    breached: BreachFinding | None = None,
    current: str | None = None,
) -> tuple[PasswordViolation, ...]:
    """Return every rule that a new password breaks, in the order of `PASSWORD_CODES`.

    Args:
        password: as it was typed.
        policy: the rules.
        context: what is known of its owner: login name, mail address, given and family name.
        breached: what the range service said; None if it was not asked.
        current: the present password, already verified; None when there is none.

    >>> policy = PasswordPolicy(site_words=["Acme"])
    >>> [violation.code for violation in check_password("acme1234", policy)]
    ['too_short', 'context']
    """
    return tuple(
        PasswordViolation(code, _TEXTS[code].format_map(_bounds(policy)))
        for code in _find_codes(password, policy, context, breached, current)
    )


def _bounds(policy: PasswordPolicy) -> dict[str, int]:
    names = ("min_length", "max_length", "max_bytes")
    return {name: getattr(policy, name) for name in names}


def _find_codes(
    password: str,
    policy: PasswordPolicy,
    context: Iterable[str],
    breached: BreachFinding | None,
    current: str | None,
) -> Iterator[str]:
    if len(password) > policy.max_length * _COMPOSITION_GROWTH:
        # Before any other work: normalising a megabyte of combining marks takes minutes.
        yield "too_long"
        return
    text = normalise_password(password, policy.normalisation)
    is_short = len(text) < policy.min_length
    if is_short:
        yield "too_short"
    if len(text) > policy.max_length or _count_bytes(text) > policy.max_bytes:
        yield "too_long"
    yield from _check_characters(text, policy)
    folded = fold_password(text)
    if policy.forbid_common and is_common_password(folded):
        yield "common"
    if is_made_of(folded, split_words((*policy.site_words, *context))):
        yield "context"
    if policy.forbid_simple and not is_short and is_simple(folded):
        yield "too_simple"
    if isinstance(breached, Breached) and breached.count >= policy.breach_minimum_count:
        yield "breached"
    if isinstance(breached, BreachUnavailable) and policy.on_breach_error == "refuse":
        yield "breach_check_unavailable"
    if current is not None and _is_same(current, text, policy.normalisation):
        yield "unchanged"


def _count_bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _check_characters(text: str, policy: PasswordPolicy) -> Iterator[str]:
    categories = {unicodedata.category(character) for character in text}
    if categories & _UNWANTED:
        yield "bad_character"
    for code, (field, wanted) in _REQUIRED.items():
        if getattr(policy, field) and not any(name.startswith(wanted) for name in categories):
            yield code


def _is_same(current: str, text: str, form: PasswordForm) -> bool:
    return len(current) <= MAXIMUM_TYPED and normalise_password(current, form) == text
