-- The first schema. Run by engagement_owner; engagement_app serves and gets only the rights granted at the end.
--
-- Every table of one program's data begins its key with program_id, and row-level security, forced on the owner too,
-- shows and accepts only the rows of the program in the transaction's setting app.program. Unset, empty or '*' it shows
-- none of them. The setting '*' (sign-in, operators, a worker listing the programs) opens `program` and `credential` alone.
--
-- Texts that callers name are COLLATE "C": ids order by code point, as in the fold, whatever the server's locale.
--
-- Foreign keys: the tables written for every event (event, member_snapshot, completion, badge_award, board_score, lot,
-- transfer, activity, outbox, idempotency) have none. Each would cost one look-up and one row lock per inserted row, and what
-- they would prove holds already: these rows are written only under the lock of the member's row in member_state, which
-- has a foreign key to member, and members are never deleted. wallet and member_state are inserted once per member and
-- then updated without touching their keys, so theirs cost nothing on the hot path.

CREATE FUNCTION current_program() RETURNS int
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(nullif(current_setting('app.program', true), ''), '*')::int;

CREATE FUNCTION every_program() RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN coalesce(current_setting('app.program', true) = '*', false);

CREATE TABLE program (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text COLLATE "C" NOT NULL CONSTRAINT program_key_unique UNIQUE,
    name text NOT NULL,
    timezone text NOT NULL,
    sandbox boolean NOT NULL DEFAULT false,
    clock timestamptz,
    horizon_days int,
    revision int NOT NULL DEFAULT 0,
    token_secret bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT program_clock_only_in_sandbox CHECK (sandbox OR clock IS NULL),
    CONSTRAINT program_horizon_positive CHECK (horizon_days > 0)
);

CREATE TABLE definition (
    program_id int NOT NULL REFERENCES program (id),
    kind text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    PRIMARY KEY (program_id, kind, key)
);

CREATE TABLE definition_version (
    program_id int NOT NULL,
    kind text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    version int NOT NULL,
    body jsonb NOT NULL,
    active_from timestamptz NOT NULL,
    active_until timestamptz,
    counts_from timestamptz,
    PRIMARY KEY (program_id, kind, key, version),
    FOREIGN KEY (program_id, kind, key) REFERENCES definition (program_id, kind, key),
    CONSTRAINT definition_version_positive CHECK (version > 0),
    -- A version replaced at the instant it was published is empty, never negative.
    CONSTRAINT definition_version_ends_after_start CHECK (active_until >= active_from)
);
CREATE UNIQUE INDEX definition_version_one_open ON definition_version (program_id, kind, key) WHERE active_until IS NULL;

CREATE TABLE member (
    program_id int NOT NULL REFERENCES program (id),
    id uuid NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    timezone text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (program_id, id),
    CONSTRAINT member_external_id_unique UNIQUE (program_id, external_id)
);

CREATE TABLE event (
    program_id int NOT NULL,
    member_id uuid NOT NULL,
    id text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    occurred_at timestamptz NOT NULL,
    sent_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    properties jsonb NOT NULL,
    too_late boolean NOT NULL DEFAULT false,
    seq bigint,
    PRIMARY KEY (program_id, member_id, id)
);
CREATE INDEX event_in_order ON event (program_id, member_id, occurred_at, id);

