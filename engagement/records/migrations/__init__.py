"""The schema's history, oldest first; `engagement.records.database.migrate` runs what a database has not seen."""
