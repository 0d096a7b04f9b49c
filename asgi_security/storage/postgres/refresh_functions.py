"""Decisions about refresh families as the database makes them: `refresh_steps`, in PL/pgSQL.

Each function decides under the lock of the rows that it changes, and returns a word: what happened.
`{schema}` stands for the quoted schema.
"""

from __future__ import annotations

_TABLES = (
    """
CREATE TABLE {schema}.refresh_families (
    digest bytea PRIMARY KEY,
    handle text NOT NULL,
    subject text NOT NULL,
    data bytea NOT NULL,
    created_at double precision NOT NULL,
    advanced_at double precision NOT NULL,
    idle_expires_at double precision NOT NULL,
    absolute_expires_at double precision NOT NULL,
    user_agent text NOT NULL,
    client bytea,
    generation bigint NOT NULL,
    is_ended boolean NOT NULL,  -- a token came twice
    expires_at double precision NOT NULL
)""",
    "CREATE INDEX refresh_families_by_subject ON {schema}.refresh_families (subject, advanced_at)",
    "CREATE INDEX refresh_families_by_expiry ON {schema}.refresh_families (expires_at)",
)

OPEN = """
CREATE FUNCTION {schema}.open_family(
    p_digest bytea, p_handle text, p_subject text, p_data bytea,
    p_created_at double precision, p_advanced_at double precision,
    p_idle_expires_at double precision, p_absolute_expires_at double precision,
    p_user_agent text, p_client bytea, p_generation bigint, p_now double precision
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    standing text;
BEGIN
    LOOP
        SELECT f.handle INTO standing FROM {schema}.refresh_families AS f
            WHERE f.digest = p_digest AND f.expires_at > p_now;
        IF FOUND THEN
            RETURN CASE standing WHEN p_handle THEN 'repeated' ELSE 'taken' END;
        END IF;
        INSERT INTO {schema}.refresh_families AS f VALUES (p_digest, p_handle, p_subject, p_data,
            p_created_at, p_advanced_at, p_idle_expires_at, p_absolute_expires_at, p_user_agent,
            p_client, p_generation, false, least(p_idle_expires_at, p_absolute_expires_at))
        ON CONFLICT (digest) DO UPDATE SET handle = excluded.handle, subject = excluded.subject,
            data = excluded.data, created_at = excluded.created_at,
            advanced_at = excluded.advanced_at, idle_expires_at = excluded.idle_expires_at,
            absolute_expires_at = excluded.absolute_expires_at,
            user_agent = excluded.user_agent, client = excluded.client,
            generation = excluded.generation, is_ended = false, expires_at = excluded.expires_at
        WHERE f.expires_at <= p_now;
        EXIT WHEN FOUND;  -- else another call has just opened it: look again
    END LOOP;
    RETURN 'opened';
END $$"""

ADVANCE = """
CREATE FUNCTION {schema}.advance_family(
    p_digest bytea, p_generation bigint, p_grace double precision,
    p_idle_expires_at double precision, p_now double precision,
    OUT outcome text, OUT age bigint, OUT current {schema}.refresh_families
) LANGUAGE plpgsql AS $$
BEGIN
    SELECT f.* INTO current FROM {schema}.refresh_families AS f
        WHERE f.digest = p_digest AND f.expires_at > p_now FOR UPDATE;
    IF NOT FOUND OR p_generation > current.generation THEN
        outcome := 'gone';
        RETURN;
    END IF;
    age := current.generation - p_generation;
    IF current.is_ended THEN
        outcome := 'ended';
    ELSIF age = 0 THEN
        UPDATE {schema}.refresh_families AS f
            SET generation = p_generation + 1, advanced_at = p_now,
                idle_expires_at = greatest(f.idle_expires_at, p_idle_expires_at),
                expires_at = least(
                    greatest(f.idle_expires_at, p_idle_expires_at), f.absolute_expires_at)
            WHERE f.digest = p_digest RETURNING f.* INTO current;
        outcome := 'rotated';
    ELSIF age = 1 AND p_now < current.advanced_at + p_grace THEN
        outcome := 'retried';
    ELSE
        UPDATE {schema}.refresh_families AS f
            SET is_ended = true, expires_at = f.absolute_expires_at
            WHERE f.digest = p_digest;
        outcome := 'reused';
    END IF;
END $$"""

REVOKE_SUBJECT = """
CREATE FUNCTION {schema}.revoke_families(p_subject text, p_keep text, p_now double precision)
RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    doomed bytea[];
    live text[];
BEGIN
    -- In ascending order, so that two calls never wait for one another.
    doomed := ARRAY(
        SELECT f.digest FROM {schema}.refresh_families AS f
        WHERE f.subject = p_subject AND f.handle IS DISTINCT FROM p_keep
        ORDER BY f.digest FOR UPDATE);
    live := ARRAY(
        SELECT f.handle FROM {schema}.refresh_families AS f
        WHERE f.digest = ANY (doomed) AND NOT f.is_ended AND f.expires_at > p_now
        ORDER BY f.advanced_at DESC, f.digest DESC);
    DELETE FROM {schema}.refresh_families AS f WHERE f.digest = ANY (doomed);
    RETURN live;
END $$"""

REFRESH_TABLES = (*_TABLES, OPEN, ADVANCE, REVOKE_SUBJECT)
"""In the order they are made."""