-- `pending` lists what is stored and waits for the worker to fold it in.
-- A fifth of each page stays free, so that the new version of a row, written at every event, fits beside the old one.
CREATE TABLE member_state (
    program_id int NOT NULL,
    member_id uuid NOT NULL,
    version bigint NOT NULL,
    revision int NOT NULL,
    seq bigint NOT NULL,
    inputs int NOT NULL,
    state jsonb NOT NULL,
    due_at timestamptz,
    pending jsonb,
    PRIMARY KEY (program_id, member_id),
    FOREIGN KEY (program_id, member_id) REFERENCES member (program_id, id)
) WITH (fillfactor = 80);
CREATE INDEX member_state_due ON member_state (program_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX member_state_pending ON member_state (program_id) WHERE pending IS NOT NULL;

CREATE TABLE member_snapshot (
    program_id int NOT NULL,
    member_id uuid NOT NULL,
    inputs int NOT NULL,
    at timestamptz NOT NULL,
    state jsonb NOT NULL,
    PRIMARY KEY (program_id, member_id, inputs)
);

CREATE TABLE completion (
    program_id int NOT NULL,
    member_id uuid NOT NULL,
    challenge text COLLATE "C" NOT NULL,
    period text COLLATE "C" NOT NULL,
    completed_at timestamptz NOT NULL,
    event_id text COLLATE "C",
    PRIMARY KEY (program_id, member_id, challenge, period)
);

CREATE TABLE badge_award (
    program_id int NOT NULL,
    member_id uuid NOT NULL,
    badge text COLLATE "C" NOT NULL,
    level text COLLATE "C" NOT NULL,
    awarded_at timestamptz NOT NULL,
    event_id text COLLATE "C",
    PRIMARY KEY (program_id, member_id, badge, level)
);

CREATE TABLE board_score (
    program_id int NOT NULL,
    board text COLLATE "C" NOT NULL,
    period text COLLATE "C" NOT NULL,
    member_id uuid NOT NULL,
    score bigint NOT NULL,
    reached_at timestamptz NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (program_id, board, period, member_id)
);

CREATE TABLE wallet (
    program_id int NOT NULL,
    member_id uuid NOT NULL,
    currency text COLLATE "C" NOT NULL,
    earned bigint NOT NULL DEFAULT 0,
    reversed bigint NOT NULL DEFAULT 0,
    spent bigint NOT NULL DEFAULT 0,
    expired bigint NOT NULL DEFAULT 0,
    balance bigint NOT NULL DEFAULT 0,
    pending bigint NOT NULL DEFAULT 0,
    held bigint NOT NULL DEFAULT 0,
    debt bigint NOT NULL DEFAULT 0,
    next_expiry_at timestamptz,
    PRIMARY KEY (program_id, member_id, currency),
    FOREIGN KEY (program_id, member_id) REFERENCES member (program_id, id),
    CONSTRAINT wallet_not_negative CHECK (
        earned >= 0 AND reversed >= 0 AND spent >= 0 AND expired >= 0 AND pending >= 0 AND held >= 0 AND debt >= 0
    ),
    CONSTRAINT wallet_below_zero_by_debt_alone CHECK (balance >= -debt)
) WITH (fillfactor = 80);

CREATE TABLE lot (
    program_id int NOT NULL,
    member_id uuid NOT NULL,
    id text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    points bigint NOT NULL,
    remaining bigint NOT NULL,
    held bigint NOT NULL DEFAULT 0,
    earned_at timestamptz NOT NULL,
    release_at timestamptz,
    expires_at timestamptz,
    event_id text COLLATE "C",
    source text COLLATE "C" NOT NULL,
    PRIMARY KEY (program_id, member_id, id),
    CONSTRAINT lot_held_within_remaining_within_points CHECK (
        points > 0 AND remaining >= 0 AND remaining <= points AND held >= 0 AND held <= remaining
    )
);
CREATE INDEX lot_with_points_left ON lot (program_id, member_id, expires_at) WHERE remaining > 0;

CREATE TABLE transfer (
    program_id int NOT NULL,
    id uuid NOT NULL,
    member_id uuid NOT NULL,
    currency text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    points bigint NOT NULL,
    debit text COLLATE "C" NOT NULL,
    credit text COLLATE "C" NOT NULL,
    lot_id text COLLATE "C",
    at timestamptz NOT NULL,
    booked_at timestamptz NOT NULL,
    event_id text COLLATE "C",
    source text COLLATE "C" NOT NULL,
    corrects uuid,
    PRIMARY KEY (program_id, id),
    CONSTRAINT transfer_points_positive CHECK (points > 0),
    CONSTRAINT transfer_between_two_accounts CHECK (debit <> credit),
    CONSTRAINT transfer_accounts_known CHECK (
        debit IN ('wallet', 'issuance', 'redeemed', 'expired', 'adjustment', 'partner')
        AND credit IN ('wallet', 'issuance', 'redeemed', 'expired', 'adjustment', 'partner')
    )
);
CREATE INDEX transfer_of_member ON transfer (program_id, member_id, at);

-- The grants keep the service from changing a transfer; this keeps the owner and a superuser's slip from it as well.
CREATE FUNCTION refuse_change_of_transfer() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'a transfer is never changed or deleted; book a correcting one' USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER transfer_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transfer
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_transfer();

CREATE TABLE activity (
    program_id int NOT NULL,
    member_id uuid NOT NULL,
    seq bigint NOT NULL,
    at timestamptz NOT NULL,
    booked_at timestamptz NOT NULL,
    event_id text COLLATE "C",
    effects jsonb NOT NULL,
    PRIMARY KEY (program_id, member_id, seq),
    CONSTRAINT activity_seq_positive CHECK (seq > 0)
);

CREATE TABLE outbox (
    program_id int NOT NULL,
    id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    payload jsonb NOT NULL,
    PRIMARY KEY (program_id, id)
);
CREATE INDEX outbox_oldest ON outbox (created_at);

CREATE TABLE credential (
    id text COLLATE "C" PRIMARY KEY,
    program_id int REFERENCES program (id),
    name text NOT NULL,
    scopes text[] NOT NULL,
    secret_hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    CONSTRAINT credential_hash_is_sha256 CHECK (octet_length(secret_hash) = 32)
);

CREATE TABLE idempotency (
    program_id int NOT NULL,
    principal text COLLATE "C" NOT NULL,
    operation text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    input_hash bytea NOT NULL,
    result jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (program_id, principal, operation, key)
);

-- Row-level security. The sub-select makes the setting an InitPlan: it is read once per statement, not once per row.
DO $$
DECLARE
    scoped text;
BEGIN
    FOREACH scoped IN ARRAY ARRAY[
        'definition', 'definition_version', 'member', 'event', 'member_state', 'member_snapshot', 'completion',
        'badge_award', 'board_score', 'wallet', 'lot', 'transfer', 'activity', 'outbox', 'idempotency'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', scoped);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', scoped);
        EXECUTE format('CREATE POLICY own_program ON %I USING (program_id = (SELECT current_program()))', scoped);
    END LOOP;
END
$$;

ALTER TABLE program ENABLE ROW LEVEL SECURITY;
ALTER TABLE program FORCE ROW LEVEL SECURITY;
CREATE POLICY read_own ON program FOR SELECT USING ((SELECT every_program()) OR id = (SELECT current_program()));
CREATE POLICY change_own ON program FOR UPDATE USING ((SELECT every_program()) OR id = (SELECT current_program()));
CREATE POLICY create_as_operator ON program FOR INSERT WITH CHECK ((SELECT every_program()));

ALTER TABLE credential ENABLE ROW LEVEL SECURITY;
ALTER TABLE credential FORCE ROW LEVEL SECURITY;
CREATE POLICY own_program ON credential
    USING ((SELECT every_program()) OR program_id = (SELECT current_program()));

-- Rights of the serving role. What is not named here it cannot do: published definitions, events, transfers and the feed
-- are append only, and nothing but projections, snapshots and the outbox is ever deleted.
GRANT SELECT, INSERT ON
    program, definition, definition_version, member, event, member_state, member_snapshot, completion, badge_award,
    board_score, wallet, lot, transfer, activity, outbox, credential, idempotency
    TO engagement_app;
GRANT UPDATE (name, timezone, clock, horizon_days, revision, token_secret) ON program TO engagement_app;
GRANT UPDATE (active_until) ON definition_version TO engagement_app;
GRANT UPDATE (timezone) ON member TO engagement_app;
GRANT UPDATE (revoked_at) ON credential TO engagement_app;
GRANT UPDATE (result) ON idempotency TO engagement_app;
GRANT UPDATE ON member_state, member_snapshot, completion, badge_award, board_score, wallet, lot TO engagement_app;
GRANT DELETE ON member_snapshot, completion, badge_award, board_score, outbox TO engagement_app;
-- Needed to claim rows with FOR UPDATE SKIP LOCKED; no statement of ours changes the column.
GRANT UPDATE (created_at) ON outbox TO engagement_app;
