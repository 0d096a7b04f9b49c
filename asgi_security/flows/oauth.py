"""Does: a login at another provider, from the button to the account, without HTTP.

The caller redirects, keeps one cookie and makes the session. The cookie holds the secrets of the
attempts under way: name it with `__Host-`, or a neighbouring host could plant its own attempt;
`SameSite=Lax`, as the provider's answer comes from another site; and no longer than
`attempt_lifetime_seconds`. To begin a linking is to change an account: take it by POST only, with
proof against forgery, or a page elsewhere links an identity of its own to whoever visits it.

A locked password stops no external login; a disabled account does.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

import anyio

from asgi_security.clock import system_clock, system_entropy
from asgi_security.errors import StorageError
from asgi_security.events import Severity, log_event
from asgi_security.flows.auditing import Reporter
from asgi_security.flows.fetching import Fetcher
from asgi_security.flows.oauth_attempts import Attempts
from asgi_security.flows.oauth_discovery import PublishedEndpoints
from asgi_security.flows.oauth_exchange import Exchange, NotIdentified
from asgi_security.flows.oauth_identities import LinkedIdentities
from asgi_security.flows.oauth_linking import (
    IdentityUnlinked,
    LastWayIn,
    LinkedIdentity,
    Linking,
    Opened,
)
from asgi_security.flows.oauth_outcomes import (
    ACCOUNT_CHANGED,
    INVALID_RESPONSE,
    INVALID_STATE,
    UNAVAILABLE,
    UNKNOWN_PROVIDER,
    Completion,
    IdentityLinked,
    IdentityVerified,
    Redirect,
)
from asgi_security.flows.visits import UNKNOWN_VISIT
from asgi_security.policy.oauth_identity import FEDERATED, MFA, is_multi_factor
from asgi_security.policy.oauth_linking import LinkRequired
from asgi_security.policy.oauth_request import build_authorization_url
from asgi_security.policy.oauth_response import (
    PROVIDER_UNAVAILABLE,
    OAuthRefused,
    cut_description,
    parse_authorization_response,
)
from asgi_security.policy.return_paths import parse_return_target

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from asgi_security.clock import Clock, Entropy
    from asgi_security.events import EventSink
    from asgi_security.flows.auditing import Auditor
    from asgi_security.flows.oauth_attempts import Attempt
    from asgi_security.flows.oauth_linking import Opening
    from asgi_security.flows.visits import Visit
    from asgi_security.policy.oauth import OAuthConfig, OAuthProvider
    from asgi_security.policy.oauth_identity import IdentityFacts
    from asgi_security.policy.oauth_response import AuthorizationResponse
    from asgi_security.storage.protocols import Store

__all__ = [
    "Completion",
    "IdentityLinked",
    "IdentityUnlinked",
    "IdentityVerified",
    "LastWayIn",
    "LinkRequired",
    "LinkedIdentity",
    "OAuthLogin",
    "OAuthRefused",
    "Redirect",
]

R = TypeVar("R", bound=OAuthRefused | LinkRequired)


class OAuthLogin:
    """Logs in at providers.

    Args:
        config: which ones.
        store: its facets `once` and `accounts` are used.
        clock, entropy, events, audit: the outside world.
        transport: an `httpx` transport to ask with, such as one through a proxy.
    """

    def __init__(
        self,
        config: OAuthConfig,
        store: Store,
        *,
        clock: Clock = system_clock,
        entropy: Entropy = system_entropy,
        events: EventSink = log_event,
        audit: Auditor | None = None,
        transport: Any = None,
    ) -> None:
        self.config = config
        self._clock = clock
        self._reporter = reporter = Reporter(events, audit)
        self._attempts = Attempts(config, store.once, entropy=entropy)
        self._linking = Linking(config, store.accounts, entropy=entropy)
        self.identities = LinkedIdentities(self._linking, self._reporter)
        """Those that open an account already: to list them, and to take them away."""
        fetcher = Fetcher(
            timeout_seconds=config.timeout_seconds,
            max_bytes=config.max_body_bytes,
            reads_refusals=True,  # a token endpoint says why in the body of a 400
            transport=transport,
        )
        self._providers: dict[str, tuple[OAuthProvider, PublishedEndpoints, Exchange]] = {}
        for provider in config.providers:
            endpoints = PublishedEndpoints(provider, config, fetcher=fetcher, reporter=reporter)
            exchange = Exchange(
                provider, config, endpoints=endpoints, fetcher=fetcher, events=events
            )
            self._providers[provider.name] = (provider, endpoints, exchange)

    async def begin(
        self,
        provider: str,
        *,
        next_path: str | None = None,
        browser: str | None = None,
        account: str | None = None,
    ) -> Redirect | OAuthRefused:
        """Begin a login, or the linking of an identity to the account that is logged in.

        Args:
            provider: its name.
            next_path: where the user was going, unread; what is no page of this site is replaced
                by the default one.
            browser: the value of the browser's cookie, unread; None if it sent none.
            account: the id of the account to link to; None for a login.
        """
        known = self._providers.get(provider)
        if known is None:
            return UNKNOWN_PROVIDER
        registered, published, _ = known
        endpoints = None
        with anyio.move_on_after(self.config.timeout_seconds):
            endpoints = await published.load(self._clock())
        if endpoints is None:
            return PROVIDER_UNAVAILABLE
        target = parse_return_target(next_path, origins=self.config.allowed_origins)
        try:
            secrets, cookie = await self._attempts.begin(
                provider=provider,
                next_path=target or self.config.default_path,
                account=account,
                browser=browser,
                now=self._clock(),
            )
        except StorageError:
            self._reporter.tell("oauth_unavailable", Severity.ERROR, provider=provider)
            return UNAVAILABLE
        url = build_authorization_url(
            endpoints.authorization,
            registered,
            state=secrets.state,
            nonce=secrets.nonce,
            challenge=secrets.challenge,
        )
        return Redirect(url, cookie)

    async def complete(
        self,
        provider: str,
        params: Iterable[tuple[str, str]],
        *,
        browser: str | None,
        visit: Visit = UNKNOWN_VISIT,
        current_account: str | None = None,
    ) -> Completion:
        """Finish what `begin` began. Never raises for what a browser or a provider sends.

        Args:
            provider: whose redirect address was called.
            params: of the query, every one of them and unread: a mapping would hide that one is
                there twice.
            browser: the value of the browser's cookie.
            visit: who asks.
            current_account: the id of the account that is logged in. A linking that another one
                began is refused; a login does not look at it.
        """
        known = self._providers.get(provider)
        if known is None:
            return UNKNOWN_PROVIDER
        refuse = partial(self._refuse, provider=provider, visit=visit)
        response = parse_authorization_response(params)
        if response is None:
            return await refuse(INVALID_RESPONSE, "ambiguous")
        try:
            # Before anything is asked: played again, an answer finds nothing to complete.
            attempt = await self._attempts.take(response.state, browser=browser, now=self._clock())
        except StorageError:
            return await refuse(UNAVAILABLE, "store")
        if attempt is None:
            return await refuse(INVALID_STATE, "unknown_state")
        if attempt.provider != provider:  # mix-up (RFC 9700 section 4.4)
            return await refuse(INVALID_STATE, "other_provider")
        if attempt.account is not None and attempt.account != current_account:
            return await refuse(ACCOUNT_CHANGED, "other_account")
        facts = await self._identify(known[2], response, attempt)
        if isinstance(facts, NotIdentified):
            return await refuse(facts.refused, facts.reason, facts.description)
        try:
            opening = await self._open(facts, known[0], attempt)
        except StorageError:
            return await refuse(UNAVAILABLE, "store")
        if not isinstance(opening, Opened):
            return await self._refuse(opening, opening.code, provider=provider, visit=visit)
        return await self._finish(opening, facts, known[0], attempt, visit)

    async def _identify(
        self, exchange: Exchange, response: AuthorizationResponse, attempt: Attempt
    ) -> IdentityFacts | NotIdentified:
        # Around all requests of one login: each alone has its own time.
        with anyio.move_on_after(self.config.timeout_seconds):
            return await exchange.identify(response, attempt.secrets, now=self._clock())
        return NotIdentified(PROVIDER_UNAVAILABLE, "timeout")

    async def _open(
        self, facts: IdentityFacts, provider: OAuthProvider, attempt: Attempt
    ) -> Opening:
        now = self._clock()
        if attempt.account is None:
            return await self._linking.open(facts, provider, now=now)
        return await self._linking.link(facts, provider, attempt.account, now=now)

    async def _finish(
        self,
        opened: Opened,
        facts: IdentityFacts,
        provider: OAuthProvider,
        attempt: Attempt,
        visit: Visit,
    ) -> IdentityVerified | IdentityLinked:
        account = opened.account
        record = partial(
            self._reporter.record,
            actor=account.id,
            target=account.id,
            tenant=account.tenant,
            visit=visit,
            provider=provider.name,
        )
        if opened.linked:
            await record("oauth_identity_linked", by_email=attempt.account is None)
        if attempt.account is not None:
            return IdentityLinked(account, provider.name, attempt.next_path)
        if opened.created:
            await record("oauth_account_created")
        await record("oauth_identity_verified")
        now = self._clock()
        amr = (FEDERATED, MFA) if is_multi_factor(facts, provider) else (FEDERATED,)
        # Never later than now: an instant ahead of us would count as fresh for too long.
        auth_time = now if facts.auth_time is None else min(now, facts.auth_time)
        return IdentityVerified(
            account, opened.created, amr, auth_time, provider.name, attempt.next_path
        )

    async def _refuse(
        self,
        refused: R,
        reason: str,
        description: str = "",
        *,
        provider: str,
        visit: Visit,
    ) -> R:
        """Report a refusal, and return it."""
        if description:
            # An event only: an audit record must hold nothing that a provider writes.
            self._reporter.tell(
                "oauth_provider_said", provider=provider, text=cut_description(description)
            )
        await self._reporter.record(
            "oauth_refused",
            outcome="refused",
            visit=visit,
            severity=Severity.ERROR if refused.status >= 500 else Severity.WARNING,
            provider=provider,
            code=refused.code,
            reason=reason,
        )
        return refused
