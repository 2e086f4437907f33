-- What PostgreSQL's planner knows of a column are values out of it: the most common ones, and some of each stretch. They outlast the rows
-- that they were taken from, and go into a dump with statistics. So of columns with what an app or a member said, it is to know only
-- what is said here: how many values there are (`n_distinct`: below 0 a share of the rows). None of these is ever looked for by a range.
DO $$
DECLARE
    told record;
BEGIN
    FOR told IN
        SELECT split_part(named, '.', 1) AS of_table, split_part(named, '.', 2) AS of_column, values_there
        FROM (VALUES
            (-1, ARRAY[
                'activity.event_id', 'activity.effects', 'amendment.event_id', 'amendment.properties', 'badge_award.event_id',
                'completion.event_id', 'erasure.digest', 'erasure.external_id', 'erasure.salt', 'event.id', 'event.properties',
                'fact.data', 'held_out.event_id', 'held_out.what', 'hold.fact_id', 'hold.lots', 'idempotency.input_hash',
                'idempotency.key', 'idempotency.result', 'job.input', 'job.place', 'job.problem', 'job.result', 'lot.event_id',
                'lot.id', 'member.alias', 'member.external_id', 'member_snapshot.state', 'member_state.pending', 'member_state.state',
                'outbox.payload', 'problem.event_id', 'problem.reason', 'redemption.fact', 'reward_given.event_id', 'tier_change.event_id'
            ]),
            (-0.5, ARRAY[
                'benefit.reward', 'fact.cause', 'fact.id', 'referral.event_id', 'referral.referrer', 'reward_given.reward',
                'transfer.event_id', 'transfer.fact_id', 'transfer.lot_id'
            ]),
            (50, ARRAY[
                'benefit.used_by', 'board_final.group', 'board_score.group', 'consent.source', 'hold.source', 'idempotency.principal',
                'lot.source', 'member.timezone', 'transfer.source'
            ])
        ) AS written (values_there, names), unnest(names) AS named
    LOOP
        EXECUTE format('ALTER TABLE %I ALTER COLUMN %I SET STATISTICS 0', told.of_table, told.of_column);
        EXECUTE format(
            'ALTER TABLE %I ALTER COLUMN %I SET (n_distinct = %s)', told.of_table, told.of_column, told.values_there
        );
    END LOOP;
END
$$;

-- Tells the planner so, instead of whatever it had. A dump without statistics does not bring it back: whoever migrates says it again. A
-- table that somebody else tends at the moment is left for the next time: nothing was put there meanwhile.
CREATE FUNCTION pin_statistics() RETURNS void
    LANGUAGE plpgsql
    SET lock_timeout = '500ms'
    AS $$
DECLARE
    pinned record;
BEGIN
    FOR pinned IN
        SELECT relname::text, attname::text, option_value::real AS n_distinct,
               CASE atttypid WHEN 'jsonb'::regtype THEN 256 ELSE 24 END AS bytes
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid, pg_options_to_table(attoptions)
        WHERE relnamespace = current_schema()::regnamespace AND attstattarget = 0 AND option_name = 'n_distinct'
        ORDER BY relname, attname
    LOOP
        BEGIN
            PERFORM pg_clear_attribute_stats(current_schema(), pinned.relname, pinned.attname, false);
            PERFORM pg_restore_attribute_stats(
                'schemaname', current_schema()::text, 'relname', pinned.relname, 'attname', pinned.attname, 'inherited', false,
                'null_frac', 0::real, 'avg_width', pinned.bytes, 'n_distinct', pinned.n_distinct
            );
        EXCEPTION
            WHEN lock_not_available THEN NULL;
        END;
    END LOOP;
END
$$;
SELECT pin_statistics();

-- A group of a closed board may be an attribute of the only one who stood in it: then it goes with her.
GRANT UPDATE ("group") ON board_final TO engagement_app;

-- What one member wrote to another when she gave her points is kept with what each was told: it goes with either of them.
DROP POLICY of_merged ON fact;
CREATE POLICY of_merged_or_noted ON fact AS RESTRICTIVE FOR UPDATE USING (
    EXISTS (
        SELECT FROM member
        WHERE member.program_id = fact.program_id AND member.id = fact.member_id AND member.merged_into IS NOT NULL
    )
    OR kind IN ('points_given', 'points_received') AND EXISTS (
        SELECT FROM erasure WHERE erasure.program_id = fact.program_id AND erasure.done_at IS NULL
    )
) WITH CHECK (true);
