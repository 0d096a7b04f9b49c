"""Attempt records of this process, each account's and each client's found without a search."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    from asgi_security.storage.protocols.lockout import AttemptRecord

    Owner: TypeAlias = tuple[str, bytes]


class AttemptRecords:
    """The newest `limit` records. Not for several threads at once: its store has the lock."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._all: deque[AttemptRecord] = deque()
        # In every one of them the oldest stands in front, so what leaves `_all` is in front there.
        self._by_owner: dict[Owner, deque[AttemptRecord]] = {}

    def add(self, record: AttemptRecord) -> None:
        """Keep a record, in the place of the oldest if there are enough."""
        if len(self._all) >= self._limit:
            self._drop_oldest()
        self._all.append(record)
        for owner in _list_owners(record):
            self._by_owner.setdefault(owner, deque()).append(record)

    def find(
        self, account: bytes | None, client: bytes | None, limit: int
    ) -> tuple[AttemptRecord, ...]:
        """Return the newest records of an account, of a client, of both, or of all."""
        found = self._all
        if account is not None:
            found = self._by_owner.get(("account", account), deque())
        elif client is not None:
            found = self._by_owner.get(("client", client), deque())
        chosen = [record for record in reversed(found) if client in {None, record.client}]
        chosen.sort(key=lambda record: record.at, reverse=True)
        return tuple(chosen[: max(0, limit)])

    def drop_until(self, instant: float) -> None:
        """Forget the records up to an instant."""
        while self._all and self._all[0].at <= instant:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        record = self._all.popleft()
        for owner in _list_owners(record):
            kept = self._by_owner[owner]
            kept.popleft()
            if not kept:
                del self._by_owner[owner]


def _list_owners(record: AttemptRecord) -> Iterator[Owner]:
    if record.account is not None:
        yield ("account", record.account)
    if record.client is not None:
        yield ("client", record.client)
