"""Decisions about sessions as the database makes them: `session_steps`, in PL/pgSQL.

Each function is told the new record column by column, decides under the locks of the rows that it
changes, and returns a word: what happened. `{schema}` stands for the quoted schema.
"""

from __future__ import annotations

_RECORD = """p_digest bytea, p_handle text, p_user text, p_data bytea,
    p_created_at double precision, p_seen_at double precision,
    p_idle_expires_at double precision, p_absolute_expires_at double precision,
    p_user_agent text, p_client bytea, p_version bigint, p_now double precision"""

_PUT = """INSERT INTO {schema}.auth_sessions AS s VALUES (p_digest, p_handle, p_user, p_data,
            p_created_at, p_seen_at, p_idle_expires_at, p_absolute_expires_at, p_user_agent,
            p_client, p_version{step})
        ON CONFLICT (digest) DO UPDATE SET handle = excluded.handle, user_id = excluded.user_id,
            data = excluded.data, created_at = excluded.created_at, seen_at = excluded.seen_at,
            idle_expires_at = excluded.idle_expires_at,
            absolute_expires_at = excluded.absolute_expires_at,
            user_agent = excluded.user_agent, client = excluded.client,
            version = excluded.version"""

CREATE = """
CREATE FUNCTION {schema}.create_session(
    {record}, p_limit bigint, p_evict boolean, OUT outcome text, OUT evicted text[]
) LANGUAGE plpgsql AS $$
DECLARE
    standing text;
    doomed bytea[];
BEGIN
    IF p_limit IS NOT NULL AND p_user IS NOT NULL THEN
        -- Two sign-ins of one user at once must not both find the last place free.
        PERFORM pg_advisory_xact_lock(hashtextextended('asgi_security user ' || p_user, 0));
    END IF;
    LOOP
        SELECT s.handle INTO standing FROM {schema}.auth_sessions AS s
            WHERE s.digest = p_digest AND least(s.idle_expires_at, s.absolute_expires_at) > p_now;
        IF FOUND THEN
            outcome := CASE standing WHEN p_handle THEN 'repeated' ELSE 'taken' END;
            RETURN;
        END IF;
        IF p_limit IS NOT NULL THEN
            SELECT array_agg(other.digest ORDER BY other.seen_at, other.digest),
                array_agg(other.handle ORDER BY other.seen_at, other.digest) INTO doomed, evicted
            FROM (
                SELECT s.digest, s.handle, s.seen_at FROM {schema}.auth_sessions AS s
                WHERE s.user_id = p_user
                    -- Not as the index by expiry has it: a planner without statistics would read
                    -- that from end to end, to find what the index by user already has.
                    AND s.idle_expires_at > p_now AND s.absolute_expires_at > p_now
                ORDER BY s.seen_at DESC, s.digest DESC OFFSET greatest(0, p_limit - 1)
            ) AS other;
            IF p_limit < 1 OR (doomed IS NOT NULL AND NOT p_evict) THEN
                outcome := 'full';
                RETURN;
            END IF;
        END IF;
        {put}
        WHERE least(s.idle_expires_at, s.absolute_expires_at) <= p_now;
        EXIT WHEN FOUND;  -- else another call has just created it: look again
    END LOOP;
    outcome := 'created';
    IF doomed IS NOT NULL THEN
        -- In ascending order, so that two calls never wait for one another.
        PERFORM 1 FROM {schema}.auth_sessions AS s
            WHERE s.digest = ANY (doomed) ORDER BY s.digest FOR UPDATE;
        DELETE FROM {schema}.auth_sessions AS s WHERE s.digest = ANY (doomed);
    END IF;
END $$"""

SAVE = """
CREATE FUNCTION {schema}.save_session(
    p_digest bytea, p_user text, p_data bytea, p_seen_at double precision,
    p_idle_expires_at double precision, p_version bigint, p_now double precision,
    OUT outcome text, OUT current {schema}.auth_sessions
) LANGUAGE plpgsql AS $$
BEGIN
    SELECT s.* INTO current FROM {schema}.auth_sessions AS s
        WHERE s.digest = p_digest AND least(s.idle_expires_at, s.absolute_expires_at) > p_now
        FOR UPDATE;
    IF NOT FOUND THEN
        outcome := 'gone';
    ELSIF current.version = p_version THEN
        UPDATE {schema}.auth_sessions AS s
            SET user_id = p_user, data = p_data, seen_at = p_seen_at,
                idle_expires_at = p_idle_expires_at, version = p_version + 1
            WHERE s.digest = p_digest;
        outcome := 'saved';
    ELSIF (current.user_id, current.data, current.seen_at, current.idle_expires_at, current.version)
        IS NOT DISTINCT FROM (p_user, p_data, p_seen_at, p_idle_expires_at, p_version + 1) THEN
        outcome := 'saved';  -- before, and its answer was lost
    ELSE
        outcome := 'conflict';
    END IF;
END $$"""

REPLACE = """
CREATE FUNCTION {schema}.replace_session(
    p_old bytea, {record}, OUT outcome text, OUT current {schema}.auth_sessions
) LANGUAGE plpgsql AS $$
DECLARE
    r {schema}.auth_sessions;
    standing {schema}.auth_sessions;
    wanted {schema}.auth_sessions := (p_digest, p_handle, p_user, p_data, p_created_at, p_seen_at,
        p_idle_expires_at, p_absolute_expires_at, p_user_agent, p_client, p_version + 1);
BEGIN
    FOR r IN SELECT s.* FROM {schema}.auth_sessions AS s
        WHERE s.digest IN (p_old, p_digest)
            AND least(s.idle_expires_at, s.absolute_expires_at) > p_now
        ORDER BY s.digest FOR UPDATE
    LOOP
        IF r.digest = p_old THEN
            current := r;
        END IF;
        IF r.digest = p_digest THEN
            standing := r;
        END IF;
    END LOOP;
    IF current.digest IS NULL THEN
        outcome := CASE WHEN standing IS NOT DISTINCT FROM wanted THEN 'saved' ELSE 'gone' END;
    ELSIF current.version <> p_version
        OR (standing.digest IS NOT NULL AND standing IS DISTINCT FROM current) THEN
        outcome := 'conflict';
    ELSE
        DELETE FROM {schema}.auth_sessions AS s WHERE s.digest = p_old;
        {put_next};
        outcome := 'saved';
    END IF;
END $$"""

DELETE_ALL = """
CREATE FUNCTION {schema}.delete_sessions(p_user text, p_keep bytea)
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    doomed bytea[];
    deleted integer;
BEGIN
    -- In ascending order, so that two calls never wait for one another.
    doomed := ARRAY(
        SELECT s.digest FROM {schema}.auth_sessions AS s
        WHERE s.user_id = p_user AND s.digest IS DISTINCT FROM p_keep
        ORDER BY s.digest FOR UPDATE);
    DELETE FROM {schema}.auth_sessions AS s WHERE s.digest = ANY (doomed);
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN deleted;
END $$"""

SESSION_FUNCTIONS = (
    CREATE.replace("{record}", _RECORD).replace("{put}", _PUT.replace("{step}", "")),
    SAVE,
    REPLACE.replace("{record}", _RECORD).replace("{put_next}", _PUT.replace("{step}", " + 1")),
    DELETE_ALL,
)
"""In the order they are made."""
