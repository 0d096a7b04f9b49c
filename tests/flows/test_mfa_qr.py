"""QR codes as pictures that any Content Security Policy lets pass."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from asgi_security.flows.mfa_qr import build_qr_svg
from asgi_security.policy.mfa import build_otpauth_uri

if TYPE_CHECKING:
    import pytest

URI = build_otpauth_uri("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", issuer="Acme", name="ann@example.com")
SVG = "{http://www.w3.org/2000/svg}"


def test_P40_a_picture_without_style_or_script() -> None:
    text = build_qr_svg(URI)
    assert text is not None
    root = ET.fromstring(text)  # noqa: S314 -- made here
    assert root.tag == f"{SVG}svg"
    for element in root.iter():
        assert element.tag in {f"{SVG}{name}" for name in ("svg", "title", "g", "path")}
        assert not {"style", "class", "href"} & set(element.attrib)
        assert not any(name.lower().startswith("on") for name in element.attrib)
    assert not text.startswith("<?xml")  # it stands in a page


def test_P40_it_says_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    assert build_qr_svg(URI) == build_qr_svg(URI)
    assert build_qr_svg(URI) != build_qr_svg(URI + "0")
    assert "GEZDGNBV" not in (build_qr_svg(URI) or "")
    monkeypatch.setitem(sys.modules, "segno", None)
    assert build_qr_svg(URI) is None
