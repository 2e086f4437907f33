-- A confirmation can be taken back while some of what it released is set aside: the lot waits again, and what is set aside of it waits as soon
-- as it comes free.
ALTER TABLE lot DROP CONSTRAINT lot_pending_is_not_held;
