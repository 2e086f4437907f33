-- A draw that was published, with its seed: random bytes, of which the SHA-256 may be known, and they themselves not before the winners
-- are drawn (`drawn_at`). From `closed_at` on no entry is taken in any more, and it is settled how many can win. `entries` took part, and `digest` is the SHA-256 of
-- their list.
CREATE TABLE draw (
    program_id int NOT NULL,
    key text COLLATE "C" NOT NULL,
    seed bytea NOT NULL,
    committed_at timestamptz NOT NULL,
    closed_at timestamptz,
    winners int,
    drawn_at timestamptz,
    entries bigint,
    digest bytea,
    PRIMARY KEY (program_id, key),
    CONSTRAINT draw_seed_is_long CHECK (length(seed) = 32),
    CONSTRAINT draw_closed_for_so_many CHECK ((closed_at IS NULL) = (winners IS NULL) AND winners > 0),
    CONSTRAINT draw_drawn_of_a_list CHECK (
        (drawn_at IS NULL) = (entries IS NULL) AND (drawn_at IS NULL) = (digest IS NULL)
        AND (drawn_at IS NULL OR closed_at IS NOT NULL) AND entries >= 0 AND length(digest) = 32
    )
);
-- Who won, by which of her entries (the benefit, and the number within it). `given_at` is when she was given it, which happens once.
CREATE TABLE draw_winner (
    program_id int NOT NULL,
    draw text COLLATE "C" NOT NULL,
    place int NOT NULL,
    member_id uuid NOT NULL,
    entry uuid NOT NULL,
    number int NOT NULL,
    given_at timestamptz,
    PRIMARY KEY (program_id, draw, place),
    CONSTRAINT draw_winner_once UNIQUE (program_id, draw, member_id),
    CONSTRAINT draw_winner_counts_from_one CHECK (place >= 1 AND number >= 1)
);
CREATE INDEX draw_winner_member ON draw_winner (program_id, member_id);
CREATE INDEX draw_winner_to_give ON draw_winner (program_id, draw, place) WHERE given_at IS NULL;
-- The entries in a draw, those that are to be taken in and those that were; read without the table itself.
CREATE INDEX benefit_entry ON benefit (program_id, key, state, id) INCLUDE (count, since, until, member_id) WHERE sort = 'draw';

DO $$
DECLARE
    scoped text;
BEGIN
    FOREACH scoped IN ARRAY ARRAY['draw', 'draw_winner'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', scoped);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', scoped);
        EXECUTE format('CREATE POLICY own_program ON %I USING (program_id = (SELECT current_program()))', scoped);
    END LOOP;
END
$$;
GRANT SELECT, INSERT, UPDATE (closed_at, winners, drawn_at, entries, digest) ON draw TO engagement_app;
GRANT SELECT, INSERT, UPDATE (given_at) ON draw_winner TO engagement_app;
