-- Whom a member brought, looked up by the id that they named.
CREATE INDEX referral_referrer ON referral (program_id, referrer, qualified_at);
