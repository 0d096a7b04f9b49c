"""Configures: the variables `AUTH_*` of the environment as an `Auth`.

The names are those of the predecessor, so that an environment can stay as it is. As everywhere, a
value that cannot be read is an error, and all of them are named at once.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from asgi_security.auth import Auth
from asgi_security.auth.defaults import (
    DerivedSecrets,
    build_accounts,
    build_endpoint_config,
    find_host,
)
from asgi_security.errors import ConfigError
from asgi_security.policy.jwt import JwtConfig
from asgi_security.policy.mfa import MfaConfig
from asgi_security.policy.oauth import OAuthConfig
from asgi_security.policy.oauth_providers import github, google, linkedin, microsoft, oidc
from asgi_security.policy.refresh import RefreshConfig
from asgi_security.settings import EnvironmentReader, load_password_policy
from asgi_security.settings_accounts import (
    load_sender,
    read_auto_verify,
    read_new_accounts_since,
)
from asgi_security.storage.opening import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from asgi_security.flows.sending import Sender
    from asgi_security.policy.oauth import OAuthProvider
    from asgi_security.storage.protocols import Store

_MAKE_ONE = "make one with `asgi-security keys new`"
_LONGEST_ACCESS_SECONDS = 7 * 86_400  # so long is remembered which accounts' tokens are revoked
_PRESETS: tuple[tuple[str, str, str, Callable[..., OAuthProvider]], ...] = (
    ("google", "AUTH_GOOGLE", "GOOGLE", google),
    ("github", "AUTH_GITHUB", "GITHUB", github),
    ("microsoft", "AUTH_MS", "MICROSOFT", microsoft),
    ("linkedin", "AUTH_LI", "LINKEDIN", linkedin),
)
_MFA_NUMBERS = {
    "AUTH_MFA_PRE_TOKEN_LIFETIME_SECONDS": "pre_token_lifetime_seconds",
    "AUTH_MFA_RECOVERY_CODES": "recovery_codes",
    "AUTH_MFA_RECOVERY_CODE_LENGTH": "recovery_code_letters",
    "AUTH_EMAIL_OTP_TTL_SECONDS": "email_code_lifetime_seconds",
    "AUTH_EMAIL_OTP_COOLDOWN_SECONDS": "email_code_cooldown_seconds",
    "AUTH_EMAIL_OTP_ATTEMPTS": "email_code_attempts",
}


def load_auth(
    store: Store | None = None,
    *,
    sender: Sender | None = None,
    env: Mapping[str, str] | None = None,
    path: str = "/auth",
    **fields: Any,
) -> Auth:
    """Build an `Auth` of the variables `AUTH_*`.

    Args:
        store: where everything is kept; by default what `AUTH_STORE_URL` names.
        sender: delivers mail; by default through the server of `AUTH_SMTP_*`.
        env: the variables; by default those of the process.
        path: where its routes are mounted.
        fields: further arguments of `Auth`. Each replaces what its variables say.

    Raises:
        ConfigError: with all that the variables say wrong, or with what `Auth` finds wrong.
    """
    loading = _Loading(env, path=path, chosen=fields)
    arguments = loading.load()
    store = store if store is not None else loading.open_store()
    sender = sender if sender is not None else loading.build_sender()
    loading.reader.findings.raise_if_any()
    return Auth(store, sender=sender, path=path, **{**arguments, **fields})


class _Loading:
    """One reading of an environment; all that is wrong with it ends up in `reader.findings`."""

    def __init__(
        self, env: Mapping[str, str] | None, *, path: str, chosen: Mapping[str, Any]
    ) -> None:
        self._env = env
        self._path = path
        self._chosen = chosen
        self.reader = EnvironmentReader(env)
        self._site = ""
        self._secrets: DerivedSecrets | None = None

    def load(self) -> dict[str, Any]:
        """Return the arguments of `Auth` that the variables say."""
        arguments = self._load_basics()
        secure = self.reader.read_boolean("AUTH_SESSION_COOKIE_SECURE")
        arguments["secure"] = secure = self._chosen.get("secure", secure is not False)
        arguments["endpoints"] = self._load_endpoints(secure=secure)
        arguments["policy"] = self._build("", load_password_policy, self._env)
        if "refresh" not in self._chosen:
            arguments |= self._load_tokens()
        arguments["accounts"] = self._load_accounts()
        arguments["mfa"] = self._load_mfa()
        arguments["oauth"] = self._load_oauth()
        return {name: value for name, value in arguments.items() if value is not None}

    def open_store(self) -> Any:
        """Return the store of the variables, or None where that has been found wrong."""
        url = self.reader.read_secret("AUTH_STORE_URL")
        if url is None:
            hint = "set it, to sqlite:///security.db for instance, or give a store"
            self.reader.findings.add_secret("AUTH_STORE_URL", "not set", hint)
            return None
        return self._build("AUTH_STORE_URL: ", open_store, url.reveal().decode())

    def build_sender(self) -> Any:
        """Return the mail server of the variables, or None where that has been found wrong."""
        return load_sender(self.reader, self._build)

    def _load_basics(self) -> dict[str, Any]:
        reader, chosen = self.reader, self._chosen
        secret = chosen.get("secret") or reader.read_secret("AUTH_SECRET")
        old = chosen.get("old_secrets") or reader.read_list("AUTH_OLD_SECRETS", secret=True) or ()
        if secret is None:
            reader.findings.add_secret("AUTH_SECRET", "not set", _MAKE_ONE)
        else:
            self._secrets = self._build("AUTH_SECRET: ", DerivedSecrets, secret, old)
        site = chosen.get("site_url")
        site = site or reader.read_text("AUTH_SITE_URL") or reader.read_text("FRONTEND_URL")
        if site is None:
            hint = "give the address of your pages, such as 'https://app.example.com'"
            reader.findings.add("AUTH_SITE_URL", site, "not set", hint)
        else:
            self._build("AUTH_SITE_URL: ", build_accounts, site, self._path)
        self._site = (site or "").rstrip("/")
        return {"secret": secret, "old_secrets": old, "site_url": site}

    def _load_accounts(self) -> Any:
        """Read whether accounts are verified at once: in development, where it is asked for."""
        if not read_auto_verify(self.reader) or not self._site:
            return None
        return self._build(
            "", build_accounts, self._site, self._path, dangerously_verify_at_once=True
        )

    def _load_endpoints(self, *, secure: bool) -> Any:
        reader = self.reader
        chosen: dict[str, Any] = {}
        page = reader.read_text("AUTH_POST_LOGIN_REDIRECT")
        if page is not None:
            chosen["home_page"] = page
        name = reader.read_text("AUTH_AUTH_COOKIE_NAME")
        if name is not None:
            chosen["access_cookie_name"] = name
        required = reader.read_boolean("AUTH_REQUIRE_CLIENT_SECRET_ON_PASSWORD_LOGIN")
        clients = self._read_objects("AUTH_PASSWORD_CLIENTS", ("client_id", "client_secret"))
        if required:
            chosen["password_clients"] = {
                one["client_id"]: one["client_secret"] for one in clients or ()
            }
        names = "AUTH_POST_LOGIN_REDIRECT, AUTH_PASSWORD_CLIENTS, AUTH_AUTH_COOKIE_NAME: "
        return self._build(names, build_endpoint_config, self._path, secure=secure, **chosen)

    def _load_tokens(self) -> dict[str, Any]:
        """Read the keys of access tokens, where they have their own."""
        reader = self.reader
        secret = reader.read_secret("AUTH_JWT__SECRET", "AUTH_JWT_SECRET", "JWT_SECRET")
        old = reader.read_list("AUTH_JWT__OLD_SECRETS", secret=True) or ()
        seconds = reader.read_integer("AUTH_JWT__LIFETIME_SECONDS", minimum=1)
        if seconds is not None and seconds > _LONGEST_ACCESS_SECONDS:
            hint = f"write at most {_LONGEST_ACCESS_SECONDS}: a refresh token gets the next one"
            reader.findings.add("AUTH_JWT__LIFETIME_SECONDS", seconds, "too long", hint)
            return {}
        if old and secret is None:
            reader.findings.add_secret("AUTH_JWT__SECRET", "not set beside old ones", _MAKE_ONE)
        if self._secrets is None or (secret is None and seconds is None):
            return {}
        names = {"issuer": self._site or None, "audience": self._site or None}
        keys = self._secrets.derive("access tokens")
        if secret is not None:
            keys = {"secret": secret, "old_secrets": old}
        lifetime = {} if seconds is None else {"access_lifetime_seconds": seconds}
        refresh = self._build(
            "AUTH_JWT__SECRET: ",
            RefreshConfig,
            **self._secrets.derive("refresh tokens"),
            access_secret=keys["secret"],
            **names,
            **lifetime,
        )
        jwt = self._build("AUTH_JWT__SECRET: ", JwtConfig, **keys, **names, optional=True)
        return {"refresh": refresh, "jwt": jwt}

    def _load_mfa(self) -> MfaConfig | None:
        """Read second factors, where any of their variables is set."""
        reader, given = self.reader, dict[str, Any]()
        given["issuer"] = reader.read_text("AUTH_MFA_ISSUER")
        given["enforce_for_all"] = reader.read_boolean("AUTH_MFA_ENFORCE_FOR_ALL_USERS")
        given["enforce_for_accounts_since"] = read_new_accounts_since(reader)
        given["enforce_for_tenants"] = reader.read_list("AUTH_MFA_ENFORCE_FOR_TENANTS")
        given |= {
            field: reader.read_integer(name, minimum=1) for name, field in _MFA_NUMBERS.items()
        }
        given = {name: value for name, value in given.items() if value is not None}
        if any(name.startswith("email_") for name in given):
            given["email_codes"] = True
        if not given or self._secrets is None:
            return None
        given = {"issuer": find_host(self._site), **given, **self._secrets.derive("mfa")}
        built: MfaConfig | None = self._build("AUTH_MFA: ", MfaConfig, **given)
        return built

    def _load_oauth(self) -> OAuthConfig | None:
        reader = self.reader
        providers = [self._load_preset(*preset) for preset in _PRESETS]
        members = ("name", "issuer", "client_id", "client_secret")
        for one in self._read_objects("AUTH_OIDC_PROVIDERS", members) or ():
            callback = self._build_callback(one["name"])
            build = self._build("AUTH_OIDC_PROVIDERS: ", oidc, **one, redirect_uri=callback)
            providers.append(build)
        origins = reader.read_list("AUTH_REDIRECT_ALLOW_HOSTS_RAW") or ()
        known = [provider for provider in providers if provider is not None]
        if not known:
            return None
        options: dict[str, Any] = {"allowed_origins": origins}
        page = reader.read_text("AUTH_POST_LOGIN_REDIRECT")
        if page is not None:
            options["default_path"] = page
        config: OAuthConfig | None = self._build(
            "AUTH_REDIRECT_ALLOW_HOSTS_RAW: ", OAuthConfig, providers=known, **options
        )
        return config

    def _load_preset(
        self, name: str, prefix: str, fallback: str, preset: Callable[..., OAuthProvider]
    ) -> OAuthProvider | None:
        reader, changes = self.reader, dict[str, Any]()
        client_id = reader.read_text(f"{prefix}_CLIENT_ID") or reader.read_text(
            f"{fallback}_CLIENT_ID"
        )
        secret = reader.read_secret(f"{prefix}_CLIENT_SECRET", f"{fallback}_CLIENT_SECRET")
        tenant = reader.read_text("AUTH_MS_TENANT") if name == "microsoft" else None
        if tenant is not None:
            changes["tenant"] = tenant
        if client_id is None and secret is None:
            return None
        if client_id is None or secret is None:
            lacking = "CLIENT_ID" if client_id is None else "CLIENT_SECRET"
            hint = "set both, or neither"
            reader.findings.add_secret(f"{prefix}_{lacking}", "not set beside the other", hint)
            return None
        callback = self._build_callback(name)
        given = {"client_id": client_id, "client_secret": secret, "redirect_uri": callback}
        built: OAuthProvider | None = self._build(f"{prefix}: ", preset, **given, **changes)
        return built

    def _build_callback(self, provider: str) -> str:
        # Something to go on with where the site is missing, which has been noted already.
        site = self._site or "https://unknown.invalid"
        return f"{site}{self._path}/oauth/{provider}/callback"

    def _read_objects(
        self, name: str, members: tuple[str, ...]
    ) -> tuple[dict[str, str], ...] | None:
        """Return a JSON array of objects with exactly these texts; they may be secrets."""
        text = self.reader.read_text(name)
        if text is None:
            return None
        try:
            parsed = json.loads(text)
        except (ValueError, RecursionError):
            parsed = None
        if isinstance(parsed, list) and all(_is_object(one, members) for one in parsed):
            return tuple(parsed)
        shape = ", ".join(f'"{member}": ...' for member in members)
        self.reader.findings.add_secret(name, "not read", f"write [{{{shape}}}, ...] as JSON")
        return None

    def _build(self, prefix: str, build: Callable[..., Any], *given: Any, **fields: Any) -> Any:
        """Return what is built, or None and note what is wrong with it."""
        try:
            return build(*given, **fields)
        except ConfigError as error:
            self.reader.findings.extend(error, prefix=prefix)
            return None


def _is_object(value: object, members: tuple[str, ...]) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == set(members)
        and all(isinstance(text, str) and text for text in value.values())
    )
