"""The pages that a form is answered with: what is shown this once, and what was wrong with it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from asgi_security.endpoints.pages.documents import show, warn
from asgi_security.endpoints.pages.forms import (
    ask_code,
    ask_new_password,
    ask_password,
    build_form,
)
from asgi_security.endpoints.pages.markup import Html, fill, join
from asgi_security.endpoints.pages.places import find_next
from asgi_security.endpoints.pages.wording import ERRORS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asgi_security.endpoints.pages.entering import EntryPages
    from asgi_security.endpoints.pages.places import Places
    from asgi_security.endpoints.serving.answers import Answer
    from asgi_security.endpoints.serving.calls import Call

_QR_TEXT = "Scan this with your authenticator, then give the code that it shows."
_TYPED = '<p>Or type this in: <code class="secret">$secret</code></p>'
_CODES_TEXT = (
    "Keep these recovery codes where nobody else looks. Each lets you in once without your "
    "authenticator. They are not shown again."
)
_KEY_TEXT = "Copy this key now. It is not shown again."
_REFRESH = '\n<meta http-equiv="refresh" content="0; url=$url">'


class ShownPages:
    """Makes pages of answers to forms."""

    def __init__(self, places: Places, entry: EntryPages) -> None:
        self._places = places
        self._config = places.config
        self._entry = entry

    def draw(self, call: Call, answer: Answer, page: str) -> Answer | None:
        """Return the page that an answer is to be seen as; None for those that lead to one."""
        if call.request.method != "POST":
            return None
        content: Mapping[str, Any] = answer.content or {}
        shown: Answer | None = None
        if answer.status == 303 and urlsplit(answer.page or "").scheme:
            shown = self._lead_away(answer.page or "")
        elif answer.code == "PASSWORD_REFUSED":
            shown = self._ask_password_again(call, answer, page)
        elif answer.is_shown and "qr_svg" in content:
            shown = self._show_authenticator(call, content)
        elif answer.is_shown and "codes" in content:
            shown = self._show_codes(content["codes"], answer.page or self._config.account_page)
        elif answer.is_shown and "key" in content:
            shown = self._show_key(content["key"])
        if shown is None:
            return None
        # What the endpoint has to say to the browser besides, it says with the page.
        return replace(shown, cookies=answer.cookies, headers=(*answer.headers, *shown.headers))

    def _lead_away(self, url: str) -> Answer:
        """Lead to another site by a page: `form-action` would stop a form that is redirected."""
        link = fill('<p><a href="$url">Go on to $host</a></p>', url=url, host=urlsplit(url).netloc)
        return show("Go on", [link], places=self._places, more=fill(_REFRESH, url=url))

    def _show_authenticator(self, call: Call, content: Mapping[str, Any]) -> Answer:
        drawn = content["qr_svg"]
        # Ours, and made without a word of what anybody has typed but as black and white.
        picture = Html("") if drawn is None else Html(drawn)
        confirm = build_form(
            self._places.at("mfa/confirm"),
            "Confirm",
            (ask_code("confirm"),),
            next=find_next(call.fields.get("next")),
        )
        body = [
            fill("<p>$text</p>", text=_QR_TEXT),
            picture,
            fill(_TYPED, secret=content["secret"]),
            confirm,
        ]
        return show("Set up an authenticator", body, places=self._places)

    def _show_codes(self, codes: list[str], page: str) -> Answer:
        lines = join(fill("<li>$code</li>", code=code) for code in codes)
        body = [
            fill("<p>$text</p>", text=_CODES_TEXT),
            fill('<ul class="codes">$lines</ul>', lines=lines),
            fill('<p><a href="$page">Go on</a></p>', page=page),
        ]
        return show("Recovery codes", body, places=self._places)

    def _show_key(self, key: str) -> Answer:
        body = [
            fill("<p>$text</p>", text=_KEY_TEXT),
            fill('<p><code class="secret">$key</code></p>', key=key),
            fill('<p><a href="$page">Go on</a></p>', page=self._config.account_page),
        ]
        return show("New key", body, places=self._places)

    def _ask_password_again(self, call: Call, answer: Answer, page: str) -> Answer | None:
        """Say all that is wrong with a password, and ask again with the rest filled in."""
        reasons = (answer.content or {}).get("reasons", ())
        sentences = [reason["text"] for reason in reasons] or [ERRORS["PASSWORD_REFUSED"]]
        notice = warn(*sentences)
        if page == self._config.register_page:
            name, to = call.text("username") or "", find_next(call.fields.get("next"))
            return self._entry.offer_account(notice=notice, to=to, name=name, status=answer.status)
        if page == self._config.reset_page:
            return self._entry.offer_reset(call.text("token"), notice=notice, status=answer.status)
        fields = (
            ask_password("change", name="current_password", label="Present password"),
            ask_new_password("change"),
        )
        form = build_form(self._places.at("change-password"), "Change the password", fields)
        back = fill('<p><a href="$page">Back</a></p>', page=self._config.account_page)
        return show(
            "New password",
            [form, back],
            places=self._places,
            notice=notice,
            status=answer.status,
        )
