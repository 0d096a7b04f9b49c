"""Decides: what of a record's details is a secret, and must not enter a log that nobody can change.

A record cannot be edited afterwards, so a password that came into one would stay in it for good.
Names are judged by their words, because `newPassword`, `X-CSRF-Token` and `recovery_codes` are
meant as well; what merely describes a secret (`token_id`, `cookie_name`, `status_code`) is kept.

Source: OWASP Logging Cheat Sheet ("Data to exclude"), OWASP ASVS 5.0 16.2.5, RFC 7519 section 3
(tokens), RFC 9110 section 11.6.2 (credentials).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from asgi_security.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Collection

REDACTED = "[redacted]"

_MAX_DEPTH = 64

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRET_WORDS = frozenset(
    {
        *("authorization", "bearer", "code", "cookie", "credential", "jwt", "otp", "passcode"),
        *("passphrase", "passwd", "password", "pin", "pwd", "secret", "token"),
    }
)
_SECRET_ENDINGS = ("authorization", "cookie", "passphrase", "passwd", "password", "secret", "token")
_SECRET_KEYS = ("accesskey", "apikey", "encryptionkey", "privatekey", "signingkey")
_DESCRIPTIONS = frozenset(
    {
        *("at", "count", "id", "ids", "kind", "left", "length", "name", "names", "policy"),
        *("seconds", "status", "type"),
    }
)
_HARMLESS_CODES = frozenset(
    {
        *("area", "close", "country", "currency", "error", "exit", "http", "language", "postal"),
        *("reason", "response", "status", "zip"),
    }
)

# An opening brace in base64url, then what JWS (three parts) and JWE (five) look like. The look
# behind keeps a long run of letters from being tried at each of them.
_JWT = re.compile(
    r"(?<![A-Za-z0-9_-])e[wy][A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*){1,3}"
)
_CREDENTIALS = re.compile(r"\b((?i:basic|bearer|dpop))[ \t]+(?=\S*[0-9A-Z=])\S{6,}")


def is_secret_name(name: str, also: Collection[str] = ()) -> bool:
    """Tell whether what stands under a name is a secret.

    >>> [is_secret_name(name) for name in ("accessToken", "token_id", "code", "status_code")]
    [True, False, True, False]

    Args:
        name: of a member, a header, a cookie, a form field.
        also: further words that mark one, in lower case.
    """
    words = [word.lower() for word in _WORD.findall(name)]
    if len(words) > 1 and words[-1] in _DESCRIPTIONS:
        return False
    joined = "".join(words)
    return any(key in joined for key in _SECRET_KEYS) or any(
        _is_secret_word(word, words[place - 1] if place else "", also)
        for place, word in enumerate(words)
    )


def _is_secret_word(word: str, before: str, also: Collection[str]) -> bool:
    single = word.removesuffix("s")
    if single == "code" and before in _HARMLESS_CODES:
        return False
    return single in _SECRET_WORDS or single.endswith(_SECRET_ENDINGS) or word in also


def redact_text(text: str) -> str:
    """Return text without what looks like a JWT or the credentials of a header.

    >>> redact_text("sent Bearer 9f86d081884c7d65 twice")
    'sent Bearer [redacted] twice'
    """
    return _CREDENTIALS.sub(rf"\1 {REDACTED}", _JWT.sub(REDACTED, text))


def redact(value: object, also: Collection[str] = ()) -> object:
    """Return a copy of what JSON can hold, with every secret at any depth replaced.

    >>> redact({"form": [{"user": "ada", "password": "hunter2"}]})
    {'form': [{'user': 'ada', 'password': '[redacted]'}]}

    Raises:
        ValueError: It has more than 64 levels, or contains itself.
    """
    return _redact(value, also, _MAX_DEPTH)


def _redact(value: object, also: Collection[str], depth: int) -> object:
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Secret):
        return REDACTED
    if not isinstance(value, (Mapping, list, tuple)):
        return value
    if depth == 0:
        raise ValueError(f"more than {_MAX_DEPTH} levels")
    if not isinstance(value, Mapping):
        return [_redact(item, also, depth - 1) for item in value]
    return {
        redact_text(name) if isinstance(name, str) else name: (
            REDACTED
            if isinstance(name, str) and is_secret_name(name, also)
            else _redact(item, also, depth - 1)
        )
        for name, item in value.items()
    }
