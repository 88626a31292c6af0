"""The engines: a file of SQLite, or a PostgreSQL server."""
