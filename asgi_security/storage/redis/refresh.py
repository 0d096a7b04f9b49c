"""Families of refresh tokens in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgi_security.errors import StorageError
from asgi_security.storage.protocols.refresh import (
    FamilyGone,
    RefreshFamily,
    Retried,
    Reused,
    Rotated,
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
from asgi_security.storage.redis.refresh_scripts import (
    ADVANCE,
    LIST,
    OPEN,
    REVOKE,
    REVOKE_HANDLE,
    REVOKE_SUBJECT,
    SWEEP,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.storage.protocols.refresh import Advance
    from asgi_security.storage.redis.dispatcher import Dispatcher


class RedisRefresh(OwnedRecords):
    """A `RefreshStore`: each operation one script or command.

    A family is found by its digest and by its subject, which no name can hold together: all
    families share one hash tag, and one node of a cluster carries them.
    """

    def __init__(self, dispatcher: Dispatcher, prefix: bytes) -> None:
        super().__init__(dispatcher, prefix, b"refresh", SWEEP)

    async def open_family(self, family: RefreshFamily, *, now: float) -> None:
        """Store a new family."""

        def decode(reply: bytes) -> None:
            if reply == b"taken":
                raise StorageError("another family has this digest")
            if reply != b"opened":
                raise ValueError("no answer to an opening")

        command = self._call(OPEN, family.digest, now, *_write_family(family))
        await self._dispatcher.run(command, decode, now=now)

    async def advance(
        self,
        digest: bytes,
        generation: int,
        *,
        grace_seconds: float,
        idle_expires_at: float,
        now: float,
    ) -> Advance:
        """Use up the token of `generation`."""

        def decode(reply: list[Any]) -> Advance:
            match reply:
                case [b"gone"]:
                    return FamilyGone()
                case [b"rotated", _, flat]:
                    return Rotated(_read_family(digest, flat))
                case [b"retried", _, flat]:
                    return Retried(_read_family(digest, flat))
                case [b"reused" | b"ended" as outcome, age, flat]:
                    family = _read_family(digest, flat)
                    return Reused(family, int(age), is_first=outcome == b"reused")
                case _:
                    raise ValueError("no answer to an advance")

        command = self._call(
            ADVANCE,
            digest,
            now,
            write_digest(digest),
            b"%d" % generation,
            write_number(grace_seconds),
            write_number(idle_expires_at),
        )
        return await self._dispatcher.run(command, decode, now=now)

    async def load_family(self, digest: bytes, *, now: float) -> RefreshFamily | None:
        """Return the live family, or None; one that ended by reuse is None."""

        def decode(reply: Sequence[bytes]) -> RefreshFamily | None:
            if not reply or b"ended" in reply[::2]:
                return None
            family = _read_family(digest, reply)
            ends_at = min(family.idle_expires_at, family.absolute_expires_at)
            return family if now < ends_at else None

        command = build_read(b"HGETALL", (self._name(digest),))
        return await self._dispatcher.run(command, decode, now=now)

    async def revoke_family(self, digest: bytes) -> RefreshFamily | None:
        """End a family and return it as it was."""
        command = self._call(REVOKE, digest, 0.0, write_digest(digest))
        return await self._dispatcher.run(
            command, lambda reply: _read_family(digest, reply) if reply else None
        )

    async def revoke_handle(self, subject: str, handle: str) -> bool:
        """End the subject's family of that handle."""
        texts = (write_text(subject), write_text(handle))
        command = self._call(REVOKE_HANDLE, b"", 0.0, *texts)
        return await self._dispatcher.run(command, lambda reply: int(reply) == 1)

    async def revoke_subject(
        self, subject: str, *, keep: str | None = None, now: float
    ) -> tuple[str, ...]:
        """End all of the subject's families but that of handle `keep`."""
        kept = b"" if keep is None else b"=" + write_text(keep)
        command = self._call(REVOKE_SUBJECT, b"", now, write_text(subject), kept)
        return await self._dispatcher.run(
            command, lambda reply: tuple([read_text(handle) for handle in reply]), now=now
        )

    async def list_for(self, subject: str, *, now: float) -> tuple[RefreshFamily, ...]:
        """Return the subject's live families, the one advanced last first."""

        def decode(reply: list[tuple[bytes, Sequence[bytes]]]) -> tuple[RefreshFamily, ...]:
            return tuple([_read_family(read_digest(digest), flat) for digest, flat in reply])

        command = self._call(LIST, b"", now, write_text(subject))
        return await self._dispatcher.run(command, decode, now=now)


def _write_family(family: RefreshFamily) -> tuple[bytes, ...]:
    """Return the arguments of an opening."""
    return (
        write_digest(family.digest),
        write_text(family.handle),
        write_text(family.subject),
        family.data,
        write_number(family.created_at),
        write_number(family.advanced_at),
        write_number(family.idle_expires_at),
        write_number(family.absolute_expires_at),
        write_text(family.user_agent),
        b"%d" % family.generation,
        b"" if family.client is None else b"=" + family.client,
    )


def _read_family(digest: bytes, flat: Sequence[bytes]) -> RefreshFamily:
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    return RefreshFamily(
        digest=digest,
        handle=read_text(fields[b"handle"]),
        subject=read_text(fields[b"subject"]),
        data=fields[b"data"],
        created_at=float(fields[b"created"]),
        advanced_at=float(fields[b"advanced"]),
        idle_expires_at=float(fields[b"idle"]),
        absolute_expires_at=float(fields[b"absolute"]),
        user_agent=read_text(fields[b"agent"]),
        client=fields.get(b"client"),
        generation=int(fields[b"generation"]),
    )
