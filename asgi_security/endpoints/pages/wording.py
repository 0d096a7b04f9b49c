"""Says in a sentence what each code means that a page is told by `?error=` and `?done=`."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_AT_PROVIDER = "The login there did not work. Try it once more."
_SESSION_OVER = "Log in first."

ERRORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ACCESS_DENIED": "You did not let the other site log you in.",
        "ACCOUNT_CHANGED": "You have logged in as somebody else meanwhile. Nothing was linked.",
        "ACCOUNT_DISABLED": "This account is closed.",
        "ACCOUNT_GONE": "That account is no longer there.",
        "CODE_REFUSED": "That code was not right, or its time is over. Try a new one.",
        "IDENTITY_TAKEN": "That login opens another account already.",
        "INVALID_GRANT": _AT_PROVIDER,
        "INVALID_ID_TOKEN": _AT_PROVIDER,
        "INVALID_NONCE": _AT_PROVIDER,
        "INVALID_RESPONSE": _AT_PROVIDER,
        "INVALID_STATE": _AT_PROVIDER,
        "ISSUER_MISMATCH": _AT_PROVIDER,
        "KEY_REFUSED": "No key was made: look at its name, its scopes and its lifetime.",
        "LAST_WAY_IN": "This is the last way into your account. Set a password first.",
        "LINK_REQUIRED": "Your address has an account here. Log in to it, and link from there.",
        "LOCKED_OUT": "Too many tries. Wait a little, then try again.",
        "LOGIN_BAD_CREDENTIALS": "The address or the password is not right.",
        "LOGIN_REQUIRED": _AT_PROVIDER,
        "LOGIN_USER_NOT_VERIFIED": "Confirm your address first: we have sent you a mail.",
        "MALFORMED_LOGIN": "Give an address and a password.",
        "MALFORMED_REQUEST": "Something was left out. Try again.",
        "NAME_REFUSED": "This cannot be an address.",
        "NOT_SIGNED_IN": _SESSION_OVER,
        "NO_ACCOUNT": "Nobody here is known by that login.",
        "PASSWORD_REFUSED": "This password cannot be used. Choose another one.",
        "PROVIDER_ERROR": _AT_PROVIDER,
        "PROVIDER_UNAVAILABLE": "The other site does not answer. Try again later.",
        "SUBJECT_MISMATCH": _AT_PROVIDER,
        "TOKEN_REFUSED": "That link has been used, or its time is over. Ask for a new one.",
        "TOO_MANY_MESSAGES": "Enough mails for now. Wait a little, then ask again.",
        "UNAVAILABLE": "This does not work at the moment. Try again later.",
        "UNKNOWN_KEY": "There is no such key.",
        "UNKNOWN_PROVIDER": "There is no such site to log in at.",
        "UNKNOWN_SESSION": "That had ended already.",
        "UNVERIFIED_EMAIL": "The other site has not confirmed your address.",
        "WRONG_PASSWORD": "The present password is not right.",
    }
)
"""What went wrong."""

DONE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ACCEPTED": "If there is an account of that name, a mail is on its way.",
        "ACCOUNT_DELETED": "Your account is deleted.",
        "ACCOUNT_DISABLED": "Your account is closed.",
        "CODE_SENT": "A code is on its way to your mailbox.",
        "KEY_REVOKED": "The key has ended.",
        "MAILED_CODES_ENABLED": "Codes can be mailed to you from now on.",
        "MFA_DISABLED": "Your second factor is gone. A password is enough again.",
        "PASSWORD_SET": "Your new password is set.",
        "REGISTERED": "Look into your mailbox: what to do next is there.",
        "SESSION_REVOKED": "That has ended.",
        "UNLINKED": "That login opens your account no longer.",
        "VERIFIED": "Thank you, that is confirmed.",
    }
)
"""What went well."""

UNKNOWN_ERROR: Final = "That did not work. Try again."
UNKNOWN_DONE: Final = "Done."
