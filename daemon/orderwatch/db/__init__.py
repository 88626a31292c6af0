"""The database: repositories over SQLite, and the files around it."""
