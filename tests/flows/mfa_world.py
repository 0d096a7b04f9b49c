"""A store, a lockout, a mailbox and an authenticator app: all that second factors need, at hand."""

from __future__ import annotations

from base64 import b32decode
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from asgi_security.crypto.one_time_codes import compute_hotp
from asgi_security.flows.lockout import Lockout
from asgi_security.flows.lockout_keys import AttemptKeys
from asgi_security.flows.mfa import Enrolled, EnrolmentStarted, Mfa, MfaChallenge, MfaPassed
from asgi_security.flows.mfa_outcomes import MfaEnrolmentRequired
from asgi_security.flows.visits import Visit
from asgi_security.policy.lockout import LockoutConfig
from asgi_security.policy.mfa import MfaConfig
from asgi_security.secret import Secret
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.protocols import Account, AccountCreated
from asgi_security.testing import EventRecorder, FakeClock, SeededEntropy
from tests.flows.account_world import AuditRecorder, Mailbox

if TYPE_CHECKING:
    from asgi_security.storage.protocols import AttemptStatus

SECRET = "m" * 32
CLIENT = "192.0.2.7"
NAME = "ann@example.com"


class Authenticator:
    """What an app on a phone does: it has taken a secret by its QR code, and shows codes."""

    def __init__(self, uri: str, clock: FakeClock) -> None:
        self.uri = uri
        fields = parse_qs(urlsplit(uri).query)
        self.base32 = fields["secret"][0]
        self.secret = b32decode(self.base32)
        self.digits, self.period = int(fields["digits"][0]), int(fields["period"][0])
        self._clock = clock

    def code(self, offset: int = 0) -> str:
        """Return the code of this step, or of one `offset` steps away."""
        step = int(self._clock() // self.period) + offset
        return compute_hotp(self.secret, step, digits=self.digits)

    def wrong(self) -> str:
        """Return a code that is right at no step within reach."""
        near = {self.code(offset) for offset in range(-3, 4)}
        return next(code for code in (f"{number:06}" for number in range(9)) if code not in near)


class World:
    """Second factors and everything around them."""

    def __init__(
        self,
        store: Any = None,
        *,
        attempts: Any = None,
        clock: FakeClock | None = None,
        lockout: dict[str, Any] | None = None,
        mails: bool = True,
        seed: str = "",
        **fields: Any,
    ) -> None:
        self.store: Any = MemoryStore() if store is None else store
        self.clock = clock or FakeClock()
        self.entropy = SeededEntropy(seed)
        self.events = EventRecorder()
        self.audit = AuditRecorder()
        self.mailbox = Mailbox()
        outside: dict[str, Any] = {
            "clock": self.clock,
            "entropy": self.entropy,
            "events": self.events,
        }
        rules = LockoutConfig(**{"secret": "l" * 32, **(lockout or {})})
        self.lockout = Lockout(rules, attempts or self.store, **outside)
        self._keys = AttemptKeys(rules, Secret("l" * 32))
        given = {"issuer": "Acme", "secret": SECRET, "email_codes": mails, **fields}
        self.mfa = Mfa(
            MfaConfig(**given),
            self.store,
            lockout=self.lockout,
            sender=self.mailbox if mails else None,
            audit=self.audit,
            **outside,
        )

    async def add(self, name: str = NAME, **fields: Any) -> Account:
        """Store an account."""
        account_id = sha256(name.encode()).hexdigest()[:16]
        given = {"id": account_id, "name": name, "is_verified": True, **fields}
        account = Account(**given)
        assert await self.store.accounts.create(account) == AccountCreated()
        return account

    async def enrol(self, account: Account) -> tuple[Authenticator, tuple[str, ...]]:
        """Set up an authenticator; return it when its next code counts, with recovery codes."""
        started = await self.mfa.start_enrolment(account, visit=HERE)
        assert isinstance(started, EnrolmentStarted)
        app = Authenticator(started.uri, self.clock)
        enrolled = await self.mfa.confirm_enrolment(account, app.code(), visit=HERE)
        assert isinstance(enrolled, Enrolled)
        self.clock.advance(2 * app.period)
        await self.mfa.drain()
        return app, enrolled.recovery_codes

    async def challenge(self, account: Account) -> tuple[str, Visit]:
        """Pass the first factor; return the pre-token, and the visits of the browser it is for."""
        begun = await self.mfa.begin(account, visit=HERE)
        assert isinstance(begun, MfaChallenge | MfaEnrolmentRequired)
        return begun.pre_token, Visit(client=CLIENT, browser=begun.browser)

    async def redeem(self, account: Account, **proof: Any) -> Any:
        """Pass the first factor, and try the second."""
        token, visit = await self.challenge(account)
        return await self.mfa.redeem(token, visit=visit, **proof)

    async def failures(self, factor: str, name: str = NAME) -> int:
        """Return how many failures of one factor are counted."""
        key = self._keys.build_account_key(name, factor=factor)
        found: tuple[AttemptStatus, ...] = await self.store.attempts.status([key], now=self.clock())
        return found[0].failures


HERE = Visit(client=CLIENT)


def passed(outcome: object) -> MfaPassed:
    """Return the outcome, which has to be a pass."""
    assert isinstance(outcome, MfaPassed)
    return outcome
