from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.asgi.cookies import find_cookies, make_private, parse_cookies

NAME = b"__Host-session"


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"\xa0" + NAME + b"=v", id="C5 NBSP before"),
        pytest.param(b"\x85" + NAME + b"=v", id="C5 NEL before"),
        pytest.param(b"\x1c" + NAME + b"=v", id="C5 FS before"),
        pytest.param(b"\x0b" + NAME + b"=v", id="C5 VT before"),
        pytest.param(b"\r\n" + NAME + b"=v", id="C5 CRLF before"),
        pytest.param(NAME + b"\xa0=v", id="C5 NBSP after"),
        pytest.param("\u2000".encode() + NAME + b"=v", id="C5 U+2000 before"),
        pytest.param(NAME.lower() + b"=v", id="another case is another name"),
        pytest.param(b"x" + NAME + b"=v", id="a longer name"),
        pytest.param(b"=" + NAME + b"=v", id="a nameless cookie whose value looks like a pair"),
        pytest.param(NAME, id="no equals sign"),
        pytest.param(b"other=" + NAME, id="the name as a value"),
        pytest.param(b"", id="empty"),
        pytest.param(b";;;", id="separators alone"),
    ],
)
def test_what_is_not_the_cookie(line: bytes) -> None:
    assert find_cookies([line], NAME) == ()


@pytest.mark.parametrize(
    ("lines", "values"),
    [
        pytest.param([b"__Host-session=v"], (b"v",), id="alone"),
        pytest.param([b"a=1;\t __Host-session \t=  v \t; b=2"], (b"v",), id="SP and HTAB trimmed"),
        pytest.param([b"__Host-session=v=w=="], (b"v=w==",), id="split at the first equals"),
        pytest.param([b'__Host-session="v"'], (b'"v"',), id="quotes belong to the value"),
        pytest.param(
            [b"__Host-session=good; \xa0__Host-session=evil"], (b"good",), id="C5 good beside evil"
        ),
        pytest.param([b"a=1", b"__Host-session=v", b"b=2"], (b"v",), id="C7 several lines"),
        pytest.param(
            [b"__Host-session=1", b"x=0; __Host-session=2"], (b"1", b"2"), id="C7 duplicates"
        ),
        pytest.param([b"__Host-session=1; __Host-session=1"], (b"1",), id="C6 the same twice"),
        pytest.param(
            [b"; ".join(b"__Host-session=%d" % n for n in range(100))],
            tuple(b"%d" % n for n in range(8)),
            id="C6 at most eight",
        ),
    ],
)
def test_what_is_the_cookie(lines: list[bytes], values: tuple[bytes, ...]) -> None:
    assert find_cookies(lines, NAME) == values


def reference(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    """Read the joined line octet by octet, as RFC 9113 and RFC 6265 describe it."""
    pairs = []
    name, value, has_equals = bytearray(), bytearray(), False
    for octet in b"; ".join(lines) + b";":
        if octet == 0x3B:
            if has_equals:
                pairs.append((bytes(name).strip(b" \t"), bytes(value).strip(b" \t")))
            name, value, has_equals = bytearray(), bytearray(), False
        elif octet == 0x3D and not has_equals:
            has_equals = True
        elif has_equals:
            value.append(octet)
        else:
            name.append(octet)
    return pairs


noise = st.lists(
    st.lists(
        st.sampled_from([b"a", b"=", b";", b" ", b"\t", b"\xa0", b"\x85", b"\x1c", b"b", b"\0"])
        | st.binary(max_size=3),
        max_size=30,
    ).map(b"".join),
    max_size=4,
)


@settings(max_examples=200, deadline=None)
@given(noise)
def test_C7_the_parser_agrees_with_a_reference(lines: list[bytes]) -> None:
    pairs = parse_cookies(lines)
    assert pairs == reference(lines)
    for name in (b"a", b"b", b"aa"):
        values = dict.fromkeys(value for key, value in pairs if key == name)
        assert find_cookies(lines, name) == tuple(values)[:8]


@pytest.mark.parametrize(
    ("given", "expected", "was_shared"),
    [
        pytest.param([], [b"private"], False, id="S22 nothing said"),
        pytest.param([b"max-age=60"], [b"max-age=60", b"private"], False, id="S22 kept beside"),
        *(
            pytest.param([said], [said], False, id=f"S22 {said.decode()} stays")
            for said in (b"private", b"No-Store", b"no-cache, max-age=0")
        ),
        pytest.param(
            [b"public, max-age=60"], [b"max-age=60, private"], True, id="S22 public overridden"
        ),
        pytest.param(
            [b"s-maxage=9", b"max-age=1, private"],
            [b"max-age=1, private"],
            True,
            id="S22 s-maxage overridden over two lines",
        ),
        pytest.param(
            [b'no-cache="set-cookie"'],
            [b'no-cache="set-cookie"', b"private"],
            False,
            id="S22 no-cache for one field only is not enough",
        ),
    ],
)
def test_make_private(given: list[bytes], expected: list[bytes], was_shared: bool) -> None:  # noqa: FBT001
    headers = [(b"x-app", b"1"), *((b"cache-control", value) for value in given)]
    assert make_private(headers) is was_shared
    assert headers == [(b"x-app", b"1"), *((b"cache-control", value) for value in expected)]
