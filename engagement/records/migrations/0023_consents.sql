-- What a member said of each purpose, in order; the last holds. `version` is the one of the purpose that was in force, `source` where she said
-- it, in the app's words, and `told_by` whether she did so herself. Written under her lock, never changed.
CREATE TABLE consent (
    program_id int NOT NULL,
    member_id uuid NOT NULL,
    purpose text COLLATE "C" NOT NULL,
    n int NOT NULL,
    given boolean NOT NULL,
    version int NOT NULL,
    source text COLLATE "C" NOT NULL,
    told_by text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (program_id, member_id, purpose, n),
    CONSTRAINT consent_n_positive CHECK (n > 0),
    CONSTRAINT consent_told_by_known CHECK (told_by IN ('member', 'server'))
);
ALTER TABLE consent ENABLE ROW LEVEL SECURITY;
ALTER TABLE consent FORCE ROW LEVEL SECURITY;
CREATE POLICY own_program ON consent USING (program_id = (SELECT current_program()));
CREATE POLICY of_erased ON consent AS RESTRICTIVE FOR DELETE USING (EXISTS (
    SELECT FROM erasure
    WHERE erasure.program_id = consent.program_id AND erasure.member_id = consent.member_id AND erasure.done_at IS NULL
));
GRANT SELECT, INSERT, DELETE ON consent TO engagement_app;
