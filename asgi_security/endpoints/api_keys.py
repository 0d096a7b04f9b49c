"""Serves: API keys, for their owner.

* `POST /keys`: `name`, `scopes` (a list, or text with blanks between), `lifetime_seconds`. 201 with
  the key, which is shown this once.
* `GET /keys`, `POST /keys/{id}/revoke`, `DELETE /keys/{id}`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from asgi_security.endpoints.serving.answers import NOT_SIGNED_IN, UNAVAILABLE, Answer, refuse
from asgi_security.endpoints.serving.describing import describe
from asgi_security.flows.api_keys import ApiKeyCreated
from asgi_security.policy.api_keys import GrantRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.routing import Route

    from asgi_security.endpoints.serving.calls import Call
    from asgi_security.endpoints.serving.front import Front
    from asgi_security.flows.account_records import AccountRecords
    from asgi_security.flows.api_keys import ApiKeys
    from asgi_security.storage.protocols import Account, ApiKey

FindScopes: TypeAlias = "Callable[[Account], Iterable[str]]"
"""From an account to the scopes that it holds, and so may give its keys."""


class ApiKeyEndpoints:
    """Makes, lists and ends the keys of who is signed in."""

    def __init__(
        self, front: Front, keys: ApiKeys, accounts: AccountRecords, *, find_scopes: FindScopes
    ) -> None:
        self._front = front
        self._keys = keys
        self._accounts = accounts
        self._find_scopes = find_scopes

    def build_routes(self) -> list[Route]:
        """Return the routes, for a Router or a Mount."""
        route = partial(self._front.route, is_private=True)
        return [
            route("/keys", self.create),
            route("/keys", self.list_all, method="GET"),
            route("/keys/{id}/revoke", self.revoke),
            route("/keys/{id}", self.delete, method="DELETE"),
        ]

    @describe(
        "name scopes? lifetime_seconds?",
        {201: "NewApiKey", 400: "MALFORMED_REQUEST KeyRefused", 401: "NOT_SIGNED_IN"},
    )
    async def create(self, call: Call) -> Answer:
        """Make a key. One key cannot make another: what is signed in here is a person."""
        account = await self._accounts.load(call.account or "")
        if account is None:
            return NOT_SIGNED_IN
        name, scopes = call.text("name"), _read_scopes(call.fields.get("scopes", []))
        lifetime: Any = call.fields.get("lifetime_seconds")
        if name is None or scopes is None or not _is_lifetime(lifetime):
            return refuse(400, "MALFORMED_REQUEST")
        outcome = await self._keys.create(
            account.id,
            name=name,
            scopes=scopes,
            granted=frozenset(self._find_scopes(account)),
            lifetime_seconds=lifetime,
            visit=call.visit,
        )
        if isinstance(outcome, ApiKeyCreated):
            return Answer(201, {"key": outcome.text, **_describe(outcome.key)}, is_shown=True)
        if isinstance(outcome, GrantRefused):
            return refuse(400, "KEY_REFUSED", reason=outcome.reason)
        return UNAVAILABLE

    @describe("", {200: "ApiKeys"})
    async def list_all(self, call: Call) -> Answer:
        """Return the keys, ended ones too; never the text of one."""
        found = await self._keys.list_for(call.account or "")
        if not isinstance(found, tuple):
            return UNAVAILABLE
        return Answer(200, {"keys": [_describe(key) for key in found]}, is_shown=True)

    @describe("", {204: "", 404: "UNKNOWN_KEY"})
    async def revoke(self, call: Call) -> Answer:
        """End a key, which stays in the list."""
        account, key = call.account or "", call.path("id")
        return _confirm(await self._keys.revoke(account, key, visit=call.visit))

    @describe("", {204: "", 404: "UNKNOWN_KEY"})
    async def delete(self, call: Call) -> Answer:
        """End a key and forget it."""
        account, key = call.account or "", call.path("id")
        return _confirm(await self._keys.delete(account, key, visit=call.visit))


def _confirm(outcome: object) -> Answer:
    if not isinstance(outcome, bool):
        return UNAVAILABLE
    return Answer(204, code="KEY_REVOKED") if outcome else refuse(404, "UNKNOWN_KEY")


def _read_scopes(value: object) -> list[str] | None:
    if isinstance(value, str):
        return value.split()
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        return None
    return list(value)


def _is_lifetime(value: object) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _describe(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.used_at,
    }
