"""Accounts as the database decides about them: `account_steps`, in PL/pgSQL, and their tables.

Whatever changes an account's factors or identities locks its row first, so that two calls never
wait for one another, and nothing is added to an account that goes. `{schema}` stands for the quoted
schema. Text is compared by code point, as in every other backend.
"""

from __future__ import annotations

_TABLES = (
    """
CREATE TABLE {schema}.accounts (
    id text COLLATE "C" PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    password_hash text,
    is_active boolean NOT NULL,
    is_verified boolean NOT NULL,
    epoch bigint NOT NULL,
    roles text[] NOT NULL,
    tenant text,
    created_at double precision NOT NULL,
    data bytea NOT NULL,
    version bigint NOT NULL
)""",
    """
CREATE TABLE {schema}.account_factors (
    account text COLLATE "C" NOT NULL REFERENCES {schema}.accounts ON DELETE CASCADE,
    kind text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    created_at double precision NOT NULL,
    data bytea NOT NULL,
    step bigint NOT NULL,
    PRIMARY KEY (account, kind, id)
)""",
    """
CREATE TABLE {schema}.account_identities (
    issuer text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL REFERENCES {schema}.accounts ON DELETE CASCADE,
    created_at double precision NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (issuer, subject)
)""",
    "CREATE INDEX account_identities_by_account ON {schema}.account_identities (account)",
    """
CREATE TABLE {schema}.api_keys (
    id text COLLATE "C" PRIMARY KEY,
    digest bytea NOT NULL,
    account text COLLATE "C" NOT NULL,
    name text NOT NULL,
    scopes text[] NOT NULL,
    created_at double precision NOT NULL,
    expires_at double precision,
    revoked_at double precision,
    used_at double precision
)""",
    "CREATE INDEX api_keys_by_account ON {schema}.api_keys (account)",
)

CREATE = """
CREATE FUNCTION {schema}.create_account(
    p_id text, p_name text, p_password_hash text, p_is_active boolean, p_is_verified boolean,
    p_epoch bigint, p_roles text[], p_tenant text, p_created_at double precision, p_data bytea,
    p_version bigint, p_issuer text, p_subject text, p_linked_at double precision,
    p_identity_data bytea, OUT outcome text, OUT owner text
) LANGUAGE plpgsql AS $$
DECLARE
    standing double precision;
    namesake text;
BEGIN
    LOOP
        -- All in one statement: one after the other, the name of this very account, which another
        -- call makes meanwhile, would be found and its id not.
        SELECT
            (SELECT a.created_at FROM {schema}.accounts AS a WHERE a.id = p_id),
            (SELECT a.id FROM {schema}.accounts AS a WHERE a.name = p_name),
            (SELECT i.account FROM {schema}.account_identities AS i
                WHERE i.issuer = p_issuer AND i.subject = p_subject)
            INTO standing, namesake, owner;
        outcome := CASE
            WHEN standing = p_created_at THEN 'created'
            WHEN standing IS NOT NULL THEN 'taken'
            WHEN namesake IS NOT NULL THEN 'name_taken'
            WHEN owner IS NOT NULL THEN 'identity_taken'
        END;
        IF outcome IS NOT NULL THEN
            RETURN;
        END IF;
        outcome := 'created';
        INSERT INTO {schema}.accounts VALUES (p_id, p_name, p_password_hash, p_is_active,
            p_is_verified, p_epoch, p_roles, p_tenant, p_created_at, p_data, p_version)
            ON CONFLICT DO NOTHING;
        CONTINUE WHEN NOT FOUND;  -- another call came between: look again at what it left
        EXIT WHEN p_issuer IS NULL;
        INSERT INTO {schema}.account_identities
            VALUES (p_issuer, p_subject, p_id, p_linked_at, p_identity_data)
            ON CONFLICT DO NOTHING;
        EXIT WHEN FOUND;
        DELETE FROM {schema}.accounts AS a WHERE a.id = p_id;
    END LOOP;
END $$"""

