"""Output of the commands: tables, live views, progress, JSON."""
