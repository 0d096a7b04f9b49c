"""An app's accounts without an app: everything that the flows of accounts need, at hand."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from asgi_security.crypto.passwords import PasswordHasher, ScryptProfile
from asgi_security.errors import StorageError
from asgi_security.flows.account_records import build_account_epoch
from asgi_security.flows.accounts import AccountLife
from asgi_security.flows.lockout import Lockout
from asgi_security.flows.login import Login
from asgi_security.flows.outbox import Outbox
from asgi_security.flows.passwords import Passwords
from asgi_security.flows.throttle import SendThrottle
from asgi_security.flows.visits import Visit
from asgi_security.policy.accounts import AccountConfig
from asgi_security.policy.lockout import LockoutConfig, LockoutRules
from asgi_security.policy.login import LoginConfig
from asgi_security.policy.passwords import PasswordPolicy
from asgi_security.policy.throttle import ThrottleConfig
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.protocols import Account, AccountCreated
from asgi_security.testing import EventRecorder, FakeClock, SeededEntropy

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgi_security.flows.auditing import AuditEntry
    from asgi_security.flows.passwords import HashOutcome, VerifyOutcome
    from asgi_security.flows.sending import Message
    from asgi_security.storage.protocols import AttemptStatus

QUICK = PasswordHasher(ScryptProfile(log2_n=14))
OFFLINE = PasswordPolicy(breach_check=False)
SECRET = "n" * 32
SITE = "https://app.acme.example"
NAME = "ann@example.com"
GOOD = "correct horse battery"
BETTER = "staple gun on a raft"
WRONG = "wrong horse battery!"
HERE = Visit(client="192.0.2.1", user_agent="Browser/1", request_id="r-1")

_stored: dict[str, str] = {}


class CountingPasswords(Passwords):
    """Counts what it is asked for."""

    def __init__(self, *, policy: PasswordPolicy = OFFLINE, **fields: Any) -> None:
        super().__init__(policy, fields.pop("hasher", QUICK), **fields)
        self.verified: list[str | None] = []
        self.rehashes: list[bool] = []
        self.hashed = 0

    async def verify(
        self, password: str, stored: str | None, *, rehash: bool = True
    ) -> VerifyOutcome:
        self.verified.append(stored)
        self.rehashes.append(rehash)
        return await super().verify(password, stored, rehash=rehash)

    async def hash(self, password: str) -> HashOutcome:
        self.hashed += 1
        return await super().hash(password)


class Mailbox:
    """Keeps what is sent; fails or hangs where it is told to."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.error: Exception | None = None
        self.hangs = False

    async def send(self, message: Message) -> None:
        if self.hangs:
            await anyio.sleep_forever()
        if self.error is not None:
            raise self.error
        self.messages.append(message)

    def take(self, kind: str) -> Message:
        """Return the last message, which has to be of this kind, and forget all."""
        message = self.messages[-1]
        assert message.kind == kind
        self.messages.clear()
        return message


