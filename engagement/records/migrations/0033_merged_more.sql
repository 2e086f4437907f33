-- What a member redeemed, and has of the shop, goes with her into another and back.
GRANT UPDATE (member_id) ON redemption, benefit TO engagement_app;

-- So does what she agreed to: of whom a word is, where that is not whose it is now, and from here on the latest word holds, not the one with
-- the greatest number.
ALTER TABLE consent ADD COLUMN sent_for uuid;
GRANT UPDATE (member_id, n, sent_for) ON consent TO engagement_app;
