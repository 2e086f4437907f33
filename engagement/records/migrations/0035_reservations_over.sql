-- That what was reserved is over and its member was not told yet: who finds that it is over holds the stock, and not her. Empty once she
-- was told, so that the seals of rows from before hold.
ALTER TABLE redemption ADD COLUMN open boolean;
CREATE INDEX redemption_open ON redemption (program_id, member_id) WHERE open;
GRANT UPDATE (open) ON redemption TO engagement_app;
