"""Turns what the browser brought back into who somebody is: code, tokens, proof.

Every step is bound to the attempt: the code by the verifier, the ID token by the nonce, the access
token by its hash, UserInfo by the subject. Where one does not fit, nothing of it is used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from asgi_security.crypto.strict_json import parse_json_object
from asgi_security.flows.fetching import FetchFailedError
from asgi_security.flows.jwt import JwtVerifier, Unavailable, Verified
from asgi_security.policy.documents import parse_json
from asgi_security.policy.jwt import JwtConfig
from asgi_security.policy.oauth_identity import (
    IdentityFacts,
    check_id_token,
    merge_userinfo,
    parse_claims,
    parse_profile,
)
from asgi_security.policy.oauth_request import build_token_request
from asgi_security.policy.oauth_response import (
    PROVIDER_ERROR,
    PROVIDER_UNAVAILABLE,
    ErrorResponse,
    OAuthRefused,
    TokenError,
    decide_authorization_error,
    parse_token_response,
)
from asgi_security.policy.oauth_urls import TENANT, is_same_issuer

if TYPE_CHECKING:
    from asgi_security.events import EventSink
    from asgi_security.flows.fetching import Fetched, Fetcher
    from asgi_security.flows.oauth_attempts import AttemptSecrets
    from asgi_security.flows.oauth_discovery import PublishedEndpoints
    from asgi_security.policy.oauth import OAuthConfig, OAuthProvider
    from asgi_security.policy.oauth_discovery import ProviderEndpoints
    from asgi_security.policy.oauth_registration import ProfileApi
    from asgi_security.policy.oauth_response import AuthorizationResponse, TokenResponse

_ID_TOKEN_BYTES = 32_768


@dataclass(frozen=True, slots=True)
class NotIdentified:
    """Nobody was identified: what the user is told, our word why, and the provider's own words."""

    refused: OAuthRefused
    reason: str
    description: str = field(default="", repr=False)


Identification: TypeAlias = IdentityFacts | NotIdentified

INVALID_ID_TOKEN = OAuthRefused(400, "invalid_id_token")
INVALID_NONCE = OAuthRefused(400, "invalid_nonce")
ISSUER_MISMATCH = OAuthRefused(400, "issuer_mismatch")
SUBJECT_MISMATCH = OAuthRefused(400, "subject_mismatch")

_TEMPORARY = frozenset({"timeout", "network"})


