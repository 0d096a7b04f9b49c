"""Puts what a page shows into a document, and says how it may be used."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from asgi_security.endpoints.pages.markup import Html, fill, join
from asgi_security.endpoints.pages.wording import DONE, ERRORS, UNKNOWN_DONE, UNKNOWN_ERROR
from asgi_security.endpoints.serving.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asgi_security.endpoints.pages.places import Places

STYLE_NAME = "pages.css"

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    # The address of a page may hold a token, which no other site may see. Not "no-referrer":
    # forms would be sent with `Origin: null`, which browsers without Fetch Metadata need better.
    (b"referrer-policy", b"same-origin"),
)
"""What every page is sent with, whatever the site's own policies are."""

_DOCUMENT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">$more
<title>$title - $site</title>
<link rel="stylesheet" href="$style">
</head>
<body>
<main>
<h1>$title</h1>
$notice$body
</main>
</body>
</html>
"""
_NOTHING = Html("")


@cache
def read_style() -> bytes:
    """Return the stylesheet of all pages."""
    return files("asgi_security.endpoints.pages").joinpath(STYLE_NAME).read_bytes()


@cache
def _find_version() -> str:
    return hashlib.sha256(read_style()).hexdigest()[:12]


def show(
    title: str,
    body: Iterable[Html],
    *,
    places: Places,
    notice: Html = _NOTHING,
    status: int = 200,
    more: Html = _NOTHING,
) -> Answer:
    """Build a page of its parts."""
    style = f"{places.at(STYLE_NAME)}?{_find_version()}"
    html = fill(
        _DOCUMENT,
        title=title,
        site=places.site_name,
        style=style,
        notice=notice,
        body=join(body),
        more=more,
    )
    return Answer(status, html=html, headers=HEADERS)


def tell(error: str | None, done: str | None) -> Html:
    """Say what a code means. The code itself is whatever stood in the address: never shown."""
    if error is not None:
        return warn(ERRORS.get(error, UNKNOWN_ERROR))
    if done is not None:
        return fill('<p role="status" class="done">$text</p>', text=DONE.get(done, UNKNOWN_DONE))
    return _NOTHING


def warn(*sentences: str) -> Html:
    """Say that something went wrong."""
    lines = join(fill("<p>$text</p>", text=sentence) for sentence in sentences)
    return fill('<div role="alert" class="error">$lines</div>', lines=lines)
