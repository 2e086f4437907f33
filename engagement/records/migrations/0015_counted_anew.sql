-- At which revision of the program a version was published, and whether members lose by it what they would not have had.
ALTER TABLE definition_version
    ADD COLUMN revision int NOT NULL DEFAULT 0,
    ADD COLUMN take_back boolean NOT NULL DEFAULT false;
