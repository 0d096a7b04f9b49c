"""Decides how long browsers shall refuse plain http: Strict-Transport-Security.

Source: RFC 6797 section 6.1; https://hstspreload.org for what the preload list asks.
"""

from __future__ import annotations

from asgi_security.errors import ConfigError, Problem
from asgi_security.validation import Findings, configuration, suggest_name

_PRELOAD_SECONDS = 31_536_000
_LONGEST_SECONDS = 2**31 - 1
_KNOWN = ("max-age", "includeSubDomains", "preload")


@configuration
class Hsts:
    """The promise to be reachable over https only, and for how long.

    `preload` asks for a place in the list that browsers ship: it takes months to undo, so it is
    never on unless asked for. `max_age_seconds=0` makes browsers forget the promise.

    >>> Hsts().text
    'max-age=63072000; includeSubDomains'
    """

    max_age_seconds: int = 63_072_000
    include_subdomains: bool = True
    preload: bool = False

    def __post_init__(self) -> None:
        findings = Findings("Hsts")
        fine = findings.check_number(
            "max_age_seconds",
            self.max_age_seconds,
            minimum=0,
            maximum=_LONGEST_SECONDS,
            integer=True,
        )
        findings.check_boolean("include_subdomains", self.include_subdomains)
        findings.check_boolean("preload", self.preload)
        if self.preload and not self.include_subdomains:
            reason = "the preload list takes whole domains only"
            findings.add("preload", self.preload, reason, "add includeSubDomains or drop preload")
        if self.preload and fine and self.max_age_seconds < _PRELOAD_SECONDS:
            reason = "the preload list asks for a max-age of a year"
            findings.add("preload", self.preload, reason, f"give at least {_PRELOAD_SECONDS}")
        findings.raise_if_any()

    @classmethod
    def from_text(cls, text: str) -> Hsts:
        """Read the header's value, directive names in any case, empty directives skipped.

        Raises:
            ConfigError: for anything but the three known directives, each once.
        """
        found: dict[str, str] = {}
        problems = []
        for part in filter(str.strip, text.split(";")):
            name, equals, value = (piece.strip() for piece in part.partition("="))
            key = name.lower()
            if key not in {known.lower() for known in _KNOWN}:
                near = suggest_name(name, _KNOWN)
                hint = f"did you mean {near!r}?" if near else f"known are {', '.join(_KNOWN)}"
                problems.append(Problem("text", repr(name[:80]), "unknown directive", hint))
            elif key in found or (equals and key != "max-age"):
                reason = "stands twice or has a value"
                problems.append(Problem("text", repr(name), reason, "write it once, bare"))
            found[key] = value.strip('"')
        age = found.get("max-age", "")
        if not (age.isascii() and age.isdigit() and len(age) <= 10):
            hint = "write 'max-age=63072000; includeSubDomains'"
            problems.append(Problem("text", repr(text[:80]), "no max-age in seconds", hint))
        if problems:
            raise ConfigError("Hsts", problems)
        return cls(
            max_age_seconds=int(age),
            include_subdomains="includesubdomains" in found,
            preload="preload" in found,
        )

    @classmethod
    def from_value(cls, value: object) -> Hsts:
        """Take a value as it is, or build one of its text.

        Raises:
            ConfigError: for anything else.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls.from_text(value)
        hint = "give Hsts(max_age_seconds=...), its text, or None for none"
        raise ConfigError("Hsts", [Problem("text", repr(value)[:80], "not HSTS", hint)])

    @property
    def text(self) -> str:
        """The header's value."""
        text = f"max-age={self.max_age_seconds}"
        if self.include_subdomains:
            text += "; includeSubDomains"
        return f"{text}; preload" if self.preload else text

    def with_preload(self, *, preload: bool) -> Hsts:
        """Add or strip `preload`; the rest stays."""
        return Hsts(
            max_age_seconds=self.max_age_seconds,
            include_subdomains=self.include_subdomains,
            preload=preload,
        )
