"""The steps of `attempt_steps` on one row, and rows in and out of their table, in PL/pgSQL.

A schedule is an array: threshold, window, timeout of a charge, failures that lock until cleared
(infinity for none), then the cooldowns, of which the last holds for all beyond. Several are told
as texts, since an array of arrays would be a matrix. The charges of a row are three arrays, in the
order they were made.

`{schema}` stands for the quoted schema.
"""

from __future__ import annotations

LOCK_END = """
CREATE FUNCTION {schema}.attempt_lock_end(
    failures integer, last_failure_at double precision, schedule double precision[]
) RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN failures >= schedule[4] THEN 'infinity'
        WHEN failures < schedule[1] THEN last_failure_at
        ELSE last_failure_at
            + schedule[least(failures - schedule[1] + 5, cardinality(schedule))::integer]
    END
$$"""

AGE = """
CREATE FUNCTION {schema}.attempt_age(
    r {schema}.attempt_keys, schedule double precision[], p_now double precision
) RETURNS {schema}.attempt_keys LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    timed_out double precision := p_now - schedule[3];
    tickets bytea[] := '{}';
    charged_at double precision[] := '{}';
    later integer[] := '{}';
    charged double precision;
BEGIN
    IF p_now < r.last_failure_at THEN
        r.last_failure_at := p_now;  -- the clock went back
    END IF;
    IF timed_out >= ANY (r.charged_at) OR p_now < ANY (r.charged_at) THEN
        FOR i IN 1 .. cardinality(r.tickets) LOOP
            charged := least(r.charged_at[i], p_now);
            IF charged <= timed_out THEN
                r.failures := r.failures + 1;
                r.last_failure_at := greatest(r.last_failure_at, charged);
                later := {schema}.attempt_count_later(later, cardinality(later));
            ELSE
                tickets := tickets || r.tickets[i];
                charged_at := charged_at || charged;
                later := later || r.later_failures[i];
            END IF;
        END LOOP;
        r.tickets := tickets;
        r.charged_at := charged_at;
        r.later_failures := later;
    END IF;
    IF p_now >= {schema}.attempt_lock_end(r.failures, r.last_failure_at, schedule) + schedule[2]
    THEN
        r.failures := 0;
        r.last_failure_at := NULL;
        r.later_failures := array_fill(0, ARRAY[cardinality(r.tickets)]);
    END IF;
    RETURN r;
END $$"""

COUNT_LATER = """
CREATE FUNCTION {schema}.attempt_count_later(later integer[], p_count integer)
RETURNS integer[] LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    FOR i IN 1 .. p_count LOOP
        later[i] := later[i] + 1;
    END LOOP;
    RETURN later;
END $$"""

LOAD = """
CREATE FUNCTION {schema}.attempt_load(p_locks bigint[], p_kinds text[], p_digests bytea[])
RETURNS {schema}.attempt_keys[] LANGUAGE plpgsql AS $$
DECLARE
    loaded {schema}.attempt_keys[] := '{}';
    r {schema}.attempt_keys;
BEGIN
    FOR i IN 1 .. cardinality(p_locks) LOOP
        PERFORM pg_advisory_xact_lock(p_locks[i]);
    END LOOP;
    FOR i IN 1 .. cardinality(p_kinds) LOOP
        SELECT k.* INTO r FROM {schema}.attempt_keys AS k
            WHERE k.kind = p_kinds[i] AND k.digest = p_digests[i];
        IF NOT FOUND THEN
            r := (p_kinds[i], p_digests[i], 0, NULL, '{}', '{}', '{}', NULL);
        END IF;
        loaded[i] := r;
    END LOOP;
    RETURN loaded;
END $$"""

AGE_ALL = """
CREATE FUNCTION {schema}.attempt_age_all(
    loaded {schema}.attempt_keys[], p_places integer[], p_numbers integer[],
    p_schedules text[], p_now double precision
) RETURNS {schema}.attempt_keys[] LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    FOR i IN 1 .. cardinality(p_places) LOOP
        loaded[p_places[i]] := {schema}.attempt_age(
            loaded[p_places[i]], p_schedules[p_numbers[i]]::double precision[], p_now);
    END LOOP;
    RETURN loaded;
END $$"""

SAVE = """
CREATE FUNCTION {schema}.attempt_save(
    stored {schema}.attempt_keys[], changed {schema}.attempt_keys[], p_places integer[],
    p_numbers integer[], p_schedules text[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    r {schema}.attempt_keys;
    schedule double precision[];
    latest double precision;
BEGIN
    FOR i IN 1 .. cardinality(stored) LOOP
        r := changed[i];
        CONTINUE WHEN r IS NOT DISTINCT FROM stored[i];
        IF r.failures = 0 AND r.tickets = '{}' THEN
            DELETE FROM {schema}.attempt_keys AS k WHERE k.kind = r.kind AND k.digest = r.digest;
            CONTINUE;
        END IF;
        schedule := p_schedules[p_numbers[array_position(p_places, i)]];
        -- The latest it can be, as if all open charges were to fail.
        latest := (SELECT max(each) FROM unnest(r.charged_at) AS each);
        r.expires_at := greatest(
            latest + schedule[3],
            schedule[2] + {schema}.attempt_lock_end(
                r.failures + cardinality(r.tickets), greatest(r.last_failure_at, latest), schedule)
        );
        -- Whole minutes, later rather than earlier: most updates then touch no index.
        r.expires_at := ceil(r.expires_at / 60) * 60;
        INSERT INTO {schema}.attempt_keys AS k SELECT r.*
        ON CONFLICT (kind, digest) DO UPDATE SET failures = excluded.failures,
            last_failure_at = excluded.last_failure_at, tickets = excluded.tickets,
            charged_at = excluded.charged_at, later_failures = excluded.later_failures,
            expires_at = excluded.expires_at;
    END LOOP;
END $$"""

SETTLE_ROW = """
CREATE FUNCTION {schema}.attempt_settle(
    r {schema}.attempt_keys, place integer, p_outcome text, p_forgets boolean
) RETURNS {schema}.attempt_keys LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    charged double precision := r.charged_at[place];
    later integer := r.later_failures[place];
    kept integer := place - 1;  -- so many of the charges before this one stay
BEGIN
    IF p_outcome = 'failure' THEN
        r.failures := r.failures + 1;
        r.last_failure_at := greatest(r.last_failure_at, charged);
        r.later_failures := {schema}.attempt_count_later(r.later_failures, place - 1);
    ELSIF p_outcome = 'success' AND p_forgets THEN
        r.failures := later;
        IF later = 0 THEN
            r.last_failure_at := NULL;
        END IF;
        kept := 0;
    END IF;
    r.tickets := r.tickets[: kept] || r.tickets[place + 1 :];
    r.charged_at := r.charged_at[: kept] || r.charged_at[place + 1 :];
    r.later_failures := r.later_failures[: kept] || r.later_failures[place + 1 :];
    RETURN r;
END $$"""

ROW_FUNCTIONS = (
    LOCK_END,
    COUNT_LATER,
    AGE,
    AGE_ALL,
    LOAD,
    SAVE,
    SETTLE_ROW,
)
"""In the order they are made."""
