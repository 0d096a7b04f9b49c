"""Says what an `Auth` is made of where nothing else is said: keys, pages, links and scopes."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from asgi_security.crypto.signing import derive_key
from asgi_security.policy.accounts import AccountConfig
from asgi_security.policy.cookies import SigningSecrets
from asgi_security.policy.endpoints import EndpointConfig
from asgi_security.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.storage.protocols import Account

_NAMESPACE = "asgi-security"


class DerivedSecrets:
    """A key of its own for every purpose, out of one secret and those before it."""

    def __init__(
        self, secret: Secret | str | bytes, old_secrets: Sequence[Secret | str | bytes] = ()
    ) -> None:
        self._secrets = SigningSecrets(secret=secret, old_secrets=old_secrets).reveal_order()

    def derive(self, purpose: str) -> dict[str, Any]:
        """Return `secret` and `old_secrets` of a configuration."""
        current, *old = (Secret(derive_key(each, _NAMESPACE, purpose)) for each in self._secrets)
        return {"secret": current, "old_secrets": tuple(old)}


def build_endpoint_config(path: str, *, secure: bool, **chosen: Any) -> EndpointConfig:
    """Return how routes speak that are mounted at `path`, with its pages there."""
    pages: dict[str, Any] = {
        field.name: field.default.replace("/auth/", f"{path}/", 1)
        for field in fields(EndpointConfig)
        if field.name.endswith("_page") and isinstance(field.default, str)
    }
    return EndpointConfig(**{"secure": secure, **pages, **chosen})


def build_accounts(site_url: str, path: str, **chosen: Any) -> AccountConfig:
    """Return accounts whose mailed links lead to the pages at `path`."""
    pages = {"verify_path": f"{path}/verify", "reset_path": f"{path}/reset-password"}
    return AccountConfig(**{"site_url": site_url, **pages, **chosen})


def find_host(site_url: str) -> str:
    """Return what a site is called where it has no name: its host."""
    try:
        return urlsplit(site_url).hostname or "site"
    except ValueError:  # no URL, which the accounts say better
        return "site"


def find_no_scopes(account: Account) -> tuple[str, ...]:
    """Let keys reach nothing: who may give which scopes, only the app can say."""
    del account
    return ()
