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
from asgi_security.storage.redis.commands import build_read, write_number
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

    from asgi_security.storage.redis.commands import Script
    from asgi_security.storage.redis.dispatcher import Dispatcher

_Flat: TypeAlias = "Sequence[bytes]"
"""Fields and values in turn."""


class RedisSessions:
    """A `SessionStore`: each operation one script or command.

    Creating one evicts others, and a save moves a session between users: all sessions share one
    hash tag, and one node of a cluster carries them.
    """

    def __init__(self, dispatcher: Dispatcher, prefix: bytes) -> None:
        self._dispatcher = dispatcher
        self._tag = b"{%b:sessions}:" % prefix

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
                    return Created(tuple([_read_text(handle) for handle in handles]))
                case [b"full"]:
                    return LimitReached()
                case [b"taken"]:
                    raise StorageError("another session has this digest")
                case _:
                    raise ValueError("no answer to a creation")

        most = b"" if limit is None else b"%d" % limit
        arguments = (_write_digest(record.digest), most, b"%d" % evict, *_write_record(record))
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
        arguments = (_write_digest(record.digest), *_write_record(record))
        command = self._call(SAVE, record.digest, now, *arguments)
        return await self._dispatcher.run(command, _read_change, now=now)

    async def touch(
        self, digest: bytes, *, seen_at: float, idle_expires_at: float, now: float
    ) -> bool:
        """Move a live session's two instants forward, never back."""
        instants = (write_number(seen_at), write_number(idle_expires_at))
        command = self._call(TOUCH, digest, now, _write_digest(digest), *instants)
        return await self._dispatcher.run(command, _read_flag, now=now)

    async def replace(
        self, digest: bytes, record: SessionRecord, *, now: float
    ) -> Saved | Conflict | Gone:
        """Put `record`, under its own digest, in the place of a live session."""
        digests = (_write_digest(digest), _write_digest(record.digest))
        command = self._call(REPLACE, digest, now, *digests, *_write_record(record))
        return await self._dispatcher.run(command, _read_change, now=now)

    async def delete(self, digest: bytes) -> bool:
        """Delete a session; tell whether there was one."""
        command = self._call(DELETE, digest, 0.0, _write_digest(digest))
        return await self._dispatcher.run(command, _read_flag)

    async def delete_handle(self, user: str, handle: str) -> bool:
        """Delete the user's session of that handle."""
        command = self._call(DELETE_FOR, b"", 0.0, _write_text(user), b"", _write_text(handle))
        return await self._dispatcher.run(command, lambda reply: int(reply) > 0)

    async def list_for(self, user: str, *, now: float) -> tuple[SessionRecord, ...]:
        """Return the user's live sessions, the one seen last first."""

        def decode(reply: list[tuple[bytes, _Flat]]) -> tuple[SessionRecord, ...]:
            return tuple([_read_record(_read_digest(digest), flat) for digest, flat in reply])

        command = self._call(LIST, b"", now, _write_text(user))
        return await self._dispatcher.run(command, decode, now=now)

    async def delete_for(self, user: str, *, keep: bytes | None = None) -> int:
        """Delete all of the user's sessions but `keep`."""
        kept = b"" if keep is None else _write_digest(keep)
        command = self._call(DELETE_FOR, b"", 0.0, _write_text(user), kept)
        return await self._dispatcher.run(command, int)

    async def sweep(self, now: float, limit: int) -> int:
        """Drop up to `limit` sessions that have ended, from the lists too."""
        command = self._call(SWEEP, b"", now, b"%d" % limit)
        return await self._dispatcher.run(command, int)

    def _call(self, script: Script, digest: bytes, now: float, *arguments: bytes) -> Any:
        return script.call((self._name(digest),), (self._tag, write_number(now), *arguments))

    def _name(self, digest: bytes) -> bytes:
        return self._tag + b"id:" + _write_digest(digest)


def _write_digest(digest: bytes) -> bytes:
    return digest.hex().encode()


def _read_digest(text: bytes) -> bytes:
    return bytes.fromhex(text.decode())


def _write_text(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _read_text(text: bytes) -> str:
    return text.decode("utf-8", "surrogatepass")


def _write_record(record: SessionRecord) -> tuple[bytes, ...]:
    """Return the ten arguments that the scripts read."""
    return (
        _write_text(record.handle),
        record.data,
        write_number(record.created_at),
        write_number(record.seen_at),
        write_number(record.idle_expires_at),
        write_number(record.absolute_expires_at),
        _write_text(record.user_agent),
        b"%d" % record.version,
        b"" if record.user is None else b"=" + _write_text(record.user),
        b"" if record.client is None else b"=" + record.client,
    )


def _read_record(digest: bytes, flat: _Flat) -> SessionRecord:
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    user = fields.get(b"user")
    return SessionRecord(
        digest=digest,
        handle=_read_text(fields[b"handle"]),
        user=None if user is None else _read_text(user),
        data=fields[b"data"],
        created_at=float(fields[b"created"]),
        seen_at=float(fields[b"seen"]),
        idle_expires_at=float(fields[b"idle"]),
        absolute_expires_at=float(fields[b"absolute"]),
        user_agent=_read_text(fields[b"agent"]),
        client=fields.get(b"client"),
        version=int(fields[b"version"]),
    )


def _read_change(reply: Any) -> Saved | Conflict | Gone:
    match reply:
        case [b"saved", version]:
            return Saved(int(version))
        case [b"conflict", digest, flat]:
            return Conflict(_read_record(_read_digest(digest), flat))
        case [b"gone"]:
            return Gone()
        case _:
            raise ValueError("no answer to a change")


def _read_flag(reply: Any) -> bool:
    return int(reply) == 1
