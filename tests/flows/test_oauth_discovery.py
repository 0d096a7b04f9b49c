"""A provider's description: fetched once for all, kept, and believed only if it is right."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from asgi_security.flows.auditing import Reporter
from asgi_security.flows.fetching import Fetcher
from asgi_security.flows.oauth_discovery import PublishedEndpoints
from asgi_security.policy.oauth import OAuthConfig
from asgi_security.testing import EventRecorder
from tests.flows.oauth_world import World, build_oidc

pytestmark = pytest.mark.anyio

NOW = 1_700_000_000.0


class Published:
    """The endpoints of an issuer of the provider's process."""

    def __init__(self, fault: str = "fine", **config: Any) -> None:
        self.world = World(fault)
        self.events = EventRecorder()
        provider = build_oidc(self.world.issuer)
        settings = OAuthConfig(providers=[provider], **config)
        self.endpoints = PublishedEndpoints(
            provider,
            settings,
            fetcher=Fetcher(timeout_seconds=settings.timeout_seconds, max_bytes=262_144),
            reporter=Reporter(self.events),
        )

    async def count(self) -> int:
        return (await self.world.read_seen()).get("discovery", 0)

    @property
    def reasons(self) -> list[str]:
        return [event.facts["reason"] for event in self.events.events]


async def test_X109_a_hundred_starts_are_one_fetch() -> None:
    published = Published()
    found: list[Any] = []

    async def load() -> None:
        found.append(await published.endpoints.load(NOW))

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(load)
    assert found[0].token == f"{published.world.issuer}/token"
    assert found == [found[0]] * 100
    assert await published.count() == 1


async def test_X109_nothing_is_fetched_before_it_is_asked_for() -> None:
    published = Published()
    assert await published.count() == 0


async def test_X109_an_hour() -> None:
    published = Published()
    await published.endpoints.load(NOW)
    await published.endpoints.load(NOW + 3599)
    assert await published.count() == 1
    await published.endpoints.load(NOW + 3600)
    assert await published.count() == 2
    await published.endpoints.load(NOW - 1)  # a clock that went back proves nothing
    assert await published.count() == 3


async def test_X109_stale_for_a_day_while_fetching_fails() -> None:
    published = Published()
    found = await published.endpoints.load(NOW)
    published.endpoints._fetcher = Fetcher(timeout_seconds=0.5, max_bytes=1)
    end = NOW + 3600 + 86_400
    assert await published.endpoints.load(end - 1) == found
    assert await published.endpoints.load(end) is None
    assert published.reasons == ["too_long"]  # not tried again at once


async def test_a_failure_is_not_repeated_for_everyone_who_comes() -> None:
    published = Published("discovery_500", timeout_seconds=1)
    for seconds in (0, 1, 5.9):
        assert await published.endpoints.load(NOW + seconds) is None
    assert await published.count() == 1
    assert await published.endpoints.load(NOW + 6) is None
    assert await published.count() == 2
    assert published.reasons == ["status", "status"]


async def test_a_hundred_starts_fail_once() -> None:
    published = Published("discovery_bad_json")

    async def load() -> None:
        assert await published.endpoints.load(NOW) is None

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(load)
    assert (await published.count(), published.reasons) == (1, ["bad_json"])


async def test_one_who_gives_up_takes_nobody_with_him() -> None:
    published = Published("discovery_slow", timeout_seconds=0.5)
    done: list[bool] = []

    async def wait() -> None:
        done.append(await published.endpoints.load(NOW) is None)

    async with anyio.create_task_group() as group, anyio.create_task_group() as leaders:
        leaders.start_soon(published.endpoints.load, NOW)
        # He is the one who asks, and the other waits for him.
        while not await published.count():  # noqa: ASYNC110 -- the provider is another process
            await anyio.sleep(0.01)
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        leaders.cancel_scope.cancel()
    assert done == [True]
    assert published.reasons == ["timeout"]
    assert await published.count() == 2  # the second one fetched for himself


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        pytest.param("other_issuer", "wrong_issuer", id="X109 issuer differs by a slash"),
        pytest.param("insecure_token", "insecure_endpoint", id="X109 plain http"),
        pytest.param("no_token_endpoint", "no_endpoint", id="X109 endpoint missing"),
        pytest.param("discovery_redirect", "redirect", id="X109 redirect"),
        pytest.param("discovery_huge", "too_long", id="X109 above 256 KiB"),
        pytest.param("discovery_bad_json", "bad_json", id="X109 no JSON"),
        pytest.param("discovery_gzip", "encoding", id="X109 compressed unasked"),
    ],
)
async def test_X109_a_description_that_counts_for_nothing(fault: str, reason: str) -> None:
    published = Published(fault)
    assert await published.endpoints.load(NOW) is None
    assert published.reasons == [reason]


def test_another_event_loop_waits_for_itself() -> None:
    published = Published()

    async def load() -> None:
        assert await published.endpoints.load(NOW) is not None

    for _ in range(2):
        anyio.run(load)
        published.endpoints._found = None
