"""The tables of the audit log in PostgreSQL, and the append that is one statement.

Nothing in a record refers to another table: an account that is deleted leaves its records as they
are. The two unique keys admit no fork, even to a writer that has read an old head.

`{schema}` stands for the quoted schema.
"""

from __future__ import annotations

AUDIT_TABLES = (
    """
CREATE TABLE {schema}.audit_log (
    chain text NOT NULL,
    sequence bigint NOT NULL,
    body bytea NOT NULL,
    mac bytea NOT NULL,
    previous bytea NOT NULL,
    at text NOT NULL,
    action text NOT NULL,
    actor text,
    target text,
    outcome text NOT NULL,
    request_id text,
    PRIMARY KEY (chain, sequence),
    UNIQUE (chain, previous)
)""",
    """
CREATE INDEX audit_log_by_actor ON {schema}.audit_log (actor, at) WHERE actor IS NOT NULL""",
    """
CREATE INDEX audit_log_by_target ON {schema}.audit_log (target, at) WHERE target IS NOT NULL""",
    """
CREATE TABLE {schema}.audit_heads (
    chain text COLLATE "C" PRIMARY KEY,
    sequence bigint NOT NULL,
    mac bytea NOT NULL
) WITH (fillfactor = 70)""",
)

APPEND_AUDIT = """
CREATE FUNCTION {schema}.append_audit(
    p_chain text, p_sequence bigint, p_mac bytea, p_bodies bytea[], p_macs bytea[], p_at text[],
    p_actions text[], p_actors text[], p_targets text[], p_outcomes text[], p_requests text[],
    OUT outcome text, OUT head_sequence bigint, OUT head_mac bytea
) LANGUAGE plpgsql AS $$
DECLARE
    made bigint := p_sequence + cardinality(p_macs);
BEGIN
    -- The row of a chain is made first and then locked, also for a chain without records: to lock
    -- its last record instead would let two writers follow on it, one after the other.
    INSERT INTO {schema}.audit_heads VALUES (p_chain, 0, decode(repeat('00', 32), 'hex'))
        ON CONFLICT DO NOTHING;
    SELECT h.sequence, h.mac INTO head_sequence, head_mac FROM {schema}.audit_heads AS h
        WHERE h.chain = p_chain FOR UPDATE;
    IF EXISTS (SELECT FROM {schema}.audit_log AS l WHERE l.chain = p_chain AND l.sequence = made
        AND l.mac = p_macs[cardinality(p_macs)]) THEN
        outcome := 'appended';  -- before, and its answer was lost
    ELSIF (head_sequence, head_mac) = (p_sequence, p_mac) THEN
        INSERT INTO {schema}.audit_log
            SELECT p_chain, p_sequence + r.place, r.body, r.mac,
                CASE r.place WHEN 1 THEN p_mac ELSE p_macs[r.place - 1] END,
                r.at, r.action, r.actor, r.target, r.result, r.request_id
            FROM unnest(p_bodies, p_macs, p_at, p_actions, p_actors, p_targets, p_outcomes,
                p_requests) WITH ORDINALITY
                AS r (body, mac, at, action, actor, target, result, request_id, place);
        head_sequence := made;
        head_mac := p_macs[cardinality(p_macs)];
        UPDATE {schema}.audit_heads AS h SET sequence = head_sequence, mac = head_mac
            WHERE h.chain = p_chain;
        outcome := 'appended';
    ELSE
        outcome := 'moved';
    END IF;
END $$"""

AUDIT_STEPS = (*AUDIT_TABLES, APPEND_AUDIT)
"""In the order they are made."""
