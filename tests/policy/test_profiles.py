"""The named policies hold what scanners ask for, and no more than their profile needs."""

from __future__ import annotations

import re

import pytest

from asgi_security.policy.csp import NONCE, build_csp
from asgi_security.policy.profiles import (
    API,
    API_CSP,
    DOCUMENTATION_CSP,
    PRACTICAL_CSP,
    PRACTICAL_HSTS,
    REVEALING,
    STRICT,
    STRICT_CSP,
    STRICT_PERMISSIONS,
    read_permissions,
)

GUIDE_CSP = """
default-src 'self';
script-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net;
style-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net;
img-src 'self' data: https:;
connect-src 'self';
font-src 'self' https://cdn.jsdelivr.net;
frame-ancestors 'none';
base-uri 'self';
form-action 'self'
"""


def test_P26_the_practical_values_are_the_guides() -> None:
    assert PRACTICAL_CSP.text == " ".join(GUIDE_CSP.split())
    assert PRACTICAL_HSTS.text == "max-age=63072000; includeSubDomains"


def test_P26_fastapis_documentation_pages_load_under_the_practical_policy() -> None:
    docs = pytest.importorskip("fastapi.openapi.docs")
    pages = [
        docs.get_swagger_ui_html(openapi_url="/openapi.json", title="t").body.decode(),
        docs.get_redoc_html(
            openapi_url="/openapi.json", title="t", with_google_fonts=False
        ).body.decode(),
    ]
    allowed = dict(PRACTICAL_CSP.pairs)
    for page in pages:
        scripts = re.findall(r'<script[^>]* src="([^"]+)"', page)
        styles = re.findall(r'<link[^>]* rel="stylesheet" href="([^"]+)"', page)
        images = re.findall(r'<link rel="shortcut icon" href="([^"]+)"', page)
        assert scripts
        assert images
        for urls, name in ((scripts, "script-src"), (styles, "style-src"), (images, "img-src")):
            hosts = tuple(source for source in allowed[name] if source.startswith("https:"))
            assert all(url.startswith(hosts) for url in urls), (name, urls)
    assert "'unsafe-inline'" in allowed["script-src"]


def test_CORS56_the_documentation_policy_is_the_practical_one_and_three_sources() -> None:
    practical, wider = dict(PRACTICAL_CSP.pairs), dict(DOCUMENTATION_CSP.pairs)
    added = {
        name: [source for source in sources if source not in practical.get(name, ())]
        for name, sources in wider.items()
        if sources != practical.get(name)
    }
    assert added == {
        "style-src": ["https://fonts.googleapis.com"],
        "font-src": ["https://fonts.gstatic.com"],
        "worker-src": ["'self'", "blob:"],
    }
    assert wider.keys() == practical.keys() | {"worker-src"}


def test_the_strict_policy_trusts_nothing_but_the_nonce() -> None:
    directives = dict(STRICT_CSP.pairs)
    assert directives["script-src"] == (NONCE, "'strict-dynamic'")
    assert "unsafe" not in STRICT_CSP.text
    for name in ("default-src", "object-src", "base-uri", "frame-ancestors"):
        assert directives[name] == ("'none'",)
    assert b"script-src 'none'" in build_csp(STRICT_CSP, secure=True).unread
    assert STRICT["csp"] is STRICT_CSP


def test_CORS70_the_api_policy_allows_nothing() -> None:
    assert API_CSP.text == (
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
    assert API["csp"] is API_CSP


def test_CORS67_what_is_stripped_is_in_lower_case() -> None:
    assert {"server", "x-powered-by"} <= set(REVEALING)
    assert [name.lower() for name in REVEALING] == list(REVEALING)


def test_a_permissions_policy_is_read_in_any_form() -> None:
    strict = read_permissions(STRICT_PERMISSIONS)
    assert "camera=()" in strict.text
    assert read_permissions(strict) is strict
    assert read_permissions({"camera": []}).text == "camera=()"
