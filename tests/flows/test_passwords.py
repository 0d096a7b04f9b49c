"""Hashing in a few threads, behind a short queue."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import bcrypt
import pytest

from asgi_security.crypto.passwords import Argon2Profile, PasswordHasher, ScryptProfile
from asgi_security.errors import ConfigError
from asgi_security.events import Severity
from asgi_security.flows.breaches import BreachChecker
from asgi_security.flows.passwords import (
    PasswordDiffers,
    PasswordHashed,
    PasswordMatches,
    PasswordRefused,
    Passwords,
    PasswordsUnavailable,
)
from asgi_security.policy.breaches import Breached, BreachUnavailable, NotBreached
from asgi_security.policy.passwords import PasswordPolicy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asgi_security.policy.breaches import BreachFinding
    from asgi_security.testing import EventRecorder, SeededEntropy

pytestmark = pytest.mark.anyio

GOOD = "correct horse battery"
QUICK = PasswordHasher(ScryptProfile(log2_n=14))
OFFLINE = PasswordPolicy(breach_check=False)


class Known(BreachChecker):
    """A range service that has one answer, and counts how often it is asked."""

    def __init__(self, finding: BreachFinding) -> None:
        super().__init__()
        self.finding = finding
        self.asked: list[str] = []

    async def check(self, password: str) -> BreachFinding:
        self.asked.append(password)
        return self.finding


class Gate:
    """An entropy, and so a hash, that stands still until it is opened; counts who stands there."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.inside = 0
        self.most = 0
        self.calls = 0
        self._lock = threading.Lock()
        self._arrived = threading.Semaphore(0)

    def __call__(self, count: int) -> bytes:
        if threading.current_thread() is not threading.main_thread():
            with self._lock:
                self.calls += 1
                self.inside += 1
                self.most = max(self.most, self.inside)
            self._arrived.release()
            self.opened.wait(30)
            with self._lock:
                self.inside -= 1
        return bytes(count)

    async def wait_for(self, count: int) -> None:
        for _ in range(count):
            await anyio.to_thread.run_sync(self._arrived.acquire, True, 30)


def make(policy: PasswordPolicy = OFFLINE, **fields: Any) -> Passwords:
    return Passwords(policy, QUICK, **fields)


@pytest.fixture
async def gate() -> AsyncIterator[Gate]:
    made = Gate()
    yield made
    made.opened.set()


async def store(passwords: Passwords, password: str = GOOD) -> str:
    outcome = await passwords.hash(password)
    assert isinstance(outcome, PasswordHashed)
    return outcome.stored


class TestSetting:
    async def test_P4_what_breaks_no_rule_is_hashed(self, events: EventRecorder) -> None:
        passwords = make(events=events)
        outcome = await passwords.accept(GOOD)
        assert isinstance(outcome, PasswordHashed)
        assert await passwords.verify(GOOD, outcome.stored) == PasswordMatches()
        assert events.names == []

    async def test_P4_what_breaks_a_rule_is_not(self) -> None:
        outcome = await make().accept("acme2026", context=["Acme"], current="acme2026")
        assert isinstance(outcome, PasswordRefused)
        codes = [violation.code for violation in outcome.violations]
        assert codes == ["too_short", "context", "unchanged"]

    @pytest.mark.parametrize(
        ("password", "code"),
        [
            pytest.param("\ud800" * 12, "bad_character", id="P66 a lone surrogate is no 500"),
            pytest.param("x" * 1_000_000, "too_long", id="P63 P2 a megabyte is not hashed"),
        ],
    )
    async def test_what_cannot_be_hashed_is_refused(self, password: str, code: str) -> None:
        outcome = await make().hash(password)
        assert isinstance(outcome, PasswordRefused)
        assert [violation.code for violation in outcome.violations] == [code]

    async def test_P68_breaches_are_asked_only_if_the_rest_passes(self) -> None:
        breaches = Known(Breached(4))
        passwords = make(PasswordPolicy(), breaches=breaches)
        assert [found.code for found in await passwords.check("short")] == ["too_short"]
        assert breaches.asked == []
        assert [found.code for found in await passwords.check(GOOD)] == ["breached"]

    async def test_P65_the_service_is_asked_for_the_normal_form(self) -> None:
        breaches = Known(NotBreached())
        assert (
            await make(PasswordPolicy(), breaches=breaches).check("re\u0301sume\u0301 forte") == ()
        )
        assert breaches.asked == ["résumé forte"]

    async def test_P4_the_switch_keeps_the_service_out(self) -> None:
        breaches = Known(Breached(4))
        assert await make(OFFLINE, breaches=breaches).check(GOOD) == ()
        assert breaches.asked == []

    @pytest.mark.parametrize(
        ("action", "codes"), [("allow", []), ("refuse", ["breach_check_unavailable"])]
    )
    async def test_P75_P6_a_service_that_is_down(
        self, events: EventRecorder, action: Any, codes: list[str]
    ) -> None:
        policy = PasswordPolicy(on_breach_error=action)
        passwords = make(policy, breaches=Known(BreachUnavailable("timeout")), events=events)
        assert [found.code for found in await passwords.check(GOOD)] == codes
        assert events.names == ["breach_check_unavailable"]
        assert events.events[0].facts == {"reason": "timeout", "action": action}

    async def test_P5_a_checker_is_there_when_the_policy_wants_one(self) -> None:
        assert isinstance(Passwords()._breaches, BreachChecker)


