"""Issues signed tokens that say all a verifier needs: when, until when, and which one."""

from __future__ import annotations

import json
from math import floor
from typing import TYPE_CHECKING, Any

from asgi_security.clock import system_clock, system_entropy
from asgi_security.crypto.base64url import encode_base64url
from asgi_security.crypto.jwt import sign_jws
from asgi_security.crypto.signing_keys import SigningKey, prepare_signing_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asgi_security.clock import Clock, Entropy
    from asgi_security.crypto.signing_keys import SigningKeyLike
    from asgi_security.secret import Secret

_ID_BYTES = 16


def issue_jwt(
    claims: Mapping[str, Any],
    *,
    secret: Secret | str | bytes | None = None,
    key: SigningKeyLike | None = None,
    algorithm: str | None = None,
    lifetime_seconds: float = 900,
    issuer: str | None = None,
    audience: str | Sequence[str] | None = None,
    session_id: str | None = None,
    token_type: str = "JWT",  # noqa: S107 -- a media type
    key_id: str | None = None,
    clock: Clock = system_clock,
    entropy: Entropy = system_entropy,
) -> str:
    """Sign claims, with `iat`, `exp` and a random `jti` added where they are not among them.

    Args:
        claims: what JSON can hold; `exp` among them wins over `lifetime_seconds`.
        secret: for HS256, or the HS* that `algorithm` names.
        key: a private key as PEM, DER or JWK; instead of a secret.
        algorithm: by default HS256, the JWK's own, or the first that the key serves.
        lifetime_seconds: from now to `exp`, at least one.
        issuer: becomes `iss`.
        audience: becomes `aud`.
        session_id: becomes `sid`, so that `revoke_session` ends the token with its session.
        token_type: becomes `typ`; give "at+jwt" for an access token of RFC 9068.
        key_id: becomes `kid`; by default the JWK's own.
        clock: gives `iat`.
        entropy: makes the `jti`.

    Raises:
        ConfigError: for a weak secret or a key that does not fit.
        ValueError: for both or none of secret and key, a claim given twice, or no JSON.
    """
    signing = _choose_key(secret, key, algorithm)
    stated = _gather(claims, iss=issuer, aud=audience, sid=session_id)
    now = floor(clock())
    expiry = now + max(1, floor(lifetime_seconds))
    payload = {**stated, "iat": now, "exp": expiry, **claims}
    if "jti" not in payload:
        payload["jti"] = encode_base64url(entropy(_ID_BYTES)).decode()
    header = {"typ": token_type}
    name = key_id or signing.key_id
    if name is not None:
        header["kid"] = name
    body = json.dumps(payload, separators=(",", ":"), allow_nan=False).encode()
    return sign_jws(body, signing.value, algorithm=signing.algorithm, header=header)


def _gather(claims: Mapping[str, Any], **given: object) -> dict[str, Any]:
    stated = {name: value for name, value in given.items() if value is not None}
    twice = stated.keys() & claims.keys()
    if twice:
        raise ValueError(f"given twice: {', '.join(sorted(twice))}")
    return stated


def _choose_key(
    secret: Secret | str | bytes | None, key: SigningKeyLike | None, algorithm: str | None
) -> SigningKey:
    if secret is not None and key is None:
        return SigningKey.from_secret(secret, algorithm or "HS256")
    if key is not None and secret is None:
        return prepare_signing_key(key, algorithm)
    raise ValueError("give a secret or a key")
