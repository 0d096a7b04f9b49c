"""Decides how the endpoints of accounts speak: by which transport, with which cookies and pages.

Source: RFC 6265bis section 4.1.3 (name prefixes), OWASP ASVS 5.0 3.3 (cookies), RFC 9700 section
4.14 (refresh tokens in browsers), draft-ietf-oauth-browser-based-apps section 6.1.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from asgi_security.errors import ConfigError
from asgi_security.policy.cookies import CookieConfig, CookieWriter
from asgi_security.secret import Secret
from asgi_security.validation import Findings, configuration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asgi_security.policy.cookies import SameSite

Transport: TypeAlias = Literal["session", "bearer"]

_DAY_SECONDS = 24 * 3600
_DEVICE_SECONDS = 180 * _DAY_SECONDS
_REFRESH_SECONDS = 400 * _DAY_SECONDS  # the longest that browsers keep; the store knows the end
_BINDING_SECONDS = 600
_ACCESS_COOKIE_SECONDS = 7 * _DAY_SECONDS  # the token says itself when it ends, mostly far earlier
_MINIMUM_SECRET_BYTES = 32
_PATH = re.compile(r"/(?![/\\])[\x21\x23-\x5b\x5d-\x7e]*\Z")
_PAGES = (
    *("login_page", "code_page", "enrolment_page", "register_page", "forgot_page", "reset_page"),
    *("home_page", "account_page"),
)


@configuration
class EndpointConfig:
    """What all endpoints of one mount have in common.

    Args:
        transport: "session" signs browsers in to the session of `SessionMiddleware`; "bearer"
            answers with an access and a refresh token.
        refresh_cookie: with "bearer", put the refresh token into a cookie and not into the body.
        access_cookie_name: with `refresh_cookie`, put the access token into a cookie of exactly
            this name, where `JwtConfig.cookie_name` reads it, and not into the body.
        secure: whether cookies are Secure and `__Host-`; False only for development over HTTP.
        trusted_origins: other origins whose pages may call what changes state with cookies.
        password_clients: the client programs that alone may log in with passwords, from their id to
            their secret; None for any. It keeps no browser out that can read a program.
        login_page: where a form without script is sent back to, with `?error=CODE`.
        code_page: where it is sent for the second factor.
        enrolment_page: where it is sent when it has none yet and must.
        register_page, forgot_page, reset_page: where those forms are sent back to.
        home_page: where it is sent when it is done and has no `next`.
        account_page: where it is sent after a change of the account, with `?done=CODE`.
        max_body_bytes: of a request.
        body_timeout_seconds: until the whole body must have come.
    """

    transport: Transport = "session"
    refresh_cookie: bool = False
    access_cookie_name: str | None = None
    secure: bool = True
    trusted_origins: Sequence[str] = ()
    password_clients: Mapping[str, Secret | str | bytes] | None = None
    login_page: str = "/auth/login"
    code_page: str = "/auth/code"
    enrolment_page: str = "/auth/enrolment"
    register_page: str = "/auth/register"
    forgot_page: str = "/auth/forgot-password"
    reset_page: str = "/auth/reset-password"
    home_page: str = "/"
    account_page: str = "/auth/account"
    max_body_bytes: int = 16_384
    body_timeout_seconds: float = 10.0

    def __post_init__(self) -> None:
        """Check everything at once."""
        findings = Findings("EndpointConfig")
        findings.check_choice("transport", self.transport, ("session", "bearer"))
        for name in ("refresh_cookie", "secure"):
            findings.check_boolean(name, getattr(self, name))
        if self.refresh_cookie is True and self.transport == "session":
            hint = 'set transport="bearer", or leave it out'
            findings.add("refresh_cookie", value=True, reason="sessions have no such", hint=hint)
        if self.access_cookie_name is not None:
            _check_access_cookie(self, findings)
        for name in _PAGES:
            page: object = getattr(self, name)
            if not isinstance(page, str) or not _PATH.match(page):
                findings.add(name, page, "not a path of this site", "begin with one '/'")
        findings.check_number("max_body_bytes", self.max_body_bytes, minimum=1, integer=True)
        findings.check_number("body_timeout_seconds", self.body_timeout_seconds, minimum=0.001)
        origins: object = self.trusted_origins
        if isinstance(origins, str):
            findings.add("trusted_origins", origins, "one string", f"write [{origins!r}]")
        else:
            object.__setattr__(self, "trusted_origins", tuple(self.trusted_origins))
        if self.password_clients is not None:
            clients = _settle_clients(findings, self.password_clients)
            object.__setattr__(self, "password_clients", clients)
        findings.raise_if_any()


def _check_access_cookie(config: EndpointConfig, findings: Findings) -> None:
    """Note a name that browsers would refuse, or that is another cookie's."""
    name: Any = config.access_cookie_name
    try:
        cookies = EndpointCookies(secure=config.secure is True, access_name=name)
    except ConfigError as error:
        for problem in error.problems:
            findings.add("access_cookie_name", name, problem.reason, problem.hint)
        return
    if name in cookies.own_names:
        hint = "choose another, such as '__Host-access'"
        findings.add("access_cookie_name", name, "the name of another cookie of ours", hint)


