"""Draws an otpauth: link as a QR code."""

from __future__ import annotations

from io import BytesIO

_PIXELS = 4


def build_qr_svg(uri: str) -> str | None:
    """Return a QR code as SVG, to stand in a page; None where `segno` is not installed.

    Black on white whatever the page looks like, and under any Content Security Policy: it has no
    script, and no style but in attributes of its own.
    """
    try:
        import segno  # noqa: PLC0415 -- of an extra
    except ImportError:
        return None
    drawn = BytesIO()
    segno.make_qr(uri, error="m").save(
        drawn,
        kind="svg",
        scale=_PIXELS,
        light="#fff",
        xmldecl=False,
        nl=False,
        svgclass=None,
        lineclass=None,
        title="QR code",
    )
    return drawn.getvalue().decode()
