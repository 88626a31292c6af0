"""Stored files over HTTP, if `[http] files` allows it."""
