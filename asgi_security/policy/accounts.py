"""Decides: which names may become accounts, and what the links that are mailed look like.

Links are built from the configuration. Built from the Host header, a stranger who asks for a reset
of somebody else's password chooses where its token is sent to.

A name is only ever compared and written to in its normalised form. Sent to the address as it was
typed, the reset of one mailbox would go to another that folds to the same name.

Source: RFC 5321 sections 4.1.2 and 4.5.3.1 (addresses and their lengths), RFC 3986 section 3
(URLs), OWASP Forgot Password Cheat Sheet (links and their lifetimes), NIST SP 800-63B-4 section
3.1.1.2 (context-specific words).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from asgi_security.policy.documents import parse_object
from asgi_security.policy.login_names import normalise_login_name
from asgi_security.validation import Findings, configuration

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST_LOCAL_PART = 64
_LONGEST_DOMAIN = 255
# What no mail system needs in an address, and a mail header or a shell could be made to obey.
_UNWANTED = re.compile(r"[\s\"'<>()\[\]\\,;:`|]")
_DOMAIN = re.compile(r"[^.@]+(?:\.[^.@]+)+\Z")
_PATH = re.compile(r"/(?!/)[A-Za-z0-9._~!$&'()*+,;=:@%/-]*\Z")
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
_PERSONAL = ("name", "given_name", "family_name", "nickname", "preferred_username", "email")
_DAY_SECONDS = 24 * 3600.0


@configuration
class AccountConfig:
    """The life of accounts: registration, verification, reset and change.

    Args:
        site_url: where the app's pages are, such as "https://app.example.com": all links begin
            with it.
        verify_path, reset_path: the pages behind it that take the token and send it back.
        token_in: "query" works for every page. In the "fragment" it never reaches a server's log
            or a Referer, but needs a script on the page.
        names: "mail" wants each name to be a mail address; "any" wants a `recipient` function
            that finds one.
        verification_lifetime_seconds: how long a mailed verification can be used; at most 30 days.
        reset_lifetime_seconds: how long a mailed reset can be used; at most a day.
        longest_token_seconds: what no access token outlives: so long is remembered that those of an
            account are revoked.
        new_roles: what a new account may do.
        dangerously_verify_at_once: take every address for its owner's without asking: whoever
            registers gets in as whoever he says he is. For development only.
        store_timeout_seconds: the time bound of every call to the store.
    """

    site_url: str
    verify_path: str = "/verify"
    reset_path: str = "/reset-password"
    token_in: Literal["query", "fragment"] = "query"  # noqa: S105 -- a place, no token
    names: Literal["mail", "any"] = "mail"
    verification_lifetime_seconds: float = 24 * 3600
    reset_lifetime_seconds: float = 3600
    longest_token_seconds: float = 7 * 24 * 3600
    new_roles: Sequence[str] = ()
    dangerously_verify_at_once: bool = False
    store_timeout_seconds: float = 1.0

    def __post_init__(self) -> None:
        findings = Findings("AccountConfig")
        _check_site(self, findings)
        for name in ("verify_path", "reset_path"):
            path: object = getattr(self, name)
            if not isinstance(path, str) or _PATH.match(path) is None:
                hint = "give a path such as '/verify', without query and fragment"
                findings.add(name, path, "not a path", hint)
        findings.check_choice("token_in", self.token_in, ("query", "fragment"))
        findings.check_choice("names", self.names, ("mail", "any"))
        for name, longest in (
            ("verification_lifetime_seconds", 30 * _DAY_SECONDS),
            ("reset_lifetime_seconds", _DAY_SECONDS),
            ("longest_token_seconds", 400 * _DAY_SECONDS),
        ):
            findings.check_number(name, getattr(self, name), minimum=1, maximum=longest)
        findings.check_boolean("dangerously_verify_at_once", self.dangerously_verify_at_once)
        findings.check_number("store_timeout_seconds", self.store_timeout_seconds, minimum=0.01)
        _copy_roles(self, findings)
        findings.raise_if_any()

    @property
    def site_host(self) -> str:
        """The host of `site_url`: no password may be made of it."""
        return urlsplit(self.site_url).hostname or ""

    def build_link(self, path: str, token: str) -> str:
        """Return the link that carries a token to one of the paths.

        >>> config = AccountConfig(site_url="https://app.example.com")
        >>> config.build_link(config.reset_path, "abc")
        'https://app.example.com/reset-password?token=abc'
        """
        mark = "?" if self.token_in == "query" else "#"  # noqa: S105 -- a place, no token
        return f"{self.site_url.rstrip('/')}{path}{mark}token={token}"


def _check_site(config: AccountConfig, findings: Findings) -> None:
    url: object = config.site_url
    hint = "give the address of your pages, such as 'https://app.example.com'"
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        findings.add("site_url", url, "not a URL", hint)
        return
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 -- raises for one that is no number
    except ValueError:
        findings.add("site_url", url, "not a URL", hint)
        return
    if parts.scheme not in ("https", "http") or not parts.hostname:
        findings.add("site_url", url, "not a URL", hint)
    elif parts.scheme == "http" and parts.hostname not in _LOCAL_HOSTS:
        findings.add("site_url", url, "tokens would travel in clear", "give an https:// URL")
    elif parts.query or parts.fragment or parts.username is not None:
        findings.add("site_url", url, "more than a place", hint)


def _copy_roles(config: AccountConfig, findings: Findings) -> None:
    roles: object = config.new_roles
    if not isinstance(roles, (list, tuple, set, frozenset)):
        findings.add("new_roles", roles, "not a list", f"write new_roles=[{roles!r}]")
        return
    if not all(isinstance(role, str) and role for role in roles):
        findings.add("new_roles", roles, "not all names", "give names of roles")
        return
    object.__setattr__(config, "new_roles", tuple(roles))


def is_mail_address(name: str) -> bool:
    """Tell whether mail could be sent to a normalised name: a shape, not a promise.

    >>> is_mail_address("ann@example.com"), is_mail_address("ann@example.com,eve@example.net")
    (True, False)
    """
    local, at, domain = name.rpartition("@")
    return (
        bool(local and at)
        and "@" not in local
        and len(local) <= _LONGEST_LOCAL_PART
        and len(domain) <= _LONGEST_DOMAIN
        and _DOMAIN.match(domain) is not None
        and _UNWANTED.search(name) is None
    )


def parse_account_name(typed: str, config: AccountConfig) -> str | None:
    """Return the normalised name that an account may be registered under, or None."""
    name = normalise_login_name(typed)
    if name is None or not name.isprintable():
        return None
    return name if config.names == "any" or is_mail_address(name) else None


def collect_context(name: str, data: bytes, config: AccountConfig) -> tuple[str, ...]:
    """Return the words that a password may not be made of: names, addresses, and the site's.

    `data` is JSON of an account; what it holds under the names of OpenID Connect's claims counts.
    """
    known = parse_object(data) or {}
    personal = [known.get(claim) for claim in _PERSONAL]
    return (name, config.site_host, *(text for text in personal if isinstance(text, str)))
