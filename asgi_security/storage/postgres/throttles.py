"""Quotas in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.storage.throttle_steps import count_microseconds, take_units

if TYPE_CHECKING:
    from asgi_security.storage.postgres.pools import Pools
    from asgi_security.storage.protocols.throttle import ThrottleRule, ThrottleState

TAKE_UNITS = """
CREATE FUNCTION {schema}.take_units(
    p_digest bytea, p_fixed boolean, p_limit bigint, p_window bigint, p_period bigint,
    p_at bigint, p_cost bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    standing bigint;
    whole_at bigint;
    window_end bigint := (p_at / p_window + 1) * p_window;
BEGIN
    LOOP
        -- Read without a lock, so that refusals, of which a flood is made, write nothing.
        SELECT t.whole_at_microseconds INTO standing FROM {schema}.throttles AS t
            WHERE t.digest = p_digest;
        whole_at := coalesce(standing, 0);
        IF p_fixed THEN
            IF whole_at <= window_end THEN
                whole_at := window_end;
            END IF;
            IF whole_at % p_window + p_cost > p_limit THEN
                RETURN standing;
            END IF;
            whole_at := whole_at + p_cost;
        ELSE
            whole_at := greatest(p_at, whole_at) + p_cost * p_period;
            IF whole_at - p_limit * p_period > p_at THEN
                RETURN standing;
            END IF;
        END IF;
        IF standing IS NULL THEN
            INSERT INTO {schema}.throttles VALUES (p_digest, whole_at) ON CONFLICT DO NOTHING;
        ELSE
            UPDATE {schema}.throttles AS t SET whole_at_microseconds = whole_at
                WHERE t.digest = p_digest AND t.whole_at_microseconds = standing;
        END IF;
        IF FOUND THEN
            RETURN standing;
        END IF;  -- else another request came between: judge by what it left
    END LOOP;
END $$"""
"""Takes the units if they are there, and returns the instant that stood before, NULL for none."""

TAKE = "SELECT {schema}.take_units($1, $2, $3, $4, $5, $6, $7)"
SWEEP = """
    DELETE FROM {schema}.throttles WHERE digest IN (
        SELECT digest FROM {schema}.throttles WHERE whole_at_microseconds <= $1
        LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING 1"""


class PostgresThrottles:
    """A `ThrottleStore`: each operation one statement."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    async def take(
        self, digest: bytes, rule: ThrottleRule, *, now: float, cost: int = 1
    ) -> ThrottleState:
        """Take units, or none.

        Atomic because what is written was decided on the instant that it takes the place of: the
        function looks again until that has not changed in between.
        """
        window = count_microseconds(rule.window_seconds)
        found = await self._pools.fetch(
            TAKE,
            digest,
            rule.fixed_window,
            rule.limit,
            window,
            -(-window // rule.limit),
            count_microseconds(now),
            min(cost, rule.limit + 1),  # more is refused just the same, and might not fit
        )
        return take_units(found[0][0] or 0, rule, now=now, cost=cost)[0]

    async def sweep(self, now: float, limit: int) -> int:
        """Drop up to `limit` keys whose quota is whole again."""
        return len(await self._pools.fetch(SWEEP, count_microseconds(now), limit))
