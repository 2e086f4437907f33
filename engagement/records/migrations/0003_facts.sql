-- Facts: what was decided once, under the lock of the member, or told by a command, and is an input of her fold from then
-- on. `at`, `rank`, `cause` and `n` are its place among her inputs; a fact that an input caused has that input's instant,
-- rank and id. Never changed or deleted: what takes a decision's effect back is a transfer.
CREATE TABLE fact (
    program_id int NOT NULL,
    member_id uuid NOT NULL,
    id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    rank smallint NOT NULL,
    cause text COLLATE "C" NOT NULL,
    n int NOT NULL,
    data jsonb NOT NULL,
    booked_at timestamptz NOT NULL,
    PRIMARY KEY (program_id, member_id, id),
    CONSTRAINT fact_rank_known CHECK (rank IN (1, 2)),
    CONSTRAINT fact_n_not_negative CHECK (n >= 0),
    CONSTRAINT fact_place_unique UNIQUE (program_id, member_id, at, rank, cause, n)
);

-- Moves from one tier of a ladder to another. `event_id` is empty where time brought the move.
CREATE TABLE tier_change (
    program_id int NOT NULL,
    member_id uuid NOT NULL,
    ladder text COLLATE "C" NOT NULL,
    changed_at timestamptz NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    tier_from text COLLATE "C" NOT NULL,
    tier_to text COLLATE "C" NOT NULL,
    qualifying bigint NOT NULL,
    PRIMARY KEY (program_id, member_id, ladder, changed_at, event_id)
);

DO $$
DECLARE
    scoped text;
BEGIN
    FOREACH scoped IN ARRAY ARRAY['fact', 'tier_change'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', scoped);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', scoped);
        EXECUTE format('CREATE POLICY own_program ON %I USING (program_id = (SELECT current_program()))', scoped);
    END LOOP;
END
$$;
GRANT SELECT, INSERT ON fact TO engagement_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON tier_change TO engagement_app;

-- What came to its end in a lot: not asked for again when its earning is taken back. Until now nothing else left a lot.
-- The policy would hide every lot from this statement, so it steps aside for it.
ALTER TABLE lot ADD COLUMN expired bigint NOT NULL DEFAULT 0;
ALTER TABLE lot NO FORCE ROW LEVEL SECURITY;
UPDATE lot SET expired = points - remaining WHERE remaining < points;
ALTER TABLE lot FORCE ROW LEVEL SECURITY;

-- A spend that is taken back returns to its lots, also to one whose own earning was taken back before: so a lot may hold more
-- than it is worth. Its transfers say why.
ALTER TABLE lot DROP CONSTRAINT lot_held_within_remaining_within_points;
ALTER TABLE lot ADD CONSTRAINT lot_counts_not_negative CHECK (
    points >= 0 AND remaining >= 0 AND expired >= 0 AND held >= 0 AND held <= remaining
);

-- What a member owes is an account beside her wallet: a clawback moves points out of it that are not there, and the next
-- points she earns move into it. Her balance is what both come to.
ALTER TABLE transfer DROP CONSTRAINT transfer_accounts_known;
ALTER TABLE transfer ADD CONSTRAINT transfer_accounts_known CHECK (
    debit IN ('wallet', 'debt', 'issuance', 'redeemed', 'expired', 'adjustment', 'partner')
    AND credit IN ('wallet', 'debt', 'issuance', 'redeemed', 'expired', 'adjustment', 'partner')
);
-- The decision that a transfer carries out, or whose effect it takes back.
ALTER TABLE transfer ADD COLUMN fact_id text COLLATE "C";
