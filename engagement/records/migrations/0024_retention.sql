-- Rows come in the order of these instants, so a few words for each stretch of pages are enough to find the old ones, and cost writers nothing.
CREATE INDEX activity_booked ON activity USING brin (booked_at);
CREATE INDEX idempotency_created ON idempotency USING brin (created_at);
