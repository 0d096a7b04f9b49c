"""The pages for accounts: what they say, what they never say, and where they lead."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from asgi_security import MemoryStore
from asgi_security.auth import Auth, auth_pages, mount_auth
from asgi_security.endpoints.pages.wording import DONE, ERRORS, UNKNOWN_DONE, UNKNOWN_ERROR
from asgi_security.errors import ConfigError, StorageError
from asgi_security.policy.mfa import MfaConfig
from asgi_security.policy.oauth import OAuthConfig
from asgi_security.policy.oauth_providers import github
from asgi_security.policy.passwords import PasswordPolicy
from asgi_security.testing import EventRecorder
from tests.package_source import PACKAGE

if TYPE_CHECKING:
    from asgi_security.asgi.types import Receive, Scope, Send
    from asgi_security.flows.sending import Message

pytestmark = pytest.mark.anyio

SITE = "https://app.example.com"
NAME, PASSWORD = "ann@example.com", "seven lemon trees"
PAGE = {"accept": "text/html", "sec-fetch-site": "same-origin"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
ATTACK = "\"'><script>alert(1)</script>"
MFA = MfaConfig(issuer="app", secret="m" * 32, email_codes=True)
PROVIDER = github(
    client_id="id",
    client_secret="provider-secret",
    redirect_uri=f"{SITE}/auth/oauth/github/callback",
)


class Mailbox:
    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def send(self, message: Message) -> None:
        self.messages.append(message)


class Site:
    """Accounts at /auth, and one browser without script."""

    def __init__(self, *, fields: dict[str, Any] | None = None, **parts: Any) -> None:
        self.mailbox = Mailbox()
        self.store = MemoryStore()
        self.auth = Auth(
            self.store,
            secret="s" * 32,
            site_url=SITE,
            sender=self.mailbox,
            policy=PasswordPolicy(breach_check=False),
            events=EventRecorder(),
            **parts,
        )
        pages = auth_pages(self.auth, **(fields or {}))
        app = self.auth.harden(Starlette(routes=[Mount(self.auth.path, pages)]))
        transport = httpx.ASGITransport(app=app, client=("192.0.2.7", 1))
        self.client = httpx.AsyncClient(transport=transport, base_url=SITE, headers=PAGE)

    async def get(self, path: str, **query: str) -> httpx.Response:
        return await self.client.get(path, params=query or None)

    async def post(self, path: str, **form: str) -> httpx.Response:
        body = str(httpx.QueryParams(form))
        return await self.client.post(path, content=body, headers=FORM)

    async def sign_in(self) -> None:
        await self.post("/auth/register", username=NAME, password=PASSWORD)
        await self.auth.drain()
        token = self.mailbox.messages[-1].token or ""
        await self.post("/auth/verify", token=token)
        answer = await self.post("/auth/login", username=NAME, password=PASSWORD)
        assert answer.headers["location"] == "/"


def find_hidden(html: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', html))


def list_codes() -> set[str]:
    """List every code in the source of the endpoints and of the ways in through providers."""
    found: set[str] = set()
    folder = PACKAGE / "endpoints"
    for path in [*folder.glob("*.py"), *folder.glob("serving/*.py")]:
        source = path.read_text()
        found |= set(
            re.findall(
                r'(?:refuse\([^")]*|code=|code: str = |, )"([A-Z]{2,}(?:_[A-Z]+)+|[A-Z]{5,})"',
                source,
            )
        )
    for path in [*PACKAGE.glob("flows/oauth*.py"), *PACKAGE.glob("policy/oauth*.py")]:
        found |= {code.upper() for code in re.findall(r'Refused\(\d+, "(\w+)"', path.read_text())}
    return found


NEVER_FOR_A_PAGE = {
    *("AMBIGUOUS_REFRESH_TOKEN", "INVALID_REFRESH_TOKEN", "MISSING_REFRESH_TOKEN"),
    *("CLIENT_CREDENTIALS_REQUIRED", "INVALID_CLIENT_CREDENTIALS", "INVALID_REQUEST"),
    *("AMBIGUOUS_QUERY", "BODY_INCOMPLETE", "BODY_TIMEOUT", "BODY_TOO_LARGE"),
    *("CROSS_SITE_REQUEST", "NOT_WITH_A_KEY", "DELETE"),
}
"""What programs are told that are no browsers, what is answered as a problem, and a method."""


def test_every_code_has_its_sentence() -> None:
    codes = list_codes()
    assert {"TOKEN_REFUSED", "REGISTERED", "IDENTITY_TAKEN", "LOCKED_OUT"} <= codes, "it finds them"
    assert codes - NEVER_FOR_A_PAGE - set(ERRORS) - set(DONE) == set()
    assert len(set(DONE.values())) == len(DONE)


@pytest.mark.parametrize(
    "path",
    ["login", "register", "forgot-password", "reset-password", "verify", "code", "enrolment"],
)
async def test_nothing_of_an_address_is_shown_as_it_came(path: str) -> None:
    site = Site(mfa=MFA)
    query = dict.fromkeys(("error", "next", "token", "username"), ATTACK)
    page = await site.get(f"/auth/{path}", **query)
    assert page.status_code == 200
    assert "<script" not in page.text
    assert UNKNOWN_ERROR in page.text
    assert UNKNOWN_DONE in (await site.get(f"/auth/{path}", done=ATTACK)).text
    assert page.headers["cache-control"] == "no-store"
    assert page.headers.get_list("referrer-policy") == ["same-origin"]
    (policy,) = page.headers.get_list("content-security-policy")
    assert "default-src 'none'" in policy
    assert "form-action 'self'" in policy


async def test_two_values_of_one_field_are_refused() -> None:
    site = Site()
    assert (await site.client.get("/auth/login?next=/a&next=/b")).status_code == 400


@pytest.mark.parametrize(
    ("to", "kept"),
    [("/me?a=1", "/me?a=1"), ("//evil.example", None), ("https://evil.example", None)],
)
async def test_next_is_a_page_of_this_site(to: str, kept: str | None) -> None:
    site = Site()
    page = await site.get("/auth/login", next=to)
    assert find_hidden(page.text).get("next") == kept
    assert "evil" not in page.text
    refused = await site.post("/auth/login", username=NAME, password="x", next=to)
    query = httpx.URL(refused.headers["location"]).params
    assert (query["error"], query.get("next")) == ("LOGIN_BAD_CREDENTIALS", kept)


async def test_looking_at_a_mailed_link_uses_nothing_up() -> None:
    site = Site()
    await site.post("/auth/register", username=NAME, password=PASSWORD)
    await site.auth.drain()
    message = site.mailbox.messages[-1]
    assert message.link is not None
    for _ in range(3):
        page = await site.client.get(message.link)
        assert find_hidden(page.text) == {"token": message.token}
        assert page.text.count(message.token or "") == 1
    early = await site.post("/auth/login", username=NAME, password=PASSWORD)
    assert "error=" in early.headers["location"], "nothing is confirmed yet"
    done = await site.post("/auth/verify", token=message.token or "")
    assert done.headers["location"] == "/auth/login?done=VERIFIED"


async def test_refused_password_is_asked_for_again_with_all_reasons() -> None:
    site = Site()
    form = {"username": "a&b@example.com", "password": "short", "next": "/me"}
    asked = await site.post("/auth/register", **form)
    assert asked.status_code == 400
    assert 'value="a&amp;b@example.com"' in asked.text
    assert find_hidden(asked.text) == {"next": "/me"}
    assert "at least" in asked.text
    assert "short" not in asked.text
    script = await site.client.post("/auth/register", json={"username": NAME, "password": "short"})
    assert script.json()["detail"] == "PASSWORD_REFUSED", "scripts get what they always got"


async def test_reset_keeps_its_token_when_the_password_is_refused() -> None:
    site = Site()
    await site.sign_in()
    await site.post("/auth/forgot-password", username=NAME)
    await site.auth.drain()
    token = site.mailbox.messages[-1].token or ""
    asked = await site.post("/auth/reset-password", token=token, password="short")
    assert (asked.status_code, find_hidden(asked.text)) == (400, {"token": token})
    done = await site.post("/auth/reset-password", token=token, password="nine almond trees")
    assert done.headers["location"] == "/auth/login?done=PASSWORD_SET"


async def test_account_is_for_who_is_signed_in() -> None:
    site = Site()
    page = await site.get("/auth/account")
    assert page.status_code == 303
    assert page.headers["location"] == "/auth/login?next=%2Fauth%2Faccount"


async def test_account_shows_what_there_is() -> None:
    oauth = OAuthConfig(providers=[PROVIDER])
    site = Site(mfa=MFA, oauth=oauth, api_keys=True, api_key_scopes=lambda _: ["read"])
    await site.sign_in()
    page = await site.get("/auth/account")
    headings = re.findall("<h2>(.*?)</h2>", page.text)
    assert headings == [
        *("Where you are logged in", "Password", "Second factor", "Logins at other sites"),
        *("API keys", "The end"),
    ]
    assert "this browser" in page.text
    assert NAME in page.text
    made = await site.post("/auth/keys", name="<b>laptop", scopes="read")
    (key,) = re.findall('<code class="secret">(.*?)</code>', made.text)
    page = await site.get("/auth/account")
    assert "&lt;b&gt;laptop" in page.text
    assert key not in page.text
    (end,) = re.findall('action="(/auth/keys/[^"]+/revoke)"', page.text)
    ended = await site.post(end)
    assert ended.headers["location"] == "/auth/account?done=KEY_REVOKED"
    wrong = await site.post("/auth/change-password", current_password=PASSWORD, password="x")
    assert (wrong.status_code, "New password" in wrong.text) == (400, True)
    start = await site.get("/auth/account")
    assert "Allow mailed codes" in start.text


@pytest.mark.parametrize(
    ("facet", "method", "left"),
    [("accounts", "list_factors", "this browser"), ("sessions", "list_for", "Your password alone")],
)
async def test_section_that_fails_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch, facet: str, method: str, left: str
) -> None:
    site = Site(mfa=MFA)
    await site.sign_in()

    async def fail(*_: object, **__: object) -> None:
        raise StorageError("gone")

    monkeypatch.setattr(getattr(site.store, facet), method, fail)
    page = await site.get("/auth/account")
    assert page.status_code == 200
    assert page.text.count(ERRORS["UNAVAILABLE"]) == 1
    assert left in page.text


async def test_form_leads_to_a_provider_by_a_page() -> None:
    """A form that is redirected elsewhere would be stopped by `form-action 'self'`."""
    site = Site(oauth=OAuthConfig(providers=[PROVIDER]))
    login = await site.get("/auth/login", next="/me")
    assert 'href="/auth/oauth/github/login?next=%2Fme"' in login.text
    await site.sign_in()
    page = await site.post("/auth/oauth/github/link", next="/auth/account")
    assert page.status_code == 200
    assert "Go on to github.com" in page.text
    assert '<meta http-equiv="refresh" content="0; url=https://github.com/' in page.text
    assert "__Host-oauth=" in page.headers["set-cookie"]
    away = await site.client.get("/auth/oauth/github/login")
    assert away.headers["location"].startswith("https://github.com/"), "a link is redirected"


async def test_authenticator_is_set_up_before_the_first_session() -> None:
    forced = MfaConfig(issuer="app", secret="m" * 32, enforce_for_all=True)
    site = Site(mfa=forced)
    await site.post("/auth/register", username=NAME, password=PASSWORD)
    await site.auth.drain()
    await site.post("/auth/verify", token=site.mailbox.messages[-1].token or "")
    due = await site.post("/auth/login", username=NAME, password=PASSWORD, next="/me")
    assert due.headers["location"] == "/auth/enrolment?next=%2Fme"
    shown = await site.post("/auth/mfa/start", next="/me")
    assert "<svg" in shown.text
    assert find_hidden(shown.text) == {"next": "/me"}
    wrong = await site.post("/auth/mfa/confirm", code="000000", next="/me")
    assert wrong.headers["location"] == "/auth/enrolment?error=CODE_REFUSED&next=%2Fme"
    again = await site.get(wrong.headers["location"])
    assert "Scanned already?" in again.text


async def test_pages_of_the_app_stay_its_own() -> None:
    site = Site(fields={"login_page": "/welcome"})
    assert (await site.get("/auth/login")).status_code == 405
    assert (await site.get("/auth/register")).status_code == 200
    assert 'href="/welcome"' in (await site.get("/auth/register")).text


async def test_another_path_is_that_of_all_links() -> None:
    site = Site(path="/konto")
    page = await site.get("/konto/login")
    assert "/auth/" not in page.text
    await site.post("/konto/register", username=NAME, password=PASSWORD)
    await site.auth.drain()
    link = site.mailbox.messages[-1].link or ""
    assert link.startswith(f"{SITE}/konto/verify?token=")
    assert (await site.client.get(link)).status_code == 200


async def test_stylesheet_is_kept_and_its_address_changes_with_it() -> None:
    site = Site()
    page = await site.get("/auth/login")
    (address,) = re.findall('<link rel="stylesheet" href="([^"]+)">', page.text)
    style = await site.client.get(address)
    assert style.headers["content-type"].startswith("text/css")
    assert "max-age" in style.headers["cache-control"]
    assert re.fullmatch(r"/auth/pages\.css\?[0-9a-f]{12}", address)


async def test_tokens_need_pages_with_script() -> None:
    site = Site()
    with pytest.raises(ConfigError, match="pages need a session"):
        auth_pages(site.auth, transport="bearer")
    with pytest.raises(TypeError, match="login_page"):
        auth_pages(site.auth, login_pge="/welcome")


async def test_mounted_beside_an_app_that_hears_all_else() -> None:
    heard: list[tuple[str, str]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        heard.append((scope["type"], scope.get("path", "")))

    mounted = mount_auth(app, Site().auth)
    transport = httpx.ASGITransport(app=Site().auth.harden(mounted))
    async with httpx.AsyncClient(transport=transport, base_url=SITE) as client:
        assert (await client.get("/auth/login")).status_code == 200
        assert (await client.get("/auth/nothing")).status_code == 404

    async def nothing(*_: object) -> Any:
        return None

    for kind, path in (("lifespan", ""), ("websocket", "/auth/login"), ("http", "/authors")):
        scope = {"type": kind, "path": path, "root_path": "", "headers": [], "method": "GET"}
        await mounted(scope, nothing, nothing)
    assert heard == [("lifespan", ""), ("websocket", "/auth/login"), ("http", "/authors")]
