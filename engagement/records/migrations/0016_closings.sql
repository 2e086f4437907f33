-- That a period of a leaderboard is closed: whoever inserts the row closes it, and nobody else does.
CREATE TABLE board_close (
    program_id int NOT NULL,
    board text COLLATE "C" NOT NULL,
    period text COLLATE "C" NOT NULL,
    closed_at timestamptz NOT NULL,
    PRIMARY KEY (program_id, board, period)
);

-- The standings in which it was closed, of all who were ranked. Whoever has won a prize knows among how many (`contenders`);
-- `given_at` is when she was given it, which happens once.
CREATE TABLE board_final (
    program_id int NOT NULL,
    board text COLLATE "C" NOT NULL,
    period text COLLATE "C" NOT NULL,
    member_id uuid NOT NULL,
    "group" text COLLATE "C" NOT NULL,
    place int NOT NULL,
    rank int NOT NULL,
    score bigint NOT NULL,
    reached_at timestamptz NOT NULL,
    contenders int,
    given_at timestamptz,
    PRIMARY KEY (program_id, board, period, member_id),
    CONSTRAINT board_final_places_from_one CHECK (place >= rank AND rank >= 1),
    CONSTRAINT board_final_given_where_won CHECK (given_at IS NULL OR contenders >= rank)
);
CREATE UNIQUE INDEX board_final_in_order ON board_final (program_id, board, period, "group", place);
CREATE INDEX board_final_to_give ON board_final (program_id, board, period, member_id)
    WHERE contenders IS NOT NULL AND given_at IS NULL;

DO $$
DECLARE
    scoped text;
BEGIN
    FOREACH scoped IN ARRAY ARRAY['board_close', 'board_final'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', scoped);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', scoped);
        EXECUTE format('CREATE POLICY own_program ON %I USING (program_id = (SELECT current_program()))', scoped);
    END LOOP;
END
$$;
GRANT SELECT, INSERT ON board_close, board_final TO engagement_app;
GRANT UPDATE (contenders, given_at) ON board_final TO engagement_app;
