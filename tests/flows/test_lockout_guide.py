"""The three calls of the guide, in a login that keeps its own order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from asgi_security.errors import ConfigError, StorageError
from asgi_security.flows.lockout import Lockout
from asgi_security.flows.lockout_guide import (
    compute_ip_hash,
    compute_lockout,
    get_lockout_status,
    record_attempt,
)
from asgi_security.policy.lockout import LockoutConfig, LockoutRules, LockoutStatus
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.protocols import Admitted, Outcome

if TYPE_CHECKING:
    from asgi_security.testing import FakeClock

pytestmark = pytest.mark.anyio

SECRET = "n" * 32
IP_HASH = compute_ip_hash("192.0.2.1", secret=SECRET)
OPEN = LockoutStatus(locked=False, next_allowed_at=None, failure_count=0)


def instant(clock: FakeClock, seconds: float = 0) -> datetime:
    return datetime.fromtimestamp(clock() + seconds, UTC)


async def fail(store: MemoryStore, clock: FakeClock, times: int = 1, **fields: Any) -> None:
    for _ in range(times):
        await record_attempt(store, success=False, clock=clock, **fields)


def test_L1_P8_two_arguments_mean_a_failure_at_this_instant(clock: FakeClock) -> None:
    status = compute_lockout(5, LockoutConfig(), clock=clock)
    assert status == LockoutStatus(True, instant(clock, 30), 5)
    before = datetime.now(UTC)
    end = compute_lockout(5, LockoutConfig()).next_allowed_at
    assert end is not None
    assert before <= end - timedelta(seconds=30) <= datetime.now(UTC)


def test_L1_with_both_instants_no_clock_is_read() -> None:
    def clock() -> float:
        raise AssertionError("read")

    last = datetime(2026, 1, 1, tzinfo=UTC)
    status = compute_lockout(
        5, cfg=LockoutConfig(), last_failure_at=last, now=last + timedelta(seconds=31), clock=clock
    )
    assert status == LockoutStatus(False, None, 5)


async def test_P9_P10_the_guides_login(clock: FakeClock) -> None:
    store = MemoryStore()
    for count in range(5):
        status = await get_lockout_status(store, user_id=None, ip_hash=IP_HASH, clock=clock)
        assert status == LockoutStatus(False, None, count)
        await record_attempt(store, user_id=None, ip_hash=IP_HASH, success=False, clock=clock)
    status = await get_lockout_status(store, user_id=None, ip_hash=IP_HASH, clock=clock)
    assert status == LockoutStatus(True, instant(clock, 30), 5)
    other = compute_ip_hash("192.0.2.2", secret=SECRET)
    assert await get_lockout_status(store, user_id=None, ip_hash=other, clock=clock) == OPEN


async def test_P8_the_end_of_a_lock_does_not_move_when_it_is_asked(clock: FakeClock) -> None:
    store = MemoryStore()
    await fail(store, clock, times=6, user_id=17)
    end = instant(clock, 60)
    for _ in range(3):
        clock.advance(10)
        assert (await get_lockout_status(store, user_id=17, clock=clock)).next_allowed_at == end


async def test_P10_without_any_key_nothing_is_counted_and_nobody_is_locked(
    clock: FakeClock,
) -> None:
    store = MemoryStore()
    await fail(store, clock, times=10)
    await fail(store, clock, times=10, user_id=17)
    assert await get_lockout_status(store, user_id=None, ip_hash=None, clock=clock) == OPEN
    assert await get_lockout_status(store, user_id=18, ip_hash=IP_HASH, clock=clock) == OPEN


async def test_P10_user_or_address_the_worse_counts(clock: FakeClock) -> None:
    store = MemoryStore()
    await fail(store, clock, times=5, user_id=17)
    clock.advance(1)
    await fail(store, clock, times=6, ip_hash=IP_HASH)
    status = await get_lockout_status(store, user_id=17, ip_hash=IP_HASH, clock=clock)
    assert status == LockoutStatus(True, instant(clock, 60), 6)
    assert (await get_lockout_status(store, user_id="17", clock=clock)).locked


async def test_P10_a_success_resets_the_user_and_not_the_address(clock: FakeClock) -> None:
    store = MemoryStore()
    await fail(store, clock, times=5, user_id=17, ip_hash=IP_HASH)
    await record_attempt(store, user_id=17, ip_hash=IP_HASH, success=True)
    assert await get_lockout_status(store, user_id=17, clock=clock) == OPEN
    assert (await get_lockout_status(store, ip_hash=IP_HASH, clock=clock)).failure_count == 5


async def test_a_final_lock_has_no_end(clock: FakeClock) -> None:
    store = MemoryStore()
    cfg = LockoutConfig(max_consecutive=5)
    await fail(store, clock, times=5, user_id=17, ip_hash=IP_HASH, cfg=cfg)
    status = await get_lockout_status(store, user_id=17, cfg=cfg, clock=clock)
    assert status == LockoutStatus(True, None, 5)


async def test_E30_rules_for_addresses_can_be_given(clock: FakeClock) -> None:
    store = MemoryStore()
    cfg = LockoutConfig(client_rules=LockoutRules(threshold=6))
    await fail(store, clock, times=5, ip_hash=IP_HASH, cfg=cfg)
    assert not (await get_lockout_status(store, ip_hash=IP_HASH, cfg=cfg, clock=clock)).locked


async def test_now_may_be_given_and_is_the_present_if_not() -> None:
    store = MemoryStore().attempts
    for _ in range(5):
        await record_attempt(store, user_id=17, success=False, now=1000.0)
    status = await get_lockout_status(store, user_id=17, now=1000.0)
    assert status.next_allowed_at == datetime.fromtimestamp(1030, UTC)
    assert await get_lockout_status(store, user_id=17) == OPEN
    for _ in range(5):
        await record_attempt(store, user_id=18, success=False)
    end = (await get_lockout_status(store, user_id=18)).next_allowed_at
    assert end is not None
    assert end > datetime.now(UTC) + timedelta(seconds=20)


class TestIpHash:
    def test_P12_it_is_keyed_and_cuts_ipv6(self) -> None:
        assert len(bytes.fromhex(IP_HASH)) == 32
        assert compute_ip_hash("::ffff:192.0.2.1", secret=SECRET) == IP_HASH
        assert compute_ip_hash("192.0.2.1", secret="m" * 32) != IP_HASH
        assert compute_ip_hash("2001:db8::1", secret=SECRET) == compute_ip_hash(
            "2001:db8::2", secret=SECRET.encode()
        )

    def test_E28_a_short_secret_is_an_error_and_not_shown(self) -> None:
        with pytest.raises(ConfigError, match="only 5 bytes") as raised:
            compute_ip_hash("192.0.2.1", secret="short")
        assert "short'" not in str(raised.value)

    async def test_G48_it_is_the_key_of_the_guard_under_the_same_secret(
        self, clock: FakeClock
    ) -> None:
        store = MemoryStore()
        rules = LockoutRules(threshold=5)
        config = LockoutConfig(secret=SECRET, client_rules=rules)
        lockout = Lockout(config, store, clock=clock)
        for _ in range(5):
            begun = await lockout.begin(client="192.0.2.1")
            assert isinstance(begun, Admitted)
            await lockout.settle(begun, Outcome.FAILURE)
        assert (await get_lockout_status(store, ip_hash=IP_HASH, clock=clock)).locked

    @pytest.mark.parametrize("ip_hash", ["", "nothing of ours", "ab", "\ud800"])
    async def test_a_hash_of_another_making_is_a_key_as_well(
        self, ip_hash: str, clock: FakeClock
    ) -> None:
        store = MemoryStore()
        await fail(store, clock, times=5, ip_hash=ip_hash)
        assert (await get_lockout_status(store, ip_hash=ip_hash, clock=clock)).locked
        assert not (await get_lockout_status(store, ip_hash="other", clock=clock)).locked


class Hanging:
    """A store that never answers."""

    async def _hang(self, *args: Any, **fields: Any) -> Any:
        await anyio.sleep_forever()

    status = clear = add_failure = _hang


async def test_D59_a_store_that_does_not_answer_is_an_error() -> None:
    store: Any = Hanging()
    cfg = LockoutConfig(store_timeout_seconds=0.01)
    with pytest.raises(StorageError):
        await get_lockout_status(store, user_id=17, cfg=cfg)
    for success in (True, False):
        with pytest.raises(StorageError):
            await record_attempt(store, user_id=17, success=success, cfg=cfg)
