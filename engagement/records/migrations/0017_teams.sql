-- Teams, by the app's own ids. Whoever lets a member in locks the row first.
CREATE TABLE team (
    program_id int NOT NULL,
    id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (program_id, id)
);
-- In which team a member is now: a projection of her facts, written under her lock.
CREATE TABLE team_member (
    program_id int NOT NULL,
    member_id uuid NOT NULL,
    team text COLLATE "C" NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (program_id, member_id)
);
CREATE INDEX team_member_team ON team_member (program_id, team);
-- What a member has given to a team in a window of a challenge, since she joined it. The amount is the fold's, written by difference;
-- `open` says that the team has met its target and that she has still to be told.
CREATE TABLE contribution (
    program_id int NOT NULL,
    member_id uuid NOT NULL,
    challenge text COLLATE "C" NOT NULL,
    period text COLLATE "C" NOT NULL,
    since timestamptz NOT NULL,
    team text COLLATE "C" NOT NULL,
    amount numeric NOT NULL,
    window_index int NOT NULL,
    target bigint NOT NULL,
    minimum bigint NOT NULL,
    open boolean NOT NULL DEFAULT false,
    PRIMARY KEY (program_id, member_id, challenge, period, since)
);
CREATE INDEX contribution_team ON contribution (program_id, challenge, period, team);
CREATE INDEX contribution_open ON contribution (program_id) WHERE open;
-- What each team has come to in a window of a challenge, and when that met the target. Whoever changes a contribution locks the row first.
CREATE TABLE team_standing (
    program_id int NOT NULL,
    team text COLLATE "C" NOT NULL,
    challenge text COLLATE "C" NOT NULL,
    period text COLLATE "C" NOT NULL,
    total numeric NOT NULL DEFAULT 0,
    met_at timestamptz,
    PRIMARY KEY (program_id, team, challenge, period)
);
-- That a member was told in a window of a challenge that a team to which she gave her share has met its target: once, whichever team.
CREATE TABLE team_share (
    program_id int NOT NULL,
    member_id uuid NOT NULL,
    challenge text COLLATE "C" NOT NULL,
    period text COLLATE "C" NOT NULL,
    PRIMARY KEY (program_id, member_id, challenge, period)
);
ALTER TABLE team ENABLE ROW LEVEL SECURITY;
ALTER TABLE team FORCE ROW LEVEL SECURITY;
CREATE POLICY own_program ON team USING (program_id = (SELECT current_program()));
GRANT SELECT, INSERT, UPDATE (name) ON team TO engagement_app;
ALTER TABLE team_member ENABLE ROW LEVEL SECURITY;
ALTER TABLE team_member FORCE ROW LEVEL SECURITY;
CREATE POLICY own_program ON team_member USING (program_id = (SELECT current_program()));
GRANT SELECT, INSERT, UPDATE, DELETE ON team_member TO engagement_app;
ALTER TABLE contribution ENABLE ROW LEVEL SECURITY;
ALTER TABLE contribution FORCE ROW LEVEL SECURITY;
CREATE POLICY own_program ON contribution USING (program_id = (SELECT current_program()));
GRANT SELECT, INSERT, UPDATE, DELETE ON contribution TO engagement_app;
ALTER TABLE team_standing ENABLE ROW LEVEL SECURITY;
ALTER TABLE team_standing FORCE ROW LEVEL SECURITY;
CREATE POLICY own_program ON team_standing USING (program_id = (SELECT current_program()));
GRANT SELECT, INSERT, UPDATE ON team_standing TO engagement_app;
ALTER TABLE team_share ENABLE ROW LEVEL SECURITY;
ALTER TABLE team_share FORCE ROW LEVEL SECURITY;
CREATE POLICY own_program ON team_share USING (program_id = (SELECT current_program()));
GRANT SELECT, INSERT ON team_share TO engagement_app;
