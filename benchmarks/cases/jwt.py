"""JWT bearers: first sight, repeat, a retired secret, and garbage, beside PyJWT and joserfc.

The peers verify signatures only, so both get the same small guard around their `decode`: it reads
the header, checks the same claims (`exp`, `iss`, `aud`), and refuses with a 401.
"""

from __future__ import annotations

import base64
import hmac
import itertools
import json
import time
from typing import TYPE_CHECKING, Any

from benchmarks.driving import ask, bare_app, build_scope, build_step
from benchmarks.rows import OURS, Contender, Side, TimedCase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from asgi_security.asgi.types import ASGIApp, Receive, Scope, Send
    from benchmarks.driving import Inputs

    Decode = Callable[[str], Mapping[str, Any]]
    Build = Callable[[ASGIApp, Sequence[str]], ASGIApp]

SECRETS = tuple(f"secret number {number} of the benchmarks, 32+ bytes" for number in range(4))
ISSUER = "https://issuer.example.com"
AUDIENCE = "https://api.example.com"
_GARBAGE_CLAIMS = 950
_serial = itertools.count()


def _encode(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


_HEADER = _encode(b'{"alg":"HS256","typ":"JWT"}')


def build_token(secret: str, **more: object) -> bytes:
    """Sign a token that no side has seen before."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "sub": "user-1234567890",
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + 3600,
        "jti": f"token-{next(_serial)}",
        "type": "access",  # what authx asks for
        "scope": "articles:read articles:write profile",
        **more,
    }
    signed = _HEADER + b"." + _encode(json.dumps(claims, separators=(",", ":")).encode())
    return signed + b"." + _encode(hmac.digest(secret.encode(), signed, "sha256"))


def build_garbage() -> bytes:
    """Build 22 kB that look like a token up to the signature, which no key of ours has made."""
    claims = {f"claim{number}": number for number in range(_GARBAGE_CLAIMS)}
    return build_token("not a secret of ours, and 32 bytes long", **claims)


def build_ours(app: ASGIApp, secrets: Sequence[str] = SECRETS) -> ASGIApp:
    """Build our middleware around an app; all secrets but the first are retired."""
    from asgi_security import JwtMiddleware

    guarded: ASGIApp = JwtMiddleware(
        app,
        secret=secrets[0],
        old_secrets=list(secrets[1:]),
        algorithms=["HS256"],
        issuer=ISSUER,
        audience=AUDIENCE,
    )
    return guarded


def build_guard(
    app: ASGIApp, decode: Decode, refused: type[Exception], *, optional: bool = False
) -> ASGIApp:
    """Build the guard that every user of a bare JWT library writes."""
    challenge = (b"www-authenticate", b'Bearer error="invalid_token"')

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        token = ""
        for name, value in scope["headers"]:
            if name == b"authorization":
                token = value.decode("latin-1").removeprefix("Bearer ")
        try:
            scope["claims"] = decode(token) if token or not optional else None
        except refused:
            await send({"type": "http.response.start", "status": 401, "headers": [challenge]})
            await send({"type": "http.response.body", "body": b""})
            return
        await app(scope, receive, send)

    return guard


def build_pyjwt(app: ASGIApp, secrets: Sequence[str] = SECRETS) -> ASGIApp:
    """Build the guard around PyJWT's `decode`, trying one secret after the other."""
    import jwt

    return build_guard(app, build_pyjwt_decode(secrets), jwt.InvalidTokenError)


def build_pyjwt_decode(secrets: Sequence[str]) -> Decode:
    """Build the call of PyJWT that checks what ours checks."""
    import jwt

    def decode(token: str) -> Mapping[str, Any]:
        for secret in secrets[:-1]:
            try:
                return _decode_one(token, secret)
            except jwt.InvalidSignatureError:
                continue
        return _decode_one(token, secrets[-1])

    def _decode_one(token: str, secret: str) -> Mapping[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token,
            secret,
            algorithms=["HS256"],
            issuer=ISSUER,
            audience=AUDIENCE,
            options={"require": ["exp"]},
        )
        return claims

    return decode


def build_joserfc(
    app: ASGIApp, secrets: Sequence[str] = SECRETS, *, optional: bool = False
) -> ASGIApp:
    """Build the guard around joserfc's `decode`; its keys are prepared once."""
    from joserfc import jwt
    from joserfc.errors import BadSignatureError, JoseError
    from joserfc.jwk import OctKey

    keys = [OctKey.import_key(secret) for secret in secrets]
    registry = jwt.JWTClaimsRegistry(
        exp={"essential": True},
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": AUDIENCE},
    )

    def decode(token: str) -> Mapping[str, Any]:
        for key in keys:
            try:
                claims = jwt.decode(token, key, algorithms=["HS256"]).claims
            except BadSignatureError:
                continue
            registry.validate(claims)
            return claims
        raise BadSignatureError

    return build_guard(app, decode, JoseError, optional=optional)


def build_authx(app: ASGIApp, secrets: Sequence[str] = SECRETS) -> ASGIApp:
    """Build the guard around authx; it knows one key, so only the first secret is its."""
    from authx import AuthX, AuthXConfig, RequestToken
    from authx.exceptions import JWTDecodeError

    config = AuthXConfig(
        JWT_SECRET_KEY=secrets[0],
        JWT_ALGORITHM="HS256",
        JWT_DECODE_ISSUER=ISSUER,
        JWT_DECODE_AUDIENCE=AUDIENCE,
    )
    verify = AuthX(config).verify_token

    def decode(token: str) -> Mapping[str, Any]:
        claims = verify(RequestToken(token=token, location="headers")).model_dump(
            exclude_unset=True
        )
        claims["exp"] = int(claims["exp"].timestamp())
        return claims

    return build_guard(app, decode, JWTDecodeError)


def get_claims(scope: Scope) -> Mapping[str, Any]:
    """Get the verified claims, wherever the side keeps them."""
    ours = scope.get("asgi_security")
    claims: Mapping[str, Any] = scope["claims"] if ours is None else ours.claims
    return claims


def show_claims(wrap: Callable[[ASGIApp], ASGIApp], scope: Scope) -> object:
    """Show the status, and the claims an app behind `wrap` sees."""
    seen: dict[str, object] = {}

    async def look(scope: Scope, receive: Receive, send: Send) -> None:
        seen.update(get_claims(scope))
        await bare_app(scope, receive, send)

    return ask(wrap(look), scope).status, seen


def build_bearer_scope(token: bytes) -> Scope:
    """Build the scope of a request with this token."""
    return build_scope((b"authorization", b"Bearer " + token))


def _build_case(
    name: str,
    inputs: Inputs,
    budgets: Mapping[str, float],
    *,
    secrets: Sequence[str] = SECRETS,
    most_calls: int = 20_000,
    one_key: bool = True,
) -> TimedCase:
    def build_side(side: str, build: Build) -> Side:
        def wrap(app: ASGIApp) -> ASGIApp:
            return build(app, secrets)

        return Side(side, build_step(wrap(bare_app)), lambda: show_claims(wrap, probe))

    probe = inputs(1)[0]
    return TimedCase(
        name=name,
        contenders=(
            Contender(OURS, lambda: build_side(OURS, build_ours)),
            Contender("PyJWT", lambda: build_side("PyJWT", build_pyjwt)),
            Contender("joserfc", lambda: build_side("joserfc", build_joserfc)),
            *((Contender("authx", lambda: build_side("authx", build_authx)),) if one_key else ()),
        ),
        inputs=inputs,
        bare=build_step(bare_app),
        budgets=budgets,
        most_calls=most_calls,
    )


def build_same(token: bytes) -> Inputs:
    """Make inputs that present one and the same token."""
    scope = build_bearer_scope(token)
    return lambda calls: [scope] * calls


def build_fresh(secret: str) -> Inputs:
    """Make inputs that each present a token of their own."""
    return lambda calls: [build_bearer_scope(build_token(secret)) for _ in range(calls)]


CASES = (
    _build_case(
        "jwt HS256 first sight",
        build_fresh(SECRETS[0]),
        {"PyJWT": 1 / 4, "joserfc": 1 / 2},
        most_calls=1_000,
    ),
    _build_case("jwt HS256 repeat", build_same(build_token(SECRETS[0])), {"PyJWT": 1 / 25}),
    _build_case(
        "jwt HS256 third old secret",
        build_fresh(SECRETS[3]),
        {"PyJWT": 1 / 8},
        most_calls=1_000,
        one_key=False,
    ),
    _build_case(
        "jwt 22 kB of garbage",
        build_same(build_garbage()),
        {"PyJWT": 1 / 100},
        secrets=SECRETS[:1],
    ),
)
