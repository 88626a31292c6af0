"""`log` and where it reads."""
