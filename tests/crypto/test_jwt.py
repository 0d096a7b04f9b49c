from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.crypto.algorithms import build_hmac_check
from asgi_security.crypto.jwt import (
    JWS_REASONS,
    RefusedJws,
    VerifiedJws,
    build_allow_list,
    peek_payload,
    sign_jws,
    verify_compact,
    verify_jws,
)
from asgi_security.crypto.keys import KeyRing
from asgi_security.crypto.verification import VerificationKey
from asgi_security.errors import ConfigError
from tests.token_samples import (
    OLD,
    OLDER,
    SECRET,
    b64,
    claims_of,
    mint,
    mint_with,
    private_key,
    public_jwk,
    public_pem,
    unb64,
)

RING = KeyRing.from_secrets(SECRET, [OLD, OLDER])
TOKEN = mint()
HEAD, BODY, SIGNATURE = TOKEN.split(".")


def verify(token: str | bytes, ring: KeyRing = RING, *algorithms: str) -> Any:
    return verify_jws(token, ring, algorithms=algorithms or ("HS256",))


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        pytest.param(SECRET, "current", id="J43 current secret"),
        pytest.param(OLD, "old", id="J43 old secret"),
        pytest.param(OLDER, "old", id="J43 the oldest secret"),
    ],
)
@pytest.mark.parametrize("as_bytes", [True, False])
def test_secrets(secret: bytes, key: str, as_bytes: bool) -> None:  # noqa: FBT001
    token = mint(secret=secret)
    verified = verify(token.encode() if as_bytes else token)
    assert isinstance(verified, VerifiedJws)
    assert json.loads(verified.payload) == claims_of()
    assert (verified.key, verified.key_id, verified.header) == (key, None, {"alg": "HS256"})
    assert verified.signed == token.rpartition(".")[0].encode()


def test_J45_an_unknown_signature_costs_one_mac_per_secret() -> None:
    calls: list[bytes] = []

    def counting(secret: bytes) -> VerificationKey:
        check = build_hmac_check("HS256", secret)

        def count(signed: bytes, signature: bytes) -> bool:
            calls.append(secret)
            return check(signed, signature)

        return VerificationKey({"HS256": count})

    ring = KeyRing(counting(secret) for secret in (SECRET, OLD, OLDER))
    assert verify(mint(secret=b"x" * 32), ring) == RefusedJws("bad_signature")
    assert calls == [SECRET, OLD, OLDER]


def with_header(header: dict[str, Any] | bytes) -> str:
    return mint(header=header)


def header(**members: Any) -> bytes:
    return json.dumps({name: value for name, value in members.items() if value != ...}).encode()


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        pytest.param(mint(header={"alg": name}), "algorithm_not_allowed", id=f"J47 alg {name}")
        for name in ("none", "None", "NONE", "HS512", "RS256", "hs256", "")
    ]
    + [
        pytest.param(f"{b64(header(alg='none'))}.{BODY}.", "algorithm_not_allowed", id="J47 none"),
        pytest.param(mint(header=header(typ="JWT")), "malformed", id="J47 alg missing"),
        pytest.param(mint(header={"alg": None}), "malformed", id="J47 alg null"),
        pytest.param(mint(header={"alg": ["HS256"]}), "malformed", id="J47 alg a list"),
        pytest.param(mint(header={"crit": ["exp"]}), "unsupported_extension", id="J50 crit"),
        pytest.param(mint(header={"crit": []}), "unsupported_extension", id="J50 crit empty"),
        pytest.param(mint(header={"crit": "exp"}), "unsupported_extension", id="J50 crit text"),
        pytest.param(mint(header={"crit": None}), "unsupported_extension", id="J50 crit null"),
        pytest.param(
            mint(header={"crit": ["b64"], "b64": False}), "unsupported_extension", id="J50 b64"
        ),
        pytest.param(
            mint(header={"b64": False}), "unsupported_extension", id="J50 b64 not in crit"
        ),
        pytest.param(mint(header={"kid": 1}), "malformed", id="kid is no string"),
        pytest.param(mint(header={"typ": []}), "malformed", id="typ is no string"),
        pytest.param(mint(header=b"[]"), "malformed", id="the header is no object"),
        pytest.param(mint(header=b'{"alg":"HS256","alg":"HS256"}'), "malformed", id="alg twice"),
        pytest.param("", "malformed", id="J51 empty"),
        pytest.param(HEAD, "malformed", id="J51 one segment"),
        pytest.param(f"{HEAD}.{BODY}", "malformed", id="J51 two segments"),
        pytest.param(f"{TOKEN}.", "malformed", id="J51 four segments"),
        pytest.param(f"{TOKEN}.a.b", "malformed", id="J51 five segments"),
        pytest.param("..", "malformed", id="J51 three empty segments"),
        pytest.param("...", "malformed", id="J51 four empty segments"),
        pytest.param(f"{TOKEN}=", "bad_signature", id="J51 padded"),
        pytest.param(f"{TOKEN} ", "bad_signature", id="J51 a space behind"),
        pytest.param(f" {TOKEN}", "malformed", id="J51 a space in front"),
        pytest.param(f"{HEAD} .{BODY}.{SIGNATURE}", "malformed", id="J51 a space in the header"),
        pytest.param(f"{TOKEN}\u00e9", "malformed", id="J51 not ASCII"),
        pytest.param(f"{HEAD}.{BODY}.", "bad_signature", id="no signature"),
    ],
)
def test_refused(token: str, reason: str) -> None:
    assert verify(token) == RefusedJws(reason)  # type: ignore[arg-type]
    assert reason in JWS_REASONS


