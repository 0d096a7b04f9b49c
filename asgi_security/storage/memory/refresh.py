"""Families of refresh tokens in this process's memory."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from asgi_security.storage.memory.expiring import Expiring
from asgi_security.storage.refresh_steps import (
    StoredFamily,
    check_repeated,
    decide_advance,
    list_live,
)

if TYPE_CHECKING:
    from asgi_security.storage.protocols.refresh import Advance, RefreshFamily


class MemoryRefresh:
    """A `RefreshStore` of at most `limit` families.

    When it is full of live ones, opening one more raises `StorageError`: a flood of sign-ins must
    neither log out whoever is signed in, nor forget which family was ended.
    """

    def __init__(self, *, limit: int) -> None:
        self._families: Expiring[bytes, StoredFamily] = Expiring("families", limit, self._forget)
        self._of_subjects: dict[str, dict[bytes, None]] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._families)

    async def open_family(self, family: RefreshFamily, *, now: float) -> None:
        """Store a new family."""
        with self._lock:
            if not check_repeated(self._families.get(family.digest, now), family):
                self._remove(family.digest)  # one that has expired may be another subject's
                self._put(StoredFamily(family), now)

    async def advance(
        self,
        digest: bytes,
        generation: int,
        *,
        grace_seconds: float,
        idle_expires_at: float,
        now: float,
    ) -> Advance:
        """Use up the token of `generation`.

        Atomic because the lock is held from the look to the change, without waiting in between.
        """
        with self._lock:
            answer, change = decide_advance(
                self._families.get(digest, now),
                generation,
                grace_seconds=grace_seconds,
                idle_expires_at=idle_expires_at,
                now=now,
            )
            if change is not None:
                self._put(change, now)
            return answer

    async def load_family(self, digest: bytes, *, now: float) -> RefreshFamily | None:
        """Return the live family, or None; one that ended by reuse is None."""
        with self._lock:
            stored = self._families.get(digest, now)
            return None if stored is None or stored.is_ended else stored.family

    async def revoke_family(self, digest: bytes) -> RefreshFamily | None:
        """End a family and return it as it was."""
        with self._lock:
            stored = self._families.get_stored(digest)
            if stored is None or stored[1].is_ended:
                return None
            self._remove(digest)
            return stored[1].family

    async def revoke_handle(self, subject: str, handle: str) -> bool:
        """End the subject's family of that handle."""
        with self._lock:
            for stored in self._find_all(subject):
                if stored.family.handle == handle and not stored.is_ended:
                    self._remove(stored.family.digest)
                    return True
            return False

    async def revoke_subject(
        self, subject: str, *, keep: str | None = None, now: float
    ) -> tuple[str, ...]:
        """End all of the subject's families but that of handle `keep`."""
        with self._lock:
            found = [each for each in self._find_all(subject) if each.family.handle != keep]
            for stored in found:
                self._remove(stored.family.digest)
            live = list_live([each for each in found if now < each.expires_at])
            return tuple([family.handle for family in live])

    async def list_for(self, subject: str, *, now: float) -> tuple[RefreshFamily, ...]:
        """Return the subject's live families, the one advanced last first."""
        with self._lock:
            return list_live([each for each in self._find_all(subject) if now < each.expires_at])

    def sweep(self, now: float, limit: int) -> int:
        """Drop up to `limit` families that have expired."""
        with self._lock:
            return self._families.sweep(now, limit)

    def _find_all(self, subject: str) -> list[StoredFamily]:
        digests = self._of_subjects.get(subject, {})
        found = [self._families.get_stored(digest) for digest in digests]
        return [each[1] for each in found if each is not None]

    def _put(self, stored: StoredFamily, now: float) -> None:
        digest = stored.family.digest
        self._families.put(digest, stored, expires_at=stored.expires_at, now=now)
        self._of_subjects.setdefault(stored.family.subject, {})[digest] = None

    def _remove(self, digest: bytes) -> None:
        stored = self._families.pop(digest)
        if stored is not None:
            self._forget(digest, stored[1])

    def _forget(self, digest: bytes, stored: StoredFamily) -> None:
        subject = stored.family.subject
        digests = self._of_subjects.get(subject)
        if digests is not None:
            digests.pop(digest, None)
            if not digests:
                del self._of_subjects[subject]
