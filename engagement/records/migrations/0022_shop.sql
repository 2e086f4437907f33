-- How many of a reward are taken (`session` is empty), and how many of the places of each of its sessions. Whoever takes one, or gives
-- one back, locks the row first.
CREATE TABLE reward_stock (
    program_id int NOT NULL,
    reward text COLLATE "C" NOT NULL,
    session text COLLATE "C" NOT NULL,
    taken int NOT NULL,
    PRIMARY KEY (program_id, reward, session),
    CONSTRAINT reward_stock_taken_not_negative CHECK (taken >= 0)
);
-- That a member took a reward, at which price, and what became of it. `hold` sets the points of a reserved one aside up to `until`; `paid` of
-- them were spent by the fact `fact`. One that is `counted` is in the stock as taken. What it gave can be used from `usable_from` up to `usable_until`.
CREATE TABLE redemption (
    program_id int NOT NULL,
    id uuid NOT NULL,
    member_id uuid NOT NULL,
    reward text COLLATE "C" NOT NULL,
    session text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    currency text COLLATE "C",
    points bigint NOT NULL,
    paid bigint NOT NULL,
    counted boolean NOT NULL,
    hold uuid,
    fact text COLLATE "C",
    cost numeric,
    money text COLLATE "C",
    at timestamptz NOT NULL,
    until timestamptz,
    usable_from timestamptz NOT NULL,
    usable_until timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (program_id, id),
    CONSTRAINT redemption_state_known CHECK (state IN ('reserved', 'fulfilled', 'voided', 'expired', 'refunded')),
    CONSTRAINT redemption_paid_at_most_its_price CHECK (paid BETWEEN 0 AND points),
    CONSTRAINT redemption_priced_in_a_currency CHECK ((points > 0) = (currency IS NOT NULL)),
    CONSTRAINT redemption_reserved_up_to_an_instant CHECK (state <> 'reserved' OR until IS NOT NULL),
    CONSTRAINT redemption_ended_at_an_instant CHECK ((state IN ('reserved', 'fulfilled')) = (ended_at IS NULL)),
    CONSTRAINT redemption_costs_money CHECK ((cost IS NULL) = (money IS NULL) AND cost >= 0)
);
CREATE INDEX redemption_member ON redemption (program_id, member_id, at, id);
CREATE INDEX redemption_reserved ON redemption (program_id, until) WHERE state = 'reserved';
-- Every code that there is or was, so that none is ever handed out twice: found by the hash of what a customer shows, read by whoever
-- has it. Those of a pool are free, or set aside for a redemption that is reserved, before they are issued.
CREATE TABLE reward_code (
    program_id int NOT NULL,
    hash bytea NOT NULL,
    voucher text COLLATE "C" NOT NULL,
    code text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    redemption uuid,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (program_id, hash),
    CONSTRAINT reward_code_hash_is_sha256 CHECK (hash = sha256(convert_to(code, 'UTF8'))),
    CONSTRAINT reward_code_state_known CHECK (state IN ('free', 'set_aside', 'issued')),
    CONSTRAINT reward_code_set_aside_for_a_redemption CHECK ((state = 'set_aside') = (redemption IS NOT NULL))
);
CREATE INDEX reward_code_free ON reward_code (program_id, voucher, made_at, hash) WHERE state = 'free';
CREATE INDEX reward_code_set_aside ON reward_code (program_id, redemption) WHERE state = 'set_aside';
-- What a member has: a voucher (with its code, by the hash), an entitlement, or entries in a draw. It came of a redemption, or a definition
-- gave it (`reward`: the identity of the outcome in reward_given, once for each). One that waits for a code is owed. `open` says that
-- somebody has to look at it: what gave it was taken back, or there are codes again.
CREATE TABLE benefit (
    program_id int NOT NULL,
    id uuid NOT NULL,
    member_id uuid NOT NULL,
    sort text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    count int NOT NULL,
    hash bytea,
    source text COLLATE "C" NOT NULL,
    redemption uuid,
    reward text COLLATE "C",
    state text COLLATE "C" NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz,
    issued_at timestamptz NOT NULL,
    ended_at timestamptz,
    used_by text COLLATE "C",
    open boolean NOT NULL DEFAULT false,
    PRIMARY KEY (program_id, id),
    CONSTRAINT benefit_code_once UNIQUE (program_id, hash),
    CONSTRAINT benefit_given_once UNIQUE (program_id, member_id, reward),
    CONSTRAINT benefit_sort_known CHECK (sort IN ('voucher', 'entitlement', 'draw')),
    CONSTRAINT benefit_count_positive CHECK (count > 0),
    CONSTRAINT benefit_of_one_source CHECK ((redemption IS NULL) <> (reward IS NULL)),
    CONSTRAINT benefit_state_known CHECK (state IN ('owed', 'issued', 'used', 'voided')),
    CONSTRAINT benefit_ended_at_an_instant CHECK ((state IN ('owed', 'issued')) = (ended_at IS NULL)),
    CONSTRAINT benefit_used_by_somebody CHECK ((state = 'used') = (used_by IS NOT NULL)),
    CONSTRAINT benefit_voucher_has_a_code CHECK (sort <> 'voucher' OR state NOT IN ('issued', 'used') OR hash IS NOT NULL)
);
CREATE INDEX benefit_member ON benefit (program_id, member_id, sort, key);
CREATE INDEX benefit_redemption ON benefit (program_id, redemption) WHERE redemption IS NOT NULL;
CREATE INDEX benefit_open ON benefit (program_id, member_id) WHERE open;
CREATE INDEX benefit_owed ON benefit (program_id, key, issued_at) WHERE state = 'owed';
-- The reward for which a member saves.
CREATE TABLE goal (
    program_id int NOT NULL,
    member_id uuid NOT NULL,
    reward text COLLATE "C" NOT NULL,
    set_at timestamptz NOT NULL,
    PRIMARY KEY (program_id, member_id)
);
ALTER TABLE reward_stock ENABLE ROW LEVEL SECURITY;
ALTER TABLE reward_stock FORCE ROW LEVEL SECURITY;
CREATE POLICY own_program ON reward_stock USING (program_id = (SELECT current_program()));
GRANT SELECT, INSERT, UPDATE (taken) ON reward_stock TO engagement_app;
ALTER TABLE redemption ENABLE ROW LEVEL SECURITY;
ALTER TABLE redemption FORCE ROW LEVEL SECURITY;
CREATE POLICY own_program ON redemption USING (program_id = (SELECT current_program()));
GRANT SELECT, INSERT, UPDATE (state, paid, fact, usable_from, usable_until, ended_at) ON redemption TO engagement_app;
ALTER TABLE reward_code ENABLE ROW LEVEL SECURITY;
ALTER TABLE reward_code FORCE ROW LEVEL SECURITY;
CREATE POLICY own_program ON reward_code USING (program_id = (SELECT current_program()));
GRANT SELECT, INSERT, UPDATE (state, redemption) ON reward_code TO engagement_app;
ALTER TABLE benefit ENABLE ROW LEVEL SECURITY;
ALTER TABLE benefit FORCE ROW LEVEL SECURITY;
CREATE POLICY own_program ON benefit USING (program_id = (SELECT current_program()));
GRANT SELECT, INSERT, UPDATE (hash, state, until, ended_at, used_by, open, reward) ON benefit TO engagement_app;
ALTER TABLE goal ENABLE ROW LEVEL SECURITY;
ALTER TABLE goal FORCE ROW LEVEL SECURITY;
CREATE POLICY own_program ON goal USING (program_id = (SELECT current_program()));
GRANT SELECT, INSERT, UPDATE (reward, set_at), DELETE ON goal TO engagement_app;

-- What was given before there was a shop is looked at once, too.
ALTER TABLE reward_given ADD COLUMN open boolean NOT NULL DEFAULT true;
ALTER TABLE reward_given ALTER COLUMN open SET DEFAULT false;
CREATE INDEX reward_given_open ON reward_given (program_id, member_id) WHERE open;
