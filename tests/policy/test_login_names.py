"""Whose login a body attempts."""

from __future__ import annotations

import json
import unicodedata
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.policy.login_names import (
    BodyRefused,
    NameFound,
    NoName,
    check_body_length,
    check_body_type,
    normalise_login_name,
    parse_login_name,
)

FORM = b"application/x-www-form-urlencoded"
JSON = b"application/json"
AMBIGUOUS = BodyRefused(400, "AMBIGUOUS_LOGIN")


class TestNormalisation:
    @pytest.mark.parametrize(
        "spelling",
        [
            *["admin", "ADMIN", " admin\t", "\uff21\uff24\uff2d\uff29\uff2e"],
            *["\U0001d41admin", "\u00a0admin\u3000"],
            pytest.param("admin" + " " * 400, id="padded past the bound"),
        ],
    )
    def test_E26_all_spellings_are_one_name(self, spelling: str) -> None:
        assert normalise_login_name(spelling) == "admin"

    @pytest.mark.parametrize(
        "name",
        [
            pytest.param("", id="E25 missing"),
            pytest.param(" \t\n", id="E25 blank"),
            pytest.param("\u3000\u00a0", id="E25 blank beyond ASCII"),
            pytest.param("x" * 321, id="E25 too long"),
            pytest.param("\u00e9" * 321, id="E25 too long beyond ASCII"),
            pytest.param("\ufdfa" * 18, id="E26 grows past the bound"),
            pytest.param("adm\ud800in", id="G43 lone surrogate"),
        ],
    )
    def test_E25_names_that_nobody_can_have(self, name: str) -> None:
        assert normalise_login_name(name) is None

    def test_E26_the_bound_is_320_code_points(self) -> None:
        assert normalise_login_name("X" * 320) == "x" * 320
        assert normalise_login_name("\ufdfa" * 17) is not None

    def test_E26_a_name_of_one_code_point_is_stable_for_every_one(self) -> None:
        for code in range(0x110000):
            if 0x20 <= code < 0x7F:
                continue
            once = normalise_login_name(chr(code))
            if once is not None and once != chr(code):
                assert normalise_login_name(once) == once, hex(code)

    @settings(max_examples=300, deadline=None)
    @given(st.text(max_size=30))
    def test_E26_normalising_twice_is_normalising_once(self, name: str) -> None:
        once = normalise_login_name(name)
        if once is not None:
            assert normalise_login_name(once) == once
            assert once == unicodedata.normalize("NFKC", once)


class TestHeaders:
    @pytest.mark.parametrize(
        "types",
        [
            *[[], [FORM], [JSON], [b"text/plain"], [b""]],
            *[[FORM + b"; charset=UTF-8"], [JSON + b';charset="utf-8"'], [JSON + b"; x=y"]],
        ],
    )
    def test_G43_what_can_be_read_passes(self, types: list[bytes]) -> None:
        assert check_body_type(types) is None
        assert check_body_type(types, [b"identity"]) is None

    @pytest.mark.parametrize(
        ("types", "encodings"),
        [
            pytest.param([b"multipart/form-data; boundary=x"], [], id="G43 multipart"),
            pytest.param([b" Multipart/Mixed"], [], id="G43 multipart in another case"),
            pytest.param([FORM], [b"gzip"], id="G43 compressed"),
            pytest.param([FORM], [b"identity", b"br"], id="G43 compressed in a second line"),
            pytest.param([FORM + b"; charset=utf-7"], [], id="a charset that respells names"),
            pytest.param([JSON + b";a=b; Charset = utf-16"], [], id="in another case"),
            pytest.param([FORM, JSON], [], id="two types"),
        ],
    )
    def test_G43_what_cannot_is_refused(self, types: list[bytes], encodings: list[bytes]) -> None:
        assert check_body_type(types, encodings) == BodyRefused(415, "UNSUPPORTED_LOGIN_TYPE")

    @pytest.mark.parametrize(
        ("values", "fine"),
        [
            pytest.param([], True, id="G44 none"),
            pytest.param([b"16384"], True, id="G44 just fits"),
            pytest.param([b"16385"], False, id="G44 one too many"),
            pytest.param([b"9" * 5000], False, id="G44 absurd"),
            pytest.param([b"5", b"16385"], False, id="G44 a second line"),
            pytest.param([b"-1"], True, id="G44 negative is left to the reading"),
            pytest.param([b"\xb2"], True, id="G44 so is what is no digit"),
        ],
    )
    def test_length(self, values: list[bytes], *, fine: bool) -> None:
        refused = check_body_length(values, maximum_bytes=16384)
        assert refused == (None if fine else BodyRefused(413, "LOGIN_TOO_LARGE"))


