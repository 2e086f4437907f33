-- Reversals and amendments: what takes an event back, or says what it really was. Each is a row of its own and final. One
-- that comes before its event waits for it, so there is no foreign key. The last of an event's rows is in force; after a
-- reversal there is no further one.
CREATE TABLE amendment (
    program_id int NOT NULL,
    member_id uuid NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    n int NOT NULL,
    kind text COLLATE "C" NOT NULL,
    properties jsonb,
    received_at timestamptz NOT NULL,
    seq bigint,
    PRIMARY KEY (program_id, member_id, event_id, n),
    CONSTRAINT amendment_n_positive CHECK (n > 0),
    CONSTRAINT amendment_kind_known CHECK (kind IN ('reverse', 'amend')),
    CONSTRAINT amendment_properties_of_amend_alone CHECK ((kind = 'amend') = (properties IS NOT NULL))
);

ALTER TABLE amendment ENABLE ROW LEVEL SECURITY;
ALTER TABLE amendment FORCE ROW LEVEL SECURITY;
CREATE POLICY own_program ON amendment USING (program_id = (SELECT current_program()));
GRANT SELECT, INSERT ON amendment TO engagement_app;

-- A lot whose earning was taken back wholly is worth nothing, and stays for the transfers that name it.
ALTER TABLE lot DROP CONSTRAINT lot_held_within_remaining_within_points;
ALTER TABLE lot ADD CONSTRAINT lot_held_within_remaining_within_points CHECK (
    points >= 0 AND remaining >= 0 AND remaining <= points AND held >= 0 AND held <= remaining
);

-- The item that answers an event is known later where the event had to wait for its history to be folded again.
GRANT UPDATE (seq) ON event TO engagement_app;
