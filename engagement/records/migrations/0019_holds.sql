-- Points that are set aside, and those that are not released yet. They stay in their lots, so in the wallet: nothing moves.

-- A hold ends once: it is captured (all of it, or a part), voided, or its time is over. `lots` says how many points of which lot it
-- holds, as [lot, points] in the order in which they are spent.
CREATE TABLE hold (
    program_id int NOT NULL,
    id uuid NOT NULL,
    member_id uuid NOT NULL,
    currency text COLLATE "C" NOT NULL,
    points bigint NOT NULL,
    lots jsonb NOT NULL,
    source text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    state text COLLATE "C" NOT NULL DEFAULT 'open',
    captured bigint NOT NULL DEFAULT 0,
    ended_at timestamptz,
    fact_id text COLLATE "C",
    PRIMARY KEY (program_id, id),
    CONSTRAINT hold_points_positive CHECK (points > 0),
    CONSTRAINT hold_ends_after_it_began CHECK (until > at),
    CONSTRAINT hold_state_known CHECK (state IN ('open', 'captured', 'voided', 'expired')),
    CONSTRAINT hold_ends_once CHECK ((state = 'open') = (ended_at IS NULL)),
    CONSTRAINT hold_captured_within CHECK (
        captured BETWEEN 0 AND points AND (captured > 0) = (state = 'captured') AND (captured > 0) = (fact_id IS NOT NULL)
    )
);
CREATE INDEX hold_of_member ON hold (program_id, member_id, at);
CREATE INDEX hold_open ON hold (program_id, member_id, until) WHERE state = 'open';
ALTER TABLE hold ENABLE ROW LEVEL SECURITY;
ALTER TABLE hold FORCE ROW LEVEL SECURITY;
CREATE POLICY own_program ON hold USING (program_id = (SELECT current_program()));
GRANT SELECT, INSERT, UPDATE (state, captured, ended_at, fact_id) ON hold TO engagement_app;

-- A lot is `pending` until it is released, at `release_at` where that is known. `kind` says how its points came: earned, by an
-- adjustment, or from another member. `extended` says that points came back to it after its end, and so for some days more.
ALTER TABLE lot ADD COLUMN pending boolean NOT NULL DEFAULT false;
ALTER TABLE lot ADD COLUMN extended boolean NOT NULL DEFAULT false;
ALTER TABLE lot ADD COLUMN kind text COLLATE "C" NOT NULL DEFAULT 'earn';
ALTER TABLE lot ADD CONSTRAINT lot_kind_known CHECK (kind IN ('earn', 'adjust', 'transfer'));
ALTER TABLE lot ADD CONSTRAINT lot_pending_is_not_held CHECK (NOT pending OR held = 0);
CREATE INDEX lot_pending ON lot (program_id, member_id, release_at) WHERE pending;

-- What adjustments and other members brought in all, less what went there.
ALTER TABLE wallet ADD COLUMN adjusted bigint NOT NULL DEFAULT 0;
ALTER TABLE wallet ADD COLUMN transferred bigint NOT NULL DEFAULT 0;
ALTER TABLE wallet ADD CONSTRAINT wallet_sets_aside_what_it_has CHECK (held + pending <= balance + debt);

ALTER TABLE transfer DROP CONSTRAINT transfer_accounts_known;
ALTER TABLE transfer ADD CONSTRAINT transfer_accounts_known CHECK (
    debit IN ('wallet', 'debt', 'issuance', 'redeemed', 'expired', 'adjustment', 'partner', 'member')
    AND credit IN ('wallet', 'debt', 'issuance', 'redeemed', 'expired', 'adjustment', 'partner', 'member')
);
