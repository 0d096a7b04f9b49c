"""Decides what a page may load: a Content-Security-Policy as a checked value.

Source: Content Security Policy Level 3 (https://www.w3.org/TR/CSP3/), sections 2.3.1 (sources),
2.4 (serialisation) and 6 (directives); Trusted Types for the two `trusted-types` directives.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, cast

from asgi_security.errors import ConfigError, Problem
from asgi_security.policy.directives import freeze_lists, freeze_names
from asgi_security.validation import Findings, configuration, is_field_value, suggest_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Fault: TypeAlias = tuple[str, str]
    Directives: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]

NONCE: Final = "'nonce'"
"""The source that stands for the nonce of each response: `{"script-src": [NONCE]}`.

No browser knows a keyword of that spelling, so it is also how a policy in text says it.
"""

_INLINE = {
    *("default-src", "script-src", "script-src-elem", "script-src-attr"),
    *("style-src", "style-src-elem", "style-src-attr"),
}
_LOADING = _INLINE | {
    *("child-src", "connect-src", "fenced-frame-src", "font-src", "frame-src", "img-src"),
    *("manifest-src", "media-src", "object-src", "prefetch-src", "worker-src"),
    *("base-uri", "form-action", "frame-ancestors"),
}
_FLAGS = {"upgrade-insecure-requests", "block-all-mixed-content"}
_FREE = {"report-to", "report-uri", "require-trusted-types-for", "trusted-types"}
_DIRECTIVES = _LOADING | _FLAGS | _FREE | {"sandbox", "webrtc"}
_NONCEABLE = _INLINE - {"script-src-attr", "style-src-attr"}

_KEYWORDS = {"'none'", "'report-sample'", "'self'"}
_INLINE_KEYWORDS = _KEYWORDS | {
    *("'inline-speculation-rules'", "'strict-dynamic'", "'trusted-types-eval'", "'unsafe-eval'"),
    *("'unsafe-hashes'", "'unsafe-inline'", "'wasm-unsafe-eval'"),
}
_WORDS = {
    "sandbox": {
        *("allow-downloads", "allow-forms", "allow-modals", "allow-orientation-lock"),
        *("allow-pointer-lock", "allow-popups", "allow-popups-to-escape-sandbox"),
        *("allow-presentation", "allow-same-origin", "allow-scripts"),
        *("allow-storage-access-by-user-activation", "allow-top-navigation"),
        *("allow-top-navigation-by-user-activation", "allow-top-navigation-to-custom-protocols"),
    },
    "require-trusted-types-for": {"'script'"},
    "webrtc": {"'allow'", "'block'"},
}

# Compiled by `re` when first used, and kept: who imports us waits for none of it.
_SPOILED = r"[^\x21-\x7e]|[;,]"
_HASH = r"'sha(?:256|384|512)-[A-Za-z0-9+/_-]+={0,2}'\Z"
_BARE = r"(?i)(?:nonce|sha256|sha384|sha512)-."
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*:\Z"
_HOST = (
    r"(?:[A-Za-z][A-Za-z0-9+.-]*://)?"
    r"(?:\*|(?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?:[0-9]{1,5}|\*))?(?:/[^?#]*)?\Z"
)


@configuration
class ContentSecurityPolicy:
    """One policy: its directives in order, each with its sources.

    `directives` is a mapping of names to lists of sources (kept as a tuple of pairs); a directive
    without sources allows nothing, which is written `'none'`. `extra_directives` names those that
    this package does not know yet: their values are checked for separators only.

    >>> ContentSecurityPolicy(directives={"default-src": ["'self'"], "img-src": []}).text
    "default-src 'self'; img-src 'none'"
    """

    directives: Mapping[str, Sequence[str]] | tuple[tuple[str, Sequence[str]], ...]
    extra_directives: Sequence[str] = ()

    def __post_init__(self) -> None:
        findings = Findings("ContentSecurityPolicy")
        extra = freeze_names(findings, "extra_directives", self.extra_directives)
        object.__setattr__(self, "extra_directives", extra)
        object.__setattr__(self, "directives", tuple(self._freeze(findings)))
        self._check_whole(findings)
        findings.raise_if_any()

    @classmethod
    def from_text(cls, text: str, *, extra_directives: Sequence[str] = ()) -> ContentSecurityPolicy:
        """Read a policy as it is written in the header, with `'nonce'` where the nonce goes.

        Raises:
            ConfigError: for what a browser would ignore or read as something else.
        """
        if not is_field_value(text.strip(" \t")):
            hint = "write it on one line, in ASCII"
            problem = Problem("text", repr(text[:80]), "holds CR, LF, NUL or the like", hint)
            raise ConfigError("ContentSecurityPolicy", [problem])
        parts = [part.split() for part in text.split(";")]
        directives = tuple((words[0].lower(), tuple(words[1:])) for words in parts if words)
        return cls(directives=directives, extra_directives=extra_directives)

    @classmethod
    def from_value(cls, value: object) -> ContentSecurityPolicy:
        """Take a policy as it is, or build one of its text or of its directives."""
        if isinstance(value, cls):
            return value
        return cls.from_text(value) if isinstance(value, str) else cls(directives=value)  # type: ignore[arg-type]

    @property
    def text(self) -> str:
        """The policy as it is written, with `NONCE` where the nonce goes."""
        return "; ".join(" ".join((name, *sources)) for name, sources in self.pairs)

    @property
    def pairs(self) -> Directives:
        """The directives as they are kept: a tuple of names, each with a tuple of sources."""
        return cast("Directives", self.directives)

    @property
    def report_groups(self) -> tuple[str, ...]:
        """The names in `report-to`, which `Reporting-Endpoints` has to define."""
        return self._get("report-to")

    def has(self, name: str) -> bool:
        """Tell whether the policy holds the directive `name`."""
        return any(key == name for key, _ in self.pairs)

    def _get(self, name: str) -> tuple[str, ...]:
        return next((sources for key, sources in self.pairs if key == name), ())

    def _freeze(self, findings: Findings) -> Iterator[tuple[str, tuple[str, ...]]]:
        for name, sources in freeze_lists(findings, "directives", self.directives):
            for reason, hint, shown in _check_directive(name, sources, self.extra_directives):
                findings.add(name, shown, reason, hint)
            yield name, sources or (("'none'",) if name in _LOADING else ())

    def _check_whole(self, findings: Findings) -> None:
        uses_nonce = any(NONCE in sources for _, sources in self.pairs)
        if uses_nonce and not (self.has("script-src") or self.has("script-src-elem")):
            reason = "a nonce, but no script-src: scripts are not what the nonce guards"
            findings.add("script-src", None, reason, f'add "script-src": ["{NONCE}"]')


def _check_directive(
    name: str, sources: tuple[str, ...], extra: Sequence[str]
) -> Iterator[tuple[str, str, object]]:
    """Yield every fault of one directive: reason, hint, and the part to show."""
    if name not in _DIRECTIVES and name not in extra:
        near = suggest_name(name, _DIRECTIVES)
        hint = f"did you mean {near!r}?" if near else "name it in extra_directives if it is new"
        yield "unknown directive", hint, name
        return
    if re.search(_SPOILED, name):
        yield "not a directive name", "write it in lower-case letters and hyphens", name
        return
    for source in sources:
        if not source or re.search(_SPOILED, source):
            hint = "one source per list item; write ';' as %3B and ',' as %2C within a URL"
            yield "holds a separator or is no visible ASCII text", hint, source
        elif (fault := _find_fault(name, source)) is not None:
            yield (*fault, source)
    if "'none'" in sources and len(sources) > 1:
        yield "'none' beside other sources is ignored", "drop \"'none'\" or the others", sources
    if "'strict-dynamic'" in sources and not (NONCE in sources or _has_hash(sources)):
        hint = f'add "{NONCE}" or a hash'
        yield "'strict-dynamic' without a nonce or a hash blocks every script", hint, sources
    if name in _FLAGS and sources:
        yield "takes no values", "give an empty list", sources


def _find_fault(name: str, source: str) -> Fault | None:
    words = _WORDS.get(name)
    if words is not None:
        return None if source in words else ("not a known word", _suggest(source, words))
    if name not in _LOADING:
        return None
    known = _INLINE_KEYWORDS if name in _INLINE else _KEYWORDS
    lowered = source.lower()
    bare = lowered.strip("'")
    if not source.startswith("'"):
        if f"'{bare}'" in _INLINE_KEYWORDS or re.match(_BARE, bare):
            quoted = NONCE if bare.startswith("nonce-") else f"'{source.strip(chr(39))}'"
            return "not quoted: browsers take it for a host", f'write "{quoted}"'
        if re.match(_SCHEME, source) or re.match(_HOST, source):
            return None
        return "not a source", "write a scheme ('https:') or a host ('https://cdn.example.com')"
    if lowered.startswith("'nonce-"):
        # A nonce that is the same in two responses lets an injected script use it.
        return "a fixed nonce protects nothing", f'write "{NONCE}": it is new in every response'
    if source == NONCE:
        fits = name in _NONCEABLE
    elif re.match(_HASH, source):
        fits = name in _INLINE
    elif source in _INLINE_KEYWORDS:
        fits = source in known
    else:
        return "not a keyword", _suggest(lowered, known)
    return None if fits else ("means nothing in this directive", "use script-src or style-src")


def _suggest(wrong: str, known: set[str]) -> str:
    near = suggest_name(wrong, known)
    return f'did you mean "{near}"?' if near else f"known are {', '.join(sorted(known))}"


def _has_hash(sources: Sequence[str]) -> bool:
    return any(re.match(_HASH, source) for source in sources)


def check_report_only(policy: ContentSecurityPolicy) -> tuple[Problem, ...]:
    """Check a policy that is only to report: name the directives that do nothing there."""
    found = []
    if not (policy.has("report-to") or policy.has("report-uri")):
        hint = "add report-to and name it in reporting_endpoints"
        found.append(("report-to", "reports go to the browser's console only", hint))
    if policy.has("frame-ancestors"):
        hint = "keep it in csp as well: X-Frame-Options is all that is left without it"
        found.append(("frame-ancestors", "a policy that only reports blocks no framing", hint))
    found += [
        (name, "browsers ignore it in a policy that only reports", "move it to csp")
        for name in ("sandbox", "upgrade-insecure-requests")
        if policy.has(name)
    ]
    return tuple(
        Problem(f"csp_report_only.{name}", repr(" ".join(policy._get(name))), reason, hint)
        for name, reason, hint in found
    )


class CspValue(NamedTuple):
    """A policy compiled for the wire: per response only the nonce is put in.

    `unread` is what is sent when nobody has asked for the nonce; empty means: send nothing.
    `parts` are the pieces between the nonces, one piece if there is none.
    """

    unread: bytes
    parts: tuple[bytes, ...]

    @property
    def has_nonce(self) -> bool:
        """Whether two responses differ."""
        return len(self.parts) > 1

    def render(self, nonce: str | None) -> bytes:
        """Return the header's value for one response."""
        if nonce is None:
            return self.unread
        return (b"'nonce-" + nonce.encode("ascii") + b"'").join(self.parts)


