"""Bringing bytes to disk: download, verify, publish."""
