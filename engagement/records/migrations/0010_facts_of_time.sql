-- A fact may be caused by time alone (rank 0): a decision on points that came by themselves.
ALTER TABLE fact
    DROP CONSTRAINT fact_rank_known,
    ADD CONSTRAINT fact_rank_known CHECK (rank IN (0, 1, 2));
