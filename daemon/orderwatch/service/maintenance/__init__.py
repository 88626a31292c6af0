"""Backups, retention, scrubbing and checks."""