def build_csp(policy: ContentSecurityPolicy, *, secure: bool) -> CspValue:
    """Compile a policy for responses over https, or over plain http.

    Over plain http `upgrade-insecure-requests` is left out: on a developer's machine it would
    send every subresource to a port where nobody listens.
    """
    kept = [
        (name, sources)
        for name, sources in policy.pairs
        if secure or name != "upgrade-insecure-requests"
    ]
    text = "; ".join(" ".join((name, *sources)) for name, sources in kept)
    unread = "; ".join(" ".join((name, *_drop_nonce(sources))) for name, sources in kept)
    return CspValue(unread.encode("ascii"), tuple(text.encode("ascii").split(NONCE.encode())))


def _drop_nonce(sources: tuple[str, ...]) -> tuple[str, ...]:
    """Drop the nonce that nobody has read, and never allow more than with it.

    A nonce switches `'unsafe-inline'` off, so that must go with it. `'strict-dynamic'` switches
    hosts off: without a nonce or a hash nothing is left that could run. A directive is never
    dropped, since `default-src`, which may be wider, would then rule in its place.
    """
    if NONCE not in sources:
        return sources
    kept = tuple(source for source in sources if source not in (NONCE, "'unsafe-inline'"))
    if not kept or ("'strict-dynamic'" in kept and not _has_hash(kept)):
        return ("'none'",)
    return kept
