"""Decides: how long a key with failed attempts stays locked, from counts and instants alone.

The rules, each of which a test holds:

* Locks are absolute: they end at `last failure + cooldown`, however often anyone asks. Added to
  the instant of asking, a polled lock would never open.
* The count outlives its lock, so that a reopening admits one guess and the next failure doubles
  the wait. Zeroing it there would hand out `threshold` guesses each time.
* The streak is forgotten `window_minutes` after its last failure or its lock's end, whichever is
  later. A sliding count of the last minutes looks simpler, but then the wait can never pass the
  window: 723 guesses a day instead of some 34.

Source: NIST SP 800-63B-4 section 3.2.2 (throttling), OWASP ASVS 5.0 6.1.1 and 6.3.1,
RFC 9110 section 10.2.3 (Retry-After).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from asgi_security.validation import Findings, configuration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.secret import Secret

Instant: TypeAlias = datetime | float
"""A timezone-aware datetime, or seconds since the Unix epoch."""

_SHORTEST_SECONDS = 0.001
_LONGEST_SECONDS = 1e12
# From base 0.001 s to a maximum of 1e12 s is 50 doublings. Clamped before the power is taken:
# `2.0 ** 10**9` is an OverflowError.
_MAXIMUM_DOUBLINGS = 50
_LATEST = datetime.max.replace(tzinfo=UTC)
# What a float loses on an instant of this century; without it 30.0 s could round up to 31.
_FLOAT_NOISE_SECONDS = 1e-6


def _check_rules(rules: LockoutRules, findings: Findings) -> None:
    fine = findings.check_number("threshold", rules.threshold, minimum=1, integer=True)
    findings.check_number("window_minutes", rules.window_minutes, minimum=_SHORTEST_SECONDS)
    findings.check_number("attempt_timeout_seconds", rules.attempt_timeout_seconds, minimum=0.1)
    limit = rules.max_consecutive
    if limit is not None:
        fine = findings.check_number("max_consecutive", limit, minimum=1, integer=True) and fine
        if fine and limit < rules.threshold:
            findings.add(
                "max_consecutive",
                limit,
                "smaller than threshold",
                f"give at least {rules.threshold}: the first locks come before the final one",
            )
    _check_cooldowns(rules, findings)


def _check_cooldowns(rules: LockoutRules, findings: Findings) -> None:
    base, longest = rules.base_cooldown_seconds, rules.max_cooldown_seconds
    fine = [
        findings.check_number(name, value, minimum=_SHORTEST_SECONDS, maximum=_LONGEST_SECONDS)
        for name, value in (("base_cooldown_seconds", base), ("max_cooldown_seconds", longest))
    ]
    if all(fine) and base > longest:
        findings.add(
            "base_cooldown_seconds",
            base,
            "longer than max_cooldown_seconds",
            f"give at most {longest:g}, or raise max_cooldown_seconds",
        )


@configuration
class LockoutRules:
    """When keys of one sort lock, and for how long.

    `max_consecutive` failures lock until somebody clears the key. It is off for passwords, because
    with it a stranger could shut out anyone for good (ASVS 6.1.1; it is the point where these
    defaults stay short of NIST), and 100 for one-time codes, where the guesser already knows the
    password. An attempt that nobody settles within `attempt_timeout_seconds` counts as a failure.
    """

    threshold: int = 5
    window_minutes: float = 15
    base_cooldown_seconds: float = 30
    max_cooldown_seconds: float = 3600
    max_consecutive: int | None = None
    attempt_timeout_seconds: float = 30

    def __post_init__(self) -> None:
        findings = Findings(type(self).__name__)
        _check_rules(self, findings)
        findings.raise_if_any()


CLIENT_RULES = LockoutRules(threshold=50)
"""For addresses: many people share one behind a NAT."""

CODE_RULES = LockoutRules(max_consecutive=100)
"""For one-time codes, recovery codes and the like."""


@configuration
class LockoutConfig(LockoutRules):
    """The lockout of an app's logins: the rules for accounts, and what belongs to them.

    Args:
        client_rules: for addresses; None is `CLIENT_RULES`.
        code_rules: for second factors and other one-time codes; None is `CODE_RULES`.
        secret: at least 32 bytes, the key of every stored digest. None is only accepted with a
            store that lives and dies with the process: a random one is then made.
        old_secrets: retired ones, whose locks still hold.
        wait_for_slot_seconds: how long an attempt waits while others of its account are being
            verified, before it is told to come back.
        store_timeout_seconds: the time bound of every call to the store.
        max_body_bytes, body_timeout_seconds: bounds of a login request's body.
        known_devices: give a browser a cookie at its sign-in, with which it has a count of its own
            and a stranger's guesses do not lock it out.
        keep_raw_addresses: store addresses beside their digests in the history of attempts.
    """

    client_rules: LockoutRules | None = None
    code_rules: LockoutRules | None = None
    secret: Secret | str | bytes | None = None
    old_secrets: Sequence[Secret | str | bytes] = ()
    wait_for_slot_seconds: float = 0
    store_timeout_seconds: float = 1.0
    max_body_bytes: int = 16 * 1024
    body_timeout_seconds: float = 10
    known_devices: bool = False
    keep_raw_addresses: bool = False

    def __post_init__(self) -> None:
        findings = Findings("LockoutConfig")
        _check_rules(self, findings)
        for name in ("client_rules", "code_rules"):
            rules = getattr(self, name)
            if rules is not None and not isinstance(rules, LockoutRules):
                findings.add(name, rules, "no LockoutRules", "give LockoutRules(threshold=...)")
        findings.check_number("wait_for_slot_seconds", self.wait_for_slot_seconds, minimum=0)
        findings.check_number("store_timeout_seconds", self.store_timeout_seconds, minimum=0.01)
        findings.check_number("max_body_bytes", self.max_body_bytes, minimum=1, integer=True)
        findings.check_number("body_timeout_seconds", self.body_timeout_seconds, minimum=0.01)
        findings.check_boolean("known_devices", self.known_devices)
        findings.check_boolean("keep_raw_addresses", self.keep_raw_addresses)
        if self.secret is not None:
            object.__setattr__(self, "secret", findings.check_secret("secret", self.secret))
        old = findings.check_secrets("old_secrets", self.old_secrets)
        object.__setattr__(self, "old_secrets", old)
        if old and self.secret is None:
            findings.add_secret("secret", "missing beside old_secrets", "give the current one")
        findings.raise_if_any()


@dataclass(frozen=True, slots=True)
class LockoutStatus:
    """Whether a key is locked, until when (aware, UTC; None for until it is cleared), and why.

    `next_allowed_at` is None as well when nothing is locked.
    """

    locked: bool
    next_allowed_at: datetime | None
    failure_count: int


def _compute_cooldown(excess: int, rules: LockoutRules) -> float:
    doubled = rules.base_cooldown_seconds * 2.0 ** min(excess, _MAXIMUM_DOUBLINGS)
    return min(doubled, float(rules.max_cooldown_seconds))


def compute_cooldowns(rules: LockoutRules) -> tuple[float, ...]:
    """Return the locks in seconds at `threshold` failures, one more, and so on to the longest.

    >>> compute_cooldowns(LockoutRules())
    (30.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0)
    """
    cooldowns = [_compute_cooldown(0, rules)]
    while cooldowns[-1] < rules.max_cooldown_seconds:
        cooldowns.append(_compute_cooldown(len(cooldowns), rules))
    return tuple(cooldowns)


def convert_instant(instant: Instant) -> datetime:
    """Return an instant as an aware datetime in UTC; one past the calendar is its last.

    Raises:
        ValueError: for a naive datetime, whose instant nobody knows, and for NaN.
    """
    if isinstance(instant, datetime):
        if instant.tzinfo is None:
            raise ValueError("give an aware datetime, such as datetime.now(UTC)")
        return instant.astimezone(UTC)
    if math.isnan(instant):
        raise ValueError("give an aware datetime or seconds since the Unix epoch")
    try:
        return datetime.fromtimestamp(instant, UTC)
    except (OverflowError, OSError, ValueError):
        return _LATEST


def _add(instant: datetime, seconds: float) -> datetime:
    try:
        return instant + timedelta(seconds=seconds)
    except OverflowError:
        return _LATEST


def compute_lockout(
    fail_count: int,
    cfg: LockoutRules | None = None,
    *,
    last_failure_at: Instant | None = None,
    now: Instant | None = None,
) -> LockoutStatus:
    """Return the status of a key with that many failures in a row.

    It depends on its arguments only. `last_failure_at` left out means "at `now`". A `now` before
    the last failure (a clock was set back) anchors the lock at `now`. The function of that name
    which the package offers fills in this instant for a `now` left out; here that is only
    possible where the answer is the same at every instant.

    Raises:
        ValueError: for a count that is negative or no integer, for a naive datetime, and for a
            `now` that is missing and matters.

    >>> compute_lockout(6, LockoutConfig(), last_failure_at=1000.0, now=1000.0)
    LockoutStatus(locked=True, \
next_allowed_at=datetime.datetime(1970, 1, 1, 0, 17, 40, tzinfo=datetime.timezone.utc), \
failure_count=6)
    """
    if type(fail_count) is not int or fail_count < 0:
        raise ValueError("fail_count must be an integer of at least 0")
    rules = LockoutRules() if cfg is None else cfg
    if rules.max_consecutive is not None and fail_count >= rules.max_consecutive:
        return LockoutStatus(locked=True, next_allowed_at=None, failure_count=fail_count)
    if now is None:
        if last_failure_at is None and fail_count < rules.threshold:
            return LockoutStatus(locked=False, next_allowed_at=None, failure_count=fail_count)
        raise ValueError("give now: whether a lock is over depends on it")
    instant = convert_instant(now)
    anchor = instant if last_failure_at is None else min(instant, convert_instant(last_failure_at))
    reopens = anchor
    if fail_count >= rules.threshold:
        reopens = _add(anchor, _compute_cooldown(fail_count - rules.threshold, rules))
        if instant < reopens:
            return LockoutStatus(locked=True, next_allowed_at=reopens, failure_count=fail_count)
    forgotten = instant >= _add(reopens, rules.window_minutes * 60)
    count = 0 if forgotten else fail_count
    return LockoutStatus(locked=False, next_allowed_at=None, failure_count=count)


def compute_retry_after(until: float | None, now: float, *, rules: LockoutRules) -> int:
    """Return whole seconds to wait, rounded up and at least 1; the longest lock for no end.

    >>> compute_retry_after(129.0001, 100.0, rules=LockoutRules())
    30
    """
    wait = rules.max_cooldown_seconds if until is None else until - now
    return max(1, math.ceil(wait - _FLOAT_NOISE_SECONDS))
