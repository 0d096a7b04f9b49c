"""Decides which browser features a page and its frames may use: Permissions-Policy.

Source: Permissions Policy (https://www.w3.org/TR/permissions-policy/) section 5.2, RFC 9651
(structured fields), and the features registered in
https://github.com/w3c/webappsec-permissions-policy/blob/main/features.md.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from asgi_security.errors import ConfigError, Problem
from asgi_security.policy.directives import freeze_lists, freeze_names
from asgi_security.validation import Findings, configuration, suggest_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_FEATURES = frozenset(
    {
        *("accelerometer", "ambient-light-sensor", "attribution-reporting", "autoplay"),
        *("battery", "bluetooth", "browsing-topics", "camera", "captured-surface-control"),
        *("clipboard-read", "clipboard-write", "compute-pressure", "cross-origin-isolated"),
        *("deferred-fetch", "deferred-fetch-minimal", "digital-credentials-create"),
        *("digital-credentials-get", "direct-sockets", "display-capture", "document-domain"),
        *("encrypted-media", "execution-while-not-rendered"),
        *("execution-while-out-of-viewport", "fullscreen", "gamepad", "geolocation"),
        *("gyroscope", "hid", "identity-credentials-get", "idle-detection"),
        *("interest-cohort", "join-ad-interest-group", "keyboard-map", "language-detector"),
        *("language-model", "local-fonts", "local-network-access", "magnetometer"),
        *("microphone", "midi", "monetization", "navigation-override"),
        *("on-device-speech-recognition", "otp-credentials", "payment", "picture-in-picture"),
        *("private-state-token-issuance", "private-state-token-redemption"),
        *("publickey-credentials-create", "publickey-credentials-get", "rewriter"),
        *("run-ad-auction", "screen-wake-lock", "serial", "shared-storage"),
        *("shared-storage-select-url", "smart-card", "speaker-selection", "storage-access"),
        *("sub-apps", "summarizer", "sync-xhr", "translator", "unload", "usb"),
        *("vertical-scroll", "web-share", "window-management", "writer"),
        "xr-spatial-tracking",
    }
)
_WORDS = {"*", "self", "src"}

_NAME = re.compile(r"[a-z][a-z0-9-]*\Z")
_ORIGIN = re.compile(
    r"[a-z][a-z0-9+.-]*://(?:(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])"
    r"(?::[0-9]{1,5})?\Z"
)
_MEMBER = re.compile(r'[ \t]*([a-z][a-z0-9-]*)=(\*|[a-z]+|"[^"\\]*"|\([^()]*\))[ \t]*(?:,|\Z)')
_ITEM = re.compile(r'"[^"\\]*"|[^ "]+')


@configuration
class PermissionsPolicy:
    """Who may use which feature: lists of `self`, `*` or origins; an empty list allows nobody.

    `extra_features` names features that this package does not know yet.

    >>> PermissionsPolicy(
    ...     features={"geolocation": [], "fullscreen": ["self", "https://a.test"]}
    ... ).text
    'geolocation=(), fullscreen=(self "https://a.test")'
    """

    features: Mapping[str, Sequence[str]] | tuple[tuple[str, Sequence[str]], ...]
    extra_features: Sequence[str] = ()

    def __post_init__(self) -> None:
        findings = Findings("PermissionsPolicy")
        extra = freeze_names(findings, "extra_features", self.extra_features)
        object.__setattr__(self, "extra_features", extra)
        object.__setattr__(self, "features", tuple(self._freeze(findings)))
        findings.raise_if_any()

    @classmethod
    def from_text(cls, text: str, *, extra_features: Sequence[str] = ()) -> PermissionsPolicy:
        """Read a policy as it is written in the header.

        Raises:
            ConfigError: for text in the syntax of CSP or Feature-Policy, which browsers ignore
                as a whole, and for unknown features.
        """
        features = []
        position = 0
        while position < len(text):
            member = _MEMBER.match(text, position)
            if member is None:
                rest = text[position:].strip()
                reason = "not a structured field: browsers ignore the whole header"
                hint = 'write it as camera=(), fullscreen=(self "https://a.test")'
                raise ConfigError("PermissionsPolicy", [Problem("text", rest[:80], reason, hint)])
            features.append((member[1], tuple(_read_items(member[2].strip("()")))))
            position = member.end()
        return cls(features=tuple(features), extra_features=extra_features)

    @classmethod
    def from_value(cls, value: object) -> PermissionsPolicy:
        """Take a policy as it is, or build one of its text or of its features."""
        if isinstance(value, cls):
            return value
        return cls.from_text(value) if isinstance(value, str) else cls(features=value)  # type: ignore[arg-type]

    @property
    def text(self) -> str:
        """The policy as it is written in the header."""
        return ", ".join(
            f"{name}={_write(allowed)}"
            for name, allowed in cast("tuple[tuple[str, tuple[str, ...]], ...]", self.features)
        )

    def _freeze(self, findings: Findings) -> Iterator[tuple[str, tuple[str, ...]]]:
        known = _FEATURES.union(self.extra_features)
        for name, allowed in freeze_lists(findings, "features", self.features):
            if name not in known:
                near = suggest_name(name, known)
                hint = f"did you mean {near!r}?" if near else "name it in extra_features if new"
                findings.add(name, name, "unknown feature", hint)
            elif not _NAME.match(name):
                hint = "write it in lower-case letters, digits and hyphens"
                findings.add(name, name, "not a feature name", hint)
            for item in allowed:
                fault = _find_fault(item)
                if fault is not None:
                    findings.add(name, item, *fault)
            if "*" in allowed and len(allowed) > 1:
                findings.add(name, allowed, "'*' allows every origin", "drop '*' or the others")
            yield name, allowed


def _find_fault(item: str) -> tuple[str, str] | None:
    """Find what is wrong with one member of an allowlist: reason and hint."""
    bare = item.strip("'\"").lower()
    if item in _WORDS or _ORIGIN.match(item):
        return None
    if bare == "none":
        return "CSP syntax", "write an empty list"
    if bare in _WORDS:
        return "CSP syntax: browsers ignore it", f"write {bare!r} without quotes of its own"
    if _ORIGIN.match(bare.rstrip("/")):
        return "not an origin as browsers write it", f"write {bare.rstrip('/')!r}"
    return "not an origin", "write 'self', '*' or an origin such as 'https://a.example.com'"


def _read_items(text: str) -> Iterator[str]:
    """Read an allowlist; an origin without quotes keeps a mark that no origin may hold."""
    for item in _ITEM.findall(text):
        if item.startswith('"'):
            yield item[1:-1]
        else:
            yield item if item in _WORDS else f"unquoted {item}"


def _write(allowed: Sequence[str]) -> str:
    if tuple(allowed) == ("*",):
        return "*"
    items = (item if item in _WORDS else f'"{item}"' for item in allowed)
    return f"({' '.join(items)})"
