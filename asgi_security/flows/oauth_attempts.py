"""Keeps logins that are under way at a provider: each bound to the browser that began it.

One secret per attempt lies in the browser's cookie, and everything else is derived from it: the
state and the nonce, which travel through addresses, and the verifier, which does not. Whoever reads
an address, a log or the store has none of the others: the store knows the digest of the secret, at
which provider, and where the user was going.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asgi_security.crypto.base64url import encode_base64url
from asgi_security.crypto.digests import build_message
from asgi_security.flows.store_bound import StoreBound
from asgi_security.policy.documents import encode_json, parse_object

if TYPE_CHECKING:
    from asgi_security.clock import Entropy
    from asgi_security.policy.oauth import OAuthConfig
    from asgi_security.storage.protocols import OneTimeStore

KIND = "oauth_attempt"
SECRET_BYTES = 32

_SECRET = re.compile(r"[A-Za-z0-9_-]{43}\Z", re.ASCII)
_SEPARATOR = "."


@dataclass(frozen=True, slots=True)
class AttemptSecrets:
    """What is derived of one attempt's secret; `challenge` is the S256 one of `verifier`."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    challenge: str = field(repr=False)
    digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A login that has come back.

    `account` is the id of the account that asked to have an identity linked to it, None for a
    login.
    """

    provider: str
    next_path: str
    account: str | None
    secrets: AttemptSecrets


def derive_secrets(secret: str) -> AttemptSecrets:
    """Derive the four values of an attempt: from none of them another one can be had."""

    def derive(purpose: str) -> bytes:
        return hmac.digest(secret.encode(), build_message("oauth", purpose), "sha256")

    verifier = encode_base64url(derive("verifier"))
    return AttemptSecrets(
        state=encode_base64url(derive("state")).decode(),
        nonce=encode_base64url(derive("nonce")).decode(),
        verifier=verifier.decode(),
        challenge=encode_base64url(hashlib.sha256(verifier).digest()).decode(),
        digest=derive("digest"),
    )


class Attempts:
    """The logins under way, a few for each browser.

    Args:
        config: how many, and for how long.
        store: where each is taken from exactly once.
        entropy: makes the secrets.
    """

    def __init__(self, config: OAuthConfig, store: OneTimeStore, *, entropy: Entropy) -> None:
        self._config = config
        self._store = store
        self._entropy = entropy

    async def begin(
        self,
        *,
        provider: str,
        next_path: str,
        account: str | None,
        browser: str | None,
        now: float,
    ) -> tuple[AttemptSecrets, str]:
        """Begin one, and return it with the new value of the browser's cookie.

        The cookie never holds more than the allowed number: the oldest ones end.

        Raises:
            StorageError: It could not be stored, or an old one could not be ended.
        """
        secret = encode_base64url(self._entropy(SECRET_BYTES)).decode()
        known = [*self._parse(browser), secret]
        kept = known[-self._config.max_attempts :]
        secrets = derive_secrets(secret)
        value = encode_json({"attempt": [provider, next_path, account]})
        expires_at = now + self._config.attempt_lifetime_seconds
        with StoreBound(self._config.store_timeout_seconds):
            await self._store.put(KIND, secrets.digest, value, expires_at=expires_at, now=now)
            for dropped in known[: -self._config.max_attempts]:
                await self._store.take(KIND, derive_secrets(dropped).digest, now=now)
        return secrets, _SEPARATOR.join(kept)

    async def take(self, state: str, *, browser: str | None, now: float) -> Attempt | None:
        """Return the attempt of this state, once, if this browser has begun it.

        Another browser does not even learn that there is one, and leaves it where it is.

        Raises:
            StorageError: The store did not answer.
        """
        secrets = self._find(state, browser)
        if secrets is None:
            return None
        with StoreBound(self._config.store_timeout_seconds):
            value = await self._store.take(KIND, secrets.digest, now=now)
        stored = None if value is None else parse_object(value)
        if stored is None:
            return None
        provider, next_path, account = stored["attempt"]
        return Attempt(provider, next_path, account, secrets)

    def _find(self, state: str, browser: str | None) -> AttemptSecrets | None:
        given = state.encode("utf-8", "surrogatepass")
        found = None
        for secret in self._parse(browser):
            secrets = derive_secrets(secret)
            # Constant-time because a state that could be felt for is no proof.
            if hmac.compare_digest(secrets.state.encode(), given):
                found = secrets
        return found

    def _parse(self, browser: str | None) -> list[str]:
        """Return the secrets of a cookie, the oldest first; none of one that is not ours."""
        values = [] if browser is None else browser.split(_SEPARATOR, self._config.max_attempts)
        fine = all(_SECRET.match(value) for value in values)
        return values if fine and len(values) <= self._config.max_attempts else []
