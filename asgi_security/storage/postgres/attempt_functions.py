"""The operations of an `AttemptStore`, in PL/pgSQL.

One call is one statement, so its transaction, its locks and its round trip are one. Each function
first takes the advisory locks of all its keys, in ascending order, and reads after that: no
deadlock is possible, and no step is decided on rows that another one is changing. They end with
the transaction. (To insert missing rows and lock the rest would hold later rows while it waits for
earlier ones, which can deadlock when one is deleted in between.)

The rows are told by arrays: `p_places[i]` is a row, `p_numbers[i]` the key whose schedule it is
judged by, and `p_current[i]` is false for a row under a retired secret.

`{schema}` stands for the quoted schema.
"""

from __future__ import annotations

CHARGE = """
CREATE FUNCTION {schema}.charge(
    p_locks bigint[], p_kinds text[], p_digests bytea[], p_places integer[], p_numbers integer[],
    p_current boolean[], p_schedules text[], p_ticket bytea, p_now double precision,
    OUT verdict text, OUT at double precision
) LANGUAGE plpgsql AS $$
DECLARE
    stored {schema}.attempt_keys[] := {schema}.attempt_load(p_locks, p_kinds, p_digests);
    rows {schema}.attempt_keys[]
        := {schema}.attempt_age_all(stored, p_places, p_numbers, p_schedules, p_now);
    r {schema}.attempt_keys;
    schedule double precision[];
    lock_end double precision;
    place integer;
    until double precision := '-infinity';
BEGIN
    FOR i IN 1 .. cardinality(p_places) LOOP
        r := rows[p_places[i]];
        place := array_position(r.tickets, p_ticket);
        IF p_current[i] AND place IS NOT NULL THEN
            verdict := 'admitted';  -- charged before, and its answer lost
            at := r.charged_at[place];
            PERFORM {schema}.attempt_save(stored, rows, p_places, p_numbers, p_schedules);
            RETURN;
        END IF;
        schedule := p_schedules[p_numbers[i]];
        lock_end := {schema}.attempt_lock_end(r.failures, r.last_failure_at, schedule);
        IF p_now < lock_end THEN
            until := greatest(until, lock_end);
        ELSIF cardinality(r.tickets) >= greatest(1, schedule[1] - r.failures) THEN
            verdict := 'busy';
        END IF;
    END LOOP;
    IF until > '-infinity' THEN
        verdict := 'locked';
        at := until;
    ELSIF verdict IS NULL THEN
        verdict := 'admitted';
        at := p_now;
        FOR i IN 1 .. cardinality(p_places) LOOP
            r := rows[p_places[i]];
            IF p_current[i] AND array_position(r.tickets, p_ticket) IS NULL THEN
                r.tickets := r.tickets || p_ticket;
                r.charged_at := r.charged_at || p_now;
                r.later_failures := r.later_failures || 0;
                rows[p_places[i]] := r;
            END IF;
        END LOOP;
    END IF;
    -- Also when refused: what has aged stays aged.
    PERFORM {schema}.attempt_save(stored, rows, p_places, p_numbers, p_schedules);
END $$"""

SETTLE = """
CREATE FUNCTION {schema}.settle(
    p_locks bigint[], p_kinds text[], p_digests bytea[], p_places integer[], p_numbers integer[],
    p_current boolean[], p_schedules text[], p_forgets boolean[], p_ticket bytea,
    p_outcome text, p_now double precision, p_at double precision, p_account bytea,
    p_client bytea, p_record_kind text, p_record_outcome text, p_agent text, p_address text
) RETURNS TABLE (failures_before integer, last_before double precision,
    failures_after integer, last_after double precision
) LANGUAGE plpgsql AS $$
DECLARE
    stored {schema}.attempt_keys[] := {schema}.attempt_load(p_locks, p_kinds, p_digests);
    aged {schema}.attempt_keys[]
        := {schema}.attempt_age_all(stored, p_places, p_numbers, p_schedules, p_now);
    rows {schema}.attempt_keys[] := aged;
    r {schema}.attempt_keys;
    place integer;
    forgets boolean;
    was_open boolean := false;
BEGIN
    FOR i IN 1 .. cardinality(p_places) LOOP
        r := rows[p_places[i]];
        place := array_position(r.tickets, p_ticket);
        CONTINUE WHEN place IS NULL OR NOT p_current[i];
        was_open := true;
        forgets := p_forgets[p_numbers[i]];
        rows[p_places[i]] := {schema}.attempt_settle(r, place, p_outcome, forgets);
        IF p_outcome = 'success' AND forgets THEN
            FOR j IN 1 .. cardinality(p_places) LOOP
                CONTINUE WHEN p_current[j] OR p_numbers[j] <> p_numbers[i];
                r := rows[p_places[j]];
                rows[p_places[j]] := (r.kind, r.digest, 0, NULL, '{}', '{}', '{}', NULL);
            END LOOP;
        END IF;
    END LOOP;
    PERFORM {schema}.attempt_save(stored, rows, p_places, p_numbers, p_schedules);
    FOR i IN 1 .. cardinality(rows) LOOP
        EXIT WHEN NOT was_open;
        failures_before := aged[i].failures;
        last_before := aged[i].last_failure_at;
        failures_after := rows[i].failures;
        last_after := rows[i].last_failure_at;
        RETURN NEXT;
    END LOOP;
    IF was_open AND p_at IS NOT NULL THEN
        BEGIN
            INSERT INTO {schema}.failed_auth_attempts
                (at, account, client, kind, outcome, user_agent, address)
            VALUES (p_at, p_account, p_client, p_record_kind, p_record_outcome, p_agent, p_address);
        EXCEPTION WHEN OTHERS THEN
            NULL;  -- a record that cannot be kept fails nothing else
        END;
    END IF;
END $$"""

ADD_FAILURE = """
CREATE FUNCTION {schema}.add_failure(
    p_locks bigint[], p_kinds text[], p_digests bytea[], p_places integer[], p_numbers integer[],
    p_current boolean[], p_schedules text[], p_now double precision
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    stored {schema}.attempt_keys[] := {schema}.attempt_load(p_locks, p_kinds, p_digests);
    rows {schema}.attempt_keys[]
        := {schema}.attempt_age_all(stored, p_places, p_numbers, p_schedules, p_now);
    r {schema}.attempt_keys;
BEGIN
    FOR i IN 1 .. cardinality(p_places) LOOP
        CONTINUE WHEN NOT p_current[i];
        r := rows[p_places[i]];
        r.failures := r.failures + 1;
        r.last_failure_at := greatest(r.last_failure_at, p_now);
        r.later_failures
            := {schema}.attempt_count_later(r.later_failures, cardinality(r.later_failures));
        rows[p_places[i]] := r;
    END LOOP;
    PERFORM {schema}.attempt_save(stored, rows, p_places, p_numbers, p_schedules);
END $$"""

CLEAR = """
CREATE FUNCTION {schema}.clear_attempts(p_locks bigint[], p_kinds text[], p_digests bytea[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. cardinality(p_locks) LOOP
        PERFORM pg_advisory_xact_lock(p_locks[i]);
    END LOOP;
    FOR i IN 1 .. cardinality(p_kinds) LOOP
        DELETE FROM {schema}.attempt_keys AS k
            WHERE k.kind = p_kinds[i] AND k.digest = p_digests[i];
    END LOOP;
END $$"""

ATTEMPT_FUNCTIONS = (CHARGE, SETTLE, ADD_FAILURE, CLEAR)
