-- The planner is told as well which of these columns are nearly always empty: those of which an index has but the rows where they are not.
-- It took every member for one who waits to be folded in, and went through all of them in search of the few.
CREATE OR REPLACE FUNCTION pin_statistics() RETURNS void
    LANGUAGE plpgsql
    SET lock_timeout = '500ms'
    AS $$
DECLARE
    pinned record;
BEGIN
    FOR pinned IN
        SELECT relname::text, attname::text, option_value::real AS n_distinct,
               CASE atttypid WHEN 'jsonb'::regtype THEN 256 ELSE 24 END AS bytes,
               CASE WHEN EXISTS (
                   SELECT FROM pg_index
                   WHERE indrelid = attrelid AND pg_get_expr(indpred, indrelid) = format('(%I IS NOT NULL)', attname)
               ) THEN 0.9999 ELSE 0 END AS empty
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid, pg_options_to_table(attoptions)
        WHERE relnamespace = current_schema()::regnamespace AND attstattarget = 0 AND option_name = 'n_distinct'
        ORDER BY relname, attname
    LOOP
        BEGIN
            PERFORM pg_clear_attribute_stats(current_schema(), pinned.relname, pinned.attname, false);
            PERFORM pg_restore_attribute_stats(
                'schemaname', current_schema()::text, 'relname', pinned.relname, 'attname', pinned.attname, 'inherited', false,
                'null_frac', pinned.empty::real, 'avg_width', pinned.bytes, 'n_distinct', pinned.n_distinct
            );
        EXCEPTION
            WHEN lock_not_available THEN NULL;
        END;
    END LOOP;
END
$$;
SELECT pin_statistics();
