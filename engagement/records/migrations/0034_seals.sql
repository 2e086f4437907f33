-- Each row of the books and the shop that counts is sealed as the service writes it: by a hash of all that it says. Changed by hand, it says one
-- thing and its seal another, and `verify` names it. A migration that changes such rows, or gives them a column that is not empty, seals
-- them again: `UPDATE hold SET seal = seal_of(hold)`.
CREATE FUNCTION seal_of(kept anyelement) RETURNS bigint
    LANGUAGE plpgsql STABLE SET timezone = 'UTC' SET bytea_output = 'hex'
    AS $$
BEGIN
    RETURN ('x' || left(md5((jsonb_strip_nulls(to_jsonb(kept)) - 'seal')::text), 16))::bit(64)::bigint;
END
$$;
-- Of transfers there are many, so theirs is made without a detour.
CREATE FUNCTION seal_of(kept transfer) RETURNS bigint
    LANGUAGE sql STABLE
    RETURN ('x' || left(md5(ROW(
        kept.program_id, kept.id, kept.member_id, kept.currency, kept.kind, kept.points, kept.debit, kept.credit, kept.lot_id,
        extract(epoch FROM kept.at), extract(epoch FROM kept.booked_at), kept.event_id, kept.source, kept.fact_id, kept.corrects
    )::text), 16))::bit(64)::bigint;

-- Only what the service writes is sealed. Where it writes to a row that was changed by hand before, the seal stays broken.
CREATE FUNCTION seal_row() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF current_user = 'engagement_app' THEN
        IF TG_OP = 'UPDATE' AND OLD.seal IS DISTINCT FROM seal_of(OLD) THEN
            NEW.seal := NULL;
        ELSE
            NEW.seal := seal_of(NEW);
        END IF;
    END IF;
    RETURN NEW;
END
$$;
DO $$
DECLARE
    sealed text;
BEGIN
    FOREACH sealed IN ARRAY ARRAY['hold', 'redemption', 'benefit', 'reward_code', 'reward_stock', 'adjusted', 'transfer'] LOOP
        EXECUTE format('ALTER TABLE %I ADD COLUMN seal bigint', sealed);
        EXECUTE format('ALTER TABLE %I NO FORCE ROW LEVEL SECURITY', sealed);
        EXECUTE format('ALTER TABLE %I DISABLE TRIGGER USER', sealed);
        EXECUTE format('UPDATE %1$I SET seal = seal_of(%1$I)', sealed);
        EXECUTE format('ALTER TABLE %I ENABLE TRIGGER USER', sealed);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', sealed);
    END LOOP;
    FOREACH sealed IN ARRAY ARRAY['hold', 'redemption', 'benefit', 'reward_code', 'reward_stock', 'adjusted'] LOOP
        EXECUTE format(
            'CREATE TRIGGER %1$s_sealed BEFORE INSERT OR UPDATE ON %1$I FOR EACH ROW EXECUTE FUNCTION seal_row()', sealed
        );
    END LOOP;
END
$$;

-- A transfer is only ever added; whoever adds one seals it.
CREATE FUNCTION seal_transfer() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    NEW.seal := seal_of(NEW);
    RETURN NEW;
END
$$;
CREATE TRIGGER transfer_sealed BEFORE INSERT ON transfer FOR EACH ROW EXECUTE FUNCTION seal_transfer();
CREATE OR REPLACE FUNCTION refuse_all_but_other_ids() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    ids CONSTANT text[] := ARRAY['lot_id', 'event_id', 'fact_id', 'source'];
BEGIN
    IF to_jsonb(NEW) - ids = to_jsonb(OLD) - ids AND EXISTS (
        SELECT FROM erasure
        WHERE erasure.program_id = OLD.program_id AND erasure.member_id = OLD.member_id AND erasure.done_at IS NULL
    ) THEN
        IF OLD.seal = seal_of(OLD) THEN
            NEW.seal := seal_of(NEW);
        END IF;
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a transfer is never changed or deleted; book a correcting one' USING ERRCODE = 'restrict_violation';
END
$$;
