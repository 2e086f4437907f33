-- Long work that the worker does for a program: what was asked for, how far it is, and what came of it. Whoever works on a job
-- holds it until `leased_until`, under the number `turn`; after that another may go on from `place`. `tries` are the turns since it last
-- came further.
CREATE TABLE job (
    program_id int NOT NULL,
    id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL,
    input jsonb NOT NULL,
    state text COLLATE "C" NOT NULL DEFAULT 'queued',
    done bigint NOT NULL DEFAULT 0,
    total bigint,
    place jsonb,
    result jsonb,
    problem text COLLATE "C",
    turn int NOT NULL DEFAULT 0,
    tries int NOT NULL DEFAULT 0,
    leased_until timestamptz,
    asked_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    PRIMARY KEY (program_id, id),
    CONSTRAINT job_state_known CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    CONSTRAINT job_ended_at_an_instant CHECK ((state IN ('queued', 'running')) = (ended_at IS NULL)),
    CONSTRAINT job_failed_with_a_problem CHECK ((state = 'failed') = (problem IS NOT NULL)),
    CONSTRAINT job_leased_while_running CHECK ((state = 'running') = (leased_until IS NOT NULL)),
    CONSTRAINT job_counts_not_negative CHECK (done >= 0 AND total >= 0 AND turn >= 0 AND tries >= 0)
);
CREATE INDEX job_open ON job (program_id, asked_at) WHERE state IN ('queued', 'running');
ALTER TABLE job ENABLE ROW LEVEL SECURITY;
ALTER TABLE job FORCE ROW LEVEL SECURITY;
CREATE POLICY own_program ON job USING (program_id = (SELECT current_program()));
GRANT SELECT, INSERT, UPDATE, DELETE ON job TO engagement_app;
