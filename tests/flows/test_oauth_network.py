"""Requests to a provider: bounded, and never led elsewhere."""

from __future__ import annotations

import pytest

from asgi_security.flows.keys import FetchFailedError
from asgi_security.flows.oauth_network import ProviderClient
from tests.flows.oauth_world import World

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("discovery_slow", "timeout"),
        ("discovery_redirect", "redirect"),
        ("discovery_300", "redirect"),
        ("discovery_304", "redirect"),
        ("discovery_huge", "too_long"),
        ("discovery_gzip", "encoding"),
    ],
)
async def test_X114_what_is_not_read(fault: str, reason: str) -> None:
    client = ProviderClient(timeout_seconds=0.5, max_bytes=262_144)
    with pytest.raises(FetchFailedError, match=f"^{reason}$"):
        await client.get(f"{World(fault).issuer}/.well-known/openid-configuration")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://["])
async def test_X114_nobody_there(url: str) -> None:
    client = ProviderClient(timeout_seconds=5, max_bytes=1024)
    with pytest.raises(FetchFailedError, match="network"):
        await client.get(url)


async def test_a_refusal_is_an_answer() -> None:
    client = ProviderClient(timeout_seconds=5, max_bytes=1024)
    answer = await client.get(f"{World('userinfo_503').issuer}/userinfo", token="t")
    assert (answer.status, answer.body) == (503, b"no")
    assert "no" not in repr(answer).removeprefix("Answer")
    refused = await client.post(f"{World().issuer}/token", body=b"a=b", headers={})
    assert refused.status == 400


async def test_the_bound_is_exact() -> None:
    url = f"{World().issuer}/.well-known/openid-configuration"
    size = len((await ProviderClient(timeout_seconds=5, max_bytes=9999).get(url)).body)
    await ProviderClient(timeout_seconds=5, max_bytes=size).get(url)
    with pytest.raises(FetchFailedError, match="too_long"):
        await ProviderClient(timeout_seconds=5, max_bytes=size - 1).get(url)
