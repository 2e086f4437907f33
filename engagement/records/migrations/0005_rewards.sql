-- What rewards gave other than points, by the outcome that gave it and the place in its rewards. `key` is that of what was
-- given, `source` that of the definition that gave it; `until` is when it ends, null where it does not.
CREATE TABLE reward_given (
    program_id int NOT NULL,
    member_id uuid NOT NULL,
    reward text COLLATE "C" NOT NULL,
    sort text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    given_at timestamptz NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    until timestamptz,
    count int NOT NULL,
    PRIMARY KEY (program_id, member_id, reward),
    CONSTRAINT reward_given_sort_known CHECK (sort IN ('badge', 'tier', 'boost', 'voucher', 'entitlement', 'draw')),
    CONSTRAINT reward_given_count_positive CHECK (count > 0)
);
ALTER TABLE reward_given ENABLE ROW LEVEL SECURITY;
ALTER TABLE reward_given FORCE ROW LEVEL SECURITY;
CREATE POLICY own_program ON reward_given USING (program_id = (SELECT current_program()));
GRANT SELECT, INSERT, UPDATE, DELETE ON reward_given TO engagement_app;

-- What time brings can ask for decisions too: their facts stand before the events of that instant.
ALTER TABLE fact DROP CONSTRAINT fact_rank_known;
ALTER TABLE fact ADD CONSTRAINT fact_rank_known CHECK (rank IN (0, 1, 2));
