"""Decides how our header lines and the app's become one set: what is dropped, what is added.

The order of precedence is: this response's override, the configuration's override, the app, the
configuration's default. Lines that the configuration does not name are never touched.

Source: RFC 6797 section 7.2 (no HSTS over plain http), CSP Level 3 section 2.3.1 (nonces) and
RFC 9111 sections 3.5, 4.3.4 and 5.2.2 (private responses, what a 304 updates, `public`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from asgi_security.policy.csp import build_csp
from asgi_security.policy.header_names import NAMES
from asgi_security.policy.reporting import is_loopback_host

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    from asgi_security.policy.csp import CspValue
    from asgi_security.policy.headers import SecurityHeadersConfig

    Line: TypeAlias = tuple[bytes, bytes]

HSTS: Final = b"strict-transport-security"
CLEAR_SITE_DATA: Final = b"clear-site-data"
CACHE_CONTROL: Final = b"cache-control"
NO_STORE: Final = (CACHE_CONTROL, b"no-store")

_CSPS = (b"content-security-policy", b"content-security-policy-report-only")
_SECURE_ONLY = {HSTS, CLEAR_SITE_DATA}
_NOT_MODIFIED = 304
_SCRIPTABLE = ("text/html", "text/xml", "application/xml", "application/pdf")


class HeaderEdit(NamedTuple):
    """What to do to one response: drop every line of these names, then add these lines."""

    drop: frozenset[bytes]
    add: tuple[Line, ...]
    leaks_nonce: bool = False
    """Whether a shared cache may hand this response's nonce to everybody."""


class HeaderPlan:
    """What is sent over one kind of scheme, compiled.

    A response without overrides, whose header names are disjoint from `touched`, gets exactly
    `lines`, or `private_lines` if it depends on a credential and says nothing about caches; that
    holds while `is_constant`, and where `is_unread`. Every other response asks `decide`.
    """

    __slots__ = (
        *("csp_on_documents_only", "csps", "doubled", "is_constant", "lines", "no_store_private"),
        *("private_lines", "replaced", "secure", "touched"),
    )

    def __init__(
        self,
        lines: tuple[Line, ...],
        *,
        secure: bool,
        csps: Mapping[bytes, CspValue] | None = None,
        replaced: frozenset[bytes] = frozenset(),
        doubled: frozenset[bytes] = frozenset(),
        csp_on_documents_only: bool = False,
        no_store_private: bool = False,
    ) -> None:
        self.lines: Final = lines
        self.secure: Final = secure
        self.csps: Final[Mapping[bytes, CspValue]] = csps or {}
        """The policies among `lines`."""
        self.replaced: Final = replaced
        """Names of which the app's lines are dropped, whether or not there is one of ours."""
        self.doubled: Final = doubled
        """Names of which the app's lines stay and ours is added."""
        self.csp_on_documents_only: Final = csp_on_documents_only
        self.no_store_private: Final = no_store_private
        names = {name for name, _ in lines} | replaced
        if not secure:
            names.add(CLEAR_SITE_DATA)
        self.touched: Final = frozenset(names)
        varies = csp_on_documents_only or any(csp.has_nonce for csp in self.csps.values())
        self.is_constant: Final = not varies
        self.private_lines: Final = (*lines, NO_STORE) if no_store_private else lines

    def is_unread(self, nonce: str | None, status: int) -> bool:
        """Tell whether a response needs no policy of its own although the plan has nonces."""
        return nonce is None and status != _NOT_MODIFIED and not self.csp_on_documents_only

    def decide(
        self,
        headers: Sequence[Line],
        *,
        status: int,
        nonce: str | None,
        overrides: Mapping[bytes, bytes | None],
        private: bool,
        host: str,
    ) -> HeaderEdit:
        """Decide what becomes of the lines of one response.

        Args:
            headers: the app's lines, names in lower case.
            status: the status code; 101 for a WebSocket that is accepted.
            nonce: the nonce if anyone has read it.
            overrides: what the app has asked for this response; None removes.
            private: whether the response depends on a credential.
            host: the request's `Host`.
        """
        present = dict(headers)
        unsafe = self._find_unsafe(host)
        drop = frozenset(
            name
            for name in present
            if name in self.replaced
            or name in overrides
            or (name == CLEAR_SITE_DATA and name in unsafe)
        )
        add = []
        for name, value in self.lines:
            csp = self.csps.get(name)
            if name in overrides or (
                name in present and name not in self.replaced and name not in self.doubled
            ):
                continue
            if csp is None:
                add.append((name, value))
            elif self._sends_csp(csp, status, present.get(b"content-type")):
                add.append((name, csp.render(nonce)))
        add += [
            (name, value)
            for name, value in overrides.items()
            if value is not None and name not in unsafe
        ]
        caching = CACHE_CONTROL in present or CACHE_CONTROL in overrides
        if private and self.no_store_private and not caching:
            add.append(NO_STORE)
        leaks = nonce is not None and _is_shared(headers)
        return HeaderEdit(drop, tuple(add), leaks)

    def _sends_csp(self, csp: CspValue, status: int, content_type: bytes | None) -> bool:
        # A 304 updates the headers of the page that is stored: a policy with a fresh nonce, or
        # with none, would forbid the scripts that the page was made with.
        if csp.has_nonce and status == _NOT_MODIFIED:
            return False
        return not self.csp_on_documents_only or is_document(content_type)

    def _find_unsafe(self, host: str) -> frozenset[bytes]:
        """Find the names that must not be sent over this connection."""
        if self.secure:
            return frozenset()
        return frozenset({HSTS}) if is_loopback_host(host) else frozenset(_SECURE_ONLY)


