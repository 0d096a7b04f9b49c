"""Does sessions that a store keeps: the cookie carries nothing but an id.

The id is 256 unpredictable bits; the store knows its SHA-256 only, so that whoever reads the store
cannot present a single one of them.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from asgi_security.crypto.base64url import encode_base64url
from asgi_security.crypto.digests import KeyedDigests
from asgi_security.errors import StorageError
from asgi_security.events import Severity
from asgi_security.flows.session_keeping import SessionKeeper, Written
from asgi_security.policy.documents import encode_json, parse_object
from asgi_security.policy.session_saving import Begin, End, Rotate, Touch, merge_data
from asgi_security.policy.session_state import Snapshot
from asgi_security.secret import Secret
from asgi_security.storage.protocols import (
    Gone,
    LimitReached,
    Saved,
    SessionRecord,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.flows.session_keeping import Committed, Visitor
    from asgi_security.policy.session_saving import Save, Writing
    from asgi_security.policy.session_state import Session
    from asgi_security.policy.sessions import SessionConfig
    from asgi_security.storage.protocols import (
        Conflict,
        SessionStore,
    )

_ID = re.compile(rb"[A-Za-z0-9_-]{43}\Z")
_ID_BYTES = 32
_HANDLE_BYTES = 12
_SHOWN_CHARACTERS = 200
_SAVE_ATTEMPTS = 5


class StoredSessionKeeper(SessionKeeper):
    """Keeps sessions in a store."""

    saves_late = True
    ends_late = True

    def __init__(self, config: SessionConfig, *, store: SessionStore, **outside: Any) -> None:
        super().__init__(config, **outside)
        self._store = store
        self.waits = True
        self._limit = config.max_sessions_per_user
        self._evicts = config.on_limit == "evict"
        self._merges = config.on_conflict == "merge"
        self._resends = config.max_age_seconds is not None
        secret = config.secret
        self._digests = None if secret is None else KeyedDigests(Secret(secret))

    def _is_plausible(self, value: bytes) -> bool:
        return _ID.match(value) is not None

    async def _fetch(self, values: Sequence[bytes]) -> Snapshot | None:
        plausible = [value for value in values if _ID.match(value)]
        loaded = [await self._load(value) for value in plausible]
        return self.choose([each for each in loaded if each is not None])

    async def _load(self, value: bytes) -> Snapshot | None:
        now = self._clock()
        record = await self._store.load(_digest(value), now=now)
        if record is None:
            return None
        # The store goes by the lifetimes the session began with; they may be shorter by now.
        if not self._lifetimes.is_live(record.created_at, record.seen_at, now=now):
            return None
        return _build_snapshot(record, value)

    async def carry_out(self, session: Session, saving: Writing, visitor: Visitor) -> Committed:
        """Write to the store, in time or not at all; a failure costs the change, not the page."""
        try:
            return await self.ask(self._write(session, saving, visitor))
        except StorageError:
            self.report("session_save_failed", Severity.ERROR)
            session.reported = True
            return Written(self._writer.deletion) if isinstance(saving, End) else None

    async def _write(self, session: Session, saving: Writing, visitor: Visitor) -> Committed:
        now = self._clock()
        if isinstance(saving, End):
            if saving.over is not None:
                await self._end(saving.over)
            session.settle(None, b"{}")
            return Written(self._writer.deletion)
        if isinstance(saving, Begin):
            return await self._begin(session, saving, visitor, now)
        if isinstance(saving, Touch):
            return await self._touch(saving.found, now)
        return await self._save(session, saving, now)

    async def _end(self, over: Snapshot) -> None:
        await self._store.delete(over.key)

    async def _begin(
        self, session: Session, begin: Begin, visitor: Visitor, now: float
    ) -> Committed:
        # First the end of the old: were it the other way round, a new login could push another
        # device of the same user out although this one leaves its place.
        if begin.over is not None:
            await self._end(begin.over)
        value = encode_base64url(self._entropy(_ID_BYTES))
        record = SessionRecord(
            digest=_digest(value),
            handle=encode_base64url(self._entropy(_HANDLE_BYTES)).decode("ascii"),
            user=begin.user,
            data=begin.data,
            created_at=now,
            seen_at=now,
            idle_expires_at=self._lifetimes.compute_idle_end(now),
            absolute_expires_at=self._lifetimes.compute_absolute_end(now),
            user_agent=_show(visitor.user_agent),
            client=self._digest_client(visitor.address),
        )
        created = await self._store.create(record, now=now, limit=self._limit, evict=self._evicts)
        if isinstance(created, LimitReached):
            self.report("session_limit_reached", Severity.WARNING)
            session.reported = True
            return Written(self._writer.deletion) if begin.over is not None else None
        if created.evicted:
            self.report("session_evicted", Severity.INFO, count=len(created.evicted))
        session.settle(_build_snapshot(record, value), record.data)
        return Written(self._writer.build_line(value))

    async def _save(self, session: Session, saving: Rotate | Save, now: float) -> Committed:
        found = saving.found
        rotates = isinstance(saving, Rotate)
        value = encode_base64url(self._entropy(_ID_BYTES)) if rotates else found.cookie
        record = self._build_record(found, value, saving.data, now)
        for _ in range(_SAVE_ATTEMPTS):
            call = (
                self._store.replace(found.key, record, now=now)
                if rotates
                else self._store.save(record, now=now)
            )
            outcome = await call
            if isinstance(outcome, Saved):
                if record.data is not saving.data:
                    session.absorb(record.data)
                record = replace(record, version=outcome.version)
                session.settle(_build_snapshot(record, value), record.data)
                sends = rotates or self._resends
                return Written(self._writer.build_line(value) if sends else None)
            if isinstance(outcome, Gone):
                # Ended meanwhile, by a logout as likely as not: it stays so.
                self.report("session_gone", Severity.INFO)
                session.reported = True
                return None
            record = self._resolve(record, found, outcome)
        self.report("session_save_failed", Severity.ERROR)
        session.reported = True
        return None

    def _resolve(self, record: SessionRecord, found: Snapshot, conflict: Conflict) -> SessionRecord:
        current = conflict.current
        data = record.data
        if self._merges:
            base, ours, theirs = (parse_object(d) or {} for d in (found.data, data, current.data))
            data = encode_json(merge_data(base, ours, theirs))
        return replace(record, version=current.version, data=data)

    async def _touch(self, found: Snapshot, now: float) -> Committed:
        alive = await self._store.touch(
            found.key,
            seen_at=now,
            idle_expires_at=self._lifetimes.compute_idle_end(now),
            now=now,
        )
        return Written(self._writer.build_line(found.cookie)) if alive and self._resends else None

    def _build_record(
        self, found: Snapshot, value: bytes, data: bytes, now: float
    ) -> SessionRecord:
        return SessionRecord(
            digest=_digest(value),
            handle=found.handle,
            user=found.user,
            data=data,
            created_at=found.created_at,
            seen_at=now,
            idle_expires_at=self._lifetimes.compute_idle_end(now),
            absolute_expires_at=self._lifetimes.compute_absolute_end(found.created_at),
            version=found.version,
        )

    def _digest_client(self, address: str | None) -> bytes | None:
        if address is None or self._digests is None:
            return None
        return self._digests.compute("session client", address)


def _digest(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()


def _show(user_agent: bytes) -> str:
    text = user_agent[:_SHOWN_CHARACTERS].decode("latin-1")
    return "".join(character for character in text if character.isprintable())


def _build_snapshot(record: SessionRecord, value: bytes) -> Snapshot:
    return Snapshot(
        record.handle,
        record.user,
        record.created_at,
        record.seen_at,
        record.data,
        key=record.digest,
        version=record.version,
        cookie=value,
    )
