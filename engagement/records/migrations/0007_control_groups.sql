-- What members of control groups would have had: `what` names the outcome that it stands for, `definition` (`section/key`) the
-- definition that is held out from them.
CREATE TABLE held_out (
    program_id int NOT NULL,
    member_id uuid NOT NULL,
    what text COLLATE "C" NOT NULL,
    definition text COLLATE "C" NOT NULL,
    points bigint NOT NULL,
    held_at timestamptz NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (program_id, member_id, what),
    CONSTRAINT held_out_points_not_negative CHECK (points >= 0)
);
ALTER TABLE held_out ENABLE ROW LEVEL SECURITY;
ALTER TABLE held_out FORCE ROW LEVEL SECURITY;
CREATE POLICY own_program ON held_out USING (program_id = (SELECT current_program()));
GRANT SELECT, INSERT, UPDATE, DELETE ON held_out TO engagement_app;

-- What tells a member apart in control groups is part of her state from its beginning on, by the app's own id: who was there
-- before gets hers now. Only here does the owner look over the walls between programs.
ALTER TABLE member NO FORCE ROW LEVEL SECURITY;
ALTER TABLE member_state NO FORCE ROW LEVEL SECURITY;
ALTER TABLE member_snapshot NO FORCE ROW LEVEL SECURITY;
WITH seed AS (
    SELECT program_id, id,
        to_jsonb(('x' || left(encode(sha256(convert_to(external_id, 'UTF8')), 'hex'), 8))::bit(32)::bigint) AS value
    FROM member
), states AS (
    UPDATE member_state AS held SET state = jsonb_set(held.state, '{seed}', seed.value)
    FROM seed WHERE seed.program_id = held.program_id AND seed.id = held.member_id
)
UPDATE member_snapshot AS held SET state = jsonb_set(held.state, '{seed}', seed.value)
FROM seed WHERE seed.program_id = held.program_id AND seed.id = held.member_id;
ALTER TABLE member FORCE ROW LEVEL SECURITY;
ALTER TABLE member_state FORCE ROW LEVEL SECURITY;
ALTER TABLE member_snapshot FORCE ROW LEVEL SECURITY;
