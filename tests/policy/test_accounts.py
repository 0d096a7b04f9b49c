"""Which names may become accounts, and what mailed links look like."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_security.errors import ConfigError
from asgi_security.policy.accounts import (
    AccountConfig,
    collect_context,
    is_mail_address,
    parse_account_name,
)

SITE = "https://app.acme.example"


def make(**fields: Any) -> AccountConfig:
    return AccountConfig(**{"site_url": SITE, **fields})


class TestConfig:
    def test_defaults(self) -> None:
        config = make()
        assert config.reset_lifetime_seconds == 3600
        assert config.verification_lifetime_seconds == 24 * 3600
        assert config.site_host == "app.acme.example"
        assert config.new_roles == ()

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            pytest.param({"site_url": "app.example.com"}, "site_url", id="P51 no scheme"),
            pytest.param({"site_url": "https://"}, "site_url", id="P51 no host"),
            pytest.param({"site_url": None}, "site_url", id="P51 none"),
            pytest.param({"site_url": "https://a b"}, "site_url", id="P51 space"),
            pytest.param({"site_url": "https://a\nb"}, "site_url", id="P51 newline"),
            pytest.param({"site_url": "https://[::1"}, "site_url", id="P51 broken host"),
            pytest.param({"site_url": "https://a:x"}, "site_url", id="P51 broken port"),
            pytest.param({"site_url": "https://é.example"}, "site_url", id="P51 not ASCII"),
            pytest.param({"site_url": "javascript://a/"}, "site_url", id="P51 scheme"),
            pytest.param({"site_url": "http://app.example.com"}, "site_url", id="P51 clear text"),
            pytest.param({"site_url": f"{SITE}?a=1"}, "site_url", id="P51 query"),
            pytest.param({"site_url": f"{SITE}#a"}, "site_url", id="P51 fragment"),
            pytest.param({"site_url": "https://u:p@a.example"}, "site_url", id="P51 user"),
            pytest.param({"verify_path": "verify"}, "verify_path", id="P51 no path"),
            pytest.param({"reset_path": "//evil.example"}, "reset_path", id="P51 another host"),
            pytest.param({"reset_path": "/a?b"}, "reset_path", id="P51 path with query"),
            pytest.param({"reset_path": "/a\n"}, "reset_path", id="P51 path with newline"),
            pytest.param({"reset_path": 1}, "reset_path", id="P51 path of no text"),
            ({"token_in": "header"}, "token_in"),
            ({"names": "phone"}, "names"),
            ({"verification_lifetime_seconds": 31 * 86400}, "verification_lifetime_seconds"),
            ({"reset_lifetime_seconds": 86401}, "reset_lifetime_seconds"),
            ({"reset_lifetime_seconds": 0}, "reset_lifetime_seconds"),
            ({"longest_token_seconds": 401 * 86400}, "longest_token_seconds"),
            ({"store_timeout_seconds": 0}, "store_timeout_seconds"),
            ({"dangerously_verify_at_once": 1}, "dangerously_verify_at_once"),
            ({"new_roles": "user"}, "new_roles"),
            ({"new_roles": [""]}, "new_roles"),
            ({"new_roles": [1]}, "new_roles"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, fields: dict[str, Any], field: str) -> None:
        with pytest.raises(ConfigError) as raised:
            make(**fields)
        assert [problem.field for problem in raised.value.problems] == [field]

    def test_all_problems_come_at_once(self) -> None:
        with pytest.raises(ConfigError) as raised:
            make(site_url="", reset_path="", names="", new_roles=None)
        assert len(raised.value.problems) == 4

    @pytest.mark.parametrize("url", ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:8"])
    def test_P51_clear_text_is_fine_on_this_machine(self, url: str) -> None:
        assert make(site_url=url).build_link("/x", "t") == f"{url}/x?token=t"

    def test_lists_become_tuples(self) -> None:
        assert make(new_roles=["user"]).new_roles == ("user",)

    def test_P51_links_begin_with_the_configured_site(self) -> None:
        assert make(site_url=f"{SITE}/shop/").build_link("/reset", "abc") == (
            f"{SITE}/shop/reset?token=abc"
        )
        assert make(token_in="fragment").build_link("/reset", "abc") == f"{SITE}/reset#token=abc"


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("ann@example.com", True),
        ("ann.o'brien@example.com".replace("'", "-"), True),
        ("ann+tag@mail.example.co.uk", True),
        ("jürgen@bücher.example", True),
        (f"{'a' * 64}@example.com", True),
        pytest.param(f"{'a' * 65}@example.com", False, id="RFC 5321 local part of 65"),
        pytest.param(f"a@{'b' * 252}.com", False, id="RFC 5321 domain of 256"),
        ("ann", False),
        ("@example.com", False),
        ("ann@", False),
        ("ann@localhost", False),
        ("ann@.com", False),
        ("ann@example.", False),
        ("ann@example..com", False),
        ("a@b@example.com", False),
        pytest.param("ann@example.com,eve@example.net", False, id="two recipients"),
        pytest.param("ann@example.com\nbcc:eve@example.net", False, id="a mail header"),
        pytest.param("ann @example.com", False, id="space"),
        pytest.param('"a"@example.com', False, id="quotes"),
        pytest.param("<ann@example.com>", False, id="angle brackets"),
        pytest.param("a`id`@example.com", False, id="backticks"),
    ],
)
def test_mail_addresses(name: str, *, is_one: bool) -> None:
    assert is_mail_address(name) is is_one


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        pytest.param(" ANN@Example.COM ", "ann@example.com", id="E26 one form"),
        pytest.param("", None, id="E25 empty"),
        pytest.param("a@" + "b" * 400 + ".com", None, id="E25 too long"),
        pytest.param("a\0@example.com", None, id="NUL"),
        pytest.param("a\u202e@example.com", None, id="text direction"),
        pytest.param("ann", None, id="no address"),
    ],
)
def test_names_of_accounts(typed: str, name: str | None) -> None:
    assert parse_account_name(typed, make()) == name


def test_any_printable_name_where_names_are_no_addresses() -> None:
    config = make(names="any")
    assert parse_account_name("Ann", config) == "ann"
    assert parse_account_name("a\nb", config) is None


@given(st.text())
def test_a_name_is_printable_bounded_and_stays_the_same(typed: str) -> None:
    for config in (make(), make(names="any")):
        name = parse_account_name(typed, config)
        if name is not None:
            assert name.isprintable()
            assert len(name) <= 320
            assert parse_account_name(name, config) == name


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"{}", ()),
        (b"not json", ()),
        (b'{"name": "Ann Smith", "theme": "dark"}', ("Ann Smith",)),
        (b'{"given_name": "Ann", "family_name": 3, "nickname": null}', ("Ann",)),
    ],
)
def test_P70_what_is_known_of_an_owner(data: bytes, words: tuple[str, ...]) -> None:
    context = collect_context("ann@example.com", data, make())
    assert context == ("ann@example.com", "app.acme.example", *words)
