"""Builds forms: each field with its label, and with what a password manager needs to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.endpoints.pages.markup import Html, fill, join

if TYPE_CHECKING:
    from collections.abc import Iterable

_FORM = """
<form method="post" action="$action">$hidden
$fields
<button type="submit">$button</button>
</form>"""
_HIDDEN = """
<input type="hidden" name="$name" value="$value">"""
_FIELD = """
<label for="$id">$label</label>
<input id="$id" name="$name" type="$kind" autocomplete="$autocomplete" value="$value" $more>"""

_NOTHING = Html("")
_REQUIRED = Html("required")
_LOWER = Html('required autocapitalize="none" spellcheck="false"')
_DIGITS = Html('required inputmode="numeric" autocapitalize="none" spellcheck="false"')


def build_form(action: str, button: str, fields: Iterable[Html] = (), **hidden: str | None) -> Html:
    """Build a form; what is hidden and None is left out."""
    kept = (
        fill(_HIDDEN, name=name, value=value) for name, value in hidden.items() if value is not None
    )
    return fill(_FORM, action=action, button=button, fields=join(fields), hidden=join(kept))


def _build_field(
    name: str, label: str, *, kind: str, autocomplete: str, more: Html, value: str = "", to: str
) -> Html:
    # A page may have several forms with a field of one name; ids are of the page.
    return fill(
        _FIELD,
        id=f"{to}-{name}",
        name=name,
        label=label,
        kind=kind,
        autocomplete=autocomplete,
        value=value,
        more=more,
    )


def ask_name(to: str, value: str = "") -> Html:
    """Ask for the name of the account; `to` tells the page's forms apart, here and below."""
    label, complete = "Mail address", "username"
    return _build_field(
        "username", label, kind="text", autocomplete=complete, more=_LOWER, value=value, to=to
    )


def name_account(name: str) -> Html:
    """Tell a password manager whose password is being changed."""
    return fill(
        '<input name="username" type="text" autocomplete="username" value="$name" hidden>',
        name=name,
    )


def ask_password(to: str, *, name: str = "password", label: str = "Password") -> Html:
    """Ask for the password that is."""
    complete = "current-password"
    return _build_field(name, label, kind="password", autocomplete=complete, more=_REQUIRED, to=to)


def ask_new_password(to: str) -> Html:
    """Ask for the password that is to be."""
    complete = "new-password"
    return _build_field(
        "password",
        "New password",
        kind="password",
        autocomplete=complete,
        more=_REQUIRED,
        to=to,
    )


def ask_code(to: str, *, name: str = "code", label: str = "Code of your authenticator") -> Html:
    """Ask for a code that is new each time."""
    more = _LOWER if name == "recovery_code" else _DIGITS
    return _build_field(name, label, kind="text", autocomplete="one-time-code", more=more, to=to)


def ask_text(to: str, name: str, label: str, *, is_required: bool = True) -> Html:
    """Ask for anything else."""
    more = _REQUIRED if is_required else _NOTHING
    return _build_field(name, label, kind="text", autocomplete="off", more=more, to=to)
