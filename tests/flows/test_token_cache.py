from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.flows.token_cache import TokenCache


def test_what_is_asked_for_stays() -> None:
    cache: TokenCache[int] = TokenCache(entries=8, limit_bytes=1 << 20)
    cache.put(b"used", 0)
    for number in range(100):
        cache.put(b"%d" % number, number)
        assert cache.get(b"used") == 0
    assert cache.get(b"0") is None
    assert cache.get(b"99") == 99


def test_J61_it_can_be_emptied() -> None:
    cache: TokenCache[int] = TokenCache(entries=4, limit_bytes=1 << 20)
    for number in range(4):
        cache.put(b"%d" % number, number)
    cache.clear()
    assert len(cache) == 0
    assert cache.get(b"3") is None


def test_nothing_is_kept_where_nothing_may_be() -> None:
    for entries, limit in ((0, 1 << 20), (1, 1 << 20), (100, 0), (100, 600)):
        cache: TokenCache[int] = TokenCache(entries=entries, limit_bytes=limit)
        cache.put(b"token", 1)
        assert len(cache) == 0


@given(
    tokens=st.lists(st.binary(min_size=1, max_size=50), max_size=60),
    entries=st.integers(0, 10),
    limit=st.integers(0, 10_000),
)
@settings(max_examples=100, deadline=None)
def test_the_bounds_hold(tokens: list[bytes], entries: int, limit: int) -> None:
    cache: TokenCache[bytes] = TokenCache(entries=entries, limit_bytes=limit)
    for token in tokens:
        cache.put(token, token)
        assert cache.get(token) in (token, None)
        assert len(cache) <= entries
        kept = {*cache._young, *cache._old}
        assert sum(len(token) * 6 + 512 for token in kept) <= limit


def test_it_can_wait_for_the_second_time() -> None:
    cache: TokenCache[int] = TokenCache(entries=8, limit_bytes=1 << 20, admits_at_once=False)
    for number in range(100):
        cache.put(b"%d" % number, number)
    assert len(cache) == 0
    cache.put(b"99", 1)
    assert cache.get(b"99") == 1
    assert cache._met is not None
    assert len(cache._met) <= 4


def test_what_moves_to_the_young_generation_need_not_come_twice_again() -> None:
    cache: TokenCache[int] = TokenCache(entries=4, limit_bytes=1 << 20, admits_at_once=False)
    for token in (b"kept", b"a", b"b", b"c"):
        cache.put(token, 0)
        cache.put(token, 0)
        assert cache.get(b"kept") == 0
