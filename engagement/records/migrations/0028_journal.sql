-- The journal is read by when transfers were booked. They come in about this order, so the index grows at its end.
CREATE INDEX transfer_booked ON transfer (program_id, booked_at, id);
