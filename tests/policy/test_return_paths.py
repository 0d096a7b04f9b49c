"""Where a browser may be sent: one wrong answer is a phishing page behind a trusted login."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_security.policy.return_paths import parse_return_path, parse_return_target

APP = "https://app.example"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/", "/"),
        ("/a/b?c=d&e=/../#f", "/a/b?c=d&e=/../#f"),
        ("/a//b", "/a//b"),
        ("/%2F%5C", "/%2F%5C"),
        ("/straße?q=ü", "/stra%C3%9Fe?q=%C3%BC"),
        ("/\uff0fevil.example", "/%EF%BC%8Fevil.example"),
        ('/a"<b>{c}|`^', "/a%22%3Cb%3E%7Bc%7D%7C%60%5E"),
        ("/.well-known/x", "/.well-known/x"),
        ("/..a/b", "/..a/b"),
        ("/" + "x" * 2047, "/" + "x" * 2047),
    ],
)
def test_O101_F100_a_page_of_this_site(text: str, expected: str) -> None:
    assert parse_return_path(text) == expected
    assert parse_return_target(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("//evil.example", id="O101 F100 two slashes"),
        pytest.param("////evil.example", id="P48 four slashes"),
        pytest.param("/\\evil.example", id="O101 F100 slash backslash"),
        pytest.param("\\/evil.example", id="F100 backslash slash"),
        pytest.param("/x\\..\\y", id="F100 backslash further on"),
        pytest.param("https:evil.example", id="O101 F100 scheme without slashes"),
        pytest.param("https:/evil.example", id="P48 scheme and one slash"),
        pytest.param("https://evil.example", id="F100 absolute"),
        pytest.param("javascript:alert(1)", id="P48 script"),
        pytest.param(" /x", id="F100 leading blank"),
        pytest.param("\t/x", id="F100 leading tab"),
        pytest.param("/\t/evil.example", id="F100 inner tab"),
        pytest.param("/x\r\nset-cookie: a", id="O101 F100 CR LF"),
        pytest.param("/x\n", id="F100 LF at the end"),
        pytest.param("/x\0", id="F100 NUL"),
        pytest.param("/x\x7f", id="F100 DEL"),
        pytest.param("/x y", id="F100 blank"),
        pytest.param("/" + "x" * 2048, id="F100 above 2 KiB"),
        pytest.param("/" + "ß" * 500, id="F100 above 2 KiB when escaped"),
        pytest.param("/..//evil.example", id="F100 dot segments"),
        pytest.param("/a/%2e%2E/b", id="F100 escaped dot segments"),
        pytest.param("/.", id="F100 dot at the end"),
        pytest.param("/\udc80", id="F100 lone surrogate"),
        pytest.param("x", id="F100 relative"),
        pytest.param("?x", id="F100 query only"),
        pytest.param("", id="F100 empty"),
        pytest.param(None, id="F100 nothing"),
        pytest.param(b"/x", id="F100 bytes"),
    ],
)
def test_O101_F100_nowhere(text: object) -> None:
    assert parse_return_path(text) is None
    assert parse_return_target(text) is None


@given(st.text(alphabet="/\\.:%2eE@?#\t\n https evil", max_size=24))
def test_a_path_never_leaves_the_origin(text: str) -> None:
    path = parse_return_path(text)
    if path is None:
        return
    landed = urlsplit(urljoin(f"{APP}/oauth/callback", path))
    assert (landed.scheme, landed.netloc) == ("https", "app.example")
    assert path.isascii()
    assert path.isprintable()
    assert parse_return_path(path) == path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (APP, f"{APP}/"),
        (f"{APP}/x?y#z", f"{APP}/x?y#z"),
        (f"{APP}?y", f"{APP}/?y"),
        (f"{APP}/ß", f"{APP}/%C3%9F"),
    ],
)
def test_P48_an_allowed_origin(text: str, expected: str) -> None:
    assert parse_return_target(text, origins={APP}) == expected


@pytest.mark.parametrize(
    "text",
    [
        "http://app.example/",
        "https://APP.example/",
        "https://app.example:443/",
        "https://app.example:8443/",
        "https://app.example.evil/",
        "https://app.example@evil.example/",
        "https://evil.example/https://app.example/",
        "https://app.example\\.evil.example/",
        "https://app.example/\r\nx",
        "https://app.example//x",
        "https://app.example/../x",
        "https:app.example/",
        "//app.example/",
        f"{APP}/" + "x" * 2048,
    ],
)
def test_P48_exact_origins_only(text: str) -> None:
    assert parse_return_target(text, origins={APP}) is None


def test_P48_what_is_no_origin_is_not_allowed_by_being_listed() -> None:
    assert parse_return_target("https://a@b/", origins={"https://a@b"}) is None
    assert parse_return_target("x://\udc80/", origins={"x://\udc80"}) is None