def resign(signed: str, secret: bytes = SECRET) -> str:
    return f"{signed}.{b64(hmac.digest(secret, signed.encode(), 'sha256'))}"


def last_bits(segment: str) -> str:
    """Return a second spelling of a base64url text whose last bits are unused."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return segment[:-1] + alphabet[alphabet.index(segment[-1]) + 1]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b64(b'{"a":12}') + "=", id="J51 padding in the payload"),
        pytest.param(last_bits(b64(b'{"a":1}')), id="J51 unused bits in the payload"),
        pytest.param("e30 ", id="J51 a space in the payload"),
        pytest.param("e30\n", id="J51 a newline in the payload"),
        pytest.param("e30A=", id="J51 a payload of no length"),
    ],
)
def test_a_payload_in_a_second_spelling_is_refused_though_signed(body: str) -> None:
    assert verify(resign(f"{HEAD}.{body}")) == RefusedJws("malformed")


def test_J51_unused_bits_in_header_and_signature() -> None:
    head = b64(b'{"alg":"HS256" }')  # 16 bytes: four unused bits
    assert isinstance(verify(resign(f"{head}.{BODY}")), VerifiedJws)
    assert verify(resign(f"{last_bits(head)}.{BODY}")) == RefusedJws("malformed")
    assert verify(f"{HEAD}.{BODY}.{last_bits(SIGNATURE)}") == RefusedJws("bad_signature")


def test_J49_keys_that_a_token_brings_along_are_not_looked_at() -> None:
    ring = KeyRing.from_keys(public_pem("EC"))
    foreign = public_jwk("Ed25519")
    extras: dict[str, Any] = {
        "jwk": foreign,
        "jku": "https://evil.test",
        "x5u": "https://evil.test",
        "x5c": ["AA"],
    }
    assert verify(mint_with("Ed25519", "EdDSA", **extras), ring, "ES256", "EdDSA") == RefusedJws(
        "unknown_key"
    )
    assert isinstance(verify(mint_with("EC", "ES256", **extras), ring, "ES256"), VerifiedJws)


def test_J46_a_key_id_picks_the_one_key() -> None:
    ring = KeyRing.from_jwks({"keys": [public_jwk("EC", kid="a"), public_jwk("RSA", kid="b")]})
    verified = verify(mint_with("EC", "ES256", kid="a"), ring, "ES256", "RS256")
    assert isinstance(verified, VerifiedJws)
    assert verified.key_id == "a"
    for key_id in ("b", "c", ""):
        token = mint_with("EC", "ES256", kid=key_id)
        assert verify(token, ring, "ES256", "RS256") == RefusedJws("unknown_key")


def test_J47_a_public_key_is_no_secret_for_a_token_that_says_so() -> None:
    ring = KeyRing.from_keys(public_pem("RSA"))
    token = mint(secret=public_pem("RSA"))
    assert verify(token, ring, "RS256") == RefusedJws("algorithm_not_allowed")
    assert verify(token, ring, "HS256") == RefusedJws("unknown_key")


@pytest.mark.parametrize("algorithms", [["HS256", "RS256"], ["none"], [], "HS256"])
def test_J48_a_bad_allow_list_raises(algorithms: Any) -> None:
    with pytest.raises(ConfigError):
        verify_jws(TOKEN, RING, algorithms=algorithms)


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_changed_token_is_refused(data: st.DataObject) -> None:
    token = TOKEN.encode()
    place = data.draw(st.integers(0, len(token)))
    cut = data.draw(st.integers(0, 3))
    changed = token[:place] + data.draw(st.binary(max_size=3)) + token[place + cut :]
    assert isinstance(verify(changed), VerifiedJws) == (changed == token)


TEXT = st.binary(max_size=60) | st.text(alphabet="eyJhbGciOiJIUzI1NiJ9.=-_ \n", max_size=60)


@given(
    token=TEXT
    | st.lists(st.binary(max_size=20), min_size=3, max_size=3).map(
        lambda parts: b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    )
)
@settings(max_examples=300, deadline=None)
def test_it_never_raises(token: str | bytes) -> None:
    assert isinstance(verify(token), RefusedJws)
    raw = token if isinstance(token, bytes) else token.encode()
    padded = verify_compact(raw, RING, frozenset({"HS256"}), accept_padding=True)
    assert isinstance(padded, RefusedJws)
    peek_payload(raw)


def pad(segment: str) -> str:
    return segment + "=" * (-len(segment) % 4)


class TestPadding:
    ALLOWED = build_allow_list(("HS256",))
    SHORT_HEAD = b64(b'{"alg":"HS256" }')

    def verify(self, token: str) -> Any:
        return verify_compact(token.encode(), RING, self.ALLOWED, accept_padding=True)

    def test_J51_tokens_of_the_load_balancer_sign_their_padding(self) -> None:
        plain = f"{self.SHORT_HEAD}.{BODY}"
        padded = f"{pad(self.SHORT_HEAD)}.{pad(BODY)}"
        assert padded != plain
        token = resign(padded)
        verified = self.verify(f"{padded}.{pad(token.rpartition('.')[2])}")
        assert isinstance(verified, VerifiedJws)
        assert verified.signed == plain.encode()  # one name, however it is spelt
        assert self.verify(resign(plain)).signed == plain.encode()

    def test_J51_only_right_padding_is_taken(self) -> None:
        assert isinstance(self.verify(f"{HEAD}.{BODY}.{pad(SIGNATURE)}"), VerifiedJws)
        for signature in (SIGNATURE + "==", SIGNATURE + "=====", SIGNATURE + "\n"):
            assert self.verify(f"{HEAD}.{BODY}.{signature}") == RefusedJws("bad_signature")
        assert self.verify(f"====.{BODY}.{SIGNATURE}") == RefusedJws("malformed")

    def test_J51_padding_that_was_not_signed_is_no_second_token(self) -> None:
        token = resign(f"{self.SHORT_HEAD}.{BODY}")
        head, body, signature = token.split(".")
        assert self.verify(f"{pad(head)}.{body}.{signature}") == RefusedJws("bad_signature")


def test_long_headers_are_read_and_not_remembered() -> None:
    token = mint(header={"x": "y" * 1000})
    assert isinstance(verify(token), VerifiedJws)


def test_what_is_read_is_shared_and_read_only() -> None:
    first, second = verify(TOKEN), verify(mint(claims_of(sub="other")))
    assert first.header is second.header
    with pytest.raises(TypeError):
        first.header["alg"] = "none"


def test_peeking() -> None:
    assert peek_payload(TOKEN.encode()) == claims_of()
    assert peek_payload(b"a.b") is None
    assert peek_payload(b"a.!.c") is None


def test_signing() -> None:
    token = sign_jws(b"x", SECRET, algorithm="HS256", header={"kid": "a"})
    assert json.loads(unb64(token.split(".")[0])) == {"alg": "HS256", "kid": "a"}
    assert verify(token).payload == b"x"
    signed = sign_jws(b"x", private_key("EC"), algorithm="ES256")
    assert verify(signed, KeyRing.from_keys(public_pem("EC")), "ES256").payload == b"x"
