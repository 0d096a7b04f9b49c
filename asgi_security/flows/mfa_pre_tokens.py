"""Makes and reads pre-tokens: proof of a first factor, good for one second factor and nothing else.

A pre-token is signed under a key of its own, names its own type and audience, and so opens nothing
that takes access or refresh tokens, even where the application has but one secret. It is bound to
the browser by the digest of a cookie's value: whoever reads it in a log or a page can do nothing
with it (autentico issue 361). It is no session: it dies with its use, after some wrong codes, when
the account's credentials change, and after five minutes.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from asgi_security.clock import system_clock, system_entropy
from asgi_security.crypto.base64url import encode_base64url
from asgi_security.crypto.digests import compute_unkeyed_digest
from asgi_security.crypto.signing import derive_key
from asgi_security.flows.issuing import issue_jwt
from asgi_security.flows.jwt import Verified, verify_jwt
from asgi_security.policy.jwt import JwtConfig
from asgi_security.secret import Secret
from asgi_security.storage.protocols import ThrottleRule

if TYPE_CHECKING:
    from asgi_security.clock import Clock, Entropy
    from asgi_security.policy.mfa import MfaConfig
    from asgi_security.storage.protocols import Account, Store

Purpose: TypeAlias = Literal["verify", "enrol"]

TOKEN_TYPE = "mfa+jwt"  # noqa: S105 -- a media type
AUDIENCE = "mfa"

_LABEL = ("asgi-security", "mfa", "pre-token")
_CLAIMS = ("sub", "jti", "iat", "purpose", "epoch", "amr", "browser")
_BROWSER_BYTES = 32
_LONGEST_BYTES = 2048


@dataclass(frozen=True, slots=True)
class PreToken:
    """What a pre-token says that is ours, in time, and in its own browser."""

    account: str
    epoch: int
    amr: tuple[str, ...]
    id: str
    ends_at: float


class PreTokens:
    """The pre-tokens of one configuration."""

    def __init__(
        self,
        config: MfaConfig,
        store: Store,
        *,
        clock: Clock = system_clock,
        entropy: Entropy = system_entropy,
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self.lifetime_seconds = config.pre_token_lifetime_seconds
        self._secret, *old = (
            Secret(derive_key(Secret(each), *_LABEL))
            for each in (config.secret, *config.old_secrets)
        )
        self._verification = JwtConfig(
            secret=self._secret,
            old_secrets=old,
            audience=AUDIENCE,
            token_type=TOKEN_TYPE,
            required_claims=_CLAIMS,
            max_token_age_seconds=self.lifetime_seconds,
            max_token_bytes=_LONGEST_BYTES,
        )
        attempts = config.pre_token_attempts
        # A unit comes back after a whole lifetime: never, as far as the token is concerned.
        self._attempts = ThrottleRule(attempts, attempts * float(self.lifetime_seconds))

    def issue(self, account: Account, *, purpose: Purpose, amr: tuple[str, ...]) -> tuple[str, str]:
        """Return a pre-token, and the value of the cookie that it is bound to.

        Always a new value: one that came with the request could have been planted there.
        """
        browser = encode_base64url(self._entropy(_BROWSER_BYTES)).decode()
        claims = {
            "sub": account.id,
            "purpose": purpose,
            "epoch": account.epoch,
            "amr": list(amr),
            "browser": _bind(browser),
        }
        text = issue_jwt(
            claims,
            secret=self._secret,
            lifetime_seconds=self.lifetime_seconds,
            audience=AUDIENCE,
            token_type=TOKEN_TYPE,
            clock=self._clock,
            entropy=self._entropy,
        )
        return text, browser

    def parse(self, text: str, *, purpose: Purpose, browser: str | None) -> PreToken | None:
        """Return what a pre-token says, or None for one that is not good here and now.

        Constant-time because the digest in the token is compared as a whole; it is no secret, but
        a cookie's value that could be found byte by byte would bind nothing.
        """
        read = verify_jwt(text, self._verification, now=self._clock())
        if not isinstance(read, Verified) or browser is None:
            return None
        claims: Any = read.claims
        if claims["purpose"] != purpose:
            return None
        bound = str(claims["browser"]).encode()
        # Safe to encode because a lone surrogate in a cookie is replaced and matches no digest.
        if not hmac.compare_digest(bound, _bind(browser).encode()):
            return None
        return PreToken(
            account=claims["sub"],
            epoch=claims["epoch"],
            amr=tuple(claims["amr"]),
            id=claims["jti"],
            ends_at=claims["exp"],
        )

    async def take_attempt(self, token: PreToken) -> bool:
        """Take one of the codes that may be tried on it; False when it is dead.

        Taken before the code is looked at: counted afterwards, any number of guesses at once would
        be within the limit.
        """
        digest = compute_unkeyed_digest("mfa pre-token attempts", token.id)
        state = await self._store.throttles.take(digest, self._attempts, now=self._clock())
        return state.admitted

    async def spend(self, token: PreToken) -> bool:
        """Use the pre-token up; False for all but the first."""
        digest = compute_unkeyed_digest("mfa pre-token", token.id)
        return await self._store.once.claim(
            "mfa_pre_token", digest, expires_at=token.ends_at, now=self._clock()
        )


def _bind(browser: str) -> str:
    raw = b"asgi-security mfa browser\0" + browser.encode("utf-8", "replace")
    return encode_base64url(hashlib.sha256(raw).digest()).decode()
