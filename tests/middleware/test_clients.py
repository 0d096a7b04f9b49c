"""The client's address as the app sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.asgi.context import current
from asgi_security.errors import ConfigError
from asgi_security.middleware.clients import ClientMiddleware
from asgi_security.policy.clients import ClientConfig
from asgi_security.testing import EventRecorder, call, connect_websocket

if TYPE_CHECKING:
    from asgi_security.asgi.types import Receive, Scope, Send

pytestmark = pytest.mark.anyio

PROXY = ("10.0.0.1", 4000)


class Recording:
    """An app that keeps whom it was called by."""

    def __init__(self) -> None:
        self.seen: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen = (scope["client"], current().client)
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})


async def ask(
    *values: str, client: Any = PROXY, header: str = "x-forwarded-for", **fields: Any
) -> Any:
    app = Recording()
    fields.setdefault("events", EventRecorder())
    guarded = ClientMiddleware(app, **fields)
    await call(guarded, headers=[(header, value) for value in values], client=client)
    return app.seen


async def test_N31_without_configuration_headers_are_not_even_collected() -> None:
    for header in ("x-forwarded-for", "forwarded", "x-real-ip"):
        assert await ask("6.6.6.6", header=header) == (PROXY, "10.0.0.1")
    (layer,) = ClientMiddleware(Recording()).layers
    assert layer.wants == frozenset()


async def test_N32_the_app_sees_the_client_behind_a_trusted_proxy() -> None:
    seen = await ask("6.6.6.6, 203.0.113.9", trusted_proxies=["10.0.0.0/8"])
    assert seen == (("203.0.113.9", 0), "203.0.113.9")


async def test_N34_lines_are_joined_and_only_one_header_counts() -> None:
    fields: dict[str, Any] = {"trusted_proxies": ["10.0.0.0/8"]}
    assert (await ask("6.6.6.6", "203.0.113.9", **fields))[1] == "203.0.113.9"
    assert (await ask("for=203.0.113.9", header="forwarded", **fields))[1] == "10.0.0.1"
    app = Recording()
    guarded = ClientMiddleware(app, ClientConfig(header="forwarded", **fields))
    await call(guarded, headers=[("forwarded", "for=203.0.113.9")], client=PROXY)
    assert app.seen[1] == "203.0.113.9"


async def test_the_port_of_an_address_that_did_not_change_is_kept() -> None:
    assert await ask(trusted_proxies=["10.0.0.0/8"]) == (PROXY, "10.0.0.1")


async def test_N33_N35_what_is_not_believed_is_reported(events: EventRecorder) -> None:
    await ask("6.6.6.6, unknown", trusted_proxies=["10.0.0.0/8"], events=events)
    await ask("6.6.6.6", trusted_hops=2, events=events)
    assert events.names == ["client_header_rejected"] * 2
    assert [event.facts for event in events.events] == [
        {"header": "x-forwarded-for", "reason": "no_address"},
        {"header": "x-forwarded-for", "reason": "too_few_entries"},
    ]


@pytest.mark.parametrize("client", [None, ("", 0)])
async def test_N38_a_socket_file(client: Any) -> None:
    assert await ask("203.0.113.9", client=client) == (client, None)
    assert await ask("203.0.113.9", client=client, trusted_hops=1) == (client, None)
    seen = await ask("203.0.113.9", client=client, trusted_proxies=["unix"])
    assert seen == (("203.0.113.9", 0), "203.0.113.9")


async def test_a_websocket_is_told_the_same() -> None:
    app = Recording()
    guarded = ClientMiddleware(app, trusted_proxies=["10.0.0.0/8"])
    await connect_websocket(guarded, headers=[("x-forwarded-for", "203.0.113.9")], client=PROXY)
    assert app.seen == (("203.0.113.9", 0), "203.0.113.9")


async def test_the_servers_own_scope_is_left_alone() -> None:
    scopes: list[Scope] = []

    async def server(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await ClientMiddleware(Recording(), trusted_proxies=["10.0.0.1"])(scope, receive, send)

    await call(server, headers=[("x-forwarded-for", "203.0.113.9")], client=PROXY)
    assert scopes[0]["client"] == PROXY


def test_N39_a_bad_field_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="dangerously_trust_all_proxies"):
        ClientMiddleware(Recording(), trusted_proxies=["*"])
    with pytest.raises(TypeError, match="trusted_hops"):
        ClientMiddleware(Recording(), trusted_hop=1)
