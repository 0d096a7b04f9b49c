"""Who asks, as far as the transport knows: what an endpoint tells a flow besides the request."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One call from outside; everything may be unknown, as it is without HTTP.

    `client` is the address behind trusted proxies only. `devices` are the tokens of known devices
    that the browser sent, `browser` the value of its short-lived cookie that binds the steps of one
    login to it.
    """

    client: str | None = None
    user_agent: str = ""
    request_id: str | None = None
    devices: tuple[str, ...] = field(default=(), repr=False)
    browser: str | None = field(default=None, repr=False)


UNKNOWN_VISIT = Visit()
"""For calls without a transport."""
