-- How many of the places of a challenge for the first so many members are taken, in each of its windows. Whoever gives one locks
-- the row first.
CREATE TABLE challenge_place (
    program_id int NOT NULL,
    challenge text COLLATE "C" NOT NULL,
    period text COLLATE "C" NOT NULL,
    taken int NOT NULL,
    PRIMARY KEY (program_id, challenge, period),
    CONSTRAINT challenge_place_taken_not_negative CHECK (taken >= 0)
);
ALTER TABLE challenge_place ENABLE ROW LEVEL SECURITY;
ALTER TABLE challenge_place FORCE ROW LEVEL SECURITY;
CREATE POLICY own_program ON challenge_place USING (program_id = (SELECT current_program()));
GRANT SELECT, INSERT, UPDATE ON challenge_place TO engagement_app;
