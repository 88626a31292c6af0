"""Lines of the log, for people."""
