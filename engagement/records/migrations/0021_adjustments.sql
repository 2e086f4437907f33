-- How much a key may give or take by adjustments: at a time, and on a day of the program, in each currency. Nothing where there is no
-- limit.
ALTER TABLE credential ADD COLUMN points_per_adjustment bigint;
ALTER TABLE credential ADD COLUMN points_per_day bigint;
ALTER TABLE credential ADD CONSTRAINT credential_limits_positive CHECK (points_per_adjustment > 0 AND points_per_day > 0);

-- What keys with a limit have given and taken on a day of the program (an ordinal).
CREATE TABLE adjusted (
    program_id int NOT NULL,
    credential text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    day int NOT NULL,
    points bigint NOT NULL,
    PRIMARY KEY (program_id, credential, currency, day),
    CONSTRAINT adjusted_points_positive CHECK (points > 0)
);
ALTER TABLE adjusted ENABLE ROW LEVEL SECURITY;
ALTER TABLE adjusted FORCE ROW LEVEL SECURITY;
CREATE POLICY own_program ON adjusted USING (program_id = (SELECT current_program()));
GRANT SELECT, INSERT, UPDATE (points) ON adjusted TO engagement_app;
