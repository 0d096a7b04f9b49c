from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_security.asgi.headers import (
    add_vary,
    get_values,
    parse_list,
    remove_headers,
    set_header,
)

if TYPE_CHECKING:
    from asgi_security.asgi.types import HeaderList


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param([], [b"Origin"], id="none yet"),
        pytest.param(
            [b"Accept-Encoding, origin"], [b"Accept-Encoding, origin"], id="CORS10 has it"
        ),
        pytest.param([b"*"], [b"*"], id="CORS10 star"),
        pytest.param([b"A", b"B,ORIGIN"], [b"A", b"B,ORIGIN"], id="CORS10 second line has it"),
        pytest.param([b"A", b"B"], [b"A", b"B", b"Origin"], id="CORS10 lines are kept"),
        pytest.param([b"X-Origin"], [b"X-Origin", b"Origin"], id="a part of a name is no name"),
    ],
)
def test_add_vary(before: list[bytes], after: list[bytes]) -> None:
    headers: HeaderList = [(b"x", b"1"), *((b"vary", value) for value in before)]
    add_vary(headers, [b"Origin"])
    assert get_values(headers, b"vary") == after
    assert headers[0] == (b"x", b"1")


def test_add_vary_writes_only_what_is_missing() -> None:
    headers: HeaderList = [(b"vary", b"cookie")]
    add_vary(headers, [b"Cookie", b"Origin", b"Accept"])
    assert get_values(headers, b"vary") == [b"cookie", b"Origin, Accept"]


def test_removing_and_setting_keeps_all_else() -> None:
    headers: HeaderList = [(b"set-cookie", b"1"), (b"a", b"1"), (b"set-cookie", b"2"), (b"a", b"2")]
    set_header(headers, b"a", b"3")
    assert headers == [(b"set-cookie", b"1"), (b"set-cookie", b"2"), (b"a", b"3")]
    remove_headers(headers, {b"set-cookie"})
    assert headers == [(b"a", b"3")]


@given(st.lists(st.binary(max_size=20), max_size=4))
def test_a_list_never_raises_and_holds_only_members(values: list[bytes]) -> None:
    members = parse_list(values)
    assert all(member and b"," not in member for member in members)
    assert all(member == member.strip(b" \t").lower() for member in members)
