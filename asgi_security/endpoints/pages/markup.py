"""Fills templates: whatever goes into one is escaped, unless it came out of one."""

from __future__ import annotations

from html import escape
from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Html(str):
    """A text that is HTML already: a template, filled, or several of them in a row."""

    __slots__ = ()


def fill(template: str, **values: object) -> Html:
    """Put values into a template's `$names`, escaped for text and for quoted attributes.

    >>> fill("<p title='$title'>$text</p>", title="it's", text=fill("<b>$name</b>", name="<Ann>"))
    "<p title='it&#x27;s'><b>&lt;Ann&gt;</b></p>"
    """
    return Html(
        Template(template).substitute(
            {
                name: value if isinstance(value, Html) else escape(str(value))
                for name, value in values.items()
            }
        )
    )


def join(parts: Iterable[Html]) -> Html:
    """Put parts in a row."""
    return Html("".join(parts))
