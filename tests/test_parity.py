"""Every part of the predecessor that ours gives too has a test that names it.

The numbers are those of the list of parity, P1 to P54. A test names one in its own name
(`test_P13_...`) or in the id of a case (`id="P13 known"`).
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

PARTS = {
    1: "the policy for new passwords",
    2: "its violations, all in their order",
    3: "common passwords",
    4: "its variables, enforced wherever a password is set",
    5: "the breach checker, injected",
    6: "Have I Been Pwned",
    7: "the configuration of the lockout",
    8: "its schedule",
    9: "recording an attempt",
    10: "reading the status",
    11: "the order of a login, and its answers",
    12: "addresses as keyed digests",
    13: "credentials of clients at the login",
    14: "signing and verifying a cookie",
    15: "what a cookie's signature covers",
    16: "a login with a refresh token",
    17: "rotation, once, and reuse",
    18: "the refresh endpoint",
    19: "the list of sessions, and their ends",
    20: "access tokens of a session that has ended",
    21: "logout, and what a new password ends",
    22: "the cookies",
    23: "access tokens and their claims",
    24: "their variables, and rotation of their secret",
    25: "a key for each purpose",
    26: "default security headers",
    27: "their merging",
    28: "CORS defaults",
    29: "add_security",
    30: "HSTS preload",
    31: "lists and booleans in the environment",
    32: "variables of the session cookie",
    33: "no constant secret",
    34: "variables AUTH_*",
    35: "roles and permissions",
    36: "guards",
    37: "ownership and attributes",
    38: "who needs a second factor",
    39: "the pre-token",
    40: "the endpoints of second factors",
    41: "authenticators",
    42: "recovery codes",
    43: "mailed codes",
    44: "stepping up",
    45: "providers to log in at",
    46: "the endpoints of their logins",
    47: "linking",
    48: "where a login may lead",
    49: "one name for a cookie",
    50: "API keys",
    51: "registration, verification and reset",
    52: "disabling and deleting",
    53: "the audit chain",
    54: "tables",
}

ELSEWHERE: dict[int, str] = {
    # Number: why no test of this repository names it.
}
"""Parts that are covered without being named, or that ours leaves out, with the reason."""

_NAMED = re.compile(r"(?<![A-Za-z0-9])P([1-9]\d?)(?![0-9])|(?<=_)P([1-9]\d?)(?=_)")


def find_named(text: str) -> set[int]:
    """Return the numbers that the names and ids of tests in a source text give."""
    found: set[int] = set()
    for place in re.findall(
        r"def (test_\w+)|\bid=f?\"([^\"]*)\"|pytest\.param\(.*\bid=f?\"([^\"]*)", text
    ):
        for name in place:
            found |= {int(one or other) for one, other in _NAMED.findall(name)}
    return found


def collect() -> dict[int, list[str]]:
    """Return the files that name each number."""
    named: dict[int, list[str]] = {number: [] for number in PARTS}
    for path in sorted(TESTS.rglob("test_*.py")):
        if "node_modules" in path.parts or path == Path(__file__):
            continue
        for number in find_named(path.read_text()) & PARTS.keys():
            named[number].append(path.name)
    return named


def test_every_part_has_a_test() -> None:
    named = collect()
    assert [
        f"P{n}: {PARTS[n]}" for n, files in named.items() if not files and n not in ELSEWHERE
    ] == []
    assert [n for n in ELSEWHERE if named[n]] == []  # an excuse that has outlived its reason


def test_the_list_is_whole() -> None:
    assert list(PARTS) == list(range(1, 55))
    assert len(set(PARTS.values())) == len(PARTS)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("def test_P13_a_client() -> None:", {13}),
        ("async def test_F93_P39_M94_x() -> None:", {39}),
        ('pytest.param(1, id="P24 comma")', {24}),
        ('pytest.param(1, id="E25 a number, P5")', {5}),
        ('id=f"P9 {name}"', {9}),
        ("def test_about_P() -> None:  # P13", set()),
        ('x = "P13"', set()),
        ("def test_UP13_x() -> None:", set()),
    ],
)
def test_what_names_a_number(text: str, numbers: set[int]) -> None:
    assert find_named(text) == numbers
