"""Which methods and field names a CORS configuration may hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_security.policy.cors_names import (
    check_exposed_header,
    check_method,
    check_request_header,
    drop_safelisted,
    normalise_method,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgi_security.policy.origin_patterns import Fault


@pytest.mark.parametrize(
    ("check", "text", "said"),
    [
        pytest.param(check_method, "TRACE", "no browser", id="CORS91 TRACE"),
        pytest.param(check_method, "connect", "no browser", id="CORS91 CONNECT"),
        pytest.param(check_method, "Track", "no browser", id="CORS91 TRACK"),
        pytest.param(check_method, "a b", "not a method name", id="CORS91 no token"),
        pytest.param(check_method, "", "not a method name", id="CORS91 empty"),
        pytest.param(check_method, "patch", "did you mean 'PATCH'?", id="CORS91 patch"),
        pytest.param(check_method, "Patch", "do not upper-case", id="CORS91 Patch"),
        pytest.param(check_request_header, "Cookie", "allow_credentials", id="CORS92 Cookie"),
        pytest.param(check_request_header, "Sec-Foo", "no page", id="CORS92 Sec-"),
        pytest.param(check_request_header, "Proxy-X", "no page", id="CORS92 Proxy-"),
        pytest.param(check_request_header, "Origin", "no page", id="CORS92 Origin"),
        pytest.param(check_request_header, "Content-Length", "no page", id="CORS92 Content-Length"),
        pytest.param(
            check_request_header, "Access-Control-Allow-Origin", "protocol", id="CORS92 response"
        ),
        pytest.param(check_request_header, "x b", "not a field name", id="CORS92 no token"),
        pytest.param(check_request_header, "x\r\ny", "not a field name", id="CORS92 CR LF"),
        pytest.param(check_request_header, "", "not a field name", id="CORS92 empty"),
        pytest.param(check_exposed_header, "Set-Cookie", "no page", id="CORS93 Set-Cookie"),
        pytest.param(check_exposed_header, "Origin", "not a response header", id="CORS93 Origin"),
        pytest.param(check_exposed_header, "Cookie", "not a response header", id="CORS93 Cookie"),
        pytest.param(
            check_exposed_header, "Access-Control-Request-Method", "not a resp", id="CORS93 ACRM"
        ),
        pytest.param(check_exposed_header, "x\ny", "not a field name", id="CORS93 LF"),
    ],
)
def test_refused_names(check: Callable[[str], tuple[Fault, ...]], text: str, said: str) -> None:
    (fault,) = check(text)
    assert said in f"{fault.reason}; {fault.hint}"


def test_CORS91_92_93_good_names() -> None:
    for method in ("GET", "put", "PATCH", "PURGE", "getaway"):
        assert check_method(method) == ()
    for name in ("X-A", "Authorization", "content-type", "If-Match"):
        assert check_request_header(name) == ()
    for name in ("X-R", "ETag", "Location", "content-type"):
        assert check_exposed_header(name) == ()


@pytest.mark.parametrize(
    ("text", "sent"),
    [("get", "GET"), ("Delete", "DELETE"), ("options", "OPTIONS"), ("patch", "patch"), ("P", "P")],
)
def test_CORS91_methods_are_spelt_as_browsers_do(text: str, sent: str) -> None:
    assert normalise_method(text) == sent


def test_CORS93_safelisted_names_are_dropped() -> None:
    assert drop_safelisted(("X-B", "Cache-Control", "x-a", "X-A", "ETag", "pragma")) == [
        *("etag", "x-a", "x-b"),
    ]


@given(st.text(max_size=20))
def test_no_check_raises(text: str) -> None:
    for check in (check_method, check_request_header, check_exposed_header):
        assert len(check(text)) <= 1
