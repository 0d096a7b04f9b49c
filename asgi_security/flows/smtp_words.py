"""Words the messages of all flows in plain English, for who gives no words of his own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asgi_security.flows.sending import Message

_NOT_YOU = "If this was not you, you need not do anything."
_ALARM = "If this was not you, somebody else has access: reset your password now."

_WORDS = {
    "verify": ("Confirm your address", "Please confirm that this address is yours.", _NOT_YOU),
    "rename": (
        *("Confirm your new address", "Please confirm that you want to sign in as this address."),
        _NOT_YOU,
    ),
    "reset": ("Reset your password", "Somebody asked for a new password for you.", _NOT_YOU),
    "name_taken": (
        *("You have an account already", "Somebody wanted an account with this address."),
        "If it was you: you have one. Sign in, or reset your password.",
    ),
    "name_changed": (
        *("Your login name was changed", "Your account has another login name now."),
        _ALARM,
    ),
    "password_changed": ("Your password was changed", "Your password was changed.", _ALARM),
    "mfa_code": ("Your code", "Somebody is signing in as you, and needs this code.", _ALARM),
    "mfa_enabled": (
        *("A second factor was added", "Your account has a new second factor."),
        _ALARM,
    ),
    "mfa_disabled": (
        *("Second factors were removed", "Your account has no second factor any more."),
        _ALARM,
    ),
    "mfa_recovery_codes_renewed": (
        *("You have new recovery codes", "Your account has new recovery codes."),
        _ALARM,
    ),
}
_OTHER = ("A message for you", "There is something to do for your account.", _NOT_YOU)


def write_message(message: Message, *, site_name: str) -> tuple[str, str]:
    """Return the subject and the text of a message.

    No code in the subject: it would be shown on a locked screen.
    """
    subject, first, last = _WORDS.get(message.kind, _OTHER)
    lines = [f"{first}"]
    # The link carries the token: by itself it is only for who has no page.
    lines += [text for text in (message.link or message.token, message.code) if text is not None]
    if message.lifetime_seconds is not None:
        lines.append(f"It is good for {_say(message.lifetime_seconds)}, and once.")
    lines += [last, site_name]
    return f"{site_name}: {subject}", "\n\n".join(lines) + "\n"


def _say(seconds: float) -> str:
    """Return a span of time as people say it, rounded down."""
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} seconds"