SAVE = """
CREATE FUNCTION {schema}.save_account(
    p_id text, p_name text, p_password_hash text, p_is_active boolean, p_is_verified boolean,
    p_epoch bigint, p_roles text[], p_tenant text, p_data bytea, p_version bigint,
    OUT outcome text, OUT current {schema}.accounts
) LANGUAGE plpgsql AS $$
BEGIN
    SELECT a.* INTO current FROM {schema}.accounts AS a WHERE a.id = p_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        outcome := 'gone';
    ELSIF (current.name, current.password_hash, current.is_active, current.is_verified,
            current.epoch, current.roles, current.tenant, current.data, current.version)
        IS NOT DISTINCT FROM (p_name, p_password_hash, p_is_active, p_is_verified,
            p_epoch, p_roles, p_tenant, p_data, p_version + 1) THEN
        outcome := 'saved';  -- before, and its answer was lost
    ELSIF current.version <> p_version THEN
        outcome := 'conflict';
    -- Looked for before it is taken: two renames that wait for one another's name would not end.
    ELSIF EXISTS (SELECT 1 FROM {schema}.accounts AS a WHERE a.name = p_name AND a.id <> p_id) THEN
        outcome := 'name_taken';
    ELSE
        UPDATE {schema}.accounts AS a SET name = p_name, password_hash = p_password_hash,
            is_active = p_is_active, is_verified = p_is_verified, epoch = p_epoch, roles = p_roles,
            tenant = p_tenant, data = p_data, version = p_version + 1
            WHERE a.id = p_id;
        outcome := 'saved';
    END IF;
EXCEPTION WHEN unique_violation THEN
    outcome := 'name_taken';  -- by one that committed after we looked
END $$"""

REPLACE_FACTORS = """
CREATE FUNCTION {schema}.replace_factors(
    p_account text, p_kind text, p_ids text[], p_created_at double precision[], p_data bytea[],
    p_steps bigint[]
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM {schema}.accounts AS a WHERE a.id = p_account FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM {schema}.account_factors AS f WHERE f.account = p_account AND f.kind = p_kind;
    INSERT INTO {schema}.account_factors
        SELECT p_account, p_kind, n.id, n.created_at, n.data, n.step
        FROM unnest(p_ids, p_created_at, p_data, p_steps) AS n (id, created_at, data, step);
    RETURN true;
END $$"""

# Both lock the account, so that they come before or after a replacement and not in between.
ADVANCE_FACTOR = """
CREATE FUNCTION {schema}.advance_factor(p_account text, p_kind text, p_id text, p_step bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM {schema}.accounts AS a WHERE a.id = p_account FOR KEY SHARE;
    UPDATE {schema}.account_factors AS f SET step = p_step
        WHERE f.account = p_account AND f.kind = p_kind AND f.id = p_id AND f.step < p_step;
    RETURN FOUND;
END $$"""

DELETE_FACTOR = """
CREATE FUNCTION {schema}.delete_factor(p_account text, p_kind text, p_id text)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM {schema}.accounts AS a WHERE a.id = p_account FOR KEY SHARE;
    DELETE FROM {schema}.account_factors AS f
        WHERE f.account = p_account AND f.kind = p_kind AND f.id = p_id;
    RETURN FOUND;
END $$"""

LINK = """
CREATE FUNCTION {schema}.link_identity(
    p_issuer text, p_subject text, p_account text, p_created_at double precision, p_data bytea,
    OUT outcome text, OUT owner text
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM {schema}.accounts AS a WHERE a.id = p_account FOR KEY SHARE;
    IF NOT FOUND THEN
        outcome := 'gone';
        RETURN;
    END IF;
    LOOP
        SELECT i.account INTO owner FROM {schema}.account_identities AS i
            WHERE i.issuer = p_issuer AND i.subject = p_subject;
        IF FOUND THEN
            outcome := CASE owner WHEN p_account THEN 'linked' ELSE 'taken' END;
            RETURN;
        END IF;
        outcome := 'linked';
        INSERT INTO {schema}.account_identities
            VALUES (p_issuer, p_subject, p_account, p_created_at, p_data) ON CONFLICT DO NOTHING;
        EXIT WHEN FOUND;  -- else another call has just linked it: look again
    END LOOP;
END $$"""

UNLINK = """
CREATE FUNCTION {schema}.unlink_identity(
    p_account text, p_issuer text, p_subject text, p_leave bigint
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    -- Two unlinks at once must not both find another identity that stays.
    PERFORM 1 FROM {schema}.accounts AS a WHERE a.id = p_account FOR UPDATE;
    IF NOT EXISTS (SELECT 1 FROM {schema}.account_identities AS i
        WHERE i.issuer = p_issuer AND i.subject = p_subject AND i.account = p_account) THEN
        RETURN true;
    END IF;
    IF (SELECT count(*) FROM {schema}.account_identities AS i WHERE i.account = p_account)
        <= p_leave THEN
        RETURN false;
    END IF;
    DELETE FROM {schema}.account_identities AS i
        WHERE i.issuer = p_issuer AND i.subject = p_subject;
    RETURN true;
END $$"""

ACCOUNT_SCHEMA = (
    *_TABLES,
    *(CREATE, SAVE, REPLACE_FACTORS, ADVANCE_FACTOR, DELETE_FACTOR, LINK, UNLINK),
)
"""In the order they are made."""
