"""Sessions in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from asgi_security.errors import StorageError
from asgi_security.storage.protocols.sessions import (
    Conflict,
    Created,
    Gone,
    LimitReached,
    Saved,
    SessionRecord,
)
from asgi_security.storage.redis.commands import (
    build_read,
    read_digest,
    read_text,
    write_digest,
    write_number,
    write_text,
)
from asgi_security.storage.redis.owned_records import OwnedRecords
from asgi_security.storage.redis.session_scripts import (
    CREATE,
    DELETE,
    DELETE_FOR,
    LIST,
    REPLACE,
    SAVE,
    SWEEP,
    TOUCH,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from asgi_security.storage.redis.dispatcher import Dispatcher

_Flat: TypeAlias = "Sequence[bytes]"
"""Fields and values in turn."""


class RedisSessions(OwnedRecords):
    """A `SessionStore`: each operation one script or command.

    Creating one evicts others, and a save moves a session between users: all sessions share one
    hash tag, and one node of a cluster carries them.
    """

    def __init__(self, dispatcher: Dispatcher, prefix: bytes) -> None:
        super().__init__(dispatcher, prefix, b"sessions", SWEEP)

    async def create(
        self,
        record: SessionRecord,
        *,
        now: float,
        limit: int | None = None,
        evict: bool = True,
    ) -> Created | LimitReached:
        """Store a new session, making room among the user's others if need be."""

        def decode(reply: list[bytes]) -> Created | LimitReached:
            match reply:
                case [b"created", *handles]:
                    return Created(tuple([read_text(handle) for handle in handles]))
                case [b"full"]:
                    return LimitReached()
                case [b"taken"]:
                    raise StorageError("another session has this digest")
                case _:
                    raise ValueError("no answer to a creation")

        most = b"" if limit is None else b"%d" % limit
        arguments = (write_digest(record.digest), most, b"%d" % evict, *_write_record(record))
        return await self._dispatcher.run(
            self._call(CREATE, record.digest, now, *arguments), decode, now=now
        )

    async def load(self, digest: bytes, *, now: float) -> SessionRecord | None:
        """Return the live session, or None."""

        def decode(reply: _Flat) -> SessionRecord | None:
            if not reply:
                return None
            record = _read_record(digest, reply)
            ends_at = min(record.idle_expires_at, record.absolute_expires_at)
            return record if now < ends_at else None

        command = build_read(b"HGETALL", (self._name(digest),))
        return await self._dispatcher.run(command, decode, now=now)

    async def save(self, record: SessionRecord, *, now: float) -> Saved | Conflict | Gone:
        """Replace a live session's user, data, seen_at and idle expiry, if at its version."""
        arguments = (write_digest(record.digest), *_write_record(record))
        command = self._call(SAVE, record.digest, now, *arguments)
        return await self._dispatcher.run(command, _read_change, now=now)

    async def touch(
        self, digest: bytes, *, seen_at: float, idle_expires_at: float, now: float
    ) -> bool:
        """Move a live session's two instants forward, never back."""
        instants = (write_number(seen_at), write_number(idle_expires_at))
        command = self._call(TOUCH, digest, now, write_digest(digest), *instants)
        return await self._dispatcher.run(command, _read_flag, now=now)

    async def replace(
        self, digest: bytes, record: SessionRecord, *, now: float
    ) -> Saved | Conflict | Gone:
        """Put `record`, under its own digest, in the place of a live session."""
        digests = (write_digest(digest), write_digest(record.digest))
        command = self._call(REPLACE, digest, now, *digests, *_write_record(record))
        return await self._dispatcher.run(command, _read_change, now=now)

    async def delete(self, digest: bytes) -> bool:
        """Delete a session; tell whether there was one."""
        command = self._call(DELETE, digest, 0.0, write_digest(digest))
        return await self._dispatcher.run(command, _read_flag)

    async def delete_handle(self, user: str, handle: str) -> bool:
        """Delete the user's session of that handle."""
        command = self._call(DELETE_FOR, b"", 0.0, write_text(user), b"", write_text(handle))
        return await self._dispatcher.run(command, lambda reply: int(reply) > 0)

    async def list_for(self, user: str, *, now: float) -> tuple[SessionRecord, ...]:
        """Return the user's live sessions, the one seen last first."""

        def decode(reply: list[tuple[bytes, _Flat]]) -> tuple[SessionRecord, ...]:
            return tuple([_read_record(read_digest(digest), flat) for digest, flat in reply])

        command = self._call(LIST, b"", now, write_text(user))
        return await self._dispatcher.run(command, decode, now=now)

    async def delete_for(self, user: str, *, keep: bytes | None = None) -> int:
        """Delete all of the user's sessions but `keep`."""
        kept = b"" if keep is None else write_digest(keep)
        command = self._call(DELETE_FOR, b"", 0.0, write_text(user), kept)
        return await self._dispatcher.run(command, int)


def _write_record(record: SessionRecord) -> tuple[bytes, ...]:
    """Return the ten arguments that the scripts read."""
    return (
        write_text(record.handle),
        record.data,
        write_number(record.created_at),
        write_number(record.seen_at),
        write_number(record.idle_expires_at),
        write_number(record.absolute_expires_at),
        write_text(record.user_agent),
        b"%d" % record.version,
        b"" if record.user is None else b"=" + write_text(record.user),
        b"" if record.client is None else b"=" + record.client,
    )


def _read_record(digest: bytes, flat: _Flat) -> SessionRecord:
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    user = fields.get(b"user")
    return SessionRecord(
        digest=digest,
        handle=read_text(fields[b"handle"]),
        user=None if user is None else read_text(user),
        data=fields[b"data"],
        created_at=float(fields[b"created"]),
        seen_at=float(fields[b"seen"]),
        idle_expires_at=float(fields[b"idle"]),
        absolute_expires_at=float(fields[b"absolute"]),
        user_agent=read_text(fields[b"agent"]),
        client=fields.get(b"client"),
        version=int(fields[b"version"]),
    )


def _read_change(reply: Any) -> Saved | Conflict | Gone:
    match reply:
        case [b"saved", version]:
            return Saved(int(version))
        case [b"conflict", digest, flat]:
            return Conflict(_read_record(read_digest(digest), flat))
        case [b"gone"]:
            return Gone()
        case _:
            raise ValueError("no answer to a change")


def _read_flag(reply: Any) -> bool:
    return int(reply) == 1
