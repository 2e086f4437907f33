-- Two members who are one person: `merged_into` is the one of whom this one is a part, and by whose id she is found. Nothing is done to
-- her by herself any more, which her state says too, since whoever does anything to her holds that row.
ALTER TABLE member ADD COLUMN merged_into uuid;
ALTER TABLE member ADD CONSTRAINT member_merged_into_another CHECK (merged_into <> id);
CREATE INDEX member_former ON member (program_id, merged_into) WHERE merged_into IS NOT NULL;
ALTER TABLE member_state ADD COLUMN merged boolean NOT NULL DEFAULT false;
GRANT UPDATE (merged_into) ON member TO engagement_app;

-- Her history becomes a part of the other's: what she did and was told is never changed, but whose it is.
GRANT UPDATE (member_id) ON event TO engagement_app;
GRANT UPDATE (member_id, seq) ON amendment TO engagement_app;
GRANT UPDATE (member_id, id, cause, data) ON fact TO engagement_app;
CREATE POLICY of_merged ON fact AS RESTRICTIVE FOR UPDATE USING (EXISTS (
    SELECT FROM member
    WHERE member.program_id = fact.program_id AND member.id = fact.member_id AND member.merged_into IS NOT NULL
)) WITH CHECK (true);
