"""Holds what a CORS policy is made of, and refuses what could not mean what it says.

Source: WHATWG Fetch, "CORS protocol and credentials"; the caps of `Access-Control-Max-Age` are
those of Chromium, Firefox and WebKit.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from asgi_security.errors import Problem
from asgi_security.policy.cors_names import (
    check_exposed_header,
    check_method,
    check_request_header,
)
from asgi_security.policy.origin_patterns import check_credentialed_pattern, check_origin_pattern
from asgi_security.validation import Findings, configuration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from asgi_security.policy.origin_patterns import Fault

Resolver: TypeAlias = Callable[[str], Awaitable[bool]]
"""Told a well-formed origin, answers exactly True for one to trust."""

_MAX_AGE_SECONDS = 86_400
_CHROMIUM_MAX_AGE_SECONDS = 7_200
_ANYONE = "https://anyone.invalid"


@configuration
class CorsConfig:
    """Which origins may read responses, with what; nothing by default. Lists become tuples.

    Behind a proxy that ends TLS, let the server set the scope's scheme (uvicorn:
    `--proxy-headers`), or list the site's own origin: a page's WebSocket to its own host is
    compared with it.
    """

    allow_origins: Sequence[str] = ()
    """Exact origins, `https://*.example.com` (subdomains of any depth), `http://localhost:*` (any
    port), or `*` for the public, which never goes with credentials."""
    allow_origin_regex: str | None = None
    """Matched in full against well-formed origins. A listed pattern is safer and faster."""
    allow_origin_resolver: Resolver | None = None
    """An async callable asked about well-formed origins that nothing above allows. One that fails
    allows nothing."""
    allow_methods: Sequence[str] = ()
    """Methods besides GET, HEAD and POST, which need no listing; `*` for all."""
    allow_headers: Sequence[str] = ()
    """Request headers that pages may set, in any case; `*` for all but, without credentials,
    `Authorization`, which is listed beside it where wanted."""
    expose_headers: Sequence[str] = ()
    """Response headers that pages may read besides the safelisted ones; `*` for all."""
    allow_credentials: bool = False
    """Whether browsers send cookies along and let pages read such responses."""
    max_age_seconds: int | None = None
    """How long browsers remember a preflight; None leaves it to them (5 s), 0 forbids."""
    debug: bool = False
    """Whether a refused preflight of an allowed origin tells the browser what is allowed."""
    require_websocket_origin: bool = False
    """Whether a WebSocket without an `Origin`, from no browser thus, is denied."""
    allow_any_websocket_origin: bool = False
    """With `*` in `allow_origins`: whether any page may open a WebSocket, cookies included."""
    dangerously_allow_insecure_origins: bool = False
    """Trust `http://` origins with credentials, though anyone on the network path can be one."""
    dangerously_allow_public_suffix_origins: bool = False
    """Trust all names below a public suffix with credentials, though anyone can register one."""
    paths: Mapping[str, CorsConfig] | tuple[tuple[str, CorsConfig], ...] = ()
    """Policies for path prefixes such as `/api`; the longest one that ends at a segment wins, and
    paths below none of them have this policy. Kept as pairs, longest first."""

    def __post_init__(self) -> None:
        """Check everything, then raise all that is wrong at once."""
        findings = Findings("CorsConfig")
        for name in ("allow_origins", "allow_methods", "allow_headers", "expose_headers"):
            texts = _copy_texts(findings, name, getattr(self, name))
            object.__setattr__(self, name, texts or ())
            if name == "allow_origins" and texts == ():
                _check_sources(findings, self)
        for name in _SWITCHES:
            findings.check_boolean(name, getattr(self, name))
        _check_origins(findings, self)
        _check_regex(findings, self)
        _check_each(findings, "allow_methods", self.allow_methods, check_method)
        _check_each(findings, "allow_headers", self.allow_headers, check_request_header)
        _check_each(findings, "expose_headers", self.expose_headers, check_exposed_header)
        if "*" in self.expose_headers and self.allow_credentials is True:
            findings.add(
                "expose_headers",
                "*",
                "no wildcard to browsers once credentials are allowed",
                "list the header names, or drop allow_credentials",
            )
        if self.max_age_seconds is not None:
            findings.check_number(
                "max_age_seconds",
                self.max_age_seconds,
                minimum=0,
                maximum=_MAX_AGE_SECONDS,
                integer=True,
            )
        object.__setattr__(self, "paths", _copy_paths(findings, self.paths))
        findings.raise_if_any()

    @property
    def policies(self) -> tuple[tuple[str, CorsConfig], ...]:
        """The pairs of `paths`, the longest prefix first."""
        return tuple(dict(self.paths).items())


_SWITCHES = (
    *("allow_credentials", "debug", "require_websocket_origin", "allow_any_websocket_origin"),
    *("dangerously_allow_insecure_origins", "dangerously_allow_public_suffix_origins"),
)


def _copy_texts(findings: Findings, name: str, value: object) -> tuple[str, ...] | None:
    """Copy a list of strings into a tuple; note anything else, and return None for it."""
    if isinstance(value, str):
        findings.add(name, value, "a plain string", f"wrap it in a list: [{value!r}]")
    elif not isinstance(value, (list, tuple, set, frozenset)):
        findings.add(name, value, "not a list of strings", "give a list, [] for none")
    else:
        texts = tuple(item for item in value if isinstance(item, str))
        if len(texts) == len(value):
            return texts if isinstance(value, (list, tuple)) else tuple(sorted(texts))
        findings.add(name, value, "holds something that is no string", "give strings only")
    return None


def _check_each(
    findings: Findings,
    name: str,
    texts: Iterable[str],
    check: Callable[[str], tuple[Fault, ...]],
) -> None:
    for text in texts:
        if text != "*":
            for fault in check(text):
                findings.add(name, text, fault.reason, fault.hint)


def _check_sources(findings: Findings, config: CorsConfig) -> None:
    """Note a configuration that lists no origin, and names no other way to one."""
    if not (config.allow_origin_regex or config.allow_origin_resolver or config.paths):
        hint = "allow at least one origin, like ['https://app.example.com'], or leave CORS out"
        findings.add("allow_origins", (), "no origin is allowed", hint)


def _check_origins(findings: Findings, config: CorsConfig) -> None:
    origins = config.allow_origins
    resolver: object = config.allow_origin_resolver
    if resolver is not None and not callable(resolver):
        findings.add(
            "allow_origin_resolver",
            resolver,
            "not callable",
            "give an async function from an origin to True or False",
        )
    _check_each(findings, "allow_origins", origins, check_origin_pattern)
    public = "*" in origins
    if config.allow_any_websocket_origin is True and not public:
        findings.add(
            "allow_any_websocket_origin",
            True,
            "allow_origins is not public",
            "add '*' to allow_origins, or drop this and list the origins",
        )
    if config.allow_credentials is not True:
        return
    if public:
        findings.add(
            "allow_origins",
            "*",
            "every site of the world could act for a logged-in user",
            "list the origins to keep allow_credentials, or drop allow_credentials to keep '*'",
        )
    for origin in origins:
        for fault in check_credentialed_pattern(
            origin,
            insecure_allowed=config.dangerously_allow_insecure_origins is True,
            public_suffix_allowed=config.dangerously_allow_public_suffix_origins is True,
        ):
            findings.add("allow_origins", origin, fault.reason, fault.hint)


def _check_regex(findings: Findings, config: CorsConfig) -> None:
    regex: object = config.allow_origin_regex
    if regex is None:
        return
    name = "allow_origin_regex"
    if not isinstance(regex, str):
        findings.add(name, regex, "not a string", "give the pattern's text")
        return
    try:
        compiled = re.compile(regex)
    except re.error as error:
        findings.add(name, regex, f"not a regular expression: {error}", "repair it")
        return
    if config.allow_credentials is True and compiled.fullmatch(_ANYONE):
        findings.add(
            name,
            regex,
            f"matches {_ANYONE!r}, so every site of the world",
            r"narrow it, like 'https://[a-z]+\.example\.com', or drop allow_credentials",
        )


def _copy_paths(findings: Findings, given: Any) -> tuple[tuple[str, CorsConfig], ...]:
    """Copy the policies of path prefixes into pairs, the longest prefix first."""
    try:
        pairs = dict(given)
    except (TypeError, ValueError):
        findings.add("paths", given, "not a mapping", "give {'/api': CorsConfig(...)}")
        return ()
    copied: list[tuple[str, CorsConfig]] = []
    for prefix, nested in pairs.items():
        if not isinstance(prefix, str) or not prefix.startswith("/") or prefix.endswith("/"):
            hint = "begin with '/' and end without one; for '/' use the fields of this config"
            findings.add("paths", prefix, "not a path prefix", hint)
        elif not isinstance(nested, CorsConfig):
            findings.add("paths", nested, f"no policy for {prefix!r}", "give a CorsConfig")
        elif nested.paths:
            findings.add("paths", prefix, "has paths of its own", "list them at the top")
        else:
            copied.append((prefix, nested))
    return tuple(sorted(copied, key=lambda pair: (-len(pair[0]), pair[0])))


def check_cors_advice(config: CorsConfig) -> tuple[Problem, ...]:
    """Find what is no error but rarely meant: for a warning at start-up and for audits."""
    found = []
    for prefix, part in (("", config), *config.policies):
        field = f"paths[{prefix!r}]." if prefix else ""
        seconds = part.max_age_seconds
        if seconds is not None and seconds > _CHROMIUM_MAX_AGE_SECONDS:
            reason = "Chromium stops at 7200 seconds and Safari at 600; only Firefox goes on"
            found.append(Problem(f"{field}max_age_seconds", str(seconds), reason, "write 7200"))
        if part.debug and any(origin.startswith("https://") for origin in part.allow_origins):
            reason = "real origins are told what would be allowed"
            hint = "turn it off once the preflight passes"
            found.append(Problem(f"{field}debug", "True", reason, hint))
    return tuple(found)