class AuditRecorder:
    """An audit log that keeps what it is given, in order."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    async def record(self, entry: AuditEntry) -> None:
        self.entries.append(entry)

    @property
    def actions(self) -> list[str]:
        return [entry.action for entry in self.entries]


class Watched:
    """A store whose calls are counted, and fail where they are told to.

    `failing` holds names such as "accounts.find"; each fails as often as its number says. `before`
    holds what is to happen before a call.
    """

    def __init__(self, store: Any = None) -> None:
        self.store: Any = MemoryStore() if store is None else store
        self.calls: list[str] = []
        self.failing: dict[str, int] = {}
        self.before: dict[str, Callable[[], object]] = {}
        self.error: Exception = StorageError("down")

    def __getattr__(self, facet: str) -> Any:
        return _WatchedFacet(self, facet)


class _WatchedFacet:
    def __init__(self, watched: Watched, facet: str) -> None:
        self._watched = watched
        self._facet = facet

    def __getattr__(self, name: str) -> Any:
        inner = getattr(getattr(self._watched.store, self._facet), name)
        if not callable(inner):
            return inner
        watched, path = self._watched, f"{self._facet}.{name}"

        async def call(*args: Any, **fields: Any) -> Any:
            watched.calls.append(path)
            if path in watched.before:
                done = watched.before[path]()
                if isinstance(done, Awaitable):
                    await done
                await anyio.lowlevel.checkpoint()
            if watched.failing.get(path, 0) > 0:
                watched.failing[path] -= 1
                raise watched.error
            return await inner(*args, **fields)

        return call


class World:
    """The flows of accounts, and everything around them.

    `mfa` may be a function that makes it of this world.
    """

    def __init__(
        self,
        store: Any = None,
        *,
        login: dict[str, Any] | None = None,
        accounts: dict[str, Any] | None = None,
        lockout: dict[str, Any] | None = None,
        policy: PasswordPolicy = OFFLINE,
        mfa: Any = None,
        quota: int = 1000,
        waiting: int = 200,
        recipient: Any = None,
        hasher: PasswordHasher = QUICK,
    ) -> None:
        self.store = Watched(store)
        self.clock = FakeClock()
        self.entropy = SeededEntropy()
        self.events = EventRecorder()
        self.audit = AuditRecorder()
        self.mailbox = Mailbox()
        self.passwords = CountingPasswords(
            policy=policy,
            hasher=hasher,
            threads=4,
            waiting=waiting,
            events=self.events,
            entropy=self.entropy,
        )
        patient = {"store_timeout_seconds": 20}
        rules: dict[str, Any] = {"client_rules": LockoutRules(threshold=1000), **patient}
        rules |= lockout or {}
        outside: dict[str, Any] = {"clock": self.clock, "events": self.events}
        self.lockout = Lockout(
            LockoutConfig(secret=SECRET, **rules),
            self.store,
            account_epoch=build_account_epoch(self.store),
            entropy=self.entropy,
            **outside,
        )
        self.login = Login(
            LoginConfig(**{**patient, **(login or {})}),
            self.store,
            self.passwords,
            lockout=self.lockout,
            mfa=mfa(self) if callable(mfa) else mfa,
            audit=self.audit,
            **outside,
        )
        hour: dict[str, Any] = {
            "window_seconds": 3600,
            "secret": SECRET,
            "on_store_error": "refuse",
            **patient,
        }
        self.throttle = SendThrottle(
            ThrottleConfig(limit=quota, name="mail", **hour),
            ThrottleConfig(limit=quota, name="mail-from", **hour),
            self.store,
            entropy=self.entropy,
            **outside,
        )
        self.outbox = Outbox(self.mailbox, timeout_seconds=0.05, events=self.events)
        self.life = AccountLife(
            AccountConfig(**{"site_url": SITE, **patient, **(accounts or {})}),
            self.store,
            self.passwords,
            login=self.login,
            lockout=self.lockout,
            throttle=self.throttle,
            sender=self.outbox,
            recipient=recipient,
            entropy=self.entropy,
            audit=self.audit,
            **outside,
        )

    async def add(self, name: str = NAME, password: str | None = GOOD, **fields: Any) -> Account:
        """Store an account, verified unless told otherwise."""
        account = Account(
            id=fields.pop("id", f"id-{name}"),
            name=name,
            password_hash=None if password is None else await make_hash(password),
            is_verified=fields.pop("is_verified", True),
            created_at=self.clock(),
            **fields,
        )
        created = await self.store.store.accounts.create(account)
        assert isinstance(created, AccountCreated)
        return account

    async def load(self, account: Account) -> Account | None:
        """Return what is stored of an account, past all counting."""
        stored: Account | None = await self.store.store.accounts.load(account.id)
        return stored

    async def status(self, name: str = NAME, factor: str = "password") -> AttemptStatus:
        """Return what the lockout knows of an account."""
        key = self.lockout._keys.build_account_key(name, factor=factor)
        (status,) = await self.store.store.attempts.status((key,), now=self.clock())
        found: AttemptStatus = status
        return found

    async def read_mail(self, kind: str) -> Message:
        """Wait for what is under way, and return the message of this kind."""
        assert await self.outbox.drain()
        return self.mailbox.take(kind)

    def take_work(self) -> tuple[list[str], int, int, int]:
        """Return what was done since the last time: calls, verifications, hashes, records."""
        work = (
            list(self.store.calls),
            len(self.passwords.verified),
            self.passwords.hashed,
            len(self.audit.entries),
        )
        self.store.calls.clear()
        self.passwords.verified.clear()
        self.passwords.hashed = 0
        self.audit.entries.clear()
        return work


async def make_hash(password: str) -> str:
    """Return a hash of the quick profile; made once a password."""
    if password not in _stored:
        made = await Passwords(OFFLINE, QUICK).hash(password)
        _stored[password] = getattr(made, "stored")  # noqa: B009 -- of a union, and this one here
    return _stored[password]
