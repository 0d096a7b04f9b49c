"""The page of who is signed in: what is signed in besides, and what the account can be opened by.

It shows what the endpoints answer, section by section. One that cannot be answered says so, and
the others are there all the same.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from asgi_security.endpoints.pages.documents import show, tell, warn
from asgi_security.endpoints.pages.forms import (
    ask_code,
    ask_new_password,
    ask_password,
    ask_text,
    build_form,
    name_account,
)
from asgi_security.endpoints.pages.markup import Html, fill, join
from asgi_security.endpoints.pages.places import build_link
from asgi_security.endpoints.pages.wording import ERRORS
from asgi_security.endpoints.serving.answers import Answer
from asgi_security.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
    from typing import TypeAlias

    from asgi_security.endpoints.pages.places import Places
    from asgi_security.endpoints.serving.calls import Call
    from asgi_security.flows.account_records import AccountRecords

    Ask: TypeAlias = Callable[[Call], Awaitable[Answer]]

_HEADING = "<h2>$text</h2>"
_TEXT = "<p>$text</p>"
_ROW = "<tr>$cells</tr>"
_CELL = "<td>$content</td>"
_TABLE = """
<table><thead><tr>$heads</tr></thead>
<tbody>
$rows</tbody></table>"""
_FOLD = "<details><summary>$summary</summary>$body</details>"
_HERE = "this browser"


class AccountPage:
    """Shows an account to its owner.

    Args:
        asks: the endpoints that know what to show: "sessions", and where there are such things
            "mfa", "keys" and "identities".
    """

    def __init__(self, places: Places, accounts: AccountRecords, asks: Mapping[str, Ask]) -> None:
        self._places = places
        self._accounts = accounts
        self._asks = asks
        self._builders: dict[str, Callable[[Mapping[str, Any]], Iterable[Html]]] = {
            "sessions": self._show_sessions,
            "mfa": self._show_mfa,
            "keys": self._show_keys,
            "identities": self._show_identities,
        }

    async def account(self, call: Call) -> Answer:
        """Show everything, or ask to log in first."""
        config = self._places.config
        if call.account is None:
            page = build_link(config.login_page, next=config.account_page)
            return Answer(303, page=page)
        account = await self._accounts.load(call.account)
        if account is None:
            return Answer(303, page=config.login_page)
        parts = [fill("<p>You are logged in as <strong>$name</strong>.</p>", name=account.name)]
        parts.append(build_form(self._places.at("logout"), "Log out"))
        for name, ask in self._asks.items():
            parts += await self._show_section(name, ask, call)
            if name == "sessions":
                parts += self._offer_password(account.name)
        parts += self._offer_end()
        notice = tell(call.text("error"), call.text("done"))
        return show("Your account", parts, places=self._places, notice=notice)

    async def _show_section(self, name: str, ask: Ask, call: Call) -> list[Html]:
        titles = {
            "sessions": "Where you are logged in",
            "mfa": "Second factor",
            "keys": "API keys",
            "identities": "Logins at other sites",
        }
        try:
            answer = await ask(call)
        except StorageError:
            answer = Answer(503)
        heading = fill(_HEADING, text=titles[name])
        if answer.status != 200 or answer.content is None:
            return [heading, warn(ERRORS["UNAVAILABLE"])]
        return [heading, *self._builders[name](answer.content)]

    def _show_sessions(self, content: Mapping[str, Any]) -> Iterator[Html]:
        at = self._places.at
        rows = []
        for one in content["sessions"]:
            end = build_form(at(f"sessions/{one['handle']}/revoke"), "Log out there")
            action = Html(_HERE) if one["is_current"] else end
            seen = one["last_seen_at"].replace("T", " ").rstrip("Z")
            rows.append(_row(one["user_agent"] or "unknown", f"{seen} UTC", action))
        yield _table(("Browser or program", "Last seen", ""), rows)
        yield build_form(at("sessions/revoke-others"), "Log out everywhere else")

    def _offer_password(self, name: str) -> Iterator[Html]:
        yield fill(_HEADING, text="Password")
        present = ask_password("change", name="current_password", label="Present password")
        fields = (name_account(name), present, ask_new_password("change"))
        yield build_form(self._places.at("change-password"), "Change the password", fields)

    def _show_mfa(self, content: Mapping[str, Any]) -> Iterator[Html]:
        at = self._places.at
        if not content["enabled"]:
            yield fill(_TEXT, text="Your password alone opens your account.")
            page = self._places.config.enrolment_page
            yield fill('<p><a href="$page">Set up an authenticator</a></p>', page=page)
        else:
            left = content["recovery_codes_left"]
            yield fill(_TEXT, text=f"A code is asked for besides. Recovery codes left: {left}.")
            renew = (ask_code("renew"),)
            form = build_form(at("mfa/recovery/regenerate"), "Make new ones", renew)
            yield _fold("New recovery codes", form)
        if self._places.has_mailed_codes and not content["email_otp"] and content["email_mask"]:
            text = f"Codes can be mailed to {content['email_mask']}."
            fields = (ask_code("mailed"),) if content["enabled"] else ()
            form = build_form(at("mfa/mailed-codes"), "Allow mailed codes", fields)
            yield _fold("Mailed codes", fill(_TEXT, text=text), form)
        if content["enabled"]:
            by_code = build_form(at("mfa/disable"), "Do without", (ask_code("disable"),))
            field = ask_code("disable", name="recovery_code", label="Recovery code")
            by_recovery = build_form(at("mfa/disable"), "Do without", (field,))
            yield _fold("Do without a second factor", by_code, by_recovery)

    def _show_keys(self, content: Mapping[str, Any]) -> Iterator[Html]:
        at = self._places.at
        rows = []
        for one in content["keys"]:
            end = build_form(at(f"keys/{one['id']}/revoke"), "End")
            action = end if one["revoked_at"] is None else Html("ended")
            until = "" if one["expires_at"] is None else _show_day(one["expires_at"])
            rows.append(_row(one["name"], " ".join(one["scopes"]), until, action))
        if rows:
            yield _table(("Name", "May", "Until", ""), rows)
        fields = (
            ask_text("key", "name", "Name"),
            ask_text("key", "scopes", "Scopes, with blanks between", is_required=False),
        )
        yield _fold("New key", build_form(at("keys"), "Make a key", fields))

    def _show_identities(self, content: Mapping[str, Any]) -> Iterator[Html]:
        at = self._places.at
        rows = []
        for one in content["identities"]:
            end = build_form(at(f"oauth/identities/{one['handle']}/unlink"), "Unlink")
            rows.append(_row(one["provider"], _show_day(one["linked_at"]), end))
        if rows:
            yield _table(("Site", "Since", ""), rows)
        page = self._places.config.account_page
        for name in self._places.providers:
            yield build_form(at(f"oauth/{name}/link"), f"Link a login at {name}", next=page)

    def _offer_end(self) -> Iterator[Html]:
        field = ask_password("delete", name="current_password", label="Present password")
        form = build_form(self._places.at("delete"), "Delete my account for good", (field,))
        yield fill(_HEADING, text="The end")
        yield _fold("Delete my account", form)


def _table(heads: Iterable[str], rows: Iterable[Html]) -> Html:
    cells = join(fill('<th scope="col">$head</th>', head=head) for head in heads)
    return fill(_TABLE, heads=cells, rows=join(rows))


def _row(*cells: str) -> Html:
    return fill(_ROW, cells=join(fill(_CELL, content=cell) for cell in cells))


def _fold(summary: str, *parts: Html) -> Html:
    return fill(_FOLD, summary=summary, body=join(parts))


def _show_day(instant: float) -> str:
    return datetime.fromtimestamp(int(instant), UTC).strftime("%Y-%m-%d")
