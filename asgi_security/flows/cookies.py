"""Signs and verifies cookie values on their own: for an app that writes its cookies itself.

A value is bound to its cookie's name, and to a path and domain where they are given: signed for
one, it is refused for every other.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from asgi_security.clock import system_clock
from asgi_security.crypto.signing import PurposeSigner
from asgi_security.errors import SignatureError
from asgi_security.policy.cookies import MAX_COOKIE_BYTES, SigningSecrets
from asgi_security.policy.documents import (
    encode_json,
    is_instant,
    join_document,
    parse_document,
    parse_object,
)
from asgi_security.validation import Findings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asgi_security.clock import Clock
    from asgi_security.secret import Secret

_LEEWAY_SECONDS = 60.0
_NAMESPACE = "asgi-security signed cookie 1"


def sign_cookie(
    payload: Mapping[str, Any],
    *,
    secret: Secret | str | bytes,
    exp_seconds: float | None = None,
    name: str = "signed",
    path: str | None = None,
    domain: str | None = None,
    clock: Clock = system_clock,
) -> str:
    """Return the payload as a cookie value that only holders of the secret can make.

    It is signed, not encrypted: whoever holds the cookie can read it. `exp_seconds` alone ends it;
    an `exp` inside the payload is the app's own and means nothing here.

    Raises:
        ConfigError: for a secret under 32 bytes, or a lifetime that is not positive.
        TypeError: for a payload that is no mapping, or holds what JSON has no word for.
        ValueError: for NaN, cycles, nesting too deep for JSON, and more than 4096 bytes in all.
    """
    if not hasattr(payload, "keys"):
        raise TypeError(f"the payload must be a mapping, not {type(payload).__name__}")
    signer = _prepare_signer(_resolve(secret, ()), name, path, domain)
    now = clock()
    expires_at = None
    if exp_seconds is not None:
        findings = Findings("sign_cookie")
        findings.check_number("exp_seconds", exp_seconds, minimum=0.001, maximum=1e10)
        findings.raise_if_any()
        expires_at = now + exp_seconds
    document = join_document([now, expires_at], encode_json(dict(payload)))
    value = signer.sign(document).decode("ascii")
    size = len(name) + len(value)
    if size > MAX_COOKIE_BYTES:
        raise ValueError(f"a cookie of {size} bytes is dropped by browsers; the limit is 4096")
    return value


def verify_cookie(
    value: str | bytes,
    *,
    secret: Secret | str | bytes,
    old_secrets: Sequence[Secret | str | bytes] = (),
    name: str = "signed",
    expected_path: str | None = None,
    expected_domain: str | None = None,
    clock: Clock = system_clock,
) -> dict[str, Any]:
    """Return the payload of a value that `sign_cookie` made for this name, path and domain.

    Raises:
        SignatureError: with the reason `bad_signature`, `bad_payload`, `expired` or
            `not_yet_valid`.
        ConfigError: for a secret under 32 bytes.
    """
    secrets = _resolve(secret, old_secrets)
    signer = _prepare_signer(secrets, name, expected_path, expected_domain)
    raw = value.encode(errors="replace") if isinstance(value, str) else value
    verified = signer.verify(raw)
    if verified is None:
        raise SignatureError("bad_signature")
    document = parse_document(verified.message)
    if document is None:
        raise SignatureError("bad_payload")
    head, body = document
    payload = parse_object(body)
    if payload is None or len(head) != 2 or not is_instant(head[0]):
        raise SignatureError("bad_payload")
    now = clock()
    if head[0] > now + _LEEWAY_SECONDS:
        raise SignatureError("not_yet_valid")
    if head[1] is not None:
        if not is_instant(head[1]):
            raise SignatureError("bad_payload")
        if now >= head[1]:
            raise SignatureError("expired")
    return payload


def _resolve(
    secret: Secret | str | bytes, old_secrets: Sequence[Secret | str | bytes]
) -> tuple[Secret, ...]:
    given: Any = old_secrets  # checked there: a plain string must not pass for a list of secrets
    return SigningSecrets(secret=secret, old_secrets=given).reveal_order()


@lru_cache(maxsize=64)
def _prepare_signer(
    secrets: tuple[Secret, ...], name: str, path: str | None, domain: str | None
) -> PurposeSigner:
    scope = [
        f"{kind}={text}" for kind, text in (("path", path), ("domain", domain)) if text is not None
    ]
    return PurposeSigner(secrets[0], secrets[1:], purpose=(_NAMESPACE, name, *scope))
