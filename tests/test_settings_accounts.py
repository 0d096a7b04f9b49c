"""What the variables `AUTH_*` of accounts say: who is verified, who must enrol, who sends mail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from asgi_security import ConsoleSender, MemoryStore
from asgi_security.auth import auth_routes
from asgi_security.errors import ConfigError
from asgi_security.flows.login import NeedsMfa, SignedIn
from asgi_security.flows.mfa import EnrolmentStarted, MfaEnrolmentRequired
from asgi_security.flows.visits import Visit
from asgi_security.settings_auth import load_auth
from tests.flows.account_world import BETTER, OFFLINE, QUICK, Mailbox
from tests.flows.mail_server import HOST, PASSWORD, USER, certificates, serve

if TYPE_CHECKING:
    from pathlib import Path

    from asgi_security.auth import Auth

__all__ = ["certificates"]

pytestmark = pytest.mark.anyio

ENOUGH = {"AUTH_SECRET": "s" * 32, "AUTH_SITE_URL": "https://app.example.com"}
NEW = "new@example.com"
SMTP = {"AUTH_SMTP_HOST": "smtp.example.com", "AUTH_SMTP_FROM": "no-reply@acme.example"}


def load(store: Any = None, *, sender: Any = None, **env: str) -> Auth:
    fields: dict[str, Any] = {"hasher": QUICK, "policy": OFFLINE}
    return load_auth(
        store or MemoryStore(), sender=sender or Mailbox(), env={**ENOUGH, **env}, **fields
    )


def find_problems(*, sender: Any = None, **env: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_auth(MemoryStore(), sender=sender, env={**ENOUGH, **env})
    assert PASSWORD not in str(caught.value)
    return [problem.field for problem in caught.value.problems]


async def sign_in_as_new(auth: Auth) -> object:
    await auth.accounts.register(NEW, BETTER)
    outcome = await auth.login.sign_in(NEW, BETTER)
    assert await auth.drain()
    return outcome


@pytest.mark.parametrize(
    ("env", "is_verified"),
    [
        pytest.param({}, False, id="P34 not asked for"),
        pytest.param({"APP_ENV": "dev"}, False, id="P34 development alone"),
        *(
            pytest.param(
                {"AUTH_AUTO_VERIFY_IN_DEV": "true", "APP_ENV": name}, True, id=f"P34 {name}"
            )
            for name in ("dev", "Development", "local")
        ),
        *(
            pytest.param(
                {"AUTH_AUTO_VERIFY_IN_DEV": "true", "APP_ENV": name}, False, id=f"P34 {name}"
            )
            for name in ("prod", "production", "staging", "test", "testing", "PROD")
        ),
        pytest.param(
            {"AUTH_AUTO_VERIFY_IN_DEV": "false", "APP_ENV": "dev"}, False, id="P34 turned off"
        ),
    ],
)
async def test_P34_verified_at_once_in_development_only(
    env: dict[str, str],
    is_verified: bool,  # noqa: FBT001
) -> None:
    auth = load(**env)
    assert auth.accounts.config.dangerously_verify_at_once is is_verified
    assert auth.accounts.config.verify_path == "/auth/verify"
    assert isinstance(await sign_in_as_new(auth), SignedIn) is is_verified


@pytest.mark.parametrize("env", [{}, {"APP_ENV": "devel"}, {"APP_ENV": "prd"}])
def test_P34_which_environment_it_is_is_no_guess(env: dict[str, str]) -> None:
    assert find_problems(sender=Mailbox(), AUTH_AUTO_VERIFY_IN_DEV="true", **env) == ["APP_ENV"]
    assert load(**env).accounts.config.dangerously_verify_at_once is False


async def test_P34_new_accounts_must_enrol() -> None:
    dev = {"AUTH_AUTO_VERIFY_IN_DEV": "true", "APP_ENV": "dev"}
    auth = load(AUTH_MFA_DEFAULT_ENABLED_FOR_NEW_USERS="true", **dev)
    outcome = await sign_in_as_new(auth)
    assert isinstance(outcome, NeedsMfa)
    assert isinstance(outcome.challenge, MfaEnrolmentRequired)
    assert auth.mfa is not None
    visit = Visit(browser=outcome.challenge.browser)
    started = await auth.mfa.start_enrolment(outcome.challenge.pre_token, visit=visit)
    assert isinstance(started, EnrolmentStarted)


@pytest.mark.parametrize(
    ("text", "since"),
    [
        pytest.param("true", 0.0, id="P34 all"),
        pytest.param("2026-01-01", 1767225600.0, id="P34 since a day"),
        pytest.param("2026-01-01T01:00:00+01:00", 1767225600.0, id="P34 since an instant"),
        pytest.param("2026-01-01T00:00:00Z", 1767225600.0, id="P34 since an instant in UTC"),
    ],
)
def test_P34_since_when(text: str, since: float) -> None:
    auth = load(AUTH_MFA_DEFAULT_ENABLED_FOR_NEW_USERS=text)
    assert auth.mfa is not None
    assert auth.mfa.config.enforce_for_accounts_since == since


def test_P34_nobody_where_it_says_so() -> None:
    assert load(AUTH_MFA_DEFAULT_ENABLED_FOR_NEW_USERS="false").mfa is None


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01"])
def test_P34_what_is_no_instant(text: str) -> None:
    name = "AUTH_MFA_DEFAULT_ENABLED_FOR_NEW_USERS"
    assert find_problems(sender=Mailbox(), **{name: text})[0] == name


def test_P34_no_instant_before_all() -> None:
    found = find_problems(
        sender=Mailbox(), AUTH_MFA_DEFAULT_ENABLED_FOR_NEW_USERS="1969-12-31T00:00"
    )
    assert found == ["AUTH_MFA: enforce_for_accounts_since"]


def test_P34_the_length_of_recovery_codes() -> None:
    auth = load(AUTH_MFA_RECOVERY_CODE_LENGTH="32")
    assert auth.mfa is not None
    assert auth.mfa.config.recovery_code_letters == 32
    found = find_problems(sender=Mailbox(), AUTH_MFA_RECOVERY_CODE_LENGTH="10")
    assert found == ["AUTH_MFA: recovery_code_letters"]


def test_P34_P49_the_name_of_the_access_cookie() -> None:
    auth = load(AUTH_AUTH_COOKIE_NAME="svc_auth")
    assert auth.endpoints.access_cookie_name == auth.jwt.cookie_name == "svc_auth"
    assert auth_routes(auth, transport="bearer", refresh_cookie=True).routes
    assert load().jwt.cookie_name is None
    own = load(AUTH_AUTH_COOKIE_NAME="svc_auth", AUTH_JWT__SECRET="x" * 32)
    assert own.jwt.cookie_name == "svc_auth"
    for name in ("a b", "__Host-refresh"):
        (problem,) = find_problems(sender=Mailbox(), AUTH_AUTH_COOKIE_NAME=name)
        assert problem.endswith("AUTH_AUTH_COOKIE_NAME: access_cookie_name")


class TestSmtp:
    async def test_P34_mail_goes_through_the_server_of_the_variables(
        self, certificates: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # As a user's own authority is trusted: by OpenSSL's variable.
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "certificate.pem"))
        with serve(certificates) as received:
            auth = load_auth(
                MemoryStore(),
                env={
                    **ENOUGH,
                    "AUTH_SMTP_HOST": HOST,
                    "AUTH_SMTP_PORT": str(received.port),
                    "AUTH_SMTP_USERNAME": USER,
                    "AUTH_SMTP_PASSWORD": PASSWORD,
                    "AUTH_SMTP_FROM": "Acme <no-reply@acme.example>",
                },
                policy=OFFLINE,
                hasher=QUICK,
            )
            await auth.accounts.register(NEW, BETTER)
            assert await auth.drain(timeout_seconds=20)
        (mail,) = received.mails
        assert (mail["To"], mail["Subject"]) == (NEW, "acme.example: Confirm your address")
        assert "https://app.example.com/auth/verify?token=" in str(mail.get_payload(decode=True))

    def test_P34_without_a_sender_a_server_is_needed(self) -> None:
        assert find_problems() == ["AUTH_SMTP_HOST"]
        assert find_problems(AUTH_SMTP_HOST="smtp.example.com") == ["AUTH_SMTP_FROM"]
        login = {"AUTH_SMTP_USERNAME": "app"}
        assert find_problems(**SMTP, **login) == ["AUTH_SMTP: password"]
        assert find_problems(**SMTP, AUTH_SMTP_TLS="off") == ["AUTH_SMTP_TLS"]
        assert find_problems(**SMTP, AUTH_SMTP_PORT="0") == ["AUTH_SMTP_PORT"]
        found = find_problems(**{**SMTP, "AUTH_SMTP_FROM": "a@b.example\r\nBcc: c@d.example"})
        assert found == ["AUTH_SMTP: from_address"]

    @pytest.mark.parametrize(
        ("env", "shown"),
        [
            pytest.param({}, "port=587, tls='starttls'", id="P34 STARTTLS"),
            pytest.param(
                {"AUTH_SMTP_PORT": "465"}, "port=465, tls='implicit'", id="P34 by its port"
            ),
            pytest.param({"AUTH_SMTP_TLS": "implicit"}, "port=465, tls='implicit'", id="P34 TLS"),
            pytest.param(
                {"AUTH_SMTP_PORT": "465", "AUTH_SMTP_TLS": "starttls"},
                "port=465, tls='starttls'",
                id="P34 as it says",
            ),
        ],
    )
    def test_P34_kinds_of_TLS(self, env: dict[str, str], shown: str) -> None:
        auth = load_auth(MemoryStore(), env={**ENOUGH, **SMTP, **env})
        assert shown in repr(auth.accounts.outbox._sender)

    def test_P34_a_sender_that_is_given_is_taken(self) -> None:
        mailbox = ConsoleSender(events=lambda _event: None)
        auth = load_auth(MemoryStore(), sender=mailbox, env={**ENOUGH, **SMTP})
        assert auth.accounts.outbox._sender is mailbox