class Exchange:
    """Speaks to one provider.

    Args:
        provider: which one.
        config: the bounds.
        endpoints: where it is asked.
        fetcher: asks, and reads what a refusal says.
        events: told when its keys change or cannot be had.
    """

    def __init__(
        self,
        provider: OAuthProvider,
        config: OAuthConfig,
        *,
        endpoints: PublishedEndpoints,
        fetcher: Fetcher,
        events: EventSink,
    ) -> None:
        self._provider = provider
        self._config = config
        self._endpoints = endpoints
        self._fetcher = fetcher
        self._events = events
        self._verifier: tuple[str, JwtVerifier] | None = None

    async def identify(
        self, response: AuthorizationResponse, secrets: AttemptSecrets, *, now: float
    ) -> Identification:
        """Find out who the browser's answer is about. Never raises for what a provider sends."""
        endpoints = await self._endpoints.load(now)
        if endpoints is None:
            return NotIdentified(PROVIDER_UNAVAILABLE, "no_endpoints")
        if not self._is_from_issuer(response, endpoints):
            return NotIdentified(ISSUER_MISMATCH, "wrong_issuer")
        if isinstance(response, ErrorResponse):
            refused = decide_authorization_error(response.error)
            return NotIdentified(refused, response.error, response.description)
        try:
            tokens = await self._redeem(response.code, secrets, endpoints)
            if isinstance(tokens, TokenError):
                return NotIdentified(tokens.refused, tokens.reason, tokens.description)
            if self._provider.profile is not None:
                return await self._read_profile(self._provider.profile, tokens)
            return await self._read_id_token(tokens, secrets, endpoints, now)
        except FetchFailedError as error:
            reason = str(error)
            temporary = reason in _TEMPORARY
            return NotIdentified(PROVIDER_UNAVAILABLE if temporary else PROVIDER_ERROR, reason)

    def _is_from_issuer(
        self, response: AuthorizationResponse, endpoints: ProviderEndpoints
    ) -> bool:
        """Tell whether an answer can be this provider's: another one's may be passed on as its."""
        if response.issuer is None:
            return not endpoints.announces_issuer
        return is_same_issuer(self._provider.issuer, response.issuer)

    async def _redeem(
        self, code: str, secrets: AttemptSecrets, endpoints: ProviderEndpoints
    ) -> TokenResponse | TokenError:
        request = build_token_request(self._provider, code=code, verifier=secrets.verifier)
        answer = await self._fetcher.post(
            endpoints.token, body=request.body, headers=request.headers
        )
        return parse_token_response(answer.status, parse_json_object(answer.body))

    async def _read_id_token(
        self,
        tokens: TokenResponse,
        secrets: AttemptSecrets,
        endpoints: ProviderEndpoints,
        now: float,
    ) -> Identification:
        if tokens.id_token is None:
            return NotIdentified(INVALID_ID_TOKEN, "no_id_token")
        verifier = self._get_verifier(str(endpoints.jwks))
        verified = await verifier.verify(tokens.id_token, now=now)
        if isinstance(verified, Unavailable):
            return NotIdentified(PROVIDER_UNAVAILABLE, "no_keys")
        if not isinstance(verified, Verified):
            return NotIdentified(INVALID_ID_TOKEN, verified.reason)
        fault = check_id_token(
            verified.claims,
            verified.header,
            self._provider,
            nonce=secrets.nonce,
            access_token=tokens.access_token,
        )
        if fault is not None:
            refused = INVALID_NONCE if fault == "wrong_nonce" else INVALID_ID_TOKEN
            return NotIdentified(refused, fault)
        facts = parse_claims(verified.claims)
        wants_email = facts.email is None and "email" in self._provider.scopes
        if endpoints.userinfo is None or not wants_email:
            return facts
        document = _read_object(
            await self._fetcher.get(endpoints.userinfo, token=tokens.access_token)
        )
        if isinstance(document, NotIdentified):
            return document
        return merge_userinfo(facts, document) or NotIdentified(SUBJECT_MISMATCH, "other_subject")

    async def _read_profile(self, api: ProfileApi, tokens: TokenResponse) -> Identification:
        token = tokens.access_token
        document = _read_object(await self._fetcher.get(api.url, token=token))
        if isinstance(document, NotIdentified):
            return document
        emails: Any = None
        if api.emails_url is not None:
            answer = await self._fetcher.get(api.emails_url, token=token)
            # Without leave to read addresses there are none: the login goes on without.
            emails = parse_json(answer.body) if answer.status == 200 else None
        facts = parse_profile(api, self._provider.issuer, document, emails)
        return facts or NotIdentified(PROVIDER_ERROR, "no_subject")

    def _get_verifier(self, jwks_url: str) -> JwtVerifier:
        """Return the verifier over the keys at this address; another address has other keys."""
        known = self._verifier
        if known is not None and known[0] == jwks_url:
            return known[1]
        provider, config = self._provider, self._config
        verifier = JwtVerifier(
            JwtConfig(
                jwks_url=jwks_url,
                algorithms=provider.algorithms,
                # That of a tenant is checked with the other claims.
                issuer=None if TENANT in provider.issuer else provider.issuer,
                audience=provider.client_id,
                required_claims=("sub", "iat"),
                leeway_seconds=config.leeway_seconds,
                max_token_bytes=_ID_TOKEN_BYTES,
                cache_entries=0,
                jwks_timeout_seconds=config.timeout_seconds,
                jwks_max_bytes=config.max_body_bytes,
            ),
            events=self._events,
            transport=self._fetcher.transport,
        )
        self._verifier = (jwks_url, verifier)
        return verifier


def _read_object(answer: Fetched) -> dict[str, Any] | NotIdentified:
    if answer.status in {429, 502, 503, 504}:
        return NotIdentified(PROVIDER_UNAVAILABLE, f"status_{answer.status}")
    document = parse_json_object(answer.body) if answer.status == 200 else None
    if document is None:
        reason = "bad_json" if answer.status == 200 else f"status_{answer.status}"
        return NotIdentified(PROVIDER_ERROR, reason)
    return document
