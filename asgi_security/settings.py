"""Configures: the environment as configurations. The only module that sees `os.environ`.

The variables are those of the guide. A value that cannot be read is an error, never a silent
default: a misspelt `SESSION_COOKIE_SECURE=ture` must not end in an insecure cookie.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from asgi_security.errors import ConfigError, Problem
from asgi_security.policy.cors import CorsConfig
from asgi_security.policy.jwt import JwtConfig
from asgi_security.policy.passwords import PasswordPolicy
from asgi_security.policy.sessions import SessionConfig
from asgi_security.secret import Secret
from asgi_security.validation import Findings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}
_MAKE_ONE = "make one with `asgi-security keys new`"


class EnvironmentReader:
    """Reads variables as typed values, and gathers everything wrong with them.

    An absent variable, or an empty one, is None. `env` is the process's environment when omitted.
    """

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self._env = os.environ if env is None else env
        self.findings = Findings("environment")

    def read_text(self, name: str) -> str | None:
        """Return the trimmed text."""
        return self._env.get(name, "").strip() or None

    def read_secret(self, *names: str) -> Secret | None:
        """Return the first of `names` that is set; a set but empty one is an error."""
        for name in names:
            raw = self._env.get(name)
            if raw is None:
                continue
            if raw.strip():
                return Secret(raw.strip())
            self.findings.add_secret(name, "set but empty", _MAKE_ONE)
        return None

    def read_boolean(self, name: str) -> bool | None:
        """Return True for 1, true, yes, on; False for 0, false, no, off; in any case."""
        text = self.read_text(name)
        if text is None:
            return None
        if text.lower() not in _TRUE | _FALSE:
            self.findings.add(name, text, "not a boolean", "write true or false")
        return text.lower() in _TRUE

    def read_integer(self, name: str, *, minimum: int = 0) -> int | None:
        """Return a decimal integer of at least `minimum`."""
        text = self.read_text(name)
        if text is None:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 16 and int(text) >= minimum):
            self.findings.add(name, text, "not a whole number", f"write at least {minimum}")
            return None
        return int(text)

    def read_choice(self, name: str, choices: Iterable[str]) -> str | None:
        """Return one of `choices`, which are in lower case, whatever the case it is written in."""
        text = self.read_text(name)
        if text is not None:
            self.findings.check_choice(name, text.lower(), choices)
        return None if text is None else text.lower()

    def read_list(self, name: str, *, secret: bool = False) -> tuple[str, ...] | None:
        """Return a list written with commas, or as a JSON array of strings."""
        text = self.read_text(name)
        if text is None:
            return None
        if not text.startswith("["):
            return tuple(part for part in (raw.strip() for raw in text.split(",")) if part)
        try:
            parsed = json.loads(text)
        except (ValueError, RecursionError):
            parsed = None
        if isinstance(parsed, list) and all(isinstance(item, str) for item in parsed):
            return tuple(parsed)
        reason, hint = "not a JSON array of strings", 'write a,b or ["a", "b"]'
        if secret:
            self.findings.add_secret(name, reason, hint)
        else:
            self.findings.add(name, text, reason, hint)
        return None


def _pick(**values: Any) -> dict[str, Any]:
    """Keep what was given: a configuration's own defaults stand for the rest."""
    return {name: value for name, value in values.items() if value is not None}


def load_store_url(name: str, env: Mapping[str, str] | None = None) -> Secret:
    """Return the URL of a store that stands in the variable `name`; it may hold a password.

    Raises:
        ConfigError: The variable is not set, or empty.
    """
    reader = EnvironmentReader(env)
    url = reader.read_secret(name)
    reader.findings.raise_if_any()
    if url is None:
        hint = "set it, to sqlite:///security.db for instance"
        raise ConfigError("environment", [Problem(name, "<secret>", "not set", hint)])
    return url


def load_secret(name: str, env: Mapping[str, str] | None = None) -> Secret:
    """Return the secret that stands in the variable `name`.

    Raises:
        ConfigError: The variable is not set, or empty.
    """
    reader = EnvironmentReader(env)
    secret = reader.read_secret(name)
    reader.findings.raise_if_any()
    if secret is None:
        raise ConfigError("environment", [Problem(name, "<secret>", "not set", _MAKE_ONE)])
    return secret


