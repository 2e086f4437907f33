-- The figures of a closed period of one currency, for good. `through` lies between the last transfer that was booked before the period
-- was closed and the first that was booked after it: what took effect before `ends_at` and has a later id counts in the next period.
-- `seal` is made of all transfers that count here, so that each can be seen to be as it was.
CREATE TABLE period_close (
    program_id int NOT NULL,
    currency text COLLATE "C" NOT NULL,
    period text COLLATE "C" NOT NULL,
    ends_at timestamptz NOT NULL,
    through uuid NOT NULL,
    opening bigint NOT NULL,
    earned bigint NOT NULL,
    spent bigint NOT NULL,
    expired bigint NOT NULL,
    reversed bigint NOT NULL,
    adjusted bigint NOT NULL,
    transferred bigint NOT NULL,
    closing bigint NOT NULL,
    seal bigint NOT NULL,
    closed_at timestamptz NOT NULL,
    PRIMARY KEY (program_id, currency, period),
    CONSTRAINT period_close_ends_once UNIQUE (program_id, currency, ends_at),
    CONSTRAINT period_close_adds_up CHECK (
        opening + earned - spent - expired - reversed + adjusted + transferred = closing
    )
);
ALTER TABLE period_close ENABLE ROW LEVEL SECURITY;
ALTER TABLE period_close FORCE ROW LEVEL SECURITY;
CREATE POLICY own_program ON period_close USING (program_id = (SELECT current_program()));
GRANT SELECT, INSERT ON period_close TO engagement_app;

CREATE FUNCTION refuse_change_of_closed_period() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'a closed period is never changed or opened; what is learned later counts in the first open one'
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER period_close_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON period_close
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_closed_period();
