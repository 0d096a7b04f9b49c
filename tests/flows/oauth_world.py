"""A site, a browser, and a real provider in a process of its own, for the tests of OAuth."""

from __future__ import annotations

import atexit
import sys
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from asgi_security.flows.oauth import IdentityVerified, OAuthLogin, Redirect
from asgi_security.policy.oauth import OAuthConfig, ProfileApi
from asgi_security.policy.oauth_providers import github, oidc
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.protocols.accounts import Account
from asgi_security.testing import EventRecorder, FakeClock
from tests.flows.oauth_provider.issuing import CLIENT_ID, CLIENT_SECRET
from tests.stories.running import Running

if TYPE_CHECKING:
    from asgi_security.flows.auditing import AuditEntry
    from asgi_security.flows.oauth import Completion
    from asgi_security.policy.oauth import OAuthProvider

COMMAND = [sys.executable, "-m", "tests.flows.oauth_provider.serving"]
REDIRECT = "https://app.example/oauth/{}/callback"


@cache
def start_provider() -> str:
    """Start the process, once for all tests of this one, and return its origin."""
    folder = tempfile.TemporaryDirectory()
    running = Running(COMMAND, Path(folder.name) / "provider.log", ready_path="/")

    def stop() -> None:
        running.stop()
        folder.cleanup()

    atexit.register(stop)
    return running.origin


def build_oidc(issuer: str, name: str = "acme", **changes: Any) -> OAuthProvider:
    given = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "redirect_uri": REDIRECT.format(name),
    }
    return oidc(name, issuer=issuer, **{**given, **changes})


def build_github(issuer: str, **changes: Any) -> OAuthProvider:
    """Return the preset, sent to the process instead of github.com."""
    profile = ProfileApi(
        url=f"{issuer}/api/user", subject_member="id", emails_url=f"{issuer}/api/user/emails"
    )
    return github(
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        redirect_uri=REDIRECT.format("github"),
        **{
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "profile": profile,
            **changes,
        },
    )


class Auditor:
    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    async def record(self, entry: AuditEntry) -> None:
        self.entries.append(entry)


@dataclass
class World:
    """One site with one provider, which does one thing wrong or none.

    `trusted` providers are believed about mail addresses, and may link by them.
    """

    fault: str = "fine"
    trusted: bool = False
    plain: bool = False
    changes: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    others: tuple[OAuthProvider, ...] = ()
    transport: Any = None
    store: MemoryStore = field(default_factory=MemoryStore)
    events: EventRecorder = field(default_factory=EventRecorder)
    audit: Auditor = field(default_factory=Auditor)
    browser: str | None = None
    issuer: str = ""
    """Given for a second site at the same issuer."""

    def __post_init__(self) -> None:
        import time  # noqa: PLC0415 -- the provider lives in real time, and dates its tokens by it

        self.clock = FakeClock(time.time())
        self.issuer = self.issuer or f"{start_provider()}/{self.fault}.{token_hex(8)}"
        trust = {"trust_email": self.trusted, "auto_link": self.trusted}
        build = build_github if self.plain else build_oidc
        self.provider = build(self.issuer, **{**trust, **self.changes})
        self.name = self.provider.name
        config = OAuthConfig(providers=[self.provider, *self.others], **self.config)
        self.site = self.build_site(config)

    def build_site(self, config: OAuthConfig) -> OAuthLogin:
        return OAuthLogin(
            config,
            self.store,
            clock=self.clock,
            events=self.events,
            audit=self.audit,
            transport=self.transport,
        )

    async def begin(self, **options: Any) -> str:
        """Press the button, and return where the browser is sent."""
        options = {"browser": self.browser, **options}
        redirect = await self.site.begin(self.name, **options)
        assert isinstance(redirect, Redirect), redirect
        self.browser = redirect.browser
        return redirect.url

    async def visit(self, url: str, user: str = "alice") -> list[tuple[str, str]]:
        """Log in at the provider, and return what the browser is sent back with."""
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{url}&as={user}")
        assert answer.status_code == 302, (answer.status_code, answer.text)
        location = answer.headers["location"]
        assert location.partition("?")[0] == self.provider.redirect_uri
        return parse_qsl(urlsplit(location).query, keep_blank_values=True)

    async def complete(self, params: list[tuple[str, str]], **options: Any) -> Completion:
        return await self.site.complete(self.name, params, **{"browser": self.browser, **options})

    async def log_in(self, user: str = "alice", **options: Any) -> Completion:
        """Go all the way, from the button to what comes of it."""
        return await self.complete(await self.visit(await self.begin(**options), user))

    async def log_in_well(self, user: str = "alice") -> IdentityVerified:
        outcome = await self.log_in(user)
        assert isinstance(outcome, IdentityVerified), (outcome, self.reasons)
        return outcome

    async def link(self, account: str, user: str = "alice") -> Completion:
        params = await self.visit(await self.begin(account=account), user)
        return await self.complete(params, current_account=account)

    async def add_account(self, name: str, **fields: Any) -> Account:
        account = Account(id=token_hex(8), name=name, **fields)
        await self.store.accounts.create(account)
        return account

    async def read_seen(self) -> dict[str, int]:
        """Return how often each place of the provider was asked."""
        async with httpx.AsyncClient(trust_env=False) as client:
            seen: dict[str, int] = (await client.get(f"{self.issuer}/seen")).json()
        return seen

    @property
    def reasons(self) -> list[str]:
        """Why logins were refused, as the events say."""
        return [e.facts["reason"] for e in self.events.events if e.name == "oauth_refused"]
