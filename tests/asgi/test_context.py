from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from asgi_security import SecurityContext, current
from asgi_security.asgi.pipeline import Pipeline
from asgi_security.testing import call

if TYPE_CHECKING:
    from asgi_security.asgi.types import Receive, Scope, Send


def test_CORS60_a_nonce_is_made_when_first_read_and_stays() -> None:
    context = SecurityContext()
    before: object = context.nonce_if_read
    nonce = context.csp_nonce
    assert before is None
    assert len(base64.b64decode(nonce, validate=True)) * 8 >= 128
    assert context.csp_nonce == nonce == context.nonce_if_read
    assert SecurityContext().csp_nonce != nonce


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("X-A", "a\r\nSet-Cookie: b=c", id="CORS69 line break in the value"),
        pytest.param("X-A", "a\nb", id="CORS69 lone LF"),
        pytest.param("X-A", "a\0", id="CORS95 NUL"),
        pytest.param("X-A", "a\x7f", id="CORS95 DEL"),
        pytest.param("X-A", "\u20ac", id="CORS95 beyond latin-1"),
        pytest.param("X-A", " a", id="CORS95 blank at an end"),
        pytest.param("X A", "a", id="CORS95 no token"),
        pytest.param("X-A\r\n", "a", id="CORS69 line break in the name"),
        pytest.param("", "a", id="CORS95 no name"),
    ],
)
def test_an_override_that_no_server_could_send_raises_at_the_call(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"header|field name"):
        SecurityContext().override_header(name, value)


def test_CORS69_overrides_are_kept_by_lower_case_name() -> None:
    context = SecurityContext()
    context.override_header("X-Frame-Options", "SAMEORIGIN")
    context.override_header("x-frame-options", None)
    context.override_header("Referrer-Policy", "caf\xe9")
    assert context.overrides == {b"x-frame-options": None, b"referrer-policy": b"caf\xe9"}


@pytest.mark.anyio
async def test_the_context_is_at_hand_anywhere_below_and_nowhere_else() -> None:
    found: list[SecurityContext] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found.append(current())
        assert scope["asgi_security"] is current()
        await send({"type": "http.response.start", "status": 204, "headers": []})

    await call(Pipeline(Pipeline(app, []), []))
    assert len(found) == 1
    with pytest.raises(RuntimeError, match="wrap the app"):
        current()
