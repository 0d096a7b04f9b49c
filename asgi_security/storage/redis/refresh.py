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
from asgi_security.storage.redis.commands import build_read, write_number
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
    from asgi_security.storage.redis.commands import Command, Script
    from asgi_security.storage.redis.dispatcher import Dispatcher


class RedisRefresh:
    """A `RefreshStore`: each operation one script or command.

    A family is found by its digest and by its subject, which no name can hold together: all
    families share one hash tag, and one node of a cluster carries them.
    """

    def __init__(self, dispatcher: Dispatcher, prefix: bytes) -> None:
        self._dispatcher = dispatcher
        self._tag = b"{%b:refresh}:" % prefix

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
            _write_digest(digest),
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
        command = self._call(REVOKE, digest, 0.0, _write_digest(digest))
        return await self._dispatcher.run(
            command, lambda reply: _read_family(digest, reply) if reply else None
        )

    async def revoke_handle(self, subject: str, handle: str) -> bool:
        """End the subject's family of that handle."""
        texts = (_write_text(subject), _write_text(handle))
        command = self._call(REVOKE_HANDLE, b"", 0.0, *texts)
        return await self._dispatcher.run(command, lambda reply: int(reply) == 1)

    async def revoke_subject(
        self, subject: str, *, keep: str | None = None, now: float
    ) -> tuple[str, ...]:
        """End all of the subject's families but that of handle `keep`."""
        kept = b"" if keep is None else b"=" + _write_text(keep)
        command = self._call(REVOKE_SUBJECT, b"", now, _write_text(subject), kept)
        return await self._dispatcher.run(
            command, lambda reply: tuple([_read_text(handle) for handle in reply]), now=now
        )

    async def list_for(self, subject: str, *, now: float) -> tuple[RefreshFamily, ...]:
        """Return the subject's live families, the one advanced last first."""

        def decode(reply: list[tuple[bytes, Sequence[bytes]]]) -> tuple[RefreshFamily, ...]:
            return tuple([_read_family(_read_digest(digest), flat) for digest, flat in reply])

        command = self._call(LIST, b"", now, _write_text(subject))
        return await self._dispatcher.run(command, decode, now=now)

    async def sweep(self, now: float, limit: int) -> int:
        """Drop up to `limit` families that have expired, from the lists too."""
        command = self._call(SWEEP, b"", now, b"%d" % limit)
        return await self._dispatcher.run(command, int)

    def _call(self, script: Script, digest: bytes, now: float, *arguments: bytes) -> Command:
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


def _write_family(family: RefreshFamily) -> tuple[bytes, ...]:
    """Return the arguments of an opening."""
    return (
        _write_digest(family.digest),
        _write_text(family.handle),
        _write_text(family.subject),
        family.data,
        write_number(family.created_at),
        write_number(family.advanced_at),
        write_number(family.idle_expires_at),
        write_number(family.absolute_expires_at),
        _write_text(family.user_agent),
        b"%d" % family.generation,
        b"" if family.client is None else b"=" + family.client,
    )


def _read_family(digest: bytes, flat: Sequence[bytes]) -> RefreshFamily:
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    return RefreshFamily(
        digest=digest,
        handle=_read_text(fields[b"handle"]),
        subject=_read_text(fields[b"subject"]),
        data=fields[b"data"],
        created_at=float(fields[b"created"]),
        advanced_at=float(fields[b"advanced"]),
        idle_expires_at=float(fields[b"idle"]),
        absolute_expires_at=float(fields[b"absolute"]),
        user_agent=_read_text(fields[b"agent"]),
        client=fields.get(b"client"),
        generation=int(fields[b"generation"]),
    )
