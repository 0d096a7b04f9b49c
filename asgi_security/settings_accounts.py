"""Configures: the variables `AUTH_*` of accounts that need more than reading them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgi_security.settings import EnvironmentReader

DEVELOPMENT = ("dev", "development", "local")
_TLS = ("starttls", "implicit")
_IMPLICIT_PORT = 465
_OTHERS = ("prod", "production", "staging", "test", "testing")
_SMTP_TEXTS = {
    "AUTH_SMTP_HOST": "host",
    "AUTH_SMTP_USERNAME": "username",
    "AUTH_SMTP_FROM": "from_address",
}


def read_auto_verify(reader: EnvironmentReader) -> bool:
    """Tell whether new accounts are verified at once: only in an environment of development.

    Elsewhere `AUTH_AUTO_VERIFY_IN_DEV` says nothing, as its name has it. Where it cannot be told
    which environment this is, that is an error and no guess.
    """
    if not reader.read_boolean("AUTH_AUTO_VERIFY_IN_DEV"):
        return False
    name = reader.read_text("APP_ENV")
    if name is None or name.lower() not in (*DEVELOPMENT, *_OTHERS):
        hint = "write dev in development, prod elsewhere; or leave AUTH_AUTO_VERIFY_IN_DEV out"
        reader.findings.add("APP_ENV", name, "does not say whether this is development", hint)
        return False
    return name.lower() in DEVELOPMENT


def read_new_accounts_since(reader: EnvironmentReader) -> float | None:
    """Return since when new accounts must have a second factor, None for never.

    A date or an instant (ISO 8601, UTC where it says nothing else), or `true` for all accounts
    whose beginning is known.
    """
    name = "AUTH_MFA_DEFAULT_ENABLED_FOR_NEW_USERS"
    text = reader.read_text(name)
    try:
        since = None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return 0.0 if reader.read_boolean(name) else None
    if since is None:
        return None
    return (since if since.tzinfo is not None else since.replace(tzinfo=UTC)).timestamp()


def load_sender(reader: EnvironmentReader, build: Callable[..., Any]) -> Any:
    """Return who delivers mail through the server of `AUTH_SMTP_*`, or None and note what is wrong.

    Args:
        build: calls its second argument with all that follow, and notes what that raises.
    """
    found: dict[str, Any] = {field: reader.read_text(name) for name, field in _SMTP_TEXTS.items()}
    found["password"] = reader.read_secret("AUTH_SMTP_PASSWORD")
    found["port"] = reader.read_integer("AUTH_SMTP_PORT", minimum=1)
    tls = reader.read_choice("AUTH_SMTP_TLS", _TLS)
    by_port = "implicit" if found["port"] == _IMPLICIT_PORT else None
    found["tls"] = tls if tls in _TLS else by_port
    if found["host"] is None:
        hint = "set it, or give load_auth(sender=...)"
        reader.findings.add("AUTH_SMTP_HOST", None, "not set, and no sender given", hint)
        return None
    if found["from_address"] is None:
        hint = "write 'Acme <no-reply@acme.example>' for instance"
        reader.findings.add("AUTH_SMTP_FROM", None, "not set", hint)
        return None
    from asgi_security.flows.smtp import SmtpSender  # noqa: PLC0415 -- only who sends by it

    given = {name: value for name, value in found.items() if value is not None}
    return build("AUTH_SMTP: ", SmtpSender, **given)
