"""Finds the account behind a name that was typed, by rules that the app may extend."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from asgi_security.events import SecurityEvent, Severity
from asgi_security.policy.login_names import normalise_login_name

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from asgi_security.events import EventSink

AccountKey: TypeAlias = Callable[[str], "Awaitable[str | None] | str | None"]
"""Joins several names of one account; given a normalised name, None means that name itself."""

AccountEpoch: TypeAlias = Callable[[str], "Awaitable[str] | str"]
"""Gives a text that changes with an account's credentials; given what `AccountKey` gives."""


class Accounts:
    """Resolves names; a hook that fails is reported and never lets a name go uncounted."""

    def __init__(
        self, key: AccountKey | None, epoch: AccountEpoch | None, *, events: EventSink
    ) -> None:
        self._key = key
        self._epoch = epoch
        self._events = events

    async def resolve(self, typed: str) -> str | None:
        """Return what an account is counted under, None for a name that nobody can have."""
        name = normalise_login_name(typed)
        if name is None or self._key is None:
            return name
        return await self._ask(self._key, name, event="account_key_failed") or name

    async def find_epoch(self, account: str) -> str | None:
        """Return the epoch of an account, "" without a hook, None if the hook failed."""
        if self._epoch is None:
            return ""
        return await self._ask(self._epoch, account, event="account_epoch_failed")

    async def _ask(self, hook: AccountKey | AccountEpoch, name: str, *, event: str) -> str | None:
        try:
            answer = hook(name)
            if inspect.isawaitable(answer):
                answer = await answer
        except Exception as error:  # noqa: BLE001 -- a user's hook, on a name of anyone's choice
            facts = {"error": type(error).__name__}
            self._events(SecurityEvent(name=event, severity=Severity.ERROR, facts=facts))
            return None
        return answer
