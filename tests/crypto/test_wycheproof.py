"""Runs Wycheproof's JWS and JWK vectors, which lie beside the checkout, through `verify_jws`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.crypto.algorithms import HMAC_ALGORITHMS, PUBLIC_KEY_ALGORITHMS
from asgi_security.crypto.jwt import VerifiedJws, verify_jws
from asgi_security.crypto.keys import KeyRing
from asgi_security.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parents[3] / "shared" / "vectors" / "wycheproof"
FILES = ("json_web_signature_test", "json_web_key_test", "json_web_crypto_test")

WRONG = {
    346: "a PS384 token under a key whose alg is PS256, against RFC 7517 4.4 and cases 332-340",
    350: "as 346, with key_ops",
    367: "labelled invalid for its padding, but the token has none and is the valid case 357",
    370: "labelled invalid for its padding, but the token has none and is the valid case 357",
    372: "labelled valid with a '?' inserted into the header, against RFC 4648 3.3",
    373: "labelled valid with a '?' appended to the payload, against RFC 4648 3.3",
}
"""Signature cases whose label is wrong: we expect the opposite."""


def load_cases() -> Iterator[Any]:
    for name in FILES:
        path = FOLDER / f"{name}.json"
        if not path.exists():
            reason = f"no vectors at {FOLDER}: copy them from C2SP/wycheproof testvectors_v1"
            if os.environ.get("CI"):
                raise FileNotFoundError(reason)
            # A newcomer's machine need not have the files, which are no part of this repository.
            yield pytest.param(None, None, False, marks=pytest.mark.skip(reason=reason), id=name)
            continue
        for group in json.loads(path.read_text())["testGroups"]:
            keys = group.get("public", group.get("private"))
            for test in group["tests"]:
                if not isinstance(test.get("jws"), str):
                    continue  # encryption, and JWS in its JSON form: neither is implemented
                wrong = name == "json_web_signature_test" and test["tcId"] in WRONG
                expected = (test["result"] == "valid") != wrong
                case = f"{name} {test['tcId']} {test['comment']}"
                yield pytest.param(keys, test["jws"], expected, id=case)


@pytest.mark.parametrize(("keys", "token", "expected"), list(load_cases()))
def test_wycheproof(keys: Any, token: str, expected: bool) -> None:  # noqa: FBT001
    try:
        ring = KeyRing.from_jwks(keys)
    except ConfigError:
        assert not expected, "a sound key was turned away"
        return
    family = HMAC_ALGORITHMS if ring.algorithms & HMAC_ALGORITHMS else PUBLIC_KEY_ALGORITHMS
    verified = isinstance(verify_jws(token, ring, algorithms=sorted(family)), VerifiedJws)
    assert verified == expected
