-- Referrals that qualified, by the member who was brought, and what was decided of each. `referrer` is whom she named, by the
-- app's own id, and may be nobody yet. `holds` is false where the outcome was taken back; `open` says that somebody has to look:
-- to give both sides theirs, or to take it back. `paid_to` was given something with her at `paid_at`, under the number `turn`;
-- `refused` says why nobody was.
CREATE TABLE referral (
    program_id int NOT NULL,
    member_id uuid NOT NULL,
    referral text COLLATE "C" NOT NULL,
    referrer text COLLATE "C" NOT NULL,
    qualified_at timestamptz NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    holds boolean NOT NULL DEFAULT true,
    open boolean NOT NULL DEFAULT true,
    turn int NOT NULL DEFAULT 1,
    paid_to uuid,
    paid_at timestamptz,
    refused text COLLATE "C",
    PRIMARY KEY (program_id, member_id, referral),
    CONSTRAINT referral_paid_at_an_instant CHECK ((paid_to IS NULL) = (paid_at IS NULL)),
    CONSTRAINT referral_refused_or_paid CHECK (paid_to IS NULL OR refused IS NULL),
    CONSTRAINT referral_refusal_known CHECK (refused IN ('SELF', 'CAP', 'ENDED')),
    CONSTRAINT referral_turn_positive CHECK (turn > 0)
);
CREATE INDEX referral_open ON referral (program_id) WHERE open;
CREATE INDEX referral_paid ON referral (program_id, paid_to, referral) WHERE paid_to IS NOT NULL;
ALTER TABLE referral ENABLE ROW LEVEL SECURITY;
ALTER TABLE referral FORCE ROW LEVEL SECURITY;
CREATE POLICY own_program ON referral USING (program_id = (SELECT current_program()));
GRANT SELECT, INSERT, UPDATE ON referral TO engagement_app;
