"""Decides what a quota of requests is, which requests it counts, and what a client is told of it.

Requests are counted, not failures: guessing is what lockout is for.

* GCRA: the whole quota may be taken at once; then one unit comes back every window / limit.
* A fixed window gives the whole quota back at once, at the multiples of the window since the epoch.
  Around one of them twice the quota passes in a moment.
* `t` is the time until one more unit is there, and not until all are: a client that waits for
  the whole quota at `r=0` waits for nothing. `Retry-After` is never shorter (section 6).

Source: draft-ietf-httpapi-ratelimit-headers-11 sections 3, 4 and 6; RFC 9651 sections 3.1 and 3.3
(lists, strings); RFC 6585 section 4 (429); RFC 9110 section 10.2.3 (Retry-After).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from asgi_security.policy.login_routes import normalise_path
from asgi_security.policy.paths import PathPrefixes, check_prefixes
from asgi_security.validation import Findings, configuration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.secret import Secret

KeyFinder: TypeAlias = Callable[[Mapping[str, Any]], str | None]
"""Returns, of an ASGI scope, what a request is counted under; None lets it pass uncounted."""

KEYS = ("client", "principal", "path")
_NAME = re.compile(r"[A-Za-z0-9._*/-]{1,64}\Z")
_SHORTEST_SECONDS = 0.001
_LONGEST_SECONDS = 1e9
_HIGHEST_LIMIT = 1_000_000_000
_HIGHEST_RATE = 10_000
"""Units a second. Stores count in microseconds, which above it would be too coarse."""
_MICROSECOND = 1e-6


@configuration
class ThrottleConfig:
    """A quota: `limit` units in `window_seconds` for each key.

    Args:
        name: stands in the RateLimit fields and separates the counts of several quotas in one
            store, so each has its own.
        key: whose quota a request takes of. "client" is the address, IPv6 by its /64; requests
            without an address share one quota. "principal" is who was authenticated (place the
            guard inside what does that), else the client. "path" is one quota for all clients of
            a path. Or a function of the scope.
        cost: the units that a request takes.
        fixed_window: give the units back all at once. Twice the limit passes around that moment.
        paths: prefixes, ending at a segment, of what is counted, in any spelling that a router may
            take for them; none for everything.
        exempt_paths: prefixes of what is never counted, spelt exactly so.
        send_headers: tell clients their quota in RateLimit fields, on every counted response.
        on_store_error: "pass" lets requests through uncounted while the store does not answer,
            with an event for each; "refuse" answers 503.
        store_timeout_seconds: how long the store may take.
        secret: at least 32 bytes, the key of the stored digests. None is only accepted with a store
            that lives and dies with the process. With another secret every quota is whole again,
            once.
    """

    limit: int
    window_seconds: float
    name: str = "default"
    key: Literal["client", "principal", "path"] | KeyFinder = "client"
    cost: int = 1
    fixed_window: bool = False
    paths: Sequence[str] = ()
    exempt_paths: Sequence[str] = ()
    send_headers: bool = True
    on_store_error: Literal["pass", "refuse"] = "pass"
    store_timeout_seconds: float = 1.0
    secret: Secret | str | bytes | None = None

    def __post_init__(self) -> None:
        findings = Findings("ThrottleConfig")
        _check_quota(self, findings)
        name: object = self.name
        if not isinstance(name, str) or _NAME.match(name) is None:
            hint = "give up to 64 of A-Z, a-z, 0-9 and -._*/ such as 'api'"
            findings.add("name", name, "no name for a header field", hint)
        if not callable(self.key) and self.key not in KEYS:
            hint = "give 'client', 'principal', 'path', or a function of the scope"
            findings.add("key", self.key, "not a known choice", hint)
        for field in ("paths", "exempt_paths"):
            _copy_prefixes(self, field, findings)
        for field in ("fixed_window", "send_headers"):
            findings.check_boolean(field, getattr(self, field))
        findings.check_choice("on_store_error", self.on_store_error, ("pass", "refuse"))
        findings.check_number("store_timeout_seconds", self.store_timeout_seconds, minimum=0.01)
        if self.secret is not None:
            object.__setattr__(self, "secret", findings.check_secret("secret", self.secret))
        findings.raise_if_any()


def _check_quota(config: ThrottleConfig, findings: Findings) -> None:
    limit, window, cost = config.limit, config.window_seconds, config.cost
    has_limit = findings.check_number(
        "limit", limit, minimum=1, maximum=_HIGHEST_LIMIT, integer=True
    )
    has_window = findings.check_number(
        "window_seconds", window, minimum=_SHORTEST_SECONDS, maximum=_LONGEST_SECONDS
    )
    has_cost = findings.check_number("cost", cost, minimum=1, integer=True)
    if has_limit and has_window and limit / window > _HIGHEST_RATE:
        hint = f"give a window of at least {limit / _HIGHEST_RATE:g}, or a lower limit"
        findings.add("window_seconds", window, f"over {_HIGHEST_RATE} units a second", hint)
    if has_limit and has_cost and cost > limit:
        hint = f"give at most {limit}, or raise limit"
        findings.add("cost", cost, "more than the whole quota: nothing could pass", hint)


def _copy_prefixes(config: ThrottleConfig, name: str, findings: Findings) -> None:
    value: object = getattr(config, name)
    if not isinstance(value, (list, tuple, set, frozenset)):
        findings.add(name, value, "not a list", f"write {name}=[{value!r}]")
        return
    check_prefixes(findings, name, value)
    object.__setattr__(config, name, tuple(value))


@dataclass(frozen=True, slots=True)
class Within:
    """The request may run; no more than `remaining` units in the next `window_seconds`."""

    admitted: ClassVar[Literal[True]] = True
    remaining: int
    window_seconds: int


@dataclass(frozen=True, slots=True)
class Exceeded:
    """The request must wait: its units are there after `retry_after_seconds`, whole ones."""

    admitted: ClassVar[Literal[False]] = False
    remaining: int
    window_seconds: int
    retry_after_seconds: int


ThrottleDecision: TypeAlias = Within | Exceeded


class ThrottlePolicy:
    """A compiled `ThrottleConfig`."""

    __slots__ = (
        *("_exempt", "_item", "_limit", "_paths", "_period_seconds", "_returns_at_once"),
        "policy_field",
    )

    def __init__(self, config: ThrottleConfig) -> None:
        name = config.name.encode("ascii")
        window = math.ceil(config.window_seconds)  # sub-second windows cannot be told (3.1.3)
        self.policy_field = (b"ratelimit-policy", b'"%b";q=%d;w=%d' % (name, config.limit, window))
        self._item = b'"%b";r=%%d;t=%%d' % name
        self._limit = config.limit
        self._period_seconds = config.window_seconds / config.limit
        self._returns_at_once = config.fixed_window
        self._paths = PathPrefixes(map(normalise_path, config.paths)) if config.paths else None
        self._exempt = PathPrefixes(config.exempt_paths) if config.exempt_paths else None

    def counts(self, path: str) -> bool:
        """Tell whether requests of this path take of a quota.

        Too many spellings are counted rather than too few, and too few exempted: what stands
        outside the quota must not be reached by another spelling of the path.
        """
        if self._exempt is not None and self._exempt.hold(path):
            return False
        return self._paths is None or self._paths.hold(normalise_path(path))

    def decide(
        self,
        *,
        admitted: bool,
        remaining: int,
        reset_seconds: float,
        retry_after_seconds: float,
    ) -> ThrottleDecision:
        """Decide by what a store says of a key after it was asked for units."""
        window = self._compute_window(remaining, reset_seconds)
        if admitted:
            return Within(remaining, window)
        wait = max(1, math.ceil(retry_after_seconds))
        return Exceeded(remaining, min(window, wait), wait)

    def build_limit_field(self, decision: ThrottleDecision) -> tuple[bytes, bytes]:
        """Build the RateLimit line that tells a decision."""
        return (b"ratelimit", self._item % (decision.remaining, decision.window_seconds))

    def _compute_window(self, remaining: int, reset_seconds: float) -> int:
        """Return whole seconds in which no unit comes back: `t`, the effective window (4.1.2)."""
        wait = reset_seconds
        if not self._returns_at_once:
            missing = self._limit - remaining
            # A store may round each period up to a microsecond.
            wait -= (missing - 1) * self._period_seconds + missing * _MICROSECOND
        return max(1, math.ceil(wait))
