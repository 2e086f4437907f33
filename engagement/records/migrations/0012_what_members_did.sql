-- States count how many of their inputs are nothing that the member did: facts, and events of our own. A welcome goes by that, and
-- keeps no part of its own any more (`["occasion", day, known_from, given, before, due]`, with nothing due); other occasions lose
-- `before`. Only here does the owner look over the walls between programs.
ALTER TABLE member_state NO FORCE ROW LEVEL SECURITY;
ALTER TABLE member_snapshot NO FORCE ROW LEVEL SECURITY;
ALTER TABLE fact NO FORCE ROW LEVEL SECURITY;
ALTER TABLE event NO FORCE ROW LEVEL SECURITY;
ALTER TABLE amendment NO FORCE ROW LEVEL SECURITY;

CREATE FUNCTION pg_temp.retold(program int, member uuid, state jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT state || jsonb_build_object('told', (
        SELECT count(*) FROM (
            SELECT at, rank, cause, n FROM fact WHERE program_id = program AND member_id = member
            UNION ALL
            SELECT occurred_at, 1, id, 0 FROM event AS held
            WHERE program_id = program AND member_id = member AND type LIKE '%/%' AND NOT too_late AND NOT EXISTS (
                SELECT FROM amendment WHERE program_id = program AND member_id = member AND event_id = held.id AND kind = 'reverse'
            )
        ) AS input
        WHERE (at, rank, cause COLLATE "C", n) <= (
            (state -> 'last' ->> 0)::timestamptz, (state -> 'last' ->> 1)::int, state -> 'last' ->> 2, (state -> 'last' ->> 3)::int
        )
    ), 'parts', (
        SELECT coalesce(jsonb_object_agg(key, CASE WHEN value ->> 0 = 'occasion' THEN value - 4 ELSE value END), '{}')
        FROM jsonb_each(state -> 'parts')
        WHERE NOT (value ->> 0 = 'occasion' AND (value ->> 2)::int = 0)
    ))
$$;
UPDATE member_state SET state = pg_temp.retold(program_id, member_id, state)
WHERE state ->> 'last' IS NOT NULL;
UPDATE member_snapshot SET state = pg_temp.retold(program_id, member_id, state);

ALTER TABLE member_state FORCE ROW LEVEL SECURITY;
ALTER TABLE member_snapshot FORCE ROW LEVEL SECURITY;
ALTER TABLE fact FORCE ROW LEVEL SECURITY;
ALTER TABLE event FORCE ROW LEVEL SECURITY;
ALTER TABLE amendment FORCE ROW LEVEL SECURITY;