class HeaderPlans(NamedTuple):
    """The plans of one configuration: over https, over http, and for a WebSocket handshake."""

    secure: HeaderPlan
    plain: HeaderPlan
    handshake: HeaderPlan


def build_headers(config: SecurityHeadersConfig) -> HeaderPlans:
    """Compile a configuration: all that does not depend on the response is done here, once."""
    texts = config.texts()
    own = frozenset(name.encode("ascii") for name in texts)
    forced = frozenset(name.encode("ascii") for name in dict(config.overrides))
    if config.merge == "enforce":
        forced |= own
    removed = frozenset(name.encode("ascii") for name in config.remove)
    doubled = own.intersection(_CSPS) if config.merge == "append" else frozenset[bytes]()
    policies = [
        (NAMES[field].encode("ascii"), policy) for field, policy in config.policies().items()
    ]

    def build(*, secure: bool) -> HeaderPlan:
        csps = {name: build_csp(policy, secure=secure) for name, policy in policies}
        values = {name.encode("ascii"): text.encode("latin-1") for name, text in texts.items()}
        values.update((name, csp.unread) for name, csp in csps.items())
        return HeaderPlan(
            lines=tuple(
                (name, value)
                for name, value in values.items()
                if value and (secure or name not in _SECURE_ONLY)
            ),
            csps=csps,
            replaced=removed | forced,
            doubled=doubled,
            secure=secure,
            csp_on_documents_only=config.csp_applies_to == "documents" and bool(csps),
            no_store_private=config.no_store_private,
        )

    plan = build(secure=True)
    handshake = HeaderPlan(
        lines=tuple(line for line in plan.lines if line[0] == HSTS),
        replaced=forced & {HSTS},
        secure=True,
    )
    return HeaderPlans(plan, build(secure=False), handshake)


def is_document(content_type: bytes | None) -> bool:
    """Tell whether a browser may run scripts in such a response when it is opened by itself.

    >>> is_document(b"text/html; charset=utf-8"), is_document(b"application/json")
    (True, False)
    """
    if content_type is None:
        return True
    kind = content_type.decode("latin-1").partition(";")[0].strip(" \t").lower()
    return kind in _SCRIPTABLE or kind.endswith("+xml")


def _is_shared(headers: Sequence[Line]) -> bool:
    """Tell whether a shared cache may answer others with this response."""
    directives = [
        directive.strip(b" \t").lower()
        for name, value in headers
        if name == CACHE_CONTROL
        for directive in value.split(b",")
    ]
    return any(word == b"public" or word.startswith(b"s-maxage=") for word in directives)
