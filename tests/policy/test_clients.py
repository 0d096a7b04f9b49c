"""Whose address counts behind proxies."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.errors import ConfigError
from asgi_security.policy.clients import (
    ClientConfig,
    ClientFound,
    ClientPolicy,
    compute_client_key,
    parse_address,
    parse_forwarded,
    parse_forwarded_for,
    parse_node,
)

PROXY = "10.0.0.1"


def decide(
    *values: str, peer: str | None = PROXY, proxies: Any = ("10.0.0.0/8",), **fields: Any
) -> tuple[str | None, str | None]:
    policy = ClientPolicy(ClientConfig(trusted_proxies=proxies, **fields))
    found = policy.decide(peer, [value.encode("latin-1") for value in values])
    return found.address, found.rejected


class TestTrust:
    def test_N31_without_a_trusted_proxy_no_header_is_read(self) -> None:
        policy = ClientPolicy(ClientConfig())
        assert policy.header is None
        assert policy.decide("192.0.2.9", [b"6.6.6.6"]) == ClientFound("192.0.2.9")

    def test_N31_a_peer_that_is_no_proxy_is_not_believed(self) -> None:
        assert decide("6.6.6.6", peer="192.0.2.9") == ("192.0.2.9", None)
        assert decide("6.6.6.6", peer="192.0.2.9", trusted_hops=1) == ("192.0.2.9", None)

    def test_a_trusted_proxy_without_the_header_is_itself_the_client(self) -> None:
        assert decide() == (PROXY, None)

    @pytest.mark.parametrize(
        ("values", "client"),
        [
            pytest.param(["6.6.6.6, 203.0.113.9"], "203.0.113.9", id="N32 first untrusted"),
            pytest.param(["6.6.6.6, 203.0.113.9, 10.9.9.9"], "203.0.113.9", id="N32 two proxies"),
            pytest.param(["10.1.1.1, 10.2.2.2"], "10.1.1.1", id="N32 all trusted: leftmost"),
            pytest.param(["6.6.6.6", "203.0.113.9"], "203.0.113.9", id="N34 lines in order"),
            pytest.param(["203.0.113.9", "10.2.2.2"], "203.0.113.9", id="N34 across lines"),
            pytest.param(["203.0.113.9:4711"], "203.0.113.9", id="N36 port"),
            pytest.param(["[2001:db8::1]:4711"], "2001:db8::1", id="N36 brackets and port"),
            pytest.param(["[2001:db8::1]"], "2001:db8::1", id="N36 brackets"),
            pytest.param(["2001:DB8:0::1"], "2001:db8::1", id="N36 bare, in its one spelling"),
            pytest.param(["fe80::1%eth0"], "fe80::1", id="N36 zone"),
            pytest.param(["::ffff:203.0.113.9"], "203.0.113.9", id="N37 mapped"),
            pytest.param(["203.0.113.9,::ffff:10.2.2.2"], "203.0.113.9", id="N37 mapped proxy"),
            pytest.param([" \t203.0.113.9\t"], "203.0.113.9", id="blanks around"),
        ],
    )
    def test_client_is_found(self, values: list[str], client: str) -> None:
        assert decide(*values) == (client, None)

    @pytest.mark.parametrize(
        ("hops", "values", "expected"),
        [
            pytest.param(1, ["6.6.6.6, 203.0.113.9"], ("203.0.113.9", None), id="N33 first"),
            pytest.param(2, ["6.6.6.6, 203.0.113.9"], ("6.6.6.6", None), id="N33 second"),
            pytest.param(3, ["6.6.6.6, 1.1.1.1"], (PROXY, "too_few_entries"), id="N33 fewer"),
            pytest.param(2, ["6.6.6.6, x, 1.1.1.1"], ("1.1.1.1", "no_address"), id="N35 with hops"),
        ],
    )
    def test_hops(self, hops: int, values: list[str], expected: tuple[str, str | None]) -> None:
        assert decide(*values, proxies=(), trusted_hops=hops) == expected
        assert decide(*values, trusted_hops=hops) == expected

    @pytest.mark.parametrize(
        ("values", "reason"),
        [
            pytest.param(["1.1.1.1," * 32 + "1.1.1.1"], "too_many_entries", id="N34 33 entries"),
            pytest.param([" " * 4097], "too_long", id="N34 more than 4 KiB"),
            pytest.param([" " * 2049, " " * 2048], "too_long", id="N34 in two lines"),
        ],
    )
    def test_a_flood_is_not_believed(self, values: list[str], reason: str) -> None:
        assert decide(*values) == (PROXY, reason)

    def test_N34_32_entries_of_4_KiB_are_believed(self) -> None:
        value = "1.1.1.1," * 31 + "203.0.113.9"
        assert decide(value + " " * (4096 - len(value))) == ("203.0.113.9", None)

    @pytest.mark.parametrize(
        "entry",
        [
            *["unknown", "_hidden", "example.com", "", "1.2.3.04", "0x7f.1", "1.2.3", "2130706433"],
            *["1.2.3.4:", "1.2.3.4:x", "1.2.3.4:999999", "[1.2.3.4]", "[::1", "::1]", "[::1]x"],
            *["1.2.3.4%eth0", '"1.2.3.4"', "1.2.3.4 5", "\xb9.2.3.4", "1" * 200, "::1::"],
        ],
    )
    def test_N35_what_is_no_address_is_never_stepped_past(self, entry: str) -> None:
        assert decide(f"6.6.6.6, {entry}") == (PROXY, "no_address")
        assert decide(f"6.6.6.6, {entry}, 10.2.2.2") == ("10.2.2.2", "no_address")

    @pytest.mark.parametrize("peer", [None, ""])
    def test_N38_a_socket_file_is_trusted_only_if_it_is_listed(self, peer: str | None) -> None:
        assert decide("203.0.113.9", peer=peer) == (None, None)
        assert decide("203.0.113.9", peer=peer, proxies=(), trusted_hops=1) == (None, None)
        assert decide("203.0.113.9", peer=peer, proxies=["unix"]) == ("203.0.113.9", None)
        assert decide("x", peer=peer, proxies=["unix"]) == (None, "no_address")
        assert decide("1.1.1.1", peer=PROXY, proxies=["unix"]) == (PROXY, None)

    def test_N38_a_client_that_is_no_address_is_its_literal(self) -> None:
        assert decide("6.6.6.6", peer="testclient") == ("testclient", None)
        assert ClientPolicy(ClientConfig()).decide("testclient") == ClientFound("testclient")

    def test_N39_the_dangerous_switch_believes_the_leftmost(self) -> None:
        fields: dict[str, Any] = {"proxies": (), "dangerously_trust_all_proxies": True}
        assert decide("6.6.6.6, 203.0.113.9", peer="192.0.2.9", **fields) == ("6.6.6.6", None)
        assert decide("6.6.6.6", peer=None, **fields) == ("6.6.6.6", None)

    def test_a_mapped_peer_is_the_proxy_it_maps(self) -> None:
        assert decide("203.0.113.9", peer="::ffff:10.0.0.1") == ("203.0.113.9", None)

    def test_peers_are_remembered_within_a_bound(self) -> None:
        policy = ClientPolicy(ClientConfig(trusted_proxies=["10.0.0.0/8"]))
        for number in range(1025):
            peer = f"10.0.{number // 256}.{number % 256}"
            for _ in range(2):
                assert policy.decide(peer, [b"203.0.113.9"]).address == "203.0.113.9"
        assert len(policy._peers) <= 1024


class TestForwarded:
    @pytest.mark.parametrize(
        ("value", "client"),
        [
            pytest.param('for="[2001:db8::1]:4711"', "2001:db8::1", id="N34 quoted IPv6"),
            pytest.param("for=203.0.113.9;proto=https;by=10.0.0.1", "203.0.113.9", id="N34 pairs"),
            pytest.param("For=6.6.6.6 , FOR=203.0.113.9", "203.0.113.9", id="N34 any case"),
            pytest.param('for="203.0.113.9:_x"', "203.0.113.9", id="N36 hidden port"),
            pytest.param("proto=http; for=203.0.113.9", "203.0.113.9", id="N34 for last"),
            pytest.param('for="\\203.0.113.9"', "203.0.113.9", id="N34 escaped"),
            pytest.param("for=203.0.113.9,for=10.2.2.2", "203.0.113.9", id="N32 in Forwarded"),
        ],
    )
    def test_client_is_found(self, value: str, client: str) -> None:
        assert decide(value, header="forwarded") == (client, None)

    @pytest.mark.parametrize(
        "value",
        [
            *["for=unknown", "for=_hidden", "proto=https", "", "for", "for=", "=1.1.1.1"],
            *["for=1.1.1.1;for=2.2.2.2", "for=1.1.1.1;", "for=1.1.1.1,", "for =1.1.1.1"],
            *["for=1.1.1.1 x", 'for="1.1.1.1', 'for="', 'for="1.1.1.1"x'],
            pytest.param('for=1.1.1.1;x=", for="[2001:db8::1]:4711"', id="a client's open quote"),
            pytest.param('for=1.1.1.1;x="\\, for="[2001:db8::1]:4711"', id="and with an escape"),
        ],
    )
    def test_N35_what_is_malformed_is_not_repaired(self, value: str) -> None:
        assert decide(value, header="forwarded") == (PROXY, "no_address")

    def test_a_line_with_an_open_quote_spoils_only_itself(self) -> None:
        assert decide('for="', "for=203.0.113.9", header="forwarded") == ("203.0.113.9", None)

    def test_N34_only_the_configured_header_counts(self) -> None:
        assert ClientPolicy(ClientConfig(trusted_proxies=[PROXY])).header == b"x-forwarded-for"
        config = ClientConfig(trusted_proxies=[PROXY], header="forwarded")
        assert ClientPolicy(config).header == b"forwarded"


class TestParsers:
    @settings(max_examples=300, deadline=None)
    @given(st.binary(max_size=60) | st.text('for=";,\\[]: 1.a%_', max_size=40).map(str.encode))
    def test_they_never_raise(self, value: bytes) -> None:
        for header in ("forwarded", "x-forwarded-for"):
            config = ClientConfig(trusted_proxies=["10.0.0.0/8"], header=header)
            found = ClientPolicy(config).decide(PROXY, [value])
            assert found.address is not None
            ipaddress.ip_address(found.address)
        assert parse_forwarded(value)
        assert parse_forwarded_for(value)
        compute_client_key(value.decode("latin-1"))

    @settings(max_examples=100, deadline=None)
    @given(st.ip_addresses(v=4) | st.ip_addresses(v=6), st.integers(0, 65535))
    def test_every_address_is_read_with_and_without_a_port(self, address: Any, port: int) -> None:
        expected = parse_address(str(address))
        assert expected is not None
        literal = f"[{address}]" if address.version == 6 else str(address)
        assert parse_node(f"{literal}:{port}") == parse_node(literal) == expected
        assert parse_forwarded(f'for="{literal}:{port}"'.encode()) == (f"{literal}:{port}",)

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.ip_addresses(v=4).map(str), max_size=5), st.ip_addresses(v=4).map(str))
    def test_what_stands_left_of_an_untrusted_entry_changes_nothing(
        self, left: list[str], client: str
    ) -> None:
        entries = ", ".join([*left, client])
        assert decide(entries, proxies=["10.255.255.255"])[0] == PROXY
        if not client.startswith("10."):
            assert decide(entries) == (client, None)


class TestKey:
    @pytest.mark.parametrize(
        ("client", "key"),
        [
            pytest.param("203.0.113.9", "203.0.113.9", id="N37 IPv4 stays"),
            pytest.param("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64", id="N37 IPv6 to its /64"),
            pytest.param("2001:db8:1:2:ffff::", "2001:db8:1:2::/64", id="N37 the same /64"),
            pytest.param("::ffff:1.2.3.4", "1.2.3.4", id="N37 mapped before the cut"),
            pytest.param("64:ff9b::1.2.3.4", "1.2.3.4", id="N37 translated before the cut"),
            pytest.param("64:ff9b:1::1", "64:ff9b:1::/64", id="N37 only the well-known prefix"),
            pytest.param("fe80::1%eth0", "fe80::/64", id="N36 zone dropped"),
            pytest.param("testclient", "testclient", id="N38 literal"),
        ],
    )
    def test_key(self, client: str, key: str) -> None:
        assert compute_client_key(client) == key


class TestConfig:
    @pytest.mark.parametrize(
        ("fields", "fault"),
        [
            pytest.param(
                {"trusted_proxies": [everyone]},
                "dangerously_trust_all_proxies",
                id=f"N39 {everyone}",
            )
            for everyone in ("*", "0.0.0.0/0", "::/0", "10.0.0.1/0")
        ]
        + [
            pytest.param({"trusted_proxies": ["10.0.0.1/8"]}, "'10.0.0.0/8'", id="N39 host bits"),
            pytest.param({"trusted_proxies": ["proxy.local"]}, "no address", id="N39 host name"),
            pytest.param({"trusted_proxies": [7]}, "no address", id="N39 number"),
            pytest.param({"trusted_proxies": PROXY}, r"\['10.0.0.1'\]", id="one string"),
            pytest.param({"trusted_hops": 0}, "trusted_hops", id="no hop"),
            pytest.param({"trusted_hops": 33}, "trusted_hops", id="more hops than entries"),
            pytest.param({"header": "forwarded-for"}, "x-forwarded-for", id="N34 unknown header"),
            pytest.param({"dangerously_trust_all_proxies": 1}, "True or False", id="no switch"),
            pytest.param(
                {"dangerously_trust_all_proxies": True, "trusted_hops": 1},
                "contradicts",
                id="N39 with hops",
            ),
        ],
    )
    def test_a_fault_is_explained(self, fields: dict[str, Any], fault: str) -> None:
        with pytest.raises(ConfigError, match=fault):
            ClientConfig(**fields)

    def test_lists_are_copied(self) -> None:
        proxies = ["10.0.0.0/8", "::1", "unix", "192.0.2.0/24"]
        config = ClientConfig(trusted_proxies=proxies)
        proxies.clear()
        assert config.trusted_proxies == ("10.0.0.0/8", "::1", "unix", "192.0.2.0/24")
