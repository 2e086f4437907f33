-- Of whom an event is, or a word on one, where that is not whose it is now: the member for whom it was sent, who is a part of the other. So
-- what came before and since can be told apart again.
ALTER TABLE event ADD COLUMN sent_for uuid;
ALTER TABLE amendment ADD COLUMN sent_for uuid;
GRANT UPDATE (sent_for) ON event, amendment TO engagement_app;

-- That a member became a part of another at an instant, while the program was at a `revision`, and where that one stood until then (`stood_at`).
-- `version` is the one of her state in which it was written. While it can be undone, `before` says what both had just before: lots, holds and
-- wallets as they were, which events, facts and transfers there were, and under which names hers go on. A merge that is undone keeps nothing of it.
CREATE TABLE merge (
    program_id int NOT NULL,
    id uuid NOT NULL,
    member_id uuid NOT NULL,
    into_id uuid NOT NULL,
    version bigint NOT NULL,
    revision int NOT NULL,
    at timestamptz NOT NULL,
    stood_at timestamptz NOT NULL,
    before jsonb,
    undone_at timestamptz,
    PRIMARY KEY (program_id, id),
    CONSTRAINT merge_of_two CHECK (into_id <> member_id),
    CONSTRAINT merge_keeps_what_undoes_it CHECK ((undone_at IS NULL) = (before IS NOT NULL))
);
CREATE UNIQUE INDEX merge_in_force ON merge (program_id, member_id) WHERE undone_at IS NULL;
CREATE INDEX merge_of_member ON merge (program_id, member_id);
CREATE INDEX merge_into ON merge (program_id, into_id);
ALTER TABLE merge ENABLE ROW LEVEL SECURITY;
ALTER TABLE merge FORCE ROW LEVEL SECURITY;
CREATE POLICY own_program ON merge USING (program_id = (SELECT current_program()));
GRANT SELECT, INSERT, UPDATE (before, undone_at), DELETE ON merge TO engagement_app;

-- What was moved with her moves back, and that they were one is no input of the other any more.
DROP POLICY of_merged_or_noted ON fact;
CREATE POLICY of_merged_or_noted ON fact AS RESTRICTIVE FOR UPDATE USING (
    EXISTS (
        SELECT FROM member
        WHERE member.program_id = fact.program_id AND member.id = fact.member_id AND member.merged_into IS NOT NULL
    )
    OR EXISTS (
        SELECT FROM merge
        WHERE merge.program_id = fact.program_id AND merge.into_id = fact.member_id AND merge.undone_at IS NULL
    )
    OR kind IN ('points_given', 'points_received') AND EXISTS (
        SELECT FROM erasure WHERE erasure.program_id = fact.program_id AND erasure.done_at IS NULL
    )
) WITH CHECK (true);
DROP POLICY of_erased ON fact;
CREATE POLICY of_erased_or_merged ON fact AS RESTRICTIVE FOR DELETE USING (EXISTS (
    SELECT FROM erasure
    WHERE erasure.program_id = fact.program_id AND erasure.member_id = fact.member_id AND erasure.done_at IS NULL
) OR fact.kind IN ('merged', 'kept') AND EXISTS (
    SELECT FROM merge
    WHERE merge.program_id = fact.program_id AND merge.into_id = fact.member_id AND merge.undone_at IS NULL
));
-- Lots that there would not be if they had never been one; their transfers stay, each beside its opposite.
CREATE POLICY of_merged ON lot AS RESTRICTIVE FOR DELETE USING (EXISTS (
    SELECT FROM merge
    WHERE merge.program_id = lot.program_id AND lot.member_id IN (merge.member_id, merge.into_id) AND merge.undone_at IS NULL
));
GRANT DELETE ON lot TO engagement_app;

-- Of what either had the planner is to know nothing.
ALTER TABLE merge ALTER COLUMN before SET STATISTICS 0;
ALTER TABLE merge ALTER COLUMN before SET (n_distinct = -1);
SELECT pin_statistics();