def load_cors_config(
    env: Mapping[str, str] | None = None,
    *,
    allow_origins: Sequence[str] | None = None,
    allow_credentials: bool | None = None,
) -> CorsConfig | None:
    """Build the CORS policy of `CORS_ALLOW_*`, or None when no origin is given.

    An argument replaces its variable; `allow_origins=[]` turns CORS off. Methods and headers are
    `*` and credentials are allowed unless said otherwise, as in the guide; credentials together
    with the origin `*` are refused.

    Raises:
        ConfigError: with all problems of the variables and of the policy.
    """
    reader = EnvironmentReader(env)
    origins = reader.read_list("CORS_ALLOW_ORIGINS") if allow_origins is None else allow_origins
    regex = reader.read_text("CORS_ALLOW_ORIGIN_REGEX")
    if allow_credentials is None:
        allow_credentials = reader.read_boolean("CORS_ALLOW_CREDENTIALS")
    methods = reader.read_list("CORS_ALLOW_METHODS")
    headers = reader.read_list("CORS_ALLOW_HEADERS")
    reader.findings.raise_if_any()
    if not origins:
        return None
    return CorsConfig(
        allow_origins=origins,
        allow_credentials=allow_credentials is not False,
        allow_methods=methods or ("*",),
        allow_headers=headers or ("*",),
        **_pick(allow_origin_regex=regex),
    )


def load_session_config(
    env: Mapping[str, str] | None = None,
    *,
    secret: str | bytes | Secret | None = None,
    cookie_name: str | None = None,
    max_age_seconds: int | None = None,
    same_site: str | None = None,
    secure: bool | None = None,
    **fields: Any,
) -> SessionConfig:
    """Build the session policy of `SESSION_SECRET` and `SESSION_COOKIE_*`.

    An argument replaces its variable. There is no built-in secret in any environment. The cookie
    is `svc_session`, lives 14 400 seconds from its last use, and is Secure unless
    `SESSION_COOKIE_SECURE` says false.
    """
    reader = EnvironmentReader(env)
    secret = reader.read_secret("SESSION_SECRET") if secret is None else secret
    old_secrets = reader.read_list("SESSION_OLD_SECRETS", secret=True)
    name = cookie_name or reader.read_text("SESSION_COOKIE_NAME") or "svc_session"
    if max_age_seconds is None:
        max_age_seconds = reader.read_integer("SESSION_COOKIE_MAX_AGE_SECONDS", minimum=1)
    if same_site is None:
        same_site = reader.read_choice("SESSION_COOKIE_SAMESITE", ("lax", "strict", "none"))
    if secure is None:
        secure = reader.read_boolean("SESSION_COOKIE_SECURE")
    if secret is None:
        reader.findings.add_secret("SESSION_SECRET", "not set", _MAKE_ONE)
    reader.findings.raise_if_any()
    idle = max_age_seconds or 14_400
    return SessionConfig(
        secret=secret,
        cookie_name=name,
        idle_timeout_seconds=idle,
        max_age_seconds=idle,
        absolute_timeout_seconds=max(idle, 43_200),
        **_pick(same_site=same_site, secure=secure, old_secrets=old_secrets),
        **fields,
    )


def load_jwt_config(env: Mapping[str, str] | None = None, **fields: Any) -> JwtConfig:
    """Build the JWT policy of `AUTH_JWT__SECRET` and `AUTH_JWT__OLD_SECRETS`.

    `AUTH_JWT_SECRET` and `JWT_SECRET` are read after the first; the old secrets may be written
    with commas or as JSON.
    """
    reader = EnvironmentReader(env)
    secret = reader.read_secret("AUTH_JWT__SECRET", "AUTH_JWT_SECRET", "JWT_SECRET")
    old_secrets = reader.read_list("AUTH_JWT__OLD_SECRETS", secret=True) or ()
    if secret is None:
        reader.findings.add_secret("AUTH_JWT__SECRET", "not set", _MAKE_ONE)
    reader.findings.raise_if_any()
    return JwtConfig(secret=secret, old_secrets=old_secrets, **fields)


def load_password_policy(env: Mapping[str, str] | None = None, **fields: Any) -> PasswordPolicy:
    """Build the rules for new passwords of `AUTH_PASSWORD_*`.

    `AUTH_PASSWORD_MIN_LENGTH` (12, at least 8), `AUTH_PASSWORD_REQUIRE_SYMBOL` (false) and
    `AUTH_PASSWORD_BREACH_CHECK` (true). A field replaces its variable.

    Raises:
        ConfigError: with all problems of the variables, or of the fields.
    """
    reader = EnvironmentReader(env)
    read = _pick(
        min_length=reader.read_integer("AUTH_PASSWORD_MIN_LENGTH", minimum=8),
        require_symbol=reader.read_boolean("AUTH_PASSWORD_REQUIRE_SYMBOL"),
        breach_check=reader.read_boolean("AUTH_PASSWORD_BREACH_CHECK"),
    )
    reader.findings.raise_if_any()
    return PasswordPolicy(**{**read, **fields})
