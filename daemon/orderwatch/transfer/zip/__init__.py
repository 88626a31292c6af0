"""Zip archives: their directory, verification and extraction."""