class TestNames:
    @pytest.mark.parametrize("content_type", [FORM, JSON, b"", b"text/plain", FORM + b";a=b"])
    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(b"username=Bob&password=x", id="G43 form"),
            pytest.param(b"a&user%6eame=B%6fb", id="G43 escaped form"),
            pytest.param(b'{"username": "Bob", "password": "x"}', id="G43 JSON"),
            pytest.param(b' {"user\\u006eame": "B\\u006fb"}\n', id="G43 escaped JSON"),
            pytest.param('{"username": "Bob"}'.encode("utf-16"), id="JSON as json.loads takes it"),
            pytest.param(b'\xef\xbb\xbf{"username": "Bob"}', id="JSON behind a BOM"),
            pytest.param(b'{"username": "Bob", "n": ' + b"9" * 5000 + b"}", id="a long number"),
            pytest.param(b'{"username": "Bob", "n": [NaN, 1e999]}', id="odd numbers"),
            pytest.param(b'{"username": "Bob", "x": "a\tb"}', id="a control character"),
            pytest.param(b'{"x": {"username": "Eve"}, "username": "Bob"}', id="one nested"),
        ],
    )
    def test_found_whatever_the_body_claims_to_be(self, body: bytes, content_type: bytes) -> None:
        found = parse_login_name(body, field="username", content_type=content_type)
        assert found == NameFound("Bob")

    @pytest.mark.parametrize("content_type", [FORM, JSON, b""])
    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(b"", id="E25 empty body"),
            pytest.param(b"password=x", id="E25 no field"),
            pytest.param(b'{"password": "x"}', id="E25 no member"),
            *[
                pytest.param(f'{{"username": {value}}}'.encode(), id=f"E25 {value}")
                for value in ("null", "5", "true", '["Bob"]', '{"a": "Bob"}')
            ],
            pytest.param(b'["username", "Bob"]', id="G43 an array"),
            pytest.param(b'"username"', id="G43 a string"),
            pytest.param(b'{"username": "Bob"', id="G43 malformed JSON"),
            pytest.param(b"username=%ff%fe", id="G43 not UTF-8"),
            pytest.param(b'{"username": "B\xff"}', id="G43 not UTF-8 in JSON"),
            pytest.param(b"%75sername%3dBob", id="an escaped equals sign"),
        ],
    )
    def test_no_name(self, body: bytes, content_type: bytes) -> None:
        found = parse_login_name(body, field="username", content_type=content_type)
        assert found == NoName()

    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            pytest.param(b"username=a&username=b", FORM, id="G43 twice"),
            pytest.param(b"username=a&user%6eame=a", FORM, id="G43 twice, the same"),
            pytest.param(b'{"username": "a", "username": "b"}', JSON, id="G43 twice in JSON"),
            pytest.param(b'{"username": "a", "username": 5}', JSON, id="G43 twice, once no name"),
            pytest.param(b'{"username":"a","x":"&username=b&"}', FORM, id="JSON and form at once"),
            pytest.param(b'{"username":"a","x":"&username=b&"}', b"", id="announced as neither"),
            pytest.param(b"x=1;username=a", FORM, id="a semicolon that some take for '&'"),
            pytest.param(b"username=a;b", FORM, id="one inside the name"),
        ],
    )
    def test_a_body_of_two_readings_is_refused(self, body: bytes, content_type: bytes) -> None:
        found = parse_login_name(body, field="username", content_type=content_type)
        assert found == AMBIGUOUS

    def test_a_json_password_may_look_like_a_form(self) -> None:
        body = json.dumps({"username": "Bob", "password": "a&username=b;c"}).encode()
        for content_type in (JSON, b"application/vnd.api+json; charset=utf-8"):
            found = parse_login_name(body, field="username", content_type=content_type)
            assert found == NameFound("Bob")

    def test_a_form_with_a_semicolon_elsewhere_is_fine(self) -> None:
        body = b"username=Bob&password=a;b"
        assert parse_login_name(body, field="username", content_type=FORM) == NameFound("Bob")

    def test_nesting_past_the_parser_is_refused_and_not_let_through(self) -> None:
        body = b'{"username": "Bob", "x": ' + b"[" * 8000 + b"]" * 8000 + b"}"
        found = parse_login_name(body, field="username", content_type=JSON)
        # How deep the parser goes depends on the Python; past it, no name would be no count.
        assert found in (BodyRefused(400, "MALFORMED_LOGIN"), NameFound("Bob"))

    @settings(max_examples=200, deadline=None)
    @given(st.text(max_size=20))
    def test_every_name_survives_both_encodings(self, name: str) -> None:
        form = urlencode({"pass word": "x", "e mail": name}).encode()
        assert parse_login_name(form, field="e mail", content_type=FORM) == NameFound(name)
        body = json.dumps({"e mail": name}).encode()
        assert parse_login_name(body, field="e mail", content_type=JSON) == NameFound(name)

    @settings(max_examples=400, deadline=None)
    @given(
        st.binary(max_size=50) | st.text('{}":,username=&;%[]\\u0\ud800', max_size=50),
        st.sampled_from([FORM, JSON, b"", b"\xff;charset"]),
        st.sampled_from(["username", "u", "\ud800", "é"]),
    )
    def test_it_never_raises(self, body: Any, content_type: bytes, field: str) -> None:
        raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
        parse_login_name(raw, field=field, content_type=content_type)
        check_body_type([raw], [raw])
        check_body_length([raw], maximum_bytes=10)
