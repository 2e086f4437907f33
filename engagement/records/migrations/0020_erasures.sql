-- Who was erased. While the person is being removed (`done_at` is empty) the row holds the id that the app had for her, to be found
-- wherever it stands, and the salt by which the ids of her events become others; both are thrown away at the end. `digest` is what is
-- left to know a late event of hers by: of the program's key and her id. The row goes when no late event is expected any more.
CREATE TABLE erasure (
    program_id int NOT NULL,
    member_id uuid NOT NULL,
    digest bytea NOT NULL,
    external_id text COLLATE "C",
    salt bytea,
    asked_at timestamptz NOT NULL DEFAULT now(),
    done_at timestamptz,
    PRIMARY KEY (program_id, member_id),
    CONSTRAINT erasure_digest_unique UNIQUE (program_id, digest),
    CONSTRAINT erasure_done_without_the_person CHECK (
        (done_at IS NULL) = (external_id IS NOT NULL) AND (done_at IS NULL) = (salt IS NOT NULL)
    )
);
ALTER TABLE erasure ENABLE ROW LEVEL SECURITY;
ALTER TABLE erasure FORCE ROW LEVEL SECURITY;
CREATE POLICY own_program ON erasure USING (program_id = (SELECT current_program()));
GRANT SELECT, INSERT, UPDATE, DELETE ON erasure TO engagement_app;

ALTER TABLE program ADD COLUMN erasure_key bytea NOT NULL
    DEFAULT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

-- That a member is frozen: beside her state, since whoever does anything to her holds this row.
ALTER TABLE member_state ADD COLUMN erased boolean NOT NULL DEFAULT false;
GRANT UPDATE (external_id) ON member TO engagement_app;

-- What a member did and was told is append only, and stays so for everybody who is not being erased.
DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['event', 'amendment', 'fact'] LOOP
        EXECUTE format(
            'CREATE POLICY of_erased ON %1$I AS RESTRICTIVE FOR DELETE USING (EXISTS (SELECT FROM erasure WHERE'
            ' erasure.program_id = %1$I.program_id AND erasure.member_id = %1$I.member_id AND erasure.done_at IS NULL))',
            kept
        );
    END LOOP;
END
$$;
GRANT DELETE ON event, amendment, fact, activity, idempotency TO engagement_app;
-- Whom another member named as the one who brought her: the name goes with the person.
GRANT UPDATE (properties) ON event, amendment TO engagement_app;
GRANT UPDATE (effects) ON activity TO engagement_app;
GRANT UPDATE (input_hash) ON idempotency TO engagement_app;
GRANT UPDATE (lot_id, event_id, fact_id, source) ON transfer TO engagement_app;
GRANT UPDATE (lots, source) ON hold TO engagement_app;

-- What a transfer says of points is never changed. The ids and words in it that an app chose become others while its member is being erased.
DROP TRIGGER transfer_append_only ON transfer;
CREATE TRIGGER transfer_append_only BEFORE DELETE OR TRUNCATE ON transfer
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_transfer();
CREATE FUNCTION refuse_all_but_other_ids() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    ids CONSTANT text[] := ARRAY['lot_id', 'event_id', 'fact_id', 'source'];
BEGIN
    IF to_jsonb(NEW) - ids = to_jsonb(OLD) - ids AND EXISTS (
        SELECT FROM erasure
        WHERE erasure.program_id = OLD.program_id AND erasure.member_id = OLD.member_id AND erasure.done_at IS NULL
    ) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a transfer is never changed or deleted; book a correcting one' USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER transfer_of_the_same_points BEFORE UPDATE ON transfer
    FOR EACH ROW EXECUTE FUNCTION refuse_all_but_other_ids();
