"""The pages before somebody is in: log in, register, confirm, and what to do without a password.

The token of a mailed link goes from the address into a hidden field, and only a button sends it:
programs that look at the links of a mail use none up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.endpoints.pages.documents import show, tell
from asgi_security.endpoints.pages.forms import (
    ask_code,
    ask_name,
    ask_new_password,
    ask_password,
    build_form,
)
from asgi_security.endpoints.pages.markup import fill, join
from asgi_security.endpoints.pages.places import build_link, find_next

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asgi_security.endpoints.pages.markup import Html
    from asgi_security.endpoints.pages.places import Places
    from asgi_security.endpoints.serving.answers import Answer
    from asgi_security.endpoints.serving.calls import Call

_LINK = '<p><a href="$href">$text</a></p>\n'
_TEXT = "<p>$text</p>"
_DETAILS = "<details><summary>$summary</summary>$body</details>"
_LONGEST_TOKEN = 4096


class EntryPages:
    """Everything that can be seen without being signed in."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._config = places.config

    async def login(self, call: Call) -> Answer:
        """Ask who it is."""
        to, config = find_next(call.fields.get("next")), self._config
        fields = (ask_name("login"), ask_password("login"))
        body = [
            build_form(self._places.at("login"), "Log in", fields, next=to),
            *self._list_providers(to),
            _link(build_link(config.forgot_page, next=to), "I do not know my password"),
            _link(build_link(config.register_page, next=to), "I have no account yet"),
            _link(self._places.at("verify"), "I got no mail to confirm my address"),
        ]
        return show("Log in", body, places=self._places, notice=_notice(call))

    def _list_providers(self, to: str | None) -> Iterator[Html]:
        # Links and no forms: `form-action` holds for where a form is redirected to as well.
        for name in self._places.providers:
            href = build_link(self._places.at(f"oauth/{name}/login"), next=to)
            yield _link(href, f"Log in with {name}")

    async def code(self, call: Call) -> Answer:
        """Ask for the second factor.

        Shown to everybody: the cookie of a sign-in that waits does not come with a request that
        another site has led to, as a provider does.
        """
        to, places = find_next(call.fields.get("next")), self._places
        verify = places.at("mfa/verify")
        mailed: list[Html] = []
        if places.has_mailed_codes:
            send = build_form(places.at("mfa/send-code"), "Mail me a code", next=to)
            field = ask_code("mailed", name="mailed_code", label="Code of the mail")
            form = build_form(verify, "Use the mailed code", (field,), next=to)
            mailed.append(_fold("Use a mailed code", send, form))
        field = ask_code("recovery", name="recovery_code", label="Recovery code")
        recovery = build_form(verify, "Use the recovery code", (field,), next=to)
        if call.fields.get("done") == "VERIFIED":
            go_on = to or self._config.home_page
            return show(
                "Second factor", [_link(go_on, "Go on")], places=places, notice=_notice(call)
            )
        body = [
            build_form(verify, "Go on", (ask_code("code"),), next=to),
            *mailed,
            _fold("Use a recovery code", recovery),
            _link(self._config.login_page, "Log in as somebody else"),
        ]
        return show("Second factor", body, places=places, notice=_notice(call))

    async def enrol(self, call: Call) -> Answer:
        """Offer to set an authenticator up."""
        to, places = find_next(call.fields.get("next")), self._places
        text = "You need an app on your phone that shows codes, called an authenticator."
        start = build_form(places.at("mfa/start"), "Show me the QR code", next=to)
        again: list[Html] = []
        if call.fields.get("error") == "CODE_REFUSED":
            confirm = build_form(
                places.at("mfa/confirm"), "Confirm", (ask_code("confirm"),), next=to
            )
            again = [fill(_TEXT, text="Scanned already? Give the code shown now."), confirm]
        body = [*again, fill(_TEXT, text=text), start]
        title = "Set up an authenticator"
        return show(title, body, places=places, notice=_notice(call))

    async def register(self, call: Call) -> Answer:
        """Ask who it will be."""
        return self.offer_account(notice=_notice(call), to=find_next(call.fields.get("next")))

    def offer_account(
        self, *, notice: Html, to: str | None, name: str = "", status: int = 200
    ) -> Answer:
        """Build the page to register at, `name` being what was typed so far."""
        fields = (ask_name("register", name), ask_new_password("register"))
        body = [
            build_form(self._places.at("register"), "Register", fields, next=to),
            _link(build_link(self._config.login_page, next=to), "I have an account"),
        ]
        return show("Register", body, places=self._places, notice=notice, status=status)

    async def verify(self, call: Call) -> Answer:
        """Offer to confirm the address that a mail went to, or to mail once more."""
        token = _find_token(call)
        places = self._places
        if token is not None:
            body = [
                fill(_TEXT, text="Is this your address? Then confirm it."),
                build_form(places.at("verify"), "Confirm", token=token),
            ]
        else:
            again = places.at("request-verification")
            body = [build_form(again, "Mail me again", (ask_name("verify"),))]
        title = "Confirm your address"
        return show(title, body, places=places, notice=_notice(call))

    async def forgot(self, call: Call) -> Answer:
        """Offer to mail what resets the password."""
        body = [
            build_form(self._places.at("forgot-password"), "Mail me a link", (ask_name("forgot"),)),
            _link(self._config.login_page, "Back to the login"),
        ]
        return show("Forgotten password", body, places=self._places, notice=_notice(call))

    async def reset(self, call: Call) -> Answer:
        """Ask for a new password, if a mail has led here."""
        return self.offer_reset(_find_token(call), notice=_notice(call))

    def offer_reset(self, token: str | None, *, notice: Html, status: int = 200) -> Answer:
        """Build the page to set a new password at."""
        if token is None:
            body = [
                fill(_TEXT, text="Open the link in the mail, or ask for a new one."),
                _link(self._config.forgot_page, "Ask for a new link"),
            ]
        else:
            fields = (ask_new_password("reset"),)
            reset = self._places.at("reset-password")
            body = [build_form(reset, "Set the password", fields, token=token)]
        return show("New password", body, places=self._places, notice=notice, status=status)


def _find_token(call: Call) -> str | None:
    token = call.fields.get("token")
    return token if isinstance(token, str) and 0 < len(token) <= _LONGEST_TOKEN else None


def _notice(call: Call) -> Html:
    return tell(call.text("error"), call.text("done"))


def _link(href: str, text: str) -> Html:
    return fill(_LINK, href=href, text=text)


def _fold(summary: str, *parts: Html) -> Html:
    return fill(_DETAILS, summary=summary, body=join(parts))
