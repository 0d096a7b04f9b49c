"""Decides what an answer of the breached passwords' range service says, and how it may be asked.

Only five hexadecimal digits of a SHA-1 leave: about two thousand passwords share them, and the
service never learns which was meant. Padding hides from the wire how many there are.

Source: https://haveibeenpwned.com/API/v3#PwnedPasswords (range, padding); RFC 9110 section 10.2.3
(Retry-After).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TypeAlias
from urllib.parse import urlsplit

from asgi_security.validation import Findings, configuration, is_field_value

PREFIX_LENGTH = 5
_LINE = re.compile(rb"^[0-9A-F]{35}:[0-9]{1,12}[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_SECONDS = re.compile(r"[0-9]{1,9}\Z")
_DEFAULT_PAUSE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Breached:
    """The password stands in known breaches, `count` times."""

    count: int


@dataclass(frozen=True, slots=True)
class NotBreached:
    """The password stands in no breach that the service knows."""


@dataclass(frozen=True, slots=True)
class BreachUnavailable:
    """The service gave no answer. `reason` is one word of a fixed set, safe to log."""

    reason: str


BreachFinding: TypeAlias = Breached | NotBreached | BreachUnavailable


@configuration
class BreachConfig:
    """How the range service is asked.

    Args:
        base_url: https, without a path of its own below which `/range/` is not served.
        timeout_seconds: for everything: waiting for others, connecting, and the whole answer.
        user_agent: the service refuses requests without one.
        cache_prefixes: how many answers are kept; 0 for none. Failures never are.
        cache_seconds: for how long.
        max_pause_seconds: the longest time for which a 429 or 5xx may keep us from asking.
        max_bytes: of an answer; one that is longer is a failure.
        dangerously_allow_http: take a plain http:// address. Whoever sits on the wire then reads
            the five digits, and answers what he likes.
    """

    base_url: str = "https://api.pwnedpasswords.com"
    timeout_seconds: float = 2.0
    user_agent: str = "asgi-security"
    cache_prefixes: int = 128
    cache_seconds: float = 86_400.0
    max_pause_seconds: float = 60.0
    max_bytes: int = 1_048_576
    dangerously_allow_http: bool = False

    def __post_init__(self) -> None:
        findings = Findings("BreachConfig")
        findings.check_boolean("dangerously_allow_http", self.dangerously_allow_http)
        _check_url(self, findings)
        findings.check_number("timeout_seconds", self.timeout_seconds, minimum=0.01, maximum=60)
        agent: object = self.user_agent
        if not isinstance(agent, str) or not agent.isascii() or not is_field_value(agent or "\n"):
            findings.add("user_agent", agent, "no field value", "give the name of your service")
        findings.check_number(
            "cache_prefixes", self.cache_prefixes, minimum=0, maximum=10_000, integer=True
        )
        findings.check_number("cache_seconds", self.cache_seconds, minimum=0)
        findings.check_number("max_pause_seconds", self.max_pause_seconds, minimum=0)
        findings.check_number("max_bytes", self.max_bytes, minimum=1024, integer=True)
        findings.raise_if_any()


def _check_url(config: BreachConfig, findings: Findings) -> None:
    value: object = config.base_url
    hint = "write it as https://api.pwnedpasswords.com"
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        host = parts.hostname if parts else None
        _ = parts.port if parts else None  # reading it is what judges it
    except ValueError:
        parts = host = None
    if parts is None or not host or parts.scheme not in {"http", "https"}:
        findings.add("base_url", value, "not an https URL", hint)
        return
    if parts.query or parts.fragment or parts.username is not None:
        findings.add("base_url", value, "more than scheme, host and path", hint)
    if parts.scheme == "http" and config.dangerously_allow_http is not True:
        findings.add("base_url", value, "not encrypted", hint)
    object.__setattr__(config, "base_url", config.base_url.rstrip("/"))


def split_digest(password: str) -> tuple[str, str]:
    """Return the five digits that leave and the 35 that stay.

    >>> split_digest("password")
    ('5BAA6', '1E4C9B93F3F0682250B6CF8331B7EE68FD8')
    """
    # A lone surrogate is a legal `str`; no password of a breach has one.
    raw = password.encode("utf-8", "surrogatepass")
    digest = hashlib.sha1(raw, usedforsecurity=False).hexdigest().upper()
    return digest[:PREFIX_LENGTH], digest[PREFIX_LENGTH:]


def has_range_line(body: bytes) -> bool:
    """Tell whether an answer has at least one `SUFFIX:COUNT` line: an error page has none."""
    return _LINE.search(body) is not None


def find_breach_count(body: bytes, suffix: str) -> int:
    """Return how often the 35 digits are counted in an answer; 0 is padding and absence alike.

    Letters of any case, lines ended by LF or CRLF; lines of any other shape are not seen.
    """
    line = re.compile(
        rb"^" + re.escape(suffix.encode()) + rb":([0-9]{1,12})[ \t]*\r?$",
        re.IGNORECASE | re.MULTILINE,
    )
    return max((int(match[1]) for match in line.finditer(body)), default=0)


def compute_pause_seconds(retry_after: str | None, *, now: float, maximum: float) -> float:
    """Return for how long a service that answered 429 or 5xx is left alone.

    >>> [compute_pause_seconds(text, now=0, maximum=60) for text in ("7", "9999")]
    [7.0, 60]
    """
    wanted = _DEFAULT_PAUSE_SECONDS
    text = (retry_after or "").strip()
    if _SECONDS.match(text):
        wanted = float(text)
    elif text:
        wanted = _parse_date(text, default=now + wanted) - now
    return min(max(wanted, 0.0), maximum)


def _parse_date(text: str, *, default: float) -> float:
    try:
        moment = parsedate_to_datetime(text)
        at = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return default
    return at
