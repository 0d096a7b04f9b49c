"""Makes the families of logins, and the pairs of tokens that come of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.crypto.base64url import encode_base64url
from asgi_security.crypto.digests import KeyedDigests
from asgi_security.crypto.refresh_tokens import (
    FAMILY_ID_BYTES,
    RefreshTokenFormat,
    compute_family_digest,
)
from asgi_security.crypto.signing_keys import SigningKey, prepare_signing_key
from asgi_security.flows.issuing import issue_jwt
from asgi_security.flows.refresh_outcomes import TokenPair
from asgi_security.policy.jwt import ACCESS_TOKEN_TYPE
from asgi_security.policy.refresh import NOISE_BYTES, compute_access_lifetime
from asgi_security.policy.refresh_grants import build_access_claims, encode_grant
from asgi_security.storage.protocols import RefreshFamily

if TYPE_CHECKING:
    from asgi_security.clock import Entropy
    from asgi_security.crypto.refresh_tokens import RefreshToken
    from asgi_security.flows.refresh_renewal import Claims
    from asgi_security.flows.visits import Visit
    from asgi_security.policy.refresh import RefreshConfig
    from asgi_security.policy.refresh_grants import RefreshGrant

_HANDLE_BYTES = 12
_SHOWN_CHARACTERS = 200


class PairMaker:
    """Makes tokens of one configuration, its keys prepared once.

    Raises:
        ConfigError: for an access key that does not fit its algorithm.
    """

    def __init__(self, config: RefreshConfig, *, entropy: Entropy) -> None:
        self._config = config
        self._entropy = entropy
        secret, *old_secrets = config.reveal_order()
        self._format = RefreshTokenFormat(secret, old_secrets)
        self._digests = KeyedDigests(secret)
        self._key = _prepare_key(config)

    def parse(self, token: str) -> RefreshToken | None:
        """Return what a refresh token of ours says, None for anything else."""
        return self._format.parse(token)

    def begin(
        self, subject: str, grant: RefreshGrant, *, visit: Visit, now: float
    ) -> tuple[bytes, RefreshFamily]:
        """Return a new family, and the id that its tokens are made of: no store may see that.

        Raises:
            TypeError, ValueError: for claims that JSON has no word for.
        """
        family_id = self._entropy(FAMILY_ID_BYTES)
        client = visit.client
        family = RefreshFamily(
            digest=compute_family_digest(family_id),
            handle=encode_base64url(self._entropy(_HANDLE_BYTES)).decode(),
            subject=subject,
            data=encode_grant(grant),
            created_at=now,
            advanced_at=now,
            idle_expires_at=now + self._config.idle_timeout_seconds,
            absolute_expires_at=now + self._config.absolute_timeout_seconds,
            user_agent=_show(visit.user_agent),
            client=None if client is None else self._digests.compute("refresh client", client),
        )
        return family_id, family

    def build(
        self,
        family_id: bytes,
        family: RefreshFamily,
        *,
        grant: RefreshGrant,
        scopes: tuple[str, ...],
        claims: Claims,
        now: float,
    ) -> TokenPair:
        """Return a fresh access token and the family's present refresh token."""
        config = self._config
        lifetime = compute_access_lifetime(
            config,
            noise=self._entropy(NOISE_BYTES),
            absolute_expires_at=family.absolute_expires_at,
            now=now,
        )
        access_token = issue_jwt(
            build_access_claims(grant, subject=family.subject, scopes=scopes, claims=claims),
            key=self._key,
            lifetime_seconds=lifetime,
            issuer=config.issuer,
            audience=config.audience,
            session_id=family.handle,
            token_type=ACCESS_TOKEN_TYPE,
            key_id=config.access_key_id,
            clock=lambda: now,
            entropy=self._entropy,
        )
        return TokenPair(
            access_token=access_token,
            refresh_token=self._format.build(family_id, family.generation),
            expires_in_seconds=lifetime,
            handle=family.handle,
            subject=family.subject,
            scopes=scopes,
            refresh_expires_at=min(family.idle_expires_at, family.absolute_expires_at),
        )


def _prepare_key(config: RefreshConfig) -> SigningKey:
    if config.access_secret is None:
        return prepare_signing_key(config.access_key, config.access_algorithm)
    return SigningKey.from_secret(config.access_secret, config.access_algorithm or "HS256")


def _show(user_agent: str) -> str:
    shown = user_agent[:_SHOWN_CHARACTERS]
    return "".join(character for character in shown if character.isprintable())