def _settle_clients(findings: Findings, given: object) -> Mapping[str, Secret]:
    hint = f"give a secret of {_MINIMUM_SECRET_BYTES} bytes or more for each id"
    if not isinstance(given, dict | MappingProxyType) or not given:
        findings.add_secret("password_clients", "no mapping of clients", hint)
        return {}
    clients: dict[str, Secret] = {}
    for name, secret in given.items():
        if not isinstance(name, str) or not name or not isinstance(secret, Secret | str | bytes):
            findings.add_secret("password_clients", "not an id and its secret", hint)
        elif len(Secret(secret)) < _MINIMUM_SECRET_BYTES:
            findings.add_secret("password_clients", f"the secret of {name!r} is too short", hint)
        else:
            clients[name] = Secret(secret)
    return MappingProxyType(clients)


class EndpointCookies:
    """The cookies of the endpoints, each with its attributes, compiled."""

    __slots__ = (
        *("access", "access_name", "own_names"),
        *("browser", "browser_name", "device", "device_name", "oauth", "oauth_name"),
        *("pending", "pending_name", "refresh", "refresh_name"),
    )

    def __init__(self, *, secure: bool, access_name: str | None = None) -> None:
        def build(name: str, seconds: int, same_site: SameSite = "lax") -> CookieWriter:
            config = CookieConfig(
                name=name, secure=secure, same_site=same_site, max_age_seconds=seconds
            )
            return CookieWriter(config)

        prefix = "__Host-" if secure else ""
        self.device_name = f"{prefix}device"
        self.browser_name = f"{prefix}login"
        self.pending_name = f"{prefix}pending"
        self.oauth_name = f"{prefix}oauth"
        self.refresh_name = f"{prefix}refresh"
        self.own_names = (
            *(self.device_name, self.browser_name, self.pending_name),
            *(self.oauth_name, self.refresh_name),
        )
        self.access_name = access_name
        self.access = None
        if access_name is not None:
            self.access = build(access_name, _ACCESS_COOKIE_SECONDS)
        self.device = build(self.device_name, _DEVICE_SECONDS)
        self.browser = build(self.browser_name, _BINDING_SECONDS, "strict")
        self.pending = build(self.pending_name, _BINDING_SECONDS, "strict")
        # A provider's answer comes by a navigation from its site, with which no strict cookie goes.
        self.oauth = build(self.oauth_name, _BINDING_SECONDS)
        self.refresh = build(self.refresh_name, _REFRESH_SECONDS, "strict")

    def list_token_deletions(self) -> tuple[bytes, ...]:
        """Return what deletes the cookies of tokens."""
        access = () if self.access is None else (self.access.deletion,)
        return (self.refresh.deletion, *access)