class TestVerifying:
    async def test_P71_no_rule_for_new_ones_applies(self) -> None:
        passwords = make(PasswordPolicy(require_symbol=True), breaches=Known(Breached(9)))
        stored = await store(passwords, "old1")
        assert await passwords.verify("old1", stored) == PasswordMatches()

    async def test_P65_one_password_typed_in_two_forms(self) -> None:
        passwords = make()
        stored = await store(passwords, "résumé forte")
        assert stored.startswith("nfc:")
        assert await passwords.verify("re\u0301sume\u0301 forte", stored) == PasswordMatches()
        assert await passwords.verify("Résumé forte", stored) == PasswordDiffers()

    async def test_P65_the_form_beside_the_hash_counts_not_that_of_today(self) -> None:
        stored = await store(make(), "ﬁne correct horse")
        today = make(PasswordPolicy(normalisation="NFKC", breach_check=False))
        assert await today.verify("fine correct horse", stored) == PasswordDiffers()
        outcome = await today.verify("ﬁne correct horse", stored)
        assert isinstance(outcome, PasswordMatches)
        assert outcome.new_hash is not None
        assert outcome.new_hash.startswith("nfkc:")
        assert await today.verify("fine correct horse", outcome.new_hash) == PasswordMatches()

    async def test_P77_P78_bcrypt_is_replaced_by_a_hash_of_all_of_it(self) -> None:
        password = "x" * 72 + "the rest"
        old = bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode()
        passwords = make()
        outcome = await passwords.verify(password, old)
        assert isinstance(outcome, PasswordMatches)
        assert outcome.needs_rehash
        assert outcome.new_hash is not None
        assert await passwords.verify(password, outcome.new_hash) == PasswordMatches()
        assert await passwords.verify("x" * 72, outcome.new_hash) == PasswordDiffers()
        assert await passwords.verify(f"y{password}", old) == PasswordDiffers()

    async def test_P77_a_hash_of_others_took_what_was_typed(self) -> None:
        typed = "e\u0301" * 12
        old = bcrypt.hashpw(typed.encode(), bcrypt.gensalt(4)).decode()
        assert isinstance(await make().verify(typed, old), PasswordMatches)
        assert await make().verify("é" * 12, old) == PasswordDiffers()

    async def test_P77_the_new_hash_is_made_only_when_asked_for(self) -> None:
        old = bcrypt.hashpw(GOOD.encode(), bcrypt.gensalt(4)).decode()
        outcome = await make().verify(GOOD, old, rehash=False)
        assert outcome == PasswordMatches(needs_rehash=True, new_hash=None)

    async def test_P77_a_new_hash_that_cannot_be_had_fails_no_login(self) -> None:
        def exhausted(count: int) -> bytes:
            if threading.current_thread() is not threading.main_thread():
                raise MemoryError
            return bytes(count)

        old = bcrypt.hashpw(GOOD.encode(), bcrypt.gensalt(4)).decode()
        outcome = await make(entropy=exhausted).verify(GOOD, old)
        assert outcome == PasswordMatches(needs_rehash=True)

    @pytest.mark.parametrize(
        ("stored", "reason"),
        [
            pytest.param("", "unreadable", id="P79 empty"),
            pytest.param("md5$x$y", "unreadable", id="P79 unknown"),
            pytest.param("nfc:$scrypt$ln=17,r=8", "unreadable", id="P79 corrupt"),
            pytest.param(
                f"$scrypt$ln=40,r=8,p=1${'A' * 22}${'A' * 43}", "too_costly", id="P79 absurd cost"
            ),
            pytest.param("$2b$31$" + "a" * 53, "too_costly", id="P79 bcrypt of weeks"),
        ],
    )
    async def test_a_hash_that_is_not_executed(
        self, events: EventRecorder, stored: str, reason: str
    ) -> None:
        assert await make(events=events).verify(GOOD, stored) == PasswordDiffers()
        assert events.names == ["password_hash_unusable"]
        assert events.events[0].facts == {"reason": reason}
        assert events.events[0].severity is Severity.ERROR

    @pytest.mark.parametrize("password", [GOOD, "", "\ud800", "x" * 1_000_000])
    async def test_P47_nobody_has_no_password(self, events: EventRecorder, password: str) -> None:
        assert await make(events=events).verify(password, None) == PasswordDiffers()
        assert events.names == []

    @pytest.mark.parametrize("stored", [None, "damaged"])
    async def test_P47_a_missing_user_takes_a_thread_like_any(self, stored: str | None) -> None:
        passwords = make(threads=1, waiting=0)
        outcomes: list[Any] = []

        async def attempt() -> None:
            outcomes.append(await passwords.verify(GOOD, stored))

        async with anyio.create_task_group() as group:
            group.start_soon(attempt)
            group.start_soon(attempt)
        assert sorted(type(outcome).__name__ for outcome in outcomes) == [
            "PasswordDiffers",
            "PasswordsUnavailable",
        ]

    async def test_P77_a_missing_library_is_no_wrong_password(
        self, events: EventRecorder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(__import__("sys").modules, "bcrypt", None)
        outcome = await make(events=events).verify(GOOD, "$2b$04$" + "a" * 53)
        assert outcome == PasswordsUnavailable("missing_library")
        assert events.names == ["passwords_unavailable"]
        assert "pip install bcrypt" in events.events[0].facts["hint"]

    async def test_too_little_memory_is_no_wrong_password(self, events: EventRecorder) -> None:
        def exhausted(count: int) -> bytes:
            if threading.current_thread() is not threading.main_thread():
                raise MemoryError
            return bytes(count)

        outcome = await make(events=events, entropy=exhausted).hash(GOOD)
        assert outcome == PasswordsUnavailable("no_memory")
        assert events.events[0].facts == {"reason": "no_memory"}


class TestThreads:
    async def test_P80_no_more_threads_than_said_and_no_longer_queue(
        self, gate: Gate, events: EventRecorder
    ) -> None:
        passwords = make(threads=2, waiting=3, entropy=gate, events=events)
        outcomes: list[Any] = []

        async def attempt() -> None:
            outcomes.append(await passwords.hash(GOOD))

        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(attempt)
            await gate.wait_for(2)
            await anyio.wait_all_tasks_blocked()
            # The loop is free while two threads stand, and whoever is too many was told at once.
            assert outcomes == [PasswordsUnavailable("busy", retry_after_seconds=1)] * 95
            gate.opened.set()
        assert gate.most == 2
        assert gate.calls == 5
        assert sum(isinstance(outcome, PasswordHashed) for outcome in outcomes) == 5
        assert events.names == ["passwords_unavailable"] * 95
        assert isinstance(await passwords.hash(GOOD), PasswordHashed)

    async def test_P80_a_cancelled_request_keeps_its_slot_till_its_thread_ends(
        self, gate: Gate
    ) -> None:
        passwords = make(threads=1, waiting=0, entropy=gate)
        ended = anyio.Event()

        async def attempt(scope: anyio.CancelScope) -> None:
            with scope:
                await passwords.hash(GOOD)
            ended.set()

        async with anyio.create_task_group() as group:
            scope = anyio.CancelScope()
            group.start_soon(attempt, scope)
            await gate.wait_for(1)
            scope.cancel()
            await anyio.wait_all_tasks_blocked()
            assert await passwords.hash(GOOD) == PasswordsUnavailable("busy")
            gate.opened.set()
            await ended.wait()
        assert isinstance(await passwords.hash(GOOD), PasswordHashed)
        assert gate.most == 1

    async def test_P80_whoever_leaves_the_queue_makes_room_at_once(self, gate: Gate) -> None:
        passwords = make(threads=1, waiting=1, entropy=gate)
        async with anyio.create_task_group() as group:
            group.start_soon(passwords.hash, GOOD)
            await gate.wait_for(1)
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as waiting:
                    waiting.start_soon(passwords.hash, GOOD)
                    await anyio.wait_all_tasks_blocked()
                    assert await passwords.hash(GOOD) == PasswordsUnavailable("busy")
                    scope.cancel()
            group.start_soon(passwords.hash, GOOD)
            await anyio.wait_all_tasks_blocked()
            gate.opened.set()
        assert gate.calls == 2


def test_P80_one_object_serves_several_event_loops() -> None:
    passwords = make(threads=1)
    for backend in ("asyncio", "trio", "asyncio"):
        assert isinstance(anyio.run(passwords.hash, GOOD, backend=backend), PasswordHashed)


def test_P76_argon2id_by_default(entropy: SeededEntropy) -> None:
    assert Passwords(entropy=entropy).hasher == PasswordHasher(Argon2Profile())


@pytest.mark.parametrize("fields", [{"threads": 0}, {"waiting": -1}, {"threads": True}])
def test_bounds_that_cannot_be_meant(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(fields))):
        Passwords(**fields)


def test_no_hash_is_shown() -> None:
    shown = (
        f"{PasswordHashed('nfc:$x')!r} {PasswordMatches(needs_rehash=True, new_hash='nfc:$x')!r}"
    )
    assert "nfc" not in shown
