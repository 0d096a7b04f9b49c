"""Asks another server, within bounds, and once for all who wait for the same answer.

What is worth knowing about the tempting wrong roads: following a redirect hands code and client
secret to wherever a token endpoint points, and the choice of our keys to whoever controls one;
unpacking what was not asked for turns 256 kB into 256 MB.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asgi_security.flows.per_loop import PerLoop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    import anyio

_HEADERS = {
    "accept": "application/json",
    "accept-encoding": "identity",
    "user-agent": "asgi-security",
}


class FetchFailedError(Exception):
    """There is no answer to use. Safe to log because it says one word of a fixed set, no URL."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came back. The names of the headers have no case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Fetcher:
    """Sends single requests, each over a connection of its own and without cookies.

    Args:
        timeout_seconds: for one request in all.
        max_bytes: of a body.
        headers: of every request, in place of the usual ones or more; their names in lower case.
        reads_refusals: the body of a status other than 200 is read as well. If not, it is empty in
            what comes back, and neither its length nor its encoding counts.
        transport: an `httpx` transport, for a proxy or a test; None for the default one.
    """

    def __init__(
        self,
        *,
        timeout_seconds: float,
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
        reads_refusals: bool = False,
        transport: Any = None,
    ) -> None:
        self.transport = transport
        self._timeout_seconds = timeout_seconds
        self._max_bytes = max_bytes
        self._headers = {**_HEADERS, **(headers or {})}
        self._reads_refusals = reads_refusals
        self._tls: Any = None

    async def get(self, url: str, *, token: str | None = None) -> Fetched:
        """Read an address, with an access token if one is given.

        Raises:
            FetchFailedError: There was no answer, or none that may be read: `timeout`, `network`,
                `redirect`, `encoding` or `too_long`.
        """
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return await self._send("GET", url, headers)

    async def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Fetched:
        """Send a form.

        Raises:
            FetchFailedError: As `get` does.
        """
        return await self._send("POST", url, headers, body)

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Fetched:
        import anyio  # noqa: PLC0415 -- only who asks waits
        import httpx  # noqa: PLC0415 -- slow to import

        if self._tls is None:
            self._tls = httpx.create_ssl_context(trust_env=False)  # reads a bundle: 20 ms
        # One client for each request: none has cookies of the one before.
        client = httpx.AsyncClient(
            transport=self.transport,
            verify=self._tls,
            follow_redirects=False,
            trust_env=False,
            timeout=self._timeout_seconds,
            headers={**self._headers, **headers},
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

    async def _read(self, response: Any) -> Fetched:
        # Any 3xx, whether or not it names a place to go.
        if 300 <= response.status_code < 400:
            raise FetchFailedError("redirect")
        if response.status_code != 200 and not self._reads_refusals:
            return Fetched(response.status_code, response.headers, b"")
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
        return Fetched(response.status_code, response.headers, bytes(body))


class Together:
    """Lets one of those who wait do a piece of work, and the others take what came of it.

    Work that was cancelled with its request counts for nothing: the next one does it.

    Args:
        work: given the time, does it, and keeps what comes of it.
    """

    def __init__(self, work: Callable[[float], Awaitable[None]]) -> None:
        self._work = work
        self._done = 0
        self._locks = PerLoop(_make_lock)

    async def run(self, now: float) -> None:
        """Return once the work is done that was under way or due when this was called."""
        done = self._done
        async with self._locks.get():
            if self._done != done:
                return
            try:
                await self._work(now)
            except Exception:  # and no cancellation: those who wait need not fail one by one
                self._done += 1
                raise
            self._done += 1


def _make_lock() -> anyio.Lock:
    import anyio  # noqa: PLC0415 -- only who asks waits

    return anyio.Lock()
