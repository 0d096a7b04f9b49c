"""Decides how well and how long ago a user was authenticated, and what to ask for where it is not.

What counts is what a credential says of its own authentication: `amr` (how), `acr` (how well) and
`auth_time` (when), claims of a token or entries of a session. What is absent, or is not what it
should be, was never proven.

* Two methods of different kinds make level 2, two of one kind do not: knowledge, possession, and
  what one is.
* Level 3 asks for hardware that resists phishing, which no `amr` value says. Only an `acr` does.

Source: RFC 9470 sections 3 and 4 (the challenge, `acr_values`, `max_age`), RFC 8176 section 2
(`amr` values), OpenID Connect Core 1.0 section 2 (`acr`, `auth_time`), NIST SP 800-63B-4 section 2
(assurance levels).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asgi_security.policy.documents import is_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from asgi_security.validation import Findings

KNOWLEDGE = frozenset({"pwd", "pin"})
POSSESSION = frozenset({"hwk", "otp", "pop", "sc", "sms", "swk", "tel"})
INHERENCE = frozenset({"face", "fpt", "iris", "retina", "vbm"})
"""What RFC 8176 registers, by kind. `kba` proves nothing (NIST SP 800-63B-4 3.1.1.2), `mca` only
that a second channel was used, `geo`, `rba`, `user` and `wia` something else."""

HIGHEST_LEVEL = 3

# How far the clock that wrote `auth_time` may be ahead of ours.
_CLOCK_SKEW_SECONDS = 60
_ACR_VALUE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+\Z")


@dataclass(frozen=True, slots=True)
class StepUp:
    """Met by who was authenticated so recently, and so well.

    Attributes:
        max_age_seconds: since the authentication; None for any time.
        level: the assurance level, 1 to 3; None for any.
        acr_values: names that the issuer of the tokens gives this level; without any, "aal2".
    """

    max_age_seconds: float | None = None
    level: int | None = None
    acr_values: tuple[str, ...] = ()


def compute_aal(amr: object) -> int:
    """Return the assurance level that a list of `amr` values makes: 2 at most, 0 for no list.

    >>> compute_aal(["pwd", "otp"]), compute_aal(["pwd"]), compute_aal(["pwd", "pin"])
    (2, 1, 1)
    """
    if isinstance(amr, str) or not isinstance(amr, Sequence):
        return 0
    given = {value for value in amr if isinstance(value, str)}
    kinds = sum(not given.isdisjoint(kind) for kind in (KNOWLEDGE, POSSESSION, INHERENCE))
    # What one is counts only beside something that one has (NIST SP 800-63B-4 section 3.2.3).
    if "mfa" in given or (kinds > 1 and not given.isdisjoint(POSSESSION)):
        return 2
    return 1 if kinds else 0


def build_acr(level: int) -> str:
    """Return this package's name of a level."""
    return f"aal{level}"


def parse_acr(acr: object) -> int:
    """Return the level of one of this package's names, 0 for any other value.

    >>> parse_acr("aal2"), parse_acr("2")
    (2, 0)
    """
    levels = {build_acr(level): level for level in range(1, HIGHEST_LEVEL + 1)}
    return levels.get(acr, 0) if isinstance(acr, str) else 0


def build_assurance(amr: Iterable[str], *, auth_time: float) -> dict[str, Any]:
    """Return what a session or an access token says of an authentication.

    >>> build_assurance(("pwd", "otp", "mfa"), auth_time=1000.5)
    {'amr': ['pwd', 'otp', 'mfa'], 'acr': 'aal2', 'auth_time': 1000}
    """
    methods = list(amr)
    # Down to the second: an instant that lies ahead would be none yet for another clock.
    return {"amr": methods, "acr": build_acr(compute_aal(methods)), "auth_time": int(auth_time)}


def decide_fresh(auth_time: object, *, max_age_seconds: float, now: float) -> bool:
    """Decide whether an authentication is no longer ago; what is no instant never is.

    One a minute ahead is the work of another clock; further ahead it is a mistake, and would stay
    fresh for ever.
    """
    if not is_instant(auth_time):
        return False
    age: float = now - auth_time  # type: ignore[operator] # it is a number
    return -_CLOCK_SKEW_SECONDS <= age <= max_age_seconds


def decide_step_up(needed: StepUp, stated: Mapping[str, Any], *, now: float) -> bool:
    """Decide whether what a credential states meets the requirement."""
    age, level = needed.max_age_seconds, needed.level
    if age is not None and not decide_fresh(stated.get("auth_time"), max_age_seconds=age, now=now):
        return False
    if level is None:
        return True
    acr = stated.get("acr")
    if isinstance(acr, str) and acr in needed.acr_values:
        return True
    return max(compute_aal(stated.get("amr")), parse_acr(acr)) >= level


def merge_step_ups(unmet: Iterable[StepUp]) -> StepUp:
    """Return the one requirement that meets them all: the shortest age, and the highest level."""
    listed = tuple(unmet)
    ages = [each.max_age_seconds for each in listed if each.max_age_seconds is not None]
    highest = max(listed, key=lambda each: each.level or 0, default=StepUp())
    return StepUp(min(ages, default=None), highest.level, highest.acr_values)


def build_challenge(needed: StepUp, *, realm: str) -> str:
    """Return the value of WWW-Authenticate (RFC 9470 section 3).

    >>> build_challenge(StepUp(max_age_seconds=300), realm="api")
    'Bearer realm="api", error="insufficient_user_authentication", max_age="300"'
    """
    fields = {
        "realm": realm,
        "error": "insufficient_user_authentication",
        **describe_step_up(needed),
    }
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in fields.items())


def describe_step_up(needed: StepUp) -> dict[str, str | int]:
    """Return the fields of a challenge, for a client that is not told them in a header."""
    fields: dict[str, str | int] = {}
    if needed.level is not None:
        fields["acr_values"] = " ".join(needed.acr_values or (build_acr(needed.level),))
    if needed.max_age_seconds is not None:
        fields["max_age"] = int(needed.max_age_seconds)
    return fields


def check_step_up(findings: Findings, needed: StepUp) -> None:
    """Note what cannot be asked for."""
    if needed.max_age_seconds is not None:
        # Below a second the answer would depend on the way to here.
        findings.check_number("max_age_seconds", needed.max_age_seconds, minimum=1)
    if needed.level is not None:
        findings.check_number("level", needed.level, minimum=1, maximum=HIGHEST_LEVEL, integer=True)
    for value in needed.acr_values:
        kind: object = value
        if not isinstance(kind, str) or _ACR_VALUE.match(kind) is None:
            hint = "give names without blanks and quotes, such as 'urn:acme:mfa'"
            findings.add("acr_values", kind, "no acr value", hint)
