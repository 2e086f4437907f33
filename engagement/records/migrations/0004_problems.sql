-- Conditions that failed at run time, counted by definition since it was last changed; the rest of a row is of the latest event
-- with which it did. Each definition is counted in a few lanes, so that batches do not wait for one another.
CREATE TABLE problem (
    program_id int NOT NULL,
    kind text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    lane smallint NOT NULL,
    count bigint NOT NULL,
    at timestamptz NOT NULL,
    path text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    member_id uuid NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (program_id, kind, key, lane),
    CONSTRAINT problem_count_positive CHECK (count > 0)
);
ALTER TABLE problem ENABLE ROW LEVEL SECURITY;
ALTER TABLE problem FORCE ROW LEVEL SECURITY;
CREATE POLICY own_program ON problem USING (program_id = (SELECT current_program()));
GRANT SELECT, INSERT, UPDATE, DELETE ON problem TO engagement_app;
