-- In which group of a board a score competes (empty where a board has none), and that it is not ranked, because its member is hidden.
ALTER TABLE board_score
    ADD COLUMN "group" text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN hidden boolean NOT NULL DEFAULT false;
-- Who leaves the boards leaves all of them. No update changes these columns.
CREATE INDEX board_score_of_member ON board_score (program_id, member_id);

-- The name that a member is shown under on boards; none where she did not choose one.
ALTER TABLE member ADD COLUMN alias text, ADD CONSTRAINT member_alias_not_empty CHECK (alias <> '');
GRANT UPDATE (alias) ON member TO engagement_app;

-- That a member is on no board. Beside her state, since whoever writes a score of hers holds this row.
ALTER TABLE member_state ADD COLUMN hidden boolean NOT NULL DEFAULT false;
