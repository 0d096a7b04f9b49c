"""Asks a provider, within bounds: no redirects, no cookies, no more bytes than were agreed.

What is worth knowing about the tempting wrong roads: following a redirect of a token endpoint hands
code and client secret to wherever it points; unpacking what was not asked for turns 256 kB into
256 MB.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asgi_security.flows.keys import FetchFailedError

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEADERS = {
    "accept": "application/json",
    "accept-encoding": "identity",
    "user-agent": "asgi-security",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whole."""

    status: int
    body: bytes = field(repr=False)


class ProviderClient:
    """Sends single requests, each over a connection of its own.

    Args:
        timeout_seconds: for one request in all.
        max_bytes: of an answer.
        transport: an `httpx` transport, for a proxy or a test; None for the default one.
    """

    def __init__(self, *, timeout_seconds: float, max_bytes: int, transport: Any = None) -> None:
        self.transport = transport
        self._timeout_seconds = timeout_seconds
        self._max_bytes = max_bytes
        self._tls: Any = None

    async def get(self, url: str, *, token: str | None = None) -> Answer:
        """Read an address, with an access token if one is given.

        Raises:
            FetchFailedError: There was no answer, or none that may be read.
        """
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return await self._send("GET", url, headers)

    async def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a form.

        Raises:
            FetchFailedError: There was no answer, or none that may be read.
        """
        return await self._send("POST", url, headers, body)

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        import anyio  # noqa: PLC0415 -- only who asks waits
        import httpx  # noqa: PLC0415 -- slow to import

        if self._tls is None:
            self._tls = httpx.create_ssl_context(trust_env=False)  # reads a bundle: 20 ms
        client = httpx.AsyncClient(
            transport=self.transport,
            verify=self._tls,
            follow_redirects=False,
            trust_env=False,
            timeout=self._timeout_seconds,
            headers={**_HEADERS, **headers},
        )
        try:
            # Around all of it: a server that sends a byte a second keeps every other timeout.
            with anyio.fail_after(self._timeout_seconds):
                async with client, client.stream(method, url, content=body) as response:
                    return await self._read(response)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise FetchFailedError("timeout") from error
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError) as error:
            raise FetchFailedError("network") from error

    async def _read(self, response: Any) -> Answer:
        # Any 3xx, whether or not it names a place to go.
        if 300 <= response.status_code < 400:
            raise FetchFailedError("redirect")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise FetchFailedError("encoding")
        from anyio import CancelScope  # noqa: PLC0415 -- only who asks waits

        body = bytearray()
        with CancelScope() as reading:
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > self._max_bytes:
                    # Not left by `break`: that strands the generators below this one.
                    reading.cancel()
        if reading.cancel_called:
            raise FetchFailedError("too_long")
        return Answer(response.status_code, bytes(body))
