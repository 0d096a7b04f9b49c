from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_security.errors import ConfigError
from asgi_security.policy.csrf import CsrfConfig, CsrfPassed, CsrfPolicy, CsrfRefused

HOST = b"app.example.com"
OWN, PARTNER, EVIL = b"https://app.example.com", b"https://partner.test", b"https://evil.test"
POLICY = CsrfPolicy(CsrfConfig(trusted_origins=[PARTNER.decode()], exempt_paths=["/hook/"]))
ISOLATING = CsrfPolicy(CsrfConfig(trusted_origins=[PARTNER.decode()], isolate_resources=True))


def decide(
    policy: CsrfPolicy = POLICY,
    method: str | None = "POST",
    path: str = "/",
    scheme: str = "https",
    **headers: Any,
) -> str:
    lines: dict[bytes, list[bytes]] = {
        name.replace("_", "-").encode(): value if isinstance(value, list) else [value]
        for name, value in {"host": HOST, **headers}.items()
    }
    decision = policy.decide(lines, method=method, path=path, scheme=scheme)
    if isinstance(decision, CsrfRefused):
        return decision.rule
    assert isinstance(decision, CsrfPassed)
    return "varies" if decision.varies else "passed"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_CORS72_safe_methods_pass(method: str) -> None:
    assert decide(method=method, sec_fetch_site=b"cross-site", origin=EVIL) == "passed"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "post", "QUERY", None])
@pytest.mark.parametrize(
    ("site", "origin", "expected"),
    [
        pytest.param(b"same-origin", OWN, "passed", id="CORS72 same-origin"),
        pytest.param(b"none", None, "passed", id="CORS72 none"),
        pytest.param(b"cross-site", EVIL, "cross_site", id="CORS72 cross-site"),
        pytest.param(b"same-site", EVIL, "cross_site", id="CORS72 same-site"),
        pytest.param(b"cross-site", PARTNER, "passed", id="CORS72 trusted origin"),
        pytest.param(b"cross-site", None, "cross_site", id="CORS72 cross-site without origin"),
        pytest.param(b"Same-Origin", OWN, "fetch_site_unknown", id="CORS73 unknown value"),
        pytest.param(b"", OWN, "fetch_site_unknown", id="CORS73 empty value"),
        pytest.param(None, None, "passed", id="CORS73 no browser"),
        pytest.param(None, OWN, "passed", id="CORS73 own origin"),
        pytest.param(None, PARTNER, "passed", id="CORS73 trusted origin"),
        pytest.param(None, EVIL, "cross_origin", id="CORS73 foreign origin"),
        pytest.param(None, b"https://app.example.com:8443", "cross_origin", id="CORS73 port"),
        pytest.param(None, b"null", "origin_malformed", id="CORS73 null"),
    ],
)
def test_unsafe_methods(
    method: str | None, site: bytes | None, origin: bytes | None, expected: str
) -> None:
    headers: dict[str, Any] = {}
    if site is not None:
        headers["sec_fetch_site"] = site
    if origin is not None:
        headers["origin"] = origin
    assert decide(method=method, scheme="https" if method else "wss", **headers) == expected


def test_CORS73_doubled_headers_are_no_proof() -> None:
    assert decide(sec_fetch_site=[b"same-origin", b"same-origin"]) == "fetch_site_unknown"
    assert decide(origin=[OWN, OWN]) == "origin_malformed"
    assert decide(origin=OWN, host=[HOST, HOST]) == "cross_origin"


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/hook", "passed"), ("/hook/x", "passed"), ("/hooks", "cross_site"), ("/", "cross_site")],
)
def test_CORS72_exempt_paths_end_at_a_segment(path: str, expected: str) -> None:
    assert decide(path=path, sec_fetch_site=b"cross-site", origin=EVIL) == expected


@pytest.mark.parametrize(
    ("method", "site", "mode", "dest", "origin", "expected"),
    [
        ("GET", b"same-origin", b"cors", b"empty", None, "varies"),
        ("GET", b"none", b"navigate", b"document", None, "varies"),
        ("GET", b"cross-site", b"navigate", b"document", None, "varies"),
        ("GET", b"cross-site", b"navigate", b"iframe", None, "varies"),
        ("GET", b"cross-site", b"navigate", b"object", None, "resource_isolated"),
        ("GET", b"cross-site", b"navigate", b"embed", None, "resource_isolated"),
        ("GET", b"cross-site", b"navigate", None, None, "resource_isolated"),
        ("HEAD", b"cross-site", b"navigate", b"document", None, "resource_isolated"),
        ("GET", b"cross-site", b"no-cors", b"image", None, "resource_isolated"),
        ("GET", b"same-site", b"cors", b"empty", EVIL, "resource_isolated"),
        ("GET", b"cross-site", b"cors", b"empty", PARTNER, "varies"),
        ("OPTIONS", b"cross-site", b"cors", b"empty", EVIL, "varies"),
        ("POST", b"cross-site", b"navigate", b"document", EVIL, "cross_site"),
        ("GET", None, None, None, None, "passed"),
    ],
)
def test_CORS76_resource_isolation(
    method: str,
    site: bytes | None,
    mode: bytes | None,
    dest: bytes | None,
    origin: bytes | None,
    expected: str,
) -> None:
    given_ = {
        "sec_fetch_site": site,
        "sec_fetch_mode": mode,
        "sec_fetch_dest": dest,
        "origin": origin,
    }
    headers: dict[str, Any] = {name: value for name, value in given_.items() if value is not None}
    assert decide(ISOLATING, method, **headers) == expected


def test_every_problem_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        CsrfConfig(trusted_origins=["*", "app.example.com"], exempt_paths=["hook"])
    assert len(caught.value.problems) >= 3
    assert "'/hook'" in str(caught.value)
    with pytest.raises(ConfigError, match=r"write \['/hook'\]"):
        CsrfConfig(exempt_paths="/hook", isolate_resources="no")  # type: ignore[arg-type]


LINES = st.lists(st.sampled_from([OWN, EVIL, b"null", b"cross-site", b"none", b"\xff"]), max_size=2)


@given(
    st.dictionaries(st.sampled_from([b"origin", b"host", b"sec-fetch-site"]), LINES),
    st.sampled_from(["GET", "POST", None]),
    st.text(max_size=5),
)
def test_it_never_raises(headers: dict[bytes, list[bytes]], method: str | None, path: str) -> None:
    for policy in (POLICY, ISOLATING):
        policy.decide(headers, method=method, path=path, scheme="https")
