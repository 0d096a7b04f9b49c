"""Revocations in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.storage.postgres.pools import Pools

REVOKE = """
    INSERT INTO {schema}.revocations AS r (digest, expires_at) VALUES ($1, $2)
    ON CONFLICT (digest)
        DO UPDATE SET expires_at = excluded.expires_at WHERE r.expires_at < excluded.expires_at"""
REVOKE_SUBJECT = """
    INSERT INTO {schema}.revoked_subjects AS r (subject, issued_before, expires_at)
    VALUES ($1, $2, $3)
    ON CONFLICT (subject)
        DO UPDATE SET issued_before = greatest(r.issued_before, excluded.issued_before),
            expires_at = greatest(r.expires_at, excluded.expires_at)"""
IS_REVOKED = """
    SELECT EXISTS (
        SELECT FROM {schema}.revocations
        WHERE digest = ANY ($1::text[]::bytea[]) AND expires_at > $2
    ) OR EXISTS (
        SELECT FROM {schema}.revoked_subjects WHERE subject = $3 AND expires_at > $2
            AND ($4::double precision IS NULL OR issued_before >= $4)
    )"""
SWEEP = """
    DELETE FROM {schema}.revocations WHERE digest IN (
        SELECT digest FROM {schema}.revocations WHERE expires_at <= $1
        LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING 1"""
SWEEP_SUBJECTS = """
    DELETE FROM {schema}.revoked_subjects WHERE subject IN (
        SELECT subject FROM {schema}.revoked_subjects WHERE expires_at <= $1
        LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING 1"""


class PostgresRevocations:
    """A `RevocationStore`: upserts that only ever strengthen what stands."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    async def revoke(self, digest: bytes, *, expires_at: float) -> None:
        """Refuse this id from now on, at least until `expires_at`."""
        await self._pools.fetch(REVOKE, digest, expires_at)

    async def revoke_subject(self, subject: bytes, *, before: float, expires_at: float) -> None:
        """Refuse all that was issued to this subject at or before an instant."""
        await self._pools.fetch(REVOKE_SUBJECT, subject, before, expires_at)

    async def is_revoked(
        self,
        ids: Sequence[bytes],
        *,
        subject: bytes | None = None,
        issued_at: float | None = None,
        now: float,
    ) -> bool:
        """Tell whether any id is revoked, or the subject at or after `issued_at`."""
        # As text: for an array of bytea asyncpg would first ask the server what that is.
        digests = [f"\\x{digest.hex()}" for digest in ids]
        found = await self._pools.fetch(IS_REVOKED, digests, now, subject, issued_at)
        return bool(found[0][0])

    async def sweep(self, now: float, limit: int) -> int:
        """Drop up to `limit` expired revocations of each kind."""
        ids = await self._pools.fetch(SWEEP, now, limit)
        return len(ids) + len(await self._pools.fetch(SWEEP_SUBJECTS, now, limit))
